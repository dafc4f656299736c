//! Lanes of 24 bits: the lower 8 lie in the file beside the upper 16, which are the sound that everybody hears and other programs play.

use std::ops::Range;

use prost::Message as _;

use super::{
    reader::{SessionFile, sample_at, time_of},
    schema::{Content, LowerBits},
    writer::{SessionWriter, timestamp},
};
use crate::Result;

/// Lower bits that fill no message yet, from this sample on.
#[derive(Default)]
pub(super) struct LowerWriter {
    first: u64,
    values: Vec<u8>,
}

impl SessionWriter {
    /// Adds the lower 8 bits of samples of a lane of 24; [`sound`](Self::sound) gets the upper 16. A lane of 16 has none, and what is
    /// missing is 0.
    pub fn lower_bits(&mut self, lane: usize, first_sample: u64, values: &[u8]) -> Result<()> {
        if self.lane(lane).bit_depth <= 16 {
            return Ok(());
        }
        let message = self.message_len(lane);
        let waiting = &self.lanes[lane].lower;
        if first_sample != waiting.first + waiting.values.len() as u64 {
            self.write_lower(lane, None)?;
            self.lanes[lane].lower.first = first_sample;
        }
        self.lanes[lane].lower.values.extend_from_slice(values);
        self.write_lower(lane, Some(message))
    }

    /// Writes them in messages of `len` samples, or all there are as one.
    pub(super) fn write_lower(&mut self, lane: usize, len: Option<usize>) -> Result<()> {
        let waiting = &mut self.lanes[lane];
        let len = len.unwrap_or(waiting.lower.values.len());
        while len > 0 && self.lanes[lane].lower.values.len() >= len {
            let lane = &mut self.lanes[lane];
            let log_time = time_of(&lane.record, lane.lower.first);
            let values: Vec<u8> = lane.lower.values.drain(..len).collect();
            lane.lower.first += len as u64;
            let channel = lane.channels[&Content::Lower];
            let message = LowerBits { v: 1, timestamp: Some(timestamp(log_time)), values };
            self.write(channel, log_time, &message.encode_to_vec())?;
        }
        Ok(())
    }
}

impl SessionFile {
    /// Appends the samples of `range` on the lane's clock to `out`, as numbers of 24 bits; zeros where nothing was recorded. A lane of
    /// 16 bits has zeros in the lower 8.
    ///
    /// # Errors
    /// As of [`sound`](Self::sound).
    pub fn sound_24(&self, lane: usize, range: Range<u64>, out: &mut Vec<i32>) -> Result<()> {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        self.sound(lane, range.clone(), &mut upper)?;
        self.lower_bits(lane, range, &mut lower)?;
        out.extend(upper.iter().zip(lower).map(|(&upper, lower)| i32::from(upper) * 256 + i32::from(lower)));
        Ok(())
    }

    /// Appends the lower 8 bits of the samples of `range`; zeros where there are none.
    ///
    /// # Errors
    /// For a lane that does not exist.
    pub fn lower_bits(&self, lane: usize, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let record = self.info(lane)?.record.clone();
        let begin = out.len();
        out.resize(begin + range.end.saturating_sub(range.start) as usize, 0);
        // A message that begins before the range may reach into it.
        let early = u64::from(record.sample_rate_hz);
        self.each(Some(lane), Content::Lower, range.start.saturating_sub(early)..range.end, |message| {
            let bits = LowerBits::decode(&*message.data).map_err(|error| format!("lower bits: {error}"))?;
            let first = sample_at(&record, message.log_time);
            let seen = (first..).zip(bits.values).skip(range.start.saturating_sub(first) as usize);
            for (at, value) in seen.take_while(|(at, _)| *at < range.end) {
                out[begin + (at - range.start) as usize] = value;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SessionFile, recover, tests::*, writer::SessionWriter};

    #[test]
    fn all_24_bits_come_back_also_from_a_file_that_was_cut_off() {
        let sample = |i: u64| (i.wrapping_mul(2_654_435_761) >> 8) as i32 % 8_388_608;
        let mut writer = SessionWriter::new(&program(), 0).unwrap();
        let lane = writer.add_lane(super::super::records::LaneRecord { bit_depth: 24, ..lane("a") }).unwrap();
        let mut bytes = Vec::new();
        for at in (500..40_500).step_by(160).filter(|at| !(8_000..9_000).contains(at)) {
            let samples: Vec<i32> = (at..at + 160).map(sample).collect();
            let upper: Vec<i16> = samples.iter().map(|&sample| (sample >> 8) as i16).collect();
            let lower: Vec<u8> = samples.iter().map(|&sample| sample as u8).collect();
            writer.sound(lane, at, &upper).unwrap();
            writer.lower_bits(lane, at, &lower).unwrap();
            if at % 8_000 < 160 {
                writer.cut().unwrap();
                bytes.extend(writer.take_bytes());
            }
        }
        let cut_off = bytes.clone();
        bytes.extend(writer.finish().unwrap());
        for bytes in [bytes, cut_off] {
            let (_folder, path) = saved(&bytes);
            recover(&path).unwrap();
            let file = SessionFile::open(&path).unwrap();
            assert!(file.check().is_empty() && file.faults().is_empty() && file.is_finished());
            let range = file.lanes()[0].range();
            assert!(range.start == 500 && range.end > 30_000);
            let gap = &file.gaps(0).unwrap()[0];
            let missing = gap.at_sample..gap.at_sample + gap.len_samples;
            let mut read = Vec::new();
            file.sound_24(0, range.clone(), &mut read).unwrap();
            for (at, &found) in range.zip(&read) {
                let expected = if missing.contains(&at) { 0 } else { sample(at) };
                assert_eq!(found, expected, "sample {at}");
            }
        }
    }
}
