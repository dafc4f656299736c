//! What the steps of a run are computed on. Streams are always recognised on the CPU: a few frames at a time are no work
//! for anything else.

use burn::tensor::Device;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What computes the steps of a run. All but the CPU must be built in (`--features wgpu,cuda`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The processor, with operations of our own; repeatable to the bit.
    #[default]
    Cpu,
    /// A graphics card through Vulkan, Metal or Direct3D.
    Wgpu,
    /// A graphics card of NVIDIA's.
    Cuda,
}

impl Backend {
    /// Whether it is the usual one.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// burn's device, without autodiff. Fails where this program was built without it, and says how it is built in.
    pub fn device(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err(Self::missing("wgpu")),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => Err(Self::missing("cuda")),
        }
    }

    #[cfg(not(all(feature = "wgpu", feature = "cuda")))]
    fn missing(name: &str) -> crate::Error {
        crate::Error::invalid(format!(
            "the backend {name} is not built in: build with `cargo build --release --features {name}`, or train on cpu"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there_and_others_say_how_they_are_built_in() {
        assert_eq!(Backend::Cpu.device().unwrap(), Device::flex());
        for (backend, name, is_there) in
            [(Backend::Wgpu, "wgpu", cfg!(feature = "wgpu")), (Backend::Cuda, "cuda", cfg!(feature = "cuda"))]
        {
            match backend.device() {
                Ok(device) => assert!(is_there && device != Device::flex()),
                Err(error) => assert!(!is_there && error.message.contains(&format!("--features {name}"))),
            }
        }
    }

    /// Needs a graphics card, or a driver that does without one.
    #[cfg(feature = "wgpu")]
    #[test]
    fn a_graphics_card_learns_as_the_processor_does() {
        use crate::dsp::mel::FeatureConfig;
        use crate::recognise::card::Card;
        use crate::train::step::{Learner, tests::batch};
        use crate::train::{parameters, rng::Rng, start};

        let words = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut card = Card::words("mine", words, FeatureConfig::speech(8_000));
        card.model.channels = 16;
        let learn = |backend| {
            let mut learner = Learner::new(start::network(&card, None, 3, backend).unwrap());
            let mut rng = Rng::new(3);
            let losses: Vec<f32> = (0..30).map(|_| learner.step(&batch(&mut rng), 5e-3).loss).collect();
            (losses, parameters::read(&learner.snapshot()))
        };
        let ((here, mine), (there, theirs)) = (learn(Backend::Cpu), learn(Backend::Wgpu));
        for (here, there) in here.iter().zip(&there) {
            assert!((here - there).abs() <= 1e-2 * here.abs().max(0.1), "{here} and {there}");
        }
        assert!(there[29] < 0.5 * there[0], "{there:?}");
        for (name, values) in &mine {
            let worst =
                values.values.iter().zip(&theirs[name].values).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(worst < 0.02, "{name}: {worst}");
        }
    }
}
