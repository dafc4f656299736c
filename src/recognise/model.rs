//! The network: a strided causal convolution, causal residual blocks, and one score for each token and the blank.
//!
//! After the temporal convolution network of Bai, Kolter and Koltun (2018), read out by connectionist temporal
//! classification (Graves et al. 2006). Class 0 is the blank, class `i + 1` is token `i`.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::decoding::Unit;
use super::layer::{Block, CausalConv};
use super::sizes::{self, Size};
use crate::dsp::mel::FeatureConfig;
use crate::{Error, Result};

/// Class of the blank among the network's outputs.
pub const BLANK: usize = 0;

/// The network's sizes. It is part of a model's card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Values of a feature frame.
    pub bands: usize,
    /// Channels inside.
    pub channels: usize,
    /// Shifts of each block's convolution.
    pub kernel: usize,
    /// Dilation of each block's convolution, in encoder frames.
    pub dilations: Vec<usize>,
    /// Feature frames to an encoder frame.
    pub stride: usize,
    /// Encoder frames' worth of feature frames that the front convolution hears.
    pub front_kernel: usize,
    /// Tokens; the outputs are one more, for the blank.
    pub tokens: usize,
}

impl ModelConfig {
    /// The usual size for words: about 300,000 parameters that hear 1.3 s at a hop of 10 ms.
    pub fn words(features: &FeatureConfig, tokens: usize) -> Self {
        sizes::config(Unit::Words, Size::M, features.bands, tokens)
    }

    /// Says what is wrong with the values, if anything is.
    pub fn validate(&self) -> Result<()> {
        let within = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("model: {name} is {value}, allowed are {least} to {most}")))
        };
        within("bands", self.bands, 1, 256)?;
        within("channels", self.channels, 1, 2_048)?;
        within("kernel", self.kernel, 2, 16)?;
        within("stride", self.stride, 1, 16)?;
        within("front_kernel", self.front_kernel, 2, 16)?;
        within("tokens", self.tokens, 1, 10_000)?;
        within("the number of dilations", self.dilations.len(), 1, 32)?;
        self.dilations.iter().try_for_each(|&dilation| within("a dilation", dilation, 1, 256))?;
        within("the receptive field in feature frames", self.receptive_frames(), 1, 3_000)
    }

    /// Feature frames that one output depends on.
    pub fn receptive_frames(&self) -> usize {
        let blocks: usize = self.dilations.iter().map(|dilation| (self.kernel - 1) * dilation).sum();
        (self.front_kernel + blocks) * self.stride
    }

    /// Outputs of the network: the blank and the tokens.
    pub fn classes(&self) -> usize {
        self.tokens + 1
    }

    /// A network of random weights; they come from the device's generator (`Device::seed`).
    pub fn init(&self, device: &Device) -> Result<Network> {
        self.validate()?;
        let block = |&dilation: &usize| Block::new(self.channels, self.kernel, dilation, device);
        Ok(Network {
            front: CausalConv::new(self.bands * self.stride, self.channels, self.front_kernel, 1, device),
            blocks: self.dilations.iter().map(block).collect(),
            head: CausalConv::pointwise(self.channels, self.classes(), device),
            bands: self.bands,
            stride: self.stride,
        })
    }
}

/// The encoder and its read-out.
#[derive(Module, Debug)]
pub struct Network {
    front: CausalConv,
    blocks: Vec<Block>,
    head: CausalConv,
    bands: usize,
    stride: usize,
}

/// What the layers remember of one lane's past.
#[derive(Clone, Debug)]
pub struct OnlineState {
    /// Feature frames that do not fill an encoder frame yet, `[frames, bands]`.
    pending: Vec<f32>,
    /// The past of the front convolution and of each block, each `[1, past, channels]`.
    pasts: Vec<Tensor<3>>,
}

impl Network {
    /// Whole feature sequences `[batch, time, bands]` give logits `[batch, time / stride, classes]`; what does not fill
    /// the last encoder frame is left out. Before its start, a sequence is taken to have been zeros.
    pub fn forward(&self, features: Tensor<3>) -> Tensor<3> {
        self.advance(features, None)
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.head.device()
    }

    /// The state of a lane that has heard nothing yet.
    pub fn online_state(&self) -> OnlineState {
        let device = self.device();
        let zeros = |len: usize, channels: usize| Tensor::<3>::zeros([1, len, channels], &device);
        let front = zeros(self.front.past_len(), self.front.from());
        let blocks = self.blocks.iter().map(|block| zeros(block.past_len(), self.head.from()));
        OnlineState { pending: Vec::new(), pasts: std::iter::once(front).chain(blocks).collect() }
    }

    /// Goes on from `state` with feature frames `[frames, bands]`, any number of them, and appends the logits of the
    /// encoder frames that they complete to `logits`, `[encoder frames, classes]`. Equal to [`Self::forward`] of all
    /// frames since the state was new.
    pub fn step(&self, state: &mut OnlineState, frames: &[f32], logits: &mut Vec<f32>) -> Result<()> {
        if !frames.len().is_multiple_of(self.bands) {
            let (len, bands) = (frames.len(), self.bands);
            return Err(Error::invalid(format!("{len} feature values are no whole number of frames of {bands} bands")));
        }
        state.pending.extend_from_slice(frames);
        let time = state.pending.len() / self.bands / self.stride * self.stride;
        if time == 0 {
            return Ok(());
        }
        let left_over = state.pending.split_off(time * self.bands);
        let block = std::mem::replace(&mut state.pending, left_over);
        let features = Tensor::<3>::from_data(TensorData::new(block, [1, time, self.bands]), &self.device());
        let block_logits = self.advance(features, Some(&mut state.pasts)).into_data().try_to_vec::<f32>();
        logits.extend(block_logits.map_err(|e| Error::internal(format!("cannot read the network's outputs: {e:?}")))?);
        Ok(())
    }

    /// `pasts` are those of the front convolution and of each block; without them there was silence before.
    fn advance(&self, features: Tensor<3>, pasts: Option<&mut [Tensor<3>]>) -> Tensor<3> {
        let [batch, time, bands] = features.dims();
        let frames = time / self.stride;
        let features = features.narrow(1, 0, frames * self.stride); // [batch, frames · stride, bands]
        let x = features.reshape([batch, frames, self.stride * bands]); // [batch, frames, stride · bands]
        let mut pasts = pasts.map(|pasts| pasts.iter_mut());
        let mut next_past = || pasts.as_mut().and_then(Iterator::next);
        let mut x = self.front.forward(x, next_past()); // [batch, frames, channels]
        for block in &self.blocks {
            x = block.forward(x, next_past()); // [batch, frames, channels]
        }
        self.head.forward(x, None) // [batch, frames, classes]
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::Gradients;
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::mel::LogMel;

    fn config() -> ModelConfig {
        ModelConfig { channels: 24, ..ModelConfig::words(&FeatureConfig::speech(8_000), 5) }
    }

    fn noise(len: usize, mut state: u32) -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 32_768.0 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    fn offline(network: &Network, frames: &[f32], bands: usize) -> Vec<f32> {
        let data = TensorData::new(frames.to_vec(), [1, frames.len() / bands, bands]);
        network.forward(Tensor::from_data(data, &Device::flex())).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_words_network_has_the_sizes_it_promises() {
        let config = ModelConfig::words(&FeatureConfig::speech(8_000), 10);
        let network = config.init(&Device::flex()).unwrap();
        let parameters = network.num_params();
        assert!((280_000..320_000).contains(&parameters), "{parameters} parameters");
        assert_eq!(config.receptive_frames(), 128);
    }

    #[test]
    fn outputs_depend_on_the_receptive_field_and_on_nothing_later() {
        let config = config();
        let network = config.init(&Device::flex()).unwrap();
        let (bands, classes, total) = (config.bands, config.classes(), 240);
        let frames = noise(total * bands, 7);
        let before = offline(&network, &frames, bands);
        let at = 82; // In encoder frame 20.
        let mut changed = frames.clone();
        changed[at * bands..(at + 1) * bands].fill(3.0);
        let after = offline(&network, &changed, bands);
        let differs: Vec<usize> = (0..total / config.stride)
            .filter(|f| before[f * classes..(f + 1) * classes] != after[f * classes..(f + 1) * classes])
            .collect();
        let reach = config.receptive_frames() / config.stride;
        assert_eq!((differs.first(), differs.last()), (Some(&20), Some(&(20 + reach - 1))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn streamed_equals_offline_for_any_cutting(cuts in prop::collection::vec(0usize..40, 1..20), seed in 0u32..99) {
            let config = config();
            let network = config.init(&Device::flex()).unwrap();
            let total: usize = cuts.iter().sum::<usize>() + config.stride;
            let frames = noise(total * config.bands, seed);
            let expected = offline(&network, &frames, config.bands);
            let (mut state, mut streamed, mut rest) = (network.online_state(), Vec::new(), &frames[..]);
            for len in cuts {
                let (block, tail) = rest.split_at(len * config.bands);
                network.step(&mut state, block, &mut streamed).unwrap();
                rest = tail;
            }
            network.step(&mut state, rest, &mut streamed).unwrap();
            prop_assert_eq!(expected.len(), streamed.len());
            for (a, b) in expected.iter().zip(&streamed) {
                prop_assert!((a - b).abs() <= 1e-5, "{} and {}", a, b);
            }
        }
    }

    #[test]
    fn streamed_equals_offline_on_real_recordings() {
        let features = FeatureConfig::speech(8_000);
        let config = ModelConfig::words(&features, 10);
        let network = config.init(&Device::flex()).unwrap();
        let speech = crate::dsp::mel::tests::speech();
        let frames = LogMel::whole(&features, &speech).unwrap();
        let expected = offline(&network, &frames, config.bands);
        assert!(expected.len() > 100 * config.classes());
        for block in [1, 3, 4, 7, 12, 40, 400] {
            let (mut state, mut streamed) = (network.online_state(), Vec::new());
            for frames in frames.chunks(block * config.bands) {
                network.step(&mut state, frames, &mut streamed).unwrap();
            }
            let differences = expected.iter().zip(&streamed).map(|(a, b)| (a - b).abs());
            let largest = differences.fold(0.0, f32::max);
            assert!(streamed.len() == expected.len() && largest <= 1e-5, "blocks of {block}: {largest}");
        }
    }

    #[test]
    fn every_parameter_learns() {
        let config = config();
        let device = Device::flex().autodiff();
        let network = config.init(&device).unwrap();
        let data = TensorData::new(noise(2 * 120 * config.bands, 3), [2, 120, config.bands]);
        let logits = network.forward(Tensor::from_data(data, &device));
        assert_eq!(logits.dims(), [2, 30, config.classes()]);
        let gradients = logits.powf_scalar(2.0).sum().backward();
        let mut seen = Learnt { gradients, parameters: 0, moved: 0 };
        network.visit(&mut seen);
        assert!(seen.parameters > 20);
        assert_eq!(seen.moved, seen.parameters, "parameters with a gradient");
    }

    struct Learnt {
        gradients: Gradients,
        parameters: usize,
        moved: usize,
    }

    impl ModuleVisitor for Learnt {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.parameters += 1;
            let gradient = param.val().grad(&self.gradients);
            self.moved += usize::from(gradient.is_some_and(|g| g.abs().sum().into_scalar::<f32>() > 0.0));
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let bad = ModelConfig { kernel: 0, ..config() };
        assert!(bad.init(&Device::flex()).unwrap_err().message.contains("kernel is 0, allowed are 2 to 16"));
        let network = config().init(&Device::flex()).unwrap();
        let error = network.step(&mut network.online_state(), &[0.0; 41], &mut Vec::new()).unwrap_err();
        assert!(error.message.contains("41 feature values"), "{error}");
    }
}
