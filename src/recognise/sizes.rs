//! The sizes that networks come in: `assets/config/sizes.ron`.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::decoding::Unit;
use super::model::ModelConfig;

const SIZES: &str = include_str!("../../assets/config/sizes.ron");

/// How large a network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Size {
    /// A quarter of the usual cost.
    S,
    /// The usual one.
    #[default]
    M,
    /// For many words and hours of sound.
    L,
}

impl Size {
    /// Whether it is the usual one.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sizes {
    words: BTreeMap<Size, Shape>,
    characters: BTreeMap<Size, Shape>,
}

/// What a size fixes of a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    channels: usize,
    kernel: usize,
    dilations: Vec<usize>,
    stride: usize,
    front_kernel: usize,
}

/// The network of this size for `tokens` of this unit over features of `bands`.
pub fn config(unit: Unit, size: Size, bands: usize, tokens: usize) -> ModelConfig {
    let mut sizes: Sizes = ron::from_str(SIZES).expect("the shipped sizes are read by a test of this file");
    let shapes = if unit == Unit::Words { &mut sizes.words } else { &mut sizes.characters };
    let Shape { channels, kernel, dilations, stride, front_kernel } =
        shapes.remove(&size).expect("the shipped sizes are all there, by a test of this file");
    ModelConfig { bands, channels, kernel, dilations, stride, front_kernel, tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_of_every_unit_is_there_and_can_be_used() {
        for unit in [Unit::Words, Unit::Characters] {
            let channels = [Size::S, Size::M, Size::L].map(|size| {
                let config = config(unit, size, 40, 10);
                config.validate().unwrap();
                assert!(config.receptive_frames() >= 120, "{unit:?} {size}");
                config.channels
            });
            assert!(channels.is_sorted());
        }
    }
}
