//! What each setting may be: deserializers that refuse the rest and say what is allowed.

use serde::{Deserialize, Deserializer, de};

use super::LaneConfig;

/// A deserializer that refuses what lies outside `$range` and says what is allowed.
macro_rules! within {
    ($name:ident, $type:ty, $range:expr, $unit:literal) => {
        pub(super) fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
            let value = <$type>::deserialize(deserializer)?;
            let range = $range;
            if range.contains(&value) {
                return Ok(value);
            }
            Err(de::Error::custom(format_args!(
                "{} is {value}; allowed is {} to {} {}",
                stringify!($name),
                range.start(),
                range.end(),
                $unit
            )))
        }
    };
}

within!(gain_db, f32, -60.0..=60.0, "dB");
within!(sample_rate_hz, u32, 8_000..=96_000, "Hz");
within!(history_secs, u32, 10..=7_200, "seconds");
within!(history_mib, usize, 16..=65_536, "MiB");
within!(epochs, u32, 1..=10_000, "epochs");
within!(batch_size, u32, 1..=256, "scenes");
within!(threads, usize, 1..=64, "threads");
within!(window_side, u32, 320..=16_384, "pixels");
within!(fps, u32, 1..=240, "frames a second");
within!(span_secs, f32, 1.0..=600.0, "seconds");
within!(level_db, f32, -160.0..=20.0, "dBFS");
within!(volume_db, f32, -60.0..=6.0, "dB");
within!(past_secs, u32, 0..=600, "seconds");
within!(segment_minutes, u32, 1..=1_440, "minutes");
within!(hop, usize, 32..=8_192, "samples");

pub(super) fn fft_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = usize::deserialize(deserializer)?;
    if (256..=8_192).contains(&value) && value.is_power_of_two() {
        return Ok(value);
    }
    Err(de::Error::custom(format_args!("fft_size is {value}; allowed is a power of two from 256 to 8192 samples")))
}

pub(super) fn bit_depth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        bits @ (16 | 24) => Ok(bits),
        bits => Err(de::Error::custom(format_args!("bit_depth is {bits}; allowed is 16 or 24"))),
    }
}

pub(super) fn lanes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LaneConfig>, D::Error> {
    let lanes = Vec::<LaneConfig>::deserialize(deserializer)?;
    if lanes.is_empty() || lanes.len() > crate::stream::MAX_STREAMS {
        let most = crate::stream::MAX_STREAMS;
        return Err(de::Error::custom(format_args!("there are {} lanes; allowed is 1 to {most}", lanes.len())));
    }
    for (i, lane) in lanes.iter().enumerate() {
        if lanes[..i].iter().any(|earlier| earlier.key == lane.key) {
            return Err(de::Error::custom(format_args!("two lanes are called \"{}\"; a key names one lane", lane.key)));
        }
    }
    Ok(lanes)
}
