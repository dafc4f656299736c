//! What runs in the device's callback, and the link that leads out of it.
//!
//! The rules of this file: no lock, no allocation, no log, no system call, no loop without a bound. A block that does not
//! fit is left out whole and counted, and the next one that fits says how much is missing before it.

use cpal::{Data, FromSample, I24, InputCallbackInfo, Sample, SampleFormat, U24};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::source::Format;

/// A block that went through the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMark {
    /// Frames in the block.
    pub frames: u32,
    /// Frames that were left out just before it, because the link was full.
    pub missing_frames: u64,
    /// When the callback ran, nanoseconds on the device stream's clock.
    pub called_nanos: u64,
    /// How long before that the block's first frame was captured, as the device says, nanoseconds.
    pub latency_nanos: u64,
}

/// The callback's end of the link.
pub struct CaptureInput {
    samples: Producer<f32>,
    marks: Producer<BlockMark>,
    channels: usize,
    missing_frames: u64,
}

/// The pump's end of the link.
pub struct CaptureOutput {
    samples: Consumer<f32>,
    marks: Consumer<BlockMark>,
    channels: usize,
}

/// A link from the callback to the pump that holds `seconds` of sound in at most `blocks` blocks. Kind: all. When it is
/// full the newest block is left out and counted.
pub fn capture_link(format: Format, seconds: f64, blocks: usize) -> (CaptureInput, CaptureOutput) {
    let channels = usize::from(format.channels.max(1));
    let frames = (f64::from(format.sample_rate_hz) * seconds).ceil() as usize;
    let (samples_in, samples_out) = RingBuffer::new(frames.max(1) * channels);
    let (marks_in, marks_out) = RingBuffer::new(blocks.max(1));
    (
        CaptureInput { samples: samples_in, marks: marks_in, channels, missing_frames: 0 },
        CaptureOutput { samples: samples_out, marks: marks_out, channels },
    )
}

impl CaptureInput {
    /// Takes what the device hands over, in whatever form it comes.
    pub fn write_data(&mut self, data: &Data, info: &InputCallbackInfo) {
        let timestamp = info.timestamp();
        let latency = timestamp.callback.saturating_duration_since(timestamp.capture);
        let called_nanos = timestamp.callback.as_nanos() as u64;
        let latency_nanos = latency.as_nanos() as u64;
        macro_rules! write_as {
            ($($format:ident $sample:ty),*) => {
                match data.sample_format() {
                    $(SampleFormat::$format => match data.as_slice::<$sample>() {
                        Some(samples) => self.write(samples, called_nanos, latency_nanos),
                        None => self.leave_out(data.len()),
                    },)*
                    // No recording device speaks the rest (DSD).
                    _ => self.leave_out(data.len()),
                }
            };
        }
        write_as!(I8 i8, I16 i16, I24 I24, I32 i32, I64 i64, U8 u8, U16 u16, U24 U24, U32 u32, U64 u64, F32 f32, F64 f64);
    }

    /// Takes a block of interleaved samples of any type. `called_nanos` and `latency_nanos` are as in [`BlockMark`].
    pub fn write<T>(&mut self, samples: &[T], called_nanos: u64, latency_nanos: u64)
    where
        T: Sample,
        f32: FromSample<T>,
    {
        let frames = samples.len() / self.channels;
        if frames == 0 {
            return;
        }
        if self.marks.is_full() {
            return self.leave_out(samples.len());
        }
        let Ok(place) = self.samples.write_chunk_uninit(frames * self.channels) else {
            return self.leave_out(samples.len());
        };
        place.fill_from_iter(samples.iter().map(|&sample| f32::from_sample(sample)));
        let mark =
            BlockMark { frames: frames as u32, missing_frames: self.missing_frames, called_nanos, latency_nanos };
        self.missing_frames = 0;
        // There is room: this is the only writer, and it looked.
        let _ = self.marks.push(mark);
    }

    fn leave_out(&mut self, samples: usize) {
        self.missing_frames += (samples / self.channels) as u64;
    }
}

impl CaptureOutput {
    /// The next block's mark, if one waits. Follow it with [`CaptureOutput::read`].
    pub fn next_mark(&mut self) -> Option<BlockMark> {
        self.marks.pop().ok()
    }

    /// Appends the samples of the block whose mark was taken.
    pub fn read(&mut self, mark: BlockMark, out: &mut Vec<f32>) {
        // The samples were written before their mark, so they are there.
        if let Ok(block) = self.samples.read_chunk(mark.frames as usize * self.channels) {
            let (first, second) = block.as_slices();
            out.extend_from_slice(first);
            out.extend_from_slice(second);
            block.commit_all();
        }
    }

    /// Whether no block waits.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}
