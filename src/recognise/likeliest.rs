//! What a frame's outputs most likely say.

use super::model::BLANK;

/// A word with less than this is not being said.
const LEAST_POSTERIOR: f32 = 0.1;

/// The likeliest word and its posterior at `temperature` where that is at least [`LEAST_POSTERIOR`], else the blank.
pub fn likeliest_word(logits: &[f32], temperature: f32) -> (usize, f32) {
    let (best, posterior) = best_class(logits, temperature);
    if best != BLANK {
        return (best, posterior);
    }
    let words = logits.get(BLANK + 1..).unwrap_or_default();
    let (word, _) = best_class(words, temperature);
    let share = words.get(word).map_or(0.0, |logit| posterior * ((logit - logits[BLANK]) / temperature).exp());
    if share >= LEAST_POSTERIOR { (word + 1, share) } else { (BLANK, posterior) }
}

/// The class with the highest score, and its posterior at `temperature`. A score that is no number never wins.
pub fn best_class(logits: &[f32], temperature: f32) -> (usize, f32) {
    let mut best = (BLANK, f32::NEG_INFINITY);
    for (class, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (class, logit);
        }
    }
    let sum: f32 = logits.iter().map(|logit| ((logit - best.1) / temperature).exp()).sum();
    (best.0, 1.0 / sum)
}

/// The posteriors of a word in its last frames. The network says a word within a few of them; a tone that is a little like one
/// for a second says nothing more with each.
#[derive(Clone, Debug, Default)]
pub struct RecentFrames([f32; 4]);

impl RecentFrames {
    /// How likely the word is named in any of the last four frames, this one included, as if each were on its own.
    pub fn named(&mut self, posterior: f32) -> f32 {
        self.0.rotate_left(1);
        self.0[3] = posterior;
        1.0 - self.0.iter().map(|posterior| 1.0 - posterior).product::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posteriors_are_a_softmax_and_follow_the_temperature() {
        let logits = [2f32.ln(), 0.0, 6f32.ln()];
        let (class, posterior) = best_class(&logits, 1.0);
        assert!(class == 2 && (posterior - 6.0 / 9.0).abs() < 1e-6, "{posterior}");
        let (_, flat) = best_class(&logits, 1e6);
        assert!((flat - 1.0 / 3.0).abs() < 1e-4, "{flat}");
        assert_eq!(best_class(&[0.0, f32::NAN], 1.0).0, BLANK);
    }

    #[test]
    fn a_word_behind_the_blank_is_likeliest_from_a_tenth_on() {
        let of = |shares: [f32; 3]| likeliest_word(&shares.map(f32::ln), 1.0);
        let (word, posterior) = of([0.7, 0.18, 0.12]);
        assert!(word == 1 && (posterior - 0.18).abs() < 1e-6, "{posterior}");
        assert_eq!(of([0.92, 0.02, 0.06]).0, BLANK);
        assert_eq!(of([0.3, 0.3, 0.4]).0, 2);
        assert_eq!(likeliest_word(&[1.0], 1.0), (BLANK, 1.0), "a model without words");
    }

    #[test]
    fn a_word_is_named_in_a_few_frames_or_not_at_all() {
        let mut recent = RecentFrames::default();
        assert!((recent.named(0.5) - 0.5).abs() < 1e-6);
        assert!((recent.named(0.5) - 0.75).abs() < 1e-6);
        let long = (0..50).map(|_| recent.named(0.15)).last().unwrap();
        assert!((long - (1.0 - 0.85f32.powi(4))).abs() < 1e-6, "{long}");
    }
}
