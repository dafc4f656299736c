//! One optimisation step, and the learning rate over a run.

use burn::module::Module;
use burn::tensor::Device;

use super::batch::Batch;
use super::loss::{Window, batch_loss};
use super::parameters::{self, AdamW, read_gradients};
use crate::recognise::model::Network;

/// Highest learning rate, unless the run names one.
pub const LEARNING_RATE: f64 = 2e-3;

/// The learning rate over a run: a linear warm-up, then half a cosine down to a hundredth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl Schedule {
    /// The rate at `step` (from 0).
    pub fn rate(&self, step: u64) -> f64 {
        let warm_up = (self.steps / 20).clamp(1, 200);
        if step < warm_up {
            return self.peak * (step + 1) as f64 / warm_up as f64;
        }
        let along = (step - warm_up) as f64 / (self.steps.saturating_sub(warm_up)).max(1) as f64;
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * along.min(1.0)).cos();
        self.peak * (0.01 + 0.99 * cosine)
    }
}

/// A network that learns.
#[derive(Clone)]
pub struct Learner {
    /// The network, on a device with autodiff.
    pub network: Network,
    /// How it is moved.
    pub optimiser: AdamW,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// CTC loss, averaged over the batch.
    pub loss: f32,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f32,
}

impl Learner {
    /// A learner at the start.
    pub fn new(network: Network) -> Self {
        Self { network, optimiser: AdamW::default() }
    }

    /// Learns from `batch`. Computes on the rayon pool that it is called in.
    pub fn step(&mut self, batch: &Batch, learning_rate: f64) -> StepReport {
        let logits = self.network.forward(batch.tensor(&self.network.device())); // [items, frames / stride, classes]
        let stride = batch.shape[1] / logits.dims()[1].max(1);
        let windows: Vec<Vec<Window>> =
            batch.windows.iter().map(|item| item.iter().map(|w| w.strided(stride)).collect()).collect();
        let loss = batch_loss(logits, &batch.transcripts, &windows);
        let gradients = read_gradients(&self.network, &loss.carrier.backward());
        let network = self.network.clone();
        let (network, gradient_norm) = self.optimiser.update(network, &gradients, learning_rate as f32);
        self.network = network;
        StepReport { loss: loss.mean, gradient_norm }
    }

    /// The network for recognition: on the CPU, without autodiff, and with the running mean of the weights, which reads a
    /// little better than the newest.
    pub fn snapshot(&self) -> Network {
        let network = self.network.valid().to_device(&Device::flex());
        // Before the first update there is no mean.
        parameters::write(network.clone(), &self.optimiser.average).unwrap_or(network)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dsp::mel::FeatureConfig;
    use crate::recognise::model::ModelConfig;
    use crate::train::rng::Rng;

    #[test]
    fn the_rate_rises_then_falls_to_a_hundredth() {
        let schedule = Schedule { peak: 1e-3, steps: 1_000 };
        assert!((schedule.rate(0) - 2e-5).abs() < 1e-9);
        assert!((schedule.rate(49) - 1e-3).abs() < 1e-9);
        assert!((schedule.rate(999) - 1e-5).abs() < 1e-6);
        assert!((49..999).all(|step| schedule.rate(step + 1) <= schedule.rate(step)));
        assert!(Schedule { peak: 1.0, steps: 0 }.rate(0).is_finite());
    }

    /// Items of noise whose first half is louder in the bands of what is "said".
    pub(in crate::train) fn batch(rng: &mut Rng) -> Batch {
        let (mut features, mut transcripts) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let class = 1 + rng.below(3);
            for frame in 0..40 {
                for band in 0..40 {
                    let is_loud = (8..24).contains(&frame) && band / 10 == class;
                    features.push(0.3 * rng.normal() + if is_loud { 2.0 } else { 0.0 });
                }
            }
            transcripts.push(vec![class]);
        }
        Batch { features, shape: [8, 40, 40], transcripts, windows: Vec::new() }
    }

    #[test]
    fn steps_lower_the_loss_and_are_repeatable() {
        let config = ModelConfig { channels: 16, ..ModelConfig::words(&FeatureConfig::speech(8_000), 3) };
        let device = Device::flex().autodiff();
        let start = config.init(&device).unwrap();
        let learn = || {
            let (mut learner, mut rng) = (Learner::new(start.clone()), Rng::new(3));
            (0..60).map(|_| learner.step(&batch(&mut rng), 5e-3).loss).collect::<Vec<_>>()
        };
        let losses = learn();
        assert!(losses[0] > 3.0, "{losses:?}");
        assert!(losses[55..].iter().all(|&loss| loss < 0.7), "{losses:?}");
        assert_eq!(losses, learn());
    }
}
