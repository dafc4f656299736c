//! Clips with labels joined to streams with transcripts: a dataset in LJSpeech's form, to learn texts from.

use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{Clip, Dataset, Listing, Loader, Split, spelt};
use crate::train::checkpoint::write_atomically;
use crate::train::rng::Rng;
use crate::{Error, Result};

/// Silence before the first word and behind the last one.
const EDGE_SECS: f32 = 0.15;
/// The shortest and the longest silence between two words.
const GAP_SECS: (f32, f32) = (0.05, 0.6);

/// What to join.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joining {
    /// Streams to make.
    pub streams: usize,
    /// The length of a stream, in seconds, that is not passed.
    pub secs: f32,
    /// Decides words and gaps.
    pub seed: u64,
}

/// Joins clips of the dataset at `root`, which has labels, to streams in the new folder `out`. Says how many words were joined.
///
/// Clips of the test split are never heard: they stay for the test. A stream whose name falls into the train split is made of
/// clips of that split, and the others of validation clips. A stream's length is drawn, so that short texts are learnt, too.
pub fn join(root: &Path, out: &Path, joining: Joining) -> Result<usize> {
    if !(1..=1_000_000).contains(&joining.streams) || !(1.0..=super::load::LONGEST_TEXT_SECS).contains(&joining.secs) {
        let most = super::load::LONGEST_TEXT_SECS;
        return Err(Error::invalid(format!("join 1 to 1000000 streams of 1 to {most} s")));
    }
    if out.exists() {
        return Err(Error::invalid(format!("{} is there already: name a new folder", out.display())));
    }
    let mut listing = Listing::scan(&[root.to_path_buf()])?;
    if listing.spelling.is_some() {
        return Err(Error::invalid(format!("the dataset {} has texts already", listing.name)));
    }
    listing.files.retain(|file| file.label.is_some() && file.split != Split::Test);
    let rate = crate::train::run::natural_rate(&listing);
    let dataset = Loader::new(listing, rate).finish()?;
    let (mut table, mut count) = (String::new(), 0);
    for number in 0..joining.streams {
        let id = format!("stream-{number:06}");
        let split = match Split::of_name(&format!("{id}.wav")) {
            Split::Train => Split::Train,
            Split::Validation | Split::Test => Split::Validation,
        };
        let (samples, words) = stream(&dataset, split, joining, number)?;
        count += words.len();
        table.push_str(&format!("{id}|{}\n", words.join(" ")));
        write(&out.join("wavs").join(format!("{id}.wav")), rate, &samples)?;
    }
    let path = out.join("metadata.csv");
    write_atomically(&path, table.as_bytes())
        .map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))?;
    Ok(count)
}

/// The stream `number`: its sound, and its words as they are spelt.
fn stream(dataset: &Dataset, split: Split, joining: Joining, number: usize) -> Result<(Vec<i16>, Vec<String>)> {
    let clips: Vec<&Clip> = dataset.split(split).collect();
    if clips.is_empty() {
        let name = &dataset.name;
        return Err(Error::invalid(format!("the dataset {name} has no {split:?} clips: add more clips of each label")));
    }
    let rate = dataset.sample_rate_hz as f32;
    let mut rng = Rng::at(joining.seed, number as u64, 0);
    let most = (rng.between(0.2, 1.0) * joining.secs * rate) as usize;
    let mut samples = vec![0; (EDGE_SECS * rate) as usize];
    let edge = samples.len();
    let mut words = Vec::new();
    loop {
        let clip = clips[rng.below(clips.len())];
        let gap = (rng.between(GAP_SECS.0, GAP_SECS.1) * rate) as usize;
        if !words.is_empty() && samples.len() + gap + clip.samples.len() + edge > most {
            break;
        }
        if !words.is_empty() {
            samples.resize(samples.len() + gap, 0);
        }
        samples.extend_from_slice(&clip.samples);
        words.push(spelt(&dataset.labels[clip.label]));
    }
    samples.resize(samples.len() + edge, 0);
    Ok((samples, words))
}

fn write(path: &Path, rate: u32, samples: &[i16]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("cannot write {}: {error}", path.display()));
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).map_err(|error| failed(&error))?;
    samples.iter().try_for_each(|&sample| writer.write_sample(sample)).map_err(|error| failed(&error))?;
    writer.finalize().map_err(|error| failed(&error))?;
    write_atomically(path, bytes.get_ref())
        .map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::dataset::{Form, Survey};
    use crate::train::test_data::write_tones;

    #[test]
    fn streams_are_a_dataset_with_transcripts_and_hear_no_test_clip() {
        let folder = tempfile::tempdir().unwrap();
        let (root, out) = (folder.path().join("tones"), folder.path().join("joined"));
        write_tones(&root, &["low", "turn on"], 24);
        let joining = Joining { streams: 30, secs: 3.0, seed: 1 };
        let words = join(&root, &out, joining).unwrap();
        assert!(words > 60, "{words}");
        let survey = Survey::of(&out).unwrap();
        assert_eq!((survey.form, survey.items.len(), survey.skipped.len()), (Form::LjSpeech, 30, 0));
        let listing = Listing::scan(std::slice::from_ref(&out)).unwrap();
        assert_eq!(listing.tokens().concat(), " lnortuw");
        let dataset = Loader::new(listing, 8_000).finish().unwrap();
        assert!(dataset.clips.iter().all(|clip| clip.samples.len() <= 24_000));
        let longest = dataset.clips.iter().map(|clip| clip.samples.len()).max().unwrap();
        assert!(longest > 16_000, "{longest}");
        assert!(join(&root, &out, joining).unwrap_err().message.contains("is there already"));
        let none = join(&root, &folder.path().join("x"), Joining { streams: 0, ..joining }).unwrap_err();
        assert!(none.message.contains("1 to 1000000 streams"), "{none}");
    }
}
