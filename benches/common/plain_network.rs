//! The same network as people write it with burn's own layers, for comparison.

use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use seseragi::recognise::model::ModelConfig;

/// How the causal convolution is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `Conv1d`, on channels before time.
    Conv1d,
    /// One `Linear` a shift, on time before channels, summed.
    Shifts,
}

#[derive(Module, Debug)]
enum Conv {
    Conv1d(Conv1d),
    Shifts(Vec<Linear>),
}

#[derive(Module, Debug)]
struct Causal {
    conv: Conv,
    kernel: usize,
    dilation: usize,
}

impl Causal {
    fn new(form: Form, from: usize, to: usize, kernel: usize, dilation: usize, device: &Device) -> Self {
        let conv = match form {
            Form::Conv1d => {
                let config = Conv1dConfig::new(from, to, kernel).with_dilation(dilation);
                Conv::Conv1d(config.with_padding(PaddingConfig1d::Valid).init(device))
            }
            Form::Shifts => Conv::Shifts((0..kernel).map(|_| LinearConfig::new(from, to).init(device)).collect()),
        };
        Self { conv, kernel, dilation }
    }

    /// `[batch, time, from]` gives `[batch, time, to]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, time, from] = x.dims();
        let silence = Tensor::zeros([batch, (self.kernel - 1) * self.dilation, from], &x.device());
        let x = Tensor::cat(vec![silence, x], 1);
        match &self.conv {
            Conv::Conv1d(conv) => conv.forward(x.swap_dims(1, 2)).swap_dims(1, 2),
            Conv::Shifts(shifts) => {
                let term = |(i, shift): (usize, &Linear)| shift.forward(x.clone().narrow(1, i * self.dilation, time));
                shifts.iter().enumerate().map(term).reduce(|sum, term| sum + term).expect("a kernel has shifts")
            }
        }
    }
}

#[derive(Module, Debug)]
struct Block {
    conv: Causal,
    norm: LayerNorm,
    pointwise: Linear,
}

/// The network.
#[derive(Module, Debug)]
pub struct PlainNetwork {
    front: Causal,
    blocks: Vec<Block>,
    head: Linear,
    stride: usize,
}

impl PlainNetwork {
    /// A network of the same sizes as `config.init(device)`.
    pub fn new(form: Form, config: &ModelConfig, device: &Device) -> Self {
        let channels = config.channels;
        let block = |&dilation: &usize| Block {
            conv: Causal::new(form, channels, channels, config.kernel, dilation, device),
            norm: LayerNormConfig::new(channels).init(device),
            pointwise: LinearConfig::new(channels, channels).init(device),
        };
        Self {
            front: Causal::new(form, config.bands * config.stride, channels, config.front_kernel, 1, device),
            blocks: config.dilations.iter().map(block).collect(),
            head: LinearConfig::new(channels, config.classes()).init(device),
            stride: config.stride,
        }
    }

    /// `[batch, time, bands]` gives `[batch, time / stride, classes]`.
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        let [batch, time, bands] = features.dims();
        let frames = time / self.stride;
        let x = features.narrow(1, 0, frames * self.stride).reshape([batch, frames, self.stride * bands]);
        let mut x = self.front.forward(x);
        for block in &self.blocks {
            let y = gelu(block.norm.forward(block.conv.forward(x.clone())));
            x = x + block.pointwise.forward(y);
        }
        self.head.forward(x)
    }
}
