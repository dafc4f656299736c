//! Words cut out of sound in which they were said with pauses between them.

use std::ops::Range;

/// Length of the parts that are loud or not.
const PART_SECS: f32 = 0.02;
/// A pause at least this long lies between two words; a shorter one is inside a word.
const PAUSE_SECS: f32 = 0.3;
/// Kept before and after a word.
const MARGIN_SECS: f32 = 0.1;
/// What is shorter is a click.
const SHORTEST_SECS: f32 = 0.1;
/// What is longer is no word.
const LONGEST_SECS: f32 = 3.0;
/// Between the loudest part and the quiet ones there must be at least this much, or nothing was said.
const LEAST_RANGE_DB: f32 = 15.0;

/// The places of the words in `samples`, in their order: where it is loud, between pauses.
///
/// What begins or ends with the sound is left out, since part of it is missing.
pub fn utterances(samples: &[f32], sample_rate_hz: u32) -> Vec<Range<usize>> {
    let part = ((PART_SECS * sample_rate_hz as f32) as usize).max(1);
    let levels_db: Vec<f32> = samples
        .chunks(part)
        .map(|part| 10.0 * (part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32 + 1e-12).log10())
        .collect();
    let mut sorted = levels_db.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let (Some(&loudest), Some(&quiet)) = (sorted.last(), sorted.get(sorted.len() / 5)) else { return Vec::new() };
    if loudest - quiet < LEAST_RANGE_DB {
        return Vec::new();
    }
    // A third of the way up from the quiet fifth to the loudest part, and never more than 30 dB below that.
    let loud = (quiet + (loudest - quiet) / 3.0).max(loudest - 30.0);
    let parts = |secs: f32| (secs / PART_SECS).round() as usize;
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in levels_db.iter().enumerate().filter(|(_, level)| **level >= loud) {
        match found.last_mut() {
            Some(last) if at - last.end < parts(PAUSE_SECS) => last.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    let margin = parts(MARGIN_SECS);
    let is_word = |range: &Range<usize>| {
        (parts(SHORTEST_SECS)..=parts(LONGEST_SECS)).contains(&range.len())
            && range.start >= margin
            && range.end + margin <= levels_db.len()
    };
    let place = |range: Range<usize>| (range.start - margin) * part..((range.end + margin) * part).min(samples.len());
    found.into_iter().filter(is_word).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    fn sound(script: &[(f32, f32)]) -> Vec<f32> {
        let mut samples = Vec::new();
        for &(secs, amplitude) in script {
            let len = (secs * RATE as f32) as usize;
            let begin = samples.len();
            samples
                .extend((begin..begin + len).map(|at| amplitude * (at as f32 * 0.9).sin() + 1e-4 * (at as f32).sin()));
        }
        samples
    }

    fn secs(ranges: Vec<Range<usize>>) -> Vec<(f32, f32)> {
        ranges.iter().map(|range| (range.start as f32 / RATE as f32, range.len() as f32 / RATE as f32)).collect()
    }

    #[test]
    fn words_are_found_between_pauses_with_a_margin() {
        let samples = sound(&[(0.5, 0.0), (0.4, 0.3), (0.6, 0.0), (0.2, 0.1), (0.1, 0.0), (0.2, 0.3), (0.8, 0.0)]);
        let found = secs(utterances(&samples, RATE));
        let expected = [(0.4, 0.6), (1.4, 0.7)];
        assert_eq!(found.len(), 2, "{found:?}");
        for ((start, len), (wanted_start, wanted_len)) in found.iter().zip(expected) {
            assert!((start - wanted_start).abs() < 0.03 && (len - wanted_len).abs() < 0.05, "{found:?}");
        }
    }

    #[test]
    fn what_is_cut_off_a_click_or_no_word_is_left_out() {
        let cut_off = sound(&[(0.3, 0.3), (0.6, 0.0), (0.4, 0.3)]);
        assert!(utterances(&cut_off, RATE).is_empty());
        let click = sound(&[(0.5, 0.0), (0.02, 0.5), (0.5, 0.0), (4.0, 0.3), (0.5, 0.0)]);
        assert!(utterances(&click, RATE).is_empty());
        assert!(utterances(&sound(&[(2.0, 0.0)]), RATE).is_empty());
        assert!(utterances(&sound(&[(2.0, 0.3)]), RATE).is_empty(), "loud all through");
        assert!(utterances(&[], RATE).is_empty());
    }
}
