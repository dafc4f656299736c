use super::*;
use crate::ErrorKind;

const RATE: u32 = 44_100;

/// A file of `tests/data/formats`: left 440 Hz, right 660 Hz, half of full scale, a quarter second.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats").join(name)
}

fn decode_all(decoder: &mut Decoder) -> Vec<f32> {
    let mut all = Vec::new();
    while decoder.next_block(&mut all).expect("the file is sound") {}
    all
}

/// The amplitude of `frequency_hz` in `samples`, by correlation.
fn amplitude(samples: impl Iterator<Item = f32>, frequency_hz: f64) -> f64 {
    let (mut re, mut im, mut count) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.enumerate() {
        let phase = std::f64::consts::TAU * frequency_hz * n as f64 / f64::from(RATE);
        (re, im, count) = (re + f64::from(sample) * phase.cos(), im + f64::from(sample) * phase.sin(), count + 1.0);
    }
    2.0 * f64::hypot(re, im) / count
}

#[test]
fn every_format_gives_both_channels_at_their_level() {
    // Lossless files give exactly a quarter second; AAC keeps the encoder's delay and padding, Vorbis and MP3 trim them.
    for (name, frames, level_error) in [
        ("tone.flac", 11_025..=11_025, 0.002),
        ("tone-alac.m4a", 11_025..=11_025, 0.002),
        ("tone.mp3", 11_025..=11_025, 0.05),
        ("tone.ogg", 11_025..=11_025, 0.05),
        ("tone-aac.m4a", 11_025..=14_000, 0.05),
    ] {
        let mut decoder = Decoder::open(fixture(name)).expect(name);
        assert_eq!((decoder.sample_rate_hz(), decoder.channels()), (RATE, 2), "{name}");
        let samples = decode_all(&mut decoder);
        assert!(frames.contains(&(samples.len() / 2)), "{name} gave {} frames", samples.len() / 2);
        assert_eq!(decoder.damaged_blocks(), 0, "{name}");
        for (channel, frequency, other) in [(0, 440.0, 660.0), (1, 660.0, 440.0)] {
            let middle = || samples[channel..].iter().step_by(2).skip(3000).take(7000).copied();
            let (own, cross) = (amplitude(middle(), frequency), amplitude(middle(), other));
            assert!((own - 0.5).abs() < level_error, "{name}: channel {channel} has {own} of {frequency} Hz");
            assert!(cross < 0.05, "{name}: channel {channel} has {cross} of the other channel");
        }
    }
}

#[test]
fn wav_of_every_sample_format_keeps_its_values() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wave = |n: usize| (n as f32 * 0.37).sin() * 0.9;
    for (bits, format, tolerance) in [
        (8, hound::SampleFormat::Int, 1.0 / 127.0),
        (16, hound::SampleFormat::Int, 1.0 / 32_767.0),
        (24, hound::SampleFormat::Int, 1.0 / 8_388_607.0),
        (32, hound::SampleFormat::Float, 0.0),
    ] {
        let path = directory.path().join(format!("{bits}.wav"));
        let spec = hound::WavSpec { channels: 3, sample_rate: 96_000, bits_per_sample: bits, sample_format: format };
        let mut writer = hound::WavWriter::create(&path, spec).expect("a writer");
        for n in 0..3 * 5000 {
            match format {
                hound::SampleFormat::Float => writer.write_sample(wave(n)),
                hound::SampleFormat::Int => {
                    writer.write_sample((wave(n) * ((1_i64 << (bits - 1)) - 1) as f32).round() as i32)
                }
            }
            .expect("written");
        }
        writer.finalize().expect("finished");
        let mut decoder = Decoder::open(&path).expect("a sound file");
        assert_eq!((decoder.sample_rate_hz(), decoder.channels()), (96_000, 3));
        let samples = decode_all(&mut decoder);
        assert_eq!(samples.len(), 15_000);
        for (n, &sample) in samples.iter().enumerate() {
            assert!(
                (sample - wave(n)).abs() <= 1.5 * tolerance,
                "{bits} bits: sample {n} is {sample}, not {}",
                wave(n)
            );
        }
        let audio = read_audio(&path).expect("a sound file");
        assert_eq!((audio.samples.len(), audio.sample_rate_hz, audio.channels), (5000, 96_000, 3));
        let mean = samples[3..6].iter().sum::<f32>() / 3.0;
        assert_eq!(audio.samples[1], mean);
    }
}

#[test]
fn rewinding_gives_the_same_samples_again() {
    for name in ["tone.flac", "tone.mp3", "tone.ogg", "tone-aac.m4a"] {
        let mut decoder = Decoder::open(fixture(name)).expect(name);
        let first = decode_all(&mut decoder);
        decoder.rewind().expect(name);
        assert_eq!(first, decode_all(&mut decoder), "{name}");
    }
}

#[test]
fn memory_and_file_give_the_same() {
    let bytes = std::fs::read(fixture("tone.flac")).expect("the fixture");
    assert_eq!(read_audio_bytes("demo.flac", bytes), read_audio(fixture("tone.flac")));
}

#[test]
fn a_file_that_is_cut_off_is_read_as_far_as_it_goes() {
    for name in ["tone.flac", "tone.mp3", "tone.ogg"] {
        let bytes = std::fs::read(fixture(name)).expect("the fixture");
        let whole = read_audio_bytes(name, bytes.clone()).expect(name).samples;
        let cut = read_audio_bytes(name, &bytes[..bytes.len() * 9 / 10]).expect(name).samples;
        assert!(cut.len() > whole.len() / 4 && cut.len() < whole.len(), "{name}: {} of {}", cut.len(), whole.len());
        assert_eq!(cut[..2000], whole[..2000], "{name}");
    }
    // A WAV whose header promises more than there is, as a recorder leaves it that was killed.
    let mut wav = std::io::Cursor::new(Vec::new());
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::new(&mut wav, spec).expect("a writer");
    (0..4000_i16).for_each(|n| writer.write_sample(n).expect("written"));
    writer.finalize().expect("finished");
    let bytes = wav.into_inner();
    let cut = read_audio_bytes("cut.wav", &bytes[..44 + 2 * 1500 + 1]).expect("what is there can be read").samples;
    assert_eq!(cut.len(), 1500);
    assert_eq!(cut[1499], 1499.0 / 32_768.0);
}

#[test]
fn damage_anywhere_gives_an_error_or_sound_and_never_a_panic() {
    // A fixed sequence instead of a random one, so that a failure can be repeated.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    for name in ["tone.flac", "tone.mp3", "tone.ogg", "tone-aac.m4a", "tone-alac.m4a"] {
        let bytes = std::fs::read(fixture(name)).expect("the fixture");
        for round in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + round % 8 {
                // Every other round hits the header, where most can go wrong.
                let reach = if round % 2 == 0 { damaged.len() } else { damaged.len().min(200) };
                let place = next() % reach;
                damaged[place] = next() as u8;
            }
            if let Ok(audio) = read_audio_bytes(name, damaged) {
                assert!(audio.samples.iter().all(|sample| sample.is_finite()), "{name}, round {round}");
            }
        }
    }
}

#[test]
fn what_is_no_sound_file_says_what_it_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let mut silent =
        Vec::from(*b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    silent.extend([0; 4]);
    for (path, kind, says) in [
        (directory.path().join("none.wav"), ErrorKind::NotFound, "No such file"),
        (directory.path().to_owned(), ErrorKind::Invalid, "is a directory"),
        (PathBuf::from("/dev/null"), ErrorKind::Invalid, "is not a regular file"),
        (file("empty.wav", b""), ErrorKind::Invalid, "is empty (0 bytes)"),
        (file("text.wav", b"This is only text.\n"), ErrorKind::Invalid, "is not a sound file"),
        (file("header.wav", &silent), ErrorKind::Invalid, "holds no sound"),
        (fixture("no-sound.mp4"), ErrorKind::Invalid, "has no sound track"),
        (fixture("unknown-codec.ogg"), ErrorKind::Invalid, "codec"),
    ] {
        let error = read_audio(&path).expect_err(says);
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
        assert!(error.message.contains(&path.display().to_string()), "{error} names the file");
        if kind == ErrorKind::Invalid {
            assert!(error.message.contains("WAV, FLAC, MP3"), "{error} says what can be read");
        }
    }
}
