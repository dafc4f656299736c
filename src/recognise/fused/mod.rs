//! Two operations of our own for burn's CPU backend, each with its own derivative: the causal dilated convolution, and
//! LayerNorm with GELU.
//!
//! burn composes both of many tensor operations, each of which reads and writes the whole batch; here a row is read once
//! ([`conv`], [`norm`]). They enter burn through its extension point: a trait over backends that is implemented for the
//! plain backend (the computation) and for autodiff over it (the computation, and how its derivative is registered). On other
//! devices than the CPU the same operations are composed of burn's own (`composed.rs`).

mod composed;
pub mod conv;
mod machine;
pub mod norm;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Device, Tensor, TensorData};

use conv::ConvShape;

/// `input` `[batch, time, from]` convolved with `weight` `[kernel · from, to]`, the oldest shift first, plus `bias`
/// `[to]`. `padding` rows of zeros are imagined before each item; the output `[batch, time + padding - (kernel - 1) ·
/// dilation, to]` has a row for each that hears the whole kernel.
///
/// On the CPU it computes on the current rayon pool; any number of threads gives the same bits.
pub fn causal_conv(input: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, dilation: usize, padding: usize) -> Tensor<3> {
    if input.device() != Device::flex() {
        return composed::causal_conv(input, weight, bias, dilation, padding);
    }
    let (input, weight, bias) = (input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FusedOps>::causal_conv(input, weight, bias, dilation, padding))
}

/// `GELU(LayerNorm(input))` over the last axis, with `gamma` and `beta` of its length.
///
/// On the CPU it computes on the current rayon pool; any number of threads gives the same bits.
pub fn norm_gelu(input: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<3> {
    if input.device() != Device::flex() {
        return composed::norm_gelu(input, gamma, beta);
    }
    let (input, gamma, beta) = (input.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FusedOps>::norm_gelu(input, gamma, beta))
}

/// The operations as burn sees them: on tensors of 32-bit floats.
#[backend_extension(Flex, Autodiff)]
trait FusedOps: Backend {
    fn causal_conv(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        dilation: usize,
        padding: usize,
    ) -> FloatTensor<Self>;

    fn norm_gelu(input: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>) -> FloatTensor<Self>;
}

type Plain = FloatTensor<Flex>;

/// A tensor of `values` in the given shape.
fn plain(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>, like: &Plain) -> Plain {
    Flex::float_from_data(TensorData::new(values, shape.into()), &like.device())
}

/// The sizes of a convolution.
///
/// # Panics
/// When the shapes do not fit each other, as every operation of burn.
fn conv_shape(input: &Plain, weight: &Plain, dilation: usize, padding: usize) -> ConvShape {
    let ([batch, time, from], [rows, to]) = (input.shape().dims(), weight.shape().dims());
    assert!(
        from > 0 && to > 0 && rows > 0 && rows.is_multiple_of(from),
        "weights [kernel · {from}, to], not [{rows}, {to}]"
    );
    ConvShape { batch, time, from, to, kernel: rows / from, dilation, padding }
}

impl FusedOps for Flex {
    fn causal_conv(input: Plain, weight: Plain, bias: Plain, dilation: usize, padding: usize) -> Plain {
        let shape = conv_shape(&input, &weight, dilation, padding);
        let (input, weight, bias) = (input.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let output = conv::forward(shape, input.storage(), weight.storage(), bias.storage());
        plain(output, [shape.batch, shape.output_time(), shape.to], &input)
    }

    fn norm_gelu(input: Plain, gamma: Plain, beta: Plain) -> Plain {
        norm_gelu_plain(&input, &gamma, &beta, false).0
    }
}

fn norm_gelu_plain(input: &Plain, gamma: &Plain, beta: &Plain, is_tracked: bool) -> (Plain, Option<norm::Kept>) {
    let (rows, gamma, beta) = (input.to_contiguous(), gamma.to_contiguous(), beta.to_contiguous());
    let (output, kept) = norm::forward(rows.storage(), gamma.storage(), beta.storage(), is_tracked);
    (plain(output, input.shape(), input), kept)
}

/// How the convolution's derivative is found.
#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 3> for ConvBackward {
    /// Sizes, input and weights, both contiguous.
    type State = (ConvShape, Plain, Plain);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (shape, input, weight) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [by_input, by_weight, by_bias] = ops.parents;
        if let Some(node) = by_input {
            let values = conv::backward_input(shape, gradient.storage(), weight.storage());
            gradients.register::<Flex>(node.id, plain(values, input.shape(), &gradient));
        }
        if let Some(node) = by_weight {
            let values = conv::backward_weight(shape, input.storage(), gradient.storage());
            gradients.register::<Flex>(node.id, plain(values, weight.shape(), &gradient));
        }
        if let Some(node) = by_bias {
            let values = conv::backward_bias(shape, gradient.storage());
            gradients.register::<Flex>(node.id, plain(values, [shape.to], &gradient));
        }
    }
}

/// How the derivative of LayerNorm with GELU is found.
#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    /// What the forward pass kept, and gamma, contiguous.
    type State = (Arc<norm::Kept>, Plain);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let (kept, gamma) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let derivatives = norm::backward(&kept, gradient.storage(), gamma.storage());
        let [by_input, by_gamma, by_beta] = ops.parents;
        if let Some(node) = by_input {
            gradients.register::<Flex>(node.id, plain(derivatives.input, gradient.shape(), &gradient));
        }
        if let Some(node) = by_gamma {
            gradients.register::<Flex>(node.id, plain(derivatives.gamma, gamma.shape(), &gradient));
        }
        if let Some(node) = by_beta {
            gradients.register::<Flex>(node.id, plain(derivatives.beta, gamma.shape(), &gradient));
        }
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn causal_conv(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        dilation: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node(), bias.node()];
        let (input, weight, bias) = (input.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match ConvBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let shape = conv_shape(&input, &weight, dilation, padding);
                let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
                let output = Flex::causal_conv(input.clone(), weight.clone(), bias, dilation, padding);
                prepared.finish((shape, input, weight), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::causal_conv(input, weight, bias, dilation, padding)),
        }
    }

    fn norm_gelu(input: FloatTensor<Self>, gamma: FloatTensor<Self>, beta: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [input.node(), gamma.node(), beta.node()];
        let (input, gamma, beta) = (input.into_primitive(), gamma.into_primitive(), beta.into_primitive());
        match NormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (output, kept) = norm_gelu_plain(&input, &gamma, &beta, true);
                let kept = kept.expect("a tracked forward pass keeps what its backward pass needs");
                prepared.finish((Arc::new(kept), gamma.to_contiguous()), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::norm_gelu(input, gamma, beta)),
        }
    }
}

#[cfg(test)]
mod tests;
