//! The causal dilated convolution and the residual block, over `[batch, time, channels]`.
//!
//! Both are made of the operations in [`fused`](super::fused). In a stream a layer is given its past (the inputs just
//! before the block) and leaves the past of the next block; without one it hears a whole sequence, before which there was
//! silence. The two are the same computation.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use super::fused::{causal_conv, norm_gelu};

/// A causal convolution over time: output `t` hears inputs `t`, `t - dilation`, `t - 2 · dilation` and so on.
#[derive(Module, Debug)]
pub struct CausalConv {
    /// One matrix `[channels in, channels out]` a shift, the oldest first, below each other.
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    kernel: usize,
    dilation: usize,
}

impl CausalConv {
    /// Random weights, uniform within `±1 / sqrt(kernel · channels in)`.
    pub fn new(from: usize, to: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        let bound = 1.0 / ((kernel * from) as f64).sqrt();
        let initializer = Initializer::Uniform { min: -bound, max: bound };
        let weight = initializer.init([kernel * from, to], device);
        Self { weight, bias: initializer.init([to], device), kernel, dilation }
    }

    /// The same linear map at each time.
    pub fn pointwise(from: usize, to: usize, device: &Device) -> Self {
        Self::new(from, to, 1, 1, device)
    }

    /// How many inputs before a block its outputs depend on.
    pub fn past_len(&self) -> usize {
        (self.kernel - 1) * self.dilation
    }

    /// Channels in.
    pub fn from(&self) -> usize {
        self.weight.dims()[0] / self.kernel
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.weight.device()
    }

    /// `input` `[batch, time, channels in]` and the `past_len` inputs before it, which the last inputs then replace, give
    /// `[batch, time, channels out]`. Without a past there was silence before.
    pub fn forward(&self, input: Tensor<3>, past: Option<&mut Tensor<3>>) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let Some(past) = past else { return causal_conv(input, weight, bias, self.dilation, self.past_len()) };
        let time = input.dims()[1];
        let joined = Tensor::cat(vec![past.clone(), input], 1); // [batch, past + time, channels in]
        *past = joined.clone().narrow(1, time, self.past_len()); // [batch, past, channels in]
        causal_conv(joined, weight, bias, self.dilation, 0) // [batch, time, channels out]
    }
}

/// What LayerNorm learns.
#[derive(Module, Debug)]
struct Norm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

/// `x + pointwise(GELU(LayerNorm(convolution(x))))`.
#[derive(Module, Debug)]
pub struct Block {
    conv: CausalConv,
    norm: Norm,
    pointwise: CausalConv,
}

impl Block {
    /// A block of random weights.
    pub fn new(channels: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        Self {
            conv: CausalConv::new(channels, channels, kernel, dilation, device),
            norm: Norm {
                gamma: Initializer::Ones.init([channels], device),
                beta: Initializer::Zeros.init([channels], device),
            },
            pointwise: CausalConv::pointwise(channels, channels, device),
        }
    }

    /// How many inputs before a block of time its outputs depend on.
    pub fn past_len(&self) -> usize {
        self.conv.past_len()
    }

    /// `[batch, time, channels]` and the past, as with [`CausalConv::forward`], give the same shape.
    pub fn forward(&self, input: Tensor<3>, past: Option<&mut Tensor<3>>) -> Tensor<3> {
        let x = self.conv.forward(input.clone(), past); // [batch, time, channels]
        let x = norm_gelu(x, self.norm.gamma.val(), self.norm.beta.val()); // [batch, time, channels]
        input + self.pointwise.forward(x, None) // [batch, time, channels]
    }
}
