//! The same two operations made of burn's own, for devices that have none of ours: any that burn computes on. burn finds
//! their derivatives by itself.

use burn::tensor::Tensor;
use burn::tensor::activation::gelu;

use super::norm::EPSILON;

/// As [`causal_conv`](super::causal_conv): one matrix product a shift, summed.
pub fn causal_conv(input: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, dilation: usize, padding: usize) -> Tensor<3> {
    let ([batch, time, from], [rows, to]) = (input.dims(), weight.dims());
    let silence = Tensor::<3>::zeros([batch, padding, from], &input.device());
    let padded = Tensor::cat(vec![silence, input], 1); // [batch, padding + time, from]
    let frames = (padding + time).saturating_sub((rows / from - 1) * dilation);
    let sum = bias.reshape([1, to]); // [1, to]
    let sum = (0..rows / from).fold(sum, |sum, shift| {
        let heard = padded.clone().narrow(1, shift * dilation, frames).reshape([batch * frames, from]);
        heard.matmul(weight.clone().narrow(0, shift * from, from)) + sum // [batch · frames, to]
    });
    sum.reshape([batch, frames, to])
}

/// As [`norm_gelu`](super::norm_gelu).
pub fn norm_gelu(input: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<3> {
    let distance = input.clone() - input.mean_dim(2); // [batch, time, channels]
    let variance = distance.clone().powf_scalar(2.0).mean_dim(2); // [batch, time, 1]
    let normal = distance / (variance + EPSILON).sqrt();
    gelu(normal * gamma.unsqueeze() + beta.unsqueeze())
}
