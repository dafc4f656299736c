//! The capture callback allocates nothing: the allocator of this test's program refuses while it runs.

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use seseragi::source::{
    Format,
    microphone::callback::{CaptureInput, capture_link},
};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

fn run<T: cpal::SizedSample + Copy>(samples: &[T], channels: u16)
where
    f32: cpal::FromSample<T>,
{
    let format = Format { sample_rate_hz: 48_000, channels };
    let (mut input, mut output): (CaptureInput, _) = capture_link(format, 0.05, 8);
    // More blocks than fit, so that the way of leaving one out is taken, too.
    assert_no_alloc(|| {
        for n in 0..20 {
            input.write(samples, n * 10_000_000, 5_000_000);
        }
    });
    let (mut heard, mut frames) = (Vec::new(), 0);
    while let Some(mark) = output.next_mark() {
        assert_eq!(mark.missing_frames, 0);
        frames += mark.frames as usize;
        output.read(mark, &mut heard);
    }
    assert_eq!(heard.len(), frames * usize::from(channels));
    let kept = heard.len() / samples.len();
    assert!(kept > 0 && kept < 20, "{kept} blocks were kept");
    assert_no_alloc(|| input.write(samples, 300_000_000, 5_000_000));
    let mark = output.next_mark().expect("there is room again");
    let block_frames = samples.len() / usize::from(channels);
    assert_eq!(mark.missing_frames as usize, (20 - kept) * block_frames);
    assert_eq!((mark.called_nanos, mark.latency_nanos), (300_000_000, 5_000_000));
    // Afterwards memory may be had again: the assertion was not simply off.
    heard.reserve_exact(heard.capacity() + 1);
}

#[test]
fn the_callback_allocates_nothing_for_any_sample_format() {
    run(&[0_i16; 960], 2);
    run(&[0_i32; 480], 1);
    run(&[0.0_f32; 2880], 6);
    run(&[0_u8; 480], 1);
    run(&[0_i8; 480], 1);
    run(&[0_u16; 480], 1);
    run(&[0.0_f64; 480], 1);
}

#[test]
fn full_scale_is_one_and_middle_is_zero() {
    fn heard<T: cpal::SizedSample + Copy>(samples: &[T]) -> Vec<f32>
    where
        f32: cpal::FromSample<T>,
    {
        let (mut input, mut output) = capture_link(Format { sample_rate_hz: 1000, channels: 1 }, 1.0, 8);
        input.write(samples, 0, 0);
        let mut out = Vec::new();
        while let Some(mark) = output.next_mark() {
            output.read(mark, &mut out);
        }
        out
    }
    assert_eq!(
        heard(&[i16::MIN, -1, 0, 1, i16::MAX]),
        [-1.0, -1.0 / 32_768.0, 0.0, 1.0 / 32_768.0, 32_767.0 / 32_768.0]
    );
    assert_eq!(heard(&[i32::MIN, 0, 1 << 30]), [-1.0, 0.0, 0.5]);
    assert_eq!(heard(&[0_u8, 128, 192]), [-1.0, 0.0, 0.5]);
    assert_eq!(heard(&[0_u16, 32_768, 49_152]), [-1.0, 0.0, 0.5]);
    assert_eq!(heard(&[-1.5_f32, 0.25]), [-1.5, 0.25]);
}
