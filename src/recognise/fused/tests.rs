use burn::nn::LayerNormConfig;
use burn::tensor::activation::gelu;
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Gradients};

use super::*;
use crate::train::rng::Rng;

fn random<const D: usize>(shape: [usize; D], seed: u64) -> TensorData {
    let mut rng = Rng::new(seed);
    TensorData::new((0..shape.iter().product()).map(|_| rng.normal()).collect::<Vec<f32>>(), shape)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Equal to 1e-4 of the largest value.
fn assert_close<const D: usize>(ours: Tensor<D>, burns: Tensor<D>, what: &str) {
    assert_eq!(ours.dims(), burns.dims(), "{what}");
    let (ours, burns) = (values(ours), values(burns));
    let largest = burns.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    let worst = ours.iter().zip(&burns).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(worst <= 1e-4 * largest, "{what}: {worst} of {largest}");
}

/// Random weights for each output, so that every part of a gradient counts.
fn backward<const D: usize>(output: &Tensor<D>) -> Gradients {
    let weights = Tensor::from_data(random(output.dims(), 99), &output.device());
    (output.clone() * weights).sum().backward()
}

/// burn's own convolution: channels before time, the kernel `[to, from, kernel]`.
fn burns_conv(input: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, dilation: usize, padding: usize) -> Tensor<3> {
    let ([batch, _, from], [rows, to]) = (input.dims(), weight.dims());
    let zeros = Tensor::<3>::zeros([batch, padding, from], &input.device());
    let padded = Tensor::cat(vec![zeros, input], 1).swap_dims(1, 2); // [batch, from, time]
    let kernel = weight.reshape([rows / from, from, to]).permute([2, 1, 0]); // [to, from, kernel]
    conv1d(padded, kernel, Some(bias), ConvOptions::new([1], [0], [dilation], 1)).swap_dims(1, 2)
}

#[test]
fn the_convolution_and_its_gradients_equal_burns() {
    let device = Device::flex().autodiff();
    // (batch, time, from, to, kernel, dilation, padding)
    let shapes = [
        (3, 23, 5, 7, 3, 2, 4),
        (2, 40, 80, 66, 2, 1, 1),
        (1, 9, 4, 3, 3, 8, 16),
        (2, 20, 6, 5, 3, 4, 0),
        (4, 6, 3, 11, 1, 1, 0),
    ];
    for (seed, (batch, time, from, to, kernel, dilation, padding)) in shapes.into_iter().enumerate() {
        let make = || {
            (
                Tensor::<3>::from_data(random([batch, time, from], seed as u64), &device).require_grad(),
                Tensor::<2>::from_data(random([kernel * from, to], 7), &device).require_grad(),
                Tensor::<1>::from_data(random([to], 8), &device).require_grad(),
            )
        };
        for our_conv in [causal_conv, composed::causal_conv] {
            let (ours, burns) = (make(), make());
            let our_output = our_conv(ours.0.clone(), ours.1.clone(), ours.2.clone(), dilation, padding);
            let output = burns_conv(burns.0.clone(), burns.1.clone(), burns.2.clone(), dilation, padding);
            assert_close(our_output.clone(), output.clone(), "output");
            let (by_ours, by_burns) = (backward(&our_output), backward(&output));
            assert_close(ours.0.grad(&by_ours).unwrap(), burns.0.grad(&by_burns).unwrap(), "by input");
            assert_close(ours.1.grad(&by_ours).unwrap(), burns.1.grad(&by_burns).unwrap(), "by weight");
            assert_close(ours.2.grad(&by_ours).unwrap(), burns.2.grad(&by_burns).unwrap(), "by bias");
        }
    }
}

#[test]
fn norm_with_gelu_and_its_gradients_equal_burns() {
    let device = Device::flex().autodiff();
    for (batch, time, channels) in [(3, 50, 128), (1, 7, 37), (2, 1, 16)] {
        let make = || {
            (
                Tensor::<3>::from_data(random([batch, time, channels], 3), &device).mul_scalar(2.5).require_grad(),
                Tensor::<1>::from_data(random([channels], 4), &device).require_grad(),
                Tensor::<1>::from_data(random([channels], 5), &device).require_grad(),
            )
        };
        for our_norm in [norm_gelu, composed::norm_gelu] {
            let (ours, burns) = (make(), make());
            let our_output = our_norm(ours.0.clone(), ours.1.clone(), ours.2.clone());
            let mut norm = LayerNormConfig::new(channels).init(&device);
            norm.gamma = burn::module::Param::from_tensor(burns.1.clone());
            norm.beta = Some(burn::module::Param::from_tensor(burns.2.clone()));
            let output = gelu(norm.forward(burns.0.clone()));
            assert_close(our_output.clone(), output.clone(), "output");
            let (by_ours, by_burns) = (backward(&our_output), backward(&output));
            assert_close(ours.0.grad(&by_ours).unwrap(), burns.0.grad(&by_burns).unwrap(), "by input");
            assert_close(ours.1.grad(&by_ours).unwrap(), norm.gamma.val().grad(&by_burns).unwrap(), "by gamma");
            assert_close(ours.2.grad(&by_ours).unwrap(), norm.beta.unwrap().val().grad(&by_burns).unwrap(), "by beta");
        }
    }
}

#[test]
fn what_does_not_learn_gets_no_gradient_and_views_are_read_as_they_lie() {
    let device = Device::flex().autodiff();
    let whole = Tensor::<3>::from_data(random([2, 30, 4], 1), &device);
    let weight = Tensor::<2>::from_data(random([6, 8], 2), &device).require_grad();
    let bias = Tensor::<1>::from_data(random([3], 3), &device);
    // A stretch of time, and the weights of another layout.
    let stretch = whole.clone().narrow(1, 5, 20);
    let output = causal_conv(stretch.clone(), weight.clone().narrow(0, 0, 3).transpose(), bias.clone(), 2, 2);
    let copied = Tensor::<3>::from_data(stretch.into_data(), &device);
    let expected = burns_conv(copied, weight.clone().narrow(0, 0, 3).transpose(), bias.clone(), 2, 2);
    assert_close(output.clone(), expected, "output");
    let gradients = backward(&output);
    assert!(weight.grad(&gradients).is_some() && bias.grad(&gradients).is_none() && whole.grad(&gradients).is_none());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let compute = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::flex().autodiff();
            let input = Tensor::<3>::from_data(random([5, 150, 96], 1), &device).require_grad();
            let weight = Tensor::<2>::from_data(random([3 * 96, 96], 2), &device).require_grad();
            let [bias, gamma, beta] =
                [3, 4, 5].map(|seed| Tensor::<1>::from_data(random([96], seed), &device).require_grad());
            let x = causal_conv(input.clone(), weight.clone(), bias.clone(), 4, 8);
            let output = norm_gelu(x, gamma.clone(), beta.clone());
            let gradients = backward(&output);
            let mut all = values(output);
            all.extend(values(input.grad(&gradients).unwrap()));
            all.extend(values(weight.grad(&gradients).unwrap()));
            [bias, gamma, beta].iter().for_each(|tensor| all.extend(values(tensor.grad(&gradients).unwrap())));
            all.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        })
    };
    let one = compute(1);
    assert!(one == compute(2) && one == compute(3));
}

#[test]
fn the_shipped_model_gives_what_burns_own_operations_give() {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let model = crate::models::ModelStore::new(assets, "none").load("digits").unwrap();
    let config = &model.card().model;
    let speech = crate::dsp::mel::tests::speech();
    let frames = crate::dsp::mel::LogMel::whole(&model.card().features, &speech).unwrap();
    let time = frames.len() / config.bands / config.stride;
    let device = Device::flex();
    let data = TensorData::new(frames.clone(), [1, frames.len() / config.bands, config.bands]);
    let ours = model.network().forward(Tensor::from_data(data, &device));

    let parameters = crate::train::parameters::read(model.network());
    let parameter = |name: &str| TensorData::new(parameters[name].values.clone(), parameters[name].shape.clone());
    let conv = |input, name: &str, dilation| {
        let weight = Tensor::<2>::from_data(parameter(&format!("{name}.weight")), &device);
        let bias = Tensor::from_data(parameter(&format!("{name}.bias")), &device);
        let [padding] = [(weight.dims()[0] / Tensor::<3>::dims(&input)[2] - 1) * dilation];
        burns_conv(input, weight, bias, dilation, padding)
    };
    let whole = frames[..time * config.stride * config.bands].to_vec();
    let stacked = Tensor::from_data(TensorData::new(whole, [1, time, config.stride * config.bands]), &device);
    let mut x = conv(stacked, "front", 1);
    for (block, &dilation) in config.dilations.iter().enumerate() {
        let mut norm = LayerNormConfig::new(config.channels).init(&device);
        let vector = |part: &str| {
            let tensor = Tensor::<1>::from_data(parameter(&format!("blocks.{block}.norm.{part}")), &device);
            burn::module::Param::from_tensor(tensor)
        };
        (norm.gamma, norm.beta) = (vector("gamma"), Some(vector("beta")));
        let y = gelu(norm.forward(conv(x.clone(), &format!("blocks.{block}.conv"), dilation)));
        x = x + conv(y, &format!("blocks.{block}.pointwise"), 1);
    }
    let burns = conv(x, "head", 1);
    let (ours, burns) = (values(ours), values(burns));
    let largest = burns.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let worst = ours.iter().zip(&burns).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(ours.len() == burns.len() && largest > 5.0 && worst <= 1e-5 * largest, "{worst} of {largest}");
}
