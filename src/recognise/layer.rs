//! The causal dilated convolution and the residual block, over `[batch, time, channels]`.
//!
//! Written as one matrix product a shift, summed, which on the CPU backend is much cheaper than a general
//! convolution. A layer is given its past (the inputs just before the block) and hands back the past of the next
//! block: offline is the same computation with a past of zeros.

use burn::module::{Initializer, Module};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

/// A causal convolution over time: output `t` hears inputs `t`, `t - dilation`, `t - 2 · dilation` and so on.
#[derive(Module, Debug)]
pub struct CausalConv {
    /// One matrix `[channels in, channels out]` a shift, the oldest first; the last has the bias.
    shifts: Vec<Linear>,
    dilation: usize,
}

impl CausalConv {
    /// Random weights, uniform within `±1 / sqrt(kernel · channels in)`.
    pub fn new(from: usize, to: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        let bound = 1.0 / ((kernel * from) as f64).sqrt();
        let initializer = Initializer::Uniform { min: -bound, max: bound };
        let shift = |i| {
            LinearConfig::new(from, to).with_bias(i + 1 == kernel).with_initializer(initializer.clone()).init(device)
        };
        Self { shifts: (0..kernel).map(shift).collect(), dilation }
    }

    /// How many inputs before a block its outputs depend on.
    pub fn past_len(&self) -> usize {
        (self.shifts.len() - 1) * self.dilation
    }

    /// `input` `[batch, time, channels in]` and the `past_len` inputs before it give `[batch, time, channels out]` and
    /// the next block's past.
    pub fn forward(&self, input: Tensor<3>, past: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let time = input.dims()[1];
        let joined = Tensor::cat(vec![past, input], 1); // [batch, past + time, channels in]
        let next_past = joined.clone().narrow(1, time, self.past_len()); // [batch, past, channels in]
        let mut terms = self.shifts.iter().enumerate().map(|(i, shift)| {
            shift.forward(joined.clone().narrow(1, i * self.dilation, time)) // [batch, time, channels out]
        });
        let first = terms.next().expect("a kernel has at least one shift: ModelConfig::validate");
        (terms.fold(first, |sum, term| sum + term), next_past)
    }
}

/// `x + pointwise(GELU(LayerNorm(convolution(x))))`.
#[derive(Module, Debug)]
pub struct Block {
    conv: CausalConv,
    norm: LayerNorm,
    pointwise: Linear,
}

impl Block {
    /// A block of random weights.
    pub fn new(channels: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        Self {
            conv: CausalConv::new(channels, channels, kernel, dilation, device),
            norm: LayerNormConfig::new(channels).init(device),
            pointwise: LinearConfig::new(channels, channels).init(device),
        }
    }

    /// How many inputs before a block of time its outputs depend on.
    pub fn past_len(&self) -> usize {
        self.conv.past_len()
    }

    /// `[batch, time, channels]` and the past give the same shape and the next past.
    pub fn forward(&self, input: Tensor<3>, past: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let (x, next_past) = self.conv.forward(input.clone(), past); // [batch, time, channels]
        let x = gelu(self.norm.forward(x)); // [batch, time, channels]
        (input + self.pointwise.forward(x), next_past) // [batch, time, channels]
    }
}
