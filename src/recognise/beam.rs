//! Prefix beam search over the outputs of a whole segment (Graves 2012, Hannun et al. 2014).
//!
//! Greedy decoding takes the likeliest class of each frame; the likeliest *text* is the one whose ways of being spread over the
//! frames have the highest probability together. The search keeps the best texts so far, and may be held to a lexicon.

use std::collections::{BTreeMap, HashMap};

use super::card::Card;
use super::lexicon::{Lexicon, Places};
use super::model::BLANK;
use crate::{Error, Result};

/// Classes so much less likely than the best of a frame (as a logarithm) are not looked at: together they weigh less than the
/// rounding of an f32.
const FURTHEST_BELOW: f64 = 16.0;
/// More than this was never tried.
const WIDEST: usize = 1_000;

/// How a segment is searched.
#[derive(Clone, Debug)]
pub struct BeamSearch {
    width: usize,
    lexicon: Option<Lexicon>,
}

/// A text that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its classes.
    pub classes: Vec<usize>,
    /// The logarithm of its probability, as far as the search kept it.
    pub log_prob: f64,
}

/// The start of a text, as a link to the one without its last class.
struct Prefix {
    parent: usize,
    class: usize,
    places: Places,
}

/// Logarithms of the probabilities of the ways to a prefix that end in the blank, and in its last class.
#[derive(Clone, Copy)]
struct Ways {
    blank: f64,
    class: f64,
}

const NO_WAY: Ways = Ways { blank: f64::NEG_INFINITY, class: f64::NEG_INFINITY };

impl Ways {
    fn all(self) -> f64 {
        log_add(self.blank, self.class)
    }
}

impl BeamSearch {
    /// A search that keeps the `width` best texts, over `lexicon`'s words (one a line) if there is one, for the model with this
    /// card.
    pub fn new(width: usize, lexicon: Option<&str>, card: &Card) -> Result<Self> {
        if !(1..=WIDEST).contains(&width) {
            return Err(Error::invalid(format!("the beam is {width} wide; allowed are 1 to {WIDEST} texts")));
        }
        let lexicon = lexicon.map(|text| Lexicon::read(text, card)).transpose()?;
        Ok(Self { width, lexicon })
    }

    /// The likeliest texts of `logits` (`[frames, classes]` in rows), the best first. Those that the lexicon does not let end there
    /// are left out.
    pub fn best(&self, logits: &[f32], classes: usize) -> Vec<Found> {
        let mut prefixes = Prefixes::new(self.lexicon.as_ref());
        let mut beam = vec![(0, Ways { blank: 0.0, class: f64::NEG_INFINITY })];
        for row in logits.chunks_exact(classes.max(1)) {
            let log_probs = likely(row);
            let mut next: BTreeMap<usize, Ways> = BTreeMap::new();
            for &(prefix, ways) in &beam {
                let last = prefixes.last(prefix);
                for &(class, log_prob) in &log_probs {
                    if class == BLANK {
                        add(&mut next.entry(prefix).or_insert(NO_WAY).blank, ways.all() + log_prob);
                        continue;
                    }
                    if Some(class) == last {
                        add(&mut next.entry(prefix).or_insert(NO_WAY).class, ways.class + log_prob);
                    }
                    let Some(longer) = prefixes.longer(prefix, class) else { continue };
                    // A class twice in a row needs a blank between.
                    let before = if Some(class) == last { ways.blank } else { ways.all() };
                    add(&mut next.entry(longer).or_insert(NO_WAY).class, before + log_prob);
                }
            }
            beam = next.into_iter().filter(|(_, ways)| ways.all() > f64::NEG_INFINITY).collect();
            beam.sort_by(|a, b| b.1.all().total_cmp(&a.1.all()));
            beam.truncate(self.width);
        }
        let ended = beam.into_iter().filter(|&(prefix, _)| prefixes.may_end(prefix));
        ended.map(|(prefix, ways)| Found { classes: prefixes.classes(prefix), log_prob: ways.all() }).collect()
    }
}

/// All prefixes that were ever looked at, each once.
struct Prefixes<'a> {
    all: Vec<Prefix>,
    longer: HashMap<(usize, usize), Option<usize>>,
    lexicon: Option<&'a Lexicon>,
}

impl<'a> Prefixes<'a> {
    fn new(lexicon: Option<&'a Lexicon>) -> Self {
        let places = lexicon.map_or_else(Vec::new, Lexicon::start);
        Self { all: vec![Prefix { parent: 0, class: BLANK, places }], longer: HashMap::new(), lexicon }
    }

    fn last(&self, prefix: usize) -> Option<usize> {
        (prefix > 0).then(|| self.all[prefix].class)
    }

    /// The prefix with `class` behind it; none where the lexicon has no such word.
    fn longer(&mut self, prefix: usize, class: usize) -> Option<usize> {
        if let Some(known) = self.longer.get(&(prefix, class)) {
            return *known;
        }
        let places = self.lexicon.map_or_else(Vec::new, |lexicon| lexicon.after(&self.all[prefix].places, class));
        let found = (self.lexicon.is_none() || !places.is_empty()).then(|| {
            self.all.push(Prefix { parent: prefix, class, places });
            self.all.len() - 1
        });
        self.longer.insert((prefix, class), found);
        found
    }

    fn may_end(&self, prefix: usize) -> bool {
        self.lexicon.is_none_or(|lexicon| lexicon.may_end(&self.all[prefix].places))
    }

    fn classes(&self, mut prefix: usize) -> Vec<usize> {
        let mut classes = Vec::new();
        while prefix > 0 {
            classes.push(self.all[prefix].class);
            prefix = self.all[prefix].parent;
        }
        classes.reverse();
        classes
    }
}

/// The classes worth a look, with the logarithms of their probabilities.
fn likely(row: &[f32]) -> Vec<(usize, f64)> {
    let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
    let log_prob = |logit: f32| f64::from(logit) - highest - sum.ln();
    let near = row.iter().enumerate().filter(|(_, logit)| f64::from(**logit) >= highest - FURTHEST_BELOW);
    near.map(|(class, &logit)| (class, log_prob(logit))).collect()
}

fn add(slot: &mut f64, log_prob: f64) {
    *slot = log_add(*slot, log_prob);
}

/// The logarithm of the sum of what the two are logarithms of.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Where in the frames the classes of a text are: of its likeliest spreading, the first and the last frame of each class. Empty
/// where the text does not fit.
pub fn align(logits: &[f32], classes: usize, text: &[usize]) -> Vec<(usize, usize)> {
    let frames = logits.len() / classes.max(1);
    let states: Vec<usize> =
        (0..2 * text.len() + 1).map(|state| if state % 2 == 1 { text[state / 2] } else { BLANK }).collect();
    let count = states.len();
    let mut best = vec![f64::NEG_INFINITY; frames * count];
    let mut from = vec![0_u8; frames * count];
    for (frame, row) in logits.chunks_exact(classes.max(1)).enumerate() {
        let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        for (state, &class) in states.iter().enumerate() {
            let log_prob = row.get(class).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit) - sum.ln());
            let (before, step) = if frame == 0 {
                (if state < 2 { 0.0 } else { f64::NEG_INFINITY }, 0)
            } else {
                let may_skip = state >= 2 && state % 2 == 1 && states[state] != states[state - 2];
                let steps = (0..=usize::from(may_skip) + 1).filter(|&step| step <= state);
                let reach = |step: usize| best[(frame - 1) * count + state - step];
                let step = steps.max_by(|&a, &b| reach(a).total_cmp(&reach(b))).unwrap_or(0);
                (reach(step), step as u8)
            };
            best[frame * count + state] = before + log_prob;
            from[frame * count + state] = step;
        }
    }
    let Some(last) = frames.checked_sub(1).map(|frame| &best[frame * count..]) else { return Vec::new() };
    let mut state = if count > 1 && last[count - 2] > last[count - 1] { count - 2 } else { count - 1 };
    if !last[state].is_finite() {
        return Vec::new();
    }
    let mut places = vec![(usize::MAX, 0); text.len()];
    for frame in (0..frames).rev() {
        if state % 2 == 1 {
            let place = &mut places[state / 2];
            *place = (frame, if place.0 == usize::MAX { frame } else { place.1 });
        }
        state -= usize::from(from[frame * count + state]);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::super::decoding::Unit;
    use super::super::lexicon::tests::card;
    use super::*;
    use proptest::prelude::*;

    const FRAMES: usize = 5;
    const CLASSES: usize = 4;

    /// The probability of each text, over all paths one by one.
    fn brute_force(logits: &[f32]) -> BTreeMap<Vec<usize>, f64> {
        let rows: Vec<Vec<f64>> = logits
            .chunks_exact(CLASSES)
            .map(|row| {
                let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
                row.iter().map(|&logit| f64::from(logit).exp() / sum).collect()
            })
            .collect();
        let mut texts = BTreeMap::new();
        for path in 0..CLASSES.pow(FRAMES as u32) {
            let (mut rest, mut text, mut before, mut prob) = (path, Vec::new(), BLANK, 1.0);
            for row in &rows {
                let class = rest % CLASSES;
                rest /= CLASSES;
                prob *= row[class];
                if class != BLANK && class != before {
                    text.push(class);
                }
                before = class;
            }
            *texts.entry(text).or_insert(0.0) += prob;
        }
        texts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_wide_beam_finds_what_the_sum_over_all_paths_finds(
            logits in prop::collection::vec(-4.0f32..4.0, FRAMES * CLASSES),
            is_held in any::<bool>(),
        ) {
            let card = card(&[" ", "a", "b"], Unit::Characters);
            let words = is_held.then_some("ab\nb");
            let allowed = |text: &[usize]| {
                let spelt: String = text.iter().map(|class| card.tokens[class - 1].as_str()).collect();
                // One blank at the end stands before a word that may yet come.
                let spelt = spelt.strip_suffix(' ').unwrap_or(&spelt);
                spelt.is_empty() && text.is_empty() || spelt.split(' ').all(|word| ["ab", "b"].contains(&word))
            };
            let expected: BTreeMap<_, _> =
                brute_force(&logits).into_iter().filter(|(text, _)| !is_held || allowed(text)).collect();
            let found = BeamSearch::new(1_000, words, &card).unwrap().best(&logits, CLASSES);
            let best = expected.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            prop_assert!((found[0].log_prob.exp() - best.1).abs() < 1e-6, "{:?} and {:?}", found[0], best);
            prop_assert_eq!(found.len(), expected.values().filter(|prob| **prob > 0.0).count());
            for one in &found {
                prop_assert!((one.log_prob.exp() - expected[&one.classes]).abs() < 1e-6, "{:?}", one);
            }
        }
    }

    /// `log p` of each class, one row a frame.
    fn logits(rows: &[[f32; 3]]) -> Vec<f32> {
        rows.iter().flatten().map(|p| p.ln()).collect()
    }

    #[test]
    fn the_likeliest_text_may_not_be_the_likeliest_path() {
        // Best path: blank, blank (0.36); but a has three paths with 0.64 together.
        let logits = logits(&[[0.6, 0.4, 1e-9], [0.6, 0.4, 1e-9]]);
        let found = BeamSearch::new(8, None, &card(&["a", "b"], Unit::Words)).unwrap().best(&logits, 3);
        assert_eq!(found[0].classes, [1]);
        assert!((found[0].log_prob.exp() - 0.64).abs() < 1e-6);
        assert_eq!(found[1].classes, [0usize; 0]);
    }

    #[test]
    fn an_alignment_tells_where_each_class_is() {
        let sure = |class: usize| std::array::from_fn(|at| if at == class { 0.98 } else { 0.01 });
        let rows: Vec<[f32; 3]> = [0, 1, 1, 0, 1, 2, 0].map(sure).to_vec();
        assert_eq!(align(&logits(&rows), 3, &[1, 1, 2]), [(1, 2), (4, 4), (5, 5)]);
        assert_eq!(align(&logits(&rows[..2]), 3, &[1, 1]), [], "two of a kind need three frames");
        assert_eq!(align(&[], 3, &[1]), []);
        assert_eq!(align(&logits(&rows), 3, &[]), []);
    }

    #[test]
    fn impossible_widths_are_refused() {
        let card = card(&["a"], Unit::Words);
        for width in [0, 1_001] {
            assert!(BeamSearch::new(width, None, &card).unwrap_err().message.contains("1 to 1000"));
        }
    }
}
