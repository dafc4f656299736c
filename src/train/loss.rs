//! The CTC loss (Graves et al., 2006): a plain forward-backward pass in log space.
//!
//! A network's outputs are per feature frame, a transcript is not; CTC sums over every way to spread the transcript over
//! the frames. burn's own loss is right but takes its recursion apart into many small tensor operations; the plain loop
//! here costs a twentieth of it. Its gradient enters autodiff as the constant factor of `sum(logits * gradient)`.
//!
//! Where it is known when each word was said, as in a composed scene, only those ways are summed that name it then
//! (Mahadeokar et al., 2021). A network that may name a word at any time guesses it from its first sounds, and spends half
//! of a short training on finding out where the words are.

use crate::recognise::model::BLANK;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

/// Logarithm of zero that survives additions; negative infinity would give NaN when subtracted from itself.
const LOG_ZERO: f64 = -1e300;

/// The logarithm of the sum of what the three are logarithms of.
fn log_sum(a: f64, b: f64, c: f64) -> f64 {
    let (highest, first, second) = match (a >= b, a >= c, b >= c) {
        (true, true, _) => (a, b, c),
        (false, _, true) => (b, a, c),
        _ => (c, a, b),
    };
    if highest <= LOG_ZERO {
        return LOG_ZERO;
    }
    // What lies further below is less than the last bit of the sum.
    let share = |below: f64| if below < -38.0 { 0.0 } else { below.exp() };
    let rest = share(first - highest) + share(second - highest);
    if rest == 0.0 { highest } else { highest + (1.0 + rest).ln() }
}

/// The frames in which a token may be named, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first frame.
    pub first: usize,
    /// The last frame.
    pub last: usize,
}

impl Window {
    /// The same among frames of which each takes the place of `stride`.
    pub fn strided(self, stride: usize) -> Self {
        Self { first: self.first / stride.max(1), last: self.last / stride.max(1) }
    }
}

/// The loss of a batch and the tensor that carries its gradient.
pub struct BatchLoss {
    /// Negative log-likelihood per item, averaged over the items whose transcript fits into their frames.
    pub mean: f32,
    /// How many items had a transcript that is too long for their frames; they add no gradient.
    pub infeasible: usize,
    /// A scalar whose `backward` gives the gradient of `mean` (its own value means nothing).
    pub carrier: Tensor<1>,
}

/// CTC over `logits` of shape `[batch, frames, classes]` (class [`BLANK`] is the blank) and one transcript an item.
///
/// An empty transcript is allowed and asks for blanks only. A transcript that cannot be reached in the frames there are
/// (each token needs a frame, and a repeated token one more) is counted and left out.
///
/// `windows` says for each item and token when it may be named; an item without windows may name them at any time.
pub fn batch_loss(logits: Tensor<3>, transcripts: &[Vec<usize>], windows: &[Vec<Window>]) -> BatchLoss {
    let [batch, frames, classes] = logits.dims();
    let device = logits.device();
    let values: Vec<f32> = logits.clone().inner().into_data().iter::<f32>().collect();
    let mut gradient = vec![0.0; values.len()];
    let item_len = frames * classes;
    let losses: Vec<Option<f32>> = if item_len == 0 {
        vec![None; batch]
    } else {
        values
            .par_chunks(item_len)
            .zip(gradient.par_chunks_mut(item_len))
            .enumerate()
            .map(|(item, (logits, gradient))| {
                let transcript = transcripts.get(item).map_or(&[][..], Vec::as_slice);
                item_loss_within(logits, classes, transcript, windows.get(item).map_or(&[], Vec::as_slice), gradient)
            })
            .collect()
    };
    let fitting = losses.iter().flatten().count();
    let scale = 1.0 / fitting.max(1) as f32;
    gradient.iter_mut().for_each(|value| *value *= scale);
    let gradient = Tensor::<3>::from_data(TensorData::new(gradient, [batch, frames, classes]), &device);
    BatchLoss {
        mean: losses.iter().flatten().sum::<f32>() * scale,
        infeasible: losses.len() - fitting,
        carrier: (logits * gradient).sum(),
    }
}

/// CTC of one item: its negative log-likelihood, or `None` when `transcript` does not fit.
///
/// `logits` is `[frames, classes]` in rows; `gradient` of the same size receives the derivative of the loss by each
/// logit, which is softmax minus the share of paths that pass through the class at the frame (zero where it does not fit).
pub fn item_loss(logits: &[f32], classes: usize, transcript: &[usize], gradient: &mut [f32]) -> Option<f32> {
    item_loss_within(logits, classes, transcript, &[], gradient)
}

/// [`item_loss`] over the ways that name each token within its window; one without a window at any time.
fn item_loss_within(
    logits: &[f32],
    classes: usize,
    transcript: &[usize],
    windows: &[Window],
    gradient: &mut [f32],
) -> Option<f32> {
    gradient.fill(0.0);
    let frames = logits.len().checked_div(classes)?;
    let repeats = transcript.windows(2).filter(|pair| pair[0] == pair[1]).count();
    if frames == 0 || transcript.len() + repeats > frames || transcript.iter().any(|&token| token >= classes) {
        return None;
    }
    let log_probs = log_softmax(logits, classes);
    // States alternate blank, token, blank, token, ..., blank.
    let states: Vec<usize> =
        (0..2 * transcript.len() + 1).map(|state| if state % 2 == 1 { transcript[state / 2] } else { BLANK }).collect();
    let count = states.len();
    // A token may follow the token before it without a blank only when the two differ.
    let skips = |state: usize| state >= 2 && state % 2 == 1 && states[state] != states[state - 2];

    let is_within = |state: usize, frame: usize| {
        let window = if state % 2 == 1 { windows.get(state / 2) } else { None };
        window.is_none_or(|window| (window.first..=window.last).contains(&frame))
    };

    let mut forward = vec![LOG_ZERO; frames * count];
    forward[0] = log_probs[BLANK];
    if count > 1 && is_within(1, 0) {
        forward[1] = log_probs[states[1]];
    }
    for frame in 1..frames {
        let (before, now) = forward.split_at_mut(frame * count);
        let before = &before[(frame - 1) * count..];
        for (state, &class) in states.iter().enumerate().filter(|(state, _)| is_within(*state, frame)) {
            let one = if state >= 1 { before[state - 1] } else { LOG_ZERO };
            let two = if skips(state) { before[state - 2] } else { LOG_ZERO };
            now[state] = log_sum(before[state], one, two) + log_probs[frame * classes + class];
        }
    }
    let last = &forward[(frames - 1) * count..];
    let total = log_sum(last[count - 1], if count > 1 { last[count - 2] } else { LOG_ZERO }, LOG_ZERO);
    if !total.is_finite() || total <= LOG_ZERO / 2.0 {
        return None;
    }

    // `backward` holds the paths from a state to the end, without the state's own frame.
    let mut backward = vec![LOG_ZERO; count];
    let mut later = vec![LOG_ZERO; count];
    backward[count.saturating_sub(2)..].fill(0.0);
    let mut shares = vec![0.0; classes];
    for frame in (0..frames).rev() {
        let row = &log_probs[frame * classes..][..classes];
        shares.fill(0.0);
        for (state, &class) in states.iter().enumerate().filter(|(state, _)| is_within(*state, frame)) {
            shares[class] += (forward[frame * count + state] + backward[state] - total).exp();
        }
        for (slot, (log_prob, share)) in gradient[frame * classes..].iter_mut().zip(row.iter().zip(&shares)) {
            *slot = (log_prob.exp() - share) as f32;
        }
        std::mem::swap(&mut backward, &mut later);
        let through = |state: usize| match is_within(state, frame) {
            true => later[state] + row[states[state]],
            false => LOG_ZERO,
        };
        for (state, slot) in backward.iter_mut().enumerate() {
            let one = if state + 1 < count { through(state + 1) } else { LOG_ZERO };
            let two = if state + 2 < count && skips(state + 2) { through(state + 2) } else { LOG_ZERO };
            *slot = log_sum(through(state), one, two);
        }
    }
    Some(-total as f32)
}

/// Logarithms of the softmax of each row. In f64: a sum of hundreds of them is subtracted from another one.
fn log_softmax(logits: &[f32], classes: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(logits.len());
    for row in logits.chunks_exact(classes) {
        let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let log_sum = highest + row.iter().map(|&value| (f64::from(value) - highest).exp()).sum::<f64>().ln();
        out.extend(row.iter().map(|&value| f64::from(value) - log_sum));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rng::Rng;
    use burn::nn::loss::CTCLossConfig;
    use burn::tensor::activation::log_softmax as tensor_log_softmax;
    use burn::tensor::{Device, Int};

    fn random_logits(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| 2.0 * rng.normal()).collect()
    }

    /// The sum over all paths, one by one.
    fn brute_force(logits: &[f32], classes: usize, transcript: &[usize]) -> f64 {
        let frames = logits.len() / classes;
        let log_probs = log_softmax(logits, classes);
        let mut sum = 0.0;
        for path in 0..classes.pow(frames as u32) {
            let mut rest = path;
            let (mut tokens, mut before, mut log_prob) = (Vec::new(), BLANK, 0.0);
            for frame in 0..frames {
                let class = rest % classes;
                rest /= classes;
                log_prob += log_probs[frame * classes + class];
                if class != BLANK && class != before {
                    tokens.push(class);
                }
                before = class;
            }
            if tokens == transcript {
                sum += log_prob.exp();
            }
        }
        -sum.ln()
    }

    #[test]
    fn values_and_gradients_match_the_sum_over_all_paths() {
        let (frames, classes) = (5, 3);
        for (seed, transcript) in
            [vec![], vec![1], vec![2, 2], vec![1, 2], vec![1, 2, 1], vec![1, 1, 2]].iter().enumerate()
        {
            let logits = random_logits(frames * classes, seed as u64);
            let mut gradient = vec![0.0; logits.len()];
            let loss = item_loss(&logits, classes, transcript, &mut gradient).unwrap();
            assert!((f64::from(loss) - brute_force(&logits, classes, transcript)).abs() < 1e-4, "{transcript:?}");
            for index in 0..logits.len() {
                let nudged = |by: f32| {
                    let mut nudged = logits.clone();
                    nudged[index] += by;
                    brute_force(&nudged, classes, transcript)
                };
                let slope = (nudged(1e-2) - nudged(-1e-2)) / 2e-2;
                assert!((f64::from(gradient[index]) - slope).abs() < 2e-4, "{transcript:?} at {index}");
            }
        }
    }

    #[test]
    fn a_window_leaves_the_ways_that_name_the_token_within_it() {
        let (frames, classes) = (6, 3);
        let logits = random_logits(frames * classes, 8);
        let windows = [Window { first: 1, last: 2 }, Window { first: 4, last: 9 }];
        // A token that may not be named is as one whose probability is zero.
        let mut barred = logits.clone();
        let log_probs = log_softmax(&logits, classes);
        for frame in 0..frames {
            for (class, window) in [(1, windows[0]), (2, windows[1])] {
                barred[frame * classes + class] = match (window.first..=window.last).contains(&frame) {
                    true => log_probs[frame * classes + class] as f32,
                    false => -1e4,
                };
            }
            barred[frame * classes] = log_probs[frame * classes] as f32;
        }
        let mut expected = 0.0;
        for path in 0..classes.pow(frames as u32) {
            let at = |frame: usize| path / classes.pow(frame as u32) % classes;
            let merged: Vec<usize> = (0..frames).filter(|&f| f == 0 || at(f) != at(f - 1)).map(at).collect();
            if merged.into_iter().filter(|&class| class != BLANK).eq([1, 2]) {
                expected += (0..frames).map(|frame| f64::from(barred[frame * classes + at(frame)])).sum::<f64>().exp();
            }
        }
        let mut gradient = vec![0.0; logits.len()];
        let loss = item_loss_within(&logits, classes, &[1, 2], &windows, &mut gradient).unwrap();
        assert!((f64::from(loss) + expected.ln()).abs() < 1e-4, "{loss} {expected}");
        for row in gradient.chunks_exact(classes) {
            assert!(row.iter().sum::<f32>().abs() < 1e-5);
        }
        for index in 0..logits.len() {
            let mut unused = vec![0.0; logits.len()];
            let mut nudged = |by: f32| {
                let mut nudged = logits.clone();
                nudged[index] += by;
                item_loss_within(&nudged, classes, &[1, 2], &windows, &mut unused).unwrap()
            };
            let slope = (nudged(1e-2) - nudged(-1e-2)) / 2e-2;
            assert!((gradient[index] - slope).abs() < 2e-3, "{index}: {} {slope}", gradient[index]);
        }
        let never = [Window { first: 5, last: 5 }, Window { first: 0, last: 2 }];
        assert_eq!(item_loss_within(&logits, classes, &[1, 2], &never, &mut gradient), None);
        assert!(gradient.iter().all(|&value| value == 0.0));
    }

    #[test]
    fn batch_matches_burns_own_loss_in_value_and_gradient() {
        let (batch, frames, classes) = (3, 40, 11);
        let transcripts = vec![vec![1, 2, 2, 3], vec![], vec![10, 9, 8, 7, 7, 6]];
        let device = Device::default().autodiff();
        let data = TensorData::new(random_logits(batch * frames * classes, 9), [batch, frames, classes]);

        let ours = Tensor::<3>::from_data(data.clone(), &device).require_grad();
        let loss = batch_loss(ours.clone(), &transcripts, &[]);
        let gradient = ours.grad(&loss.carrier.backward()).unwrap().into_data();

        let theirs = Tensor::<3>::from_data(data, &device).require_grad();
        let log_probs = tensor_log_softmax(theirs.clone().swap_dims(0, 1), 2);
        let longest = transcripts.iter().map(Vec::len).max().unwrap();
        let padded: Vec<i32> = transcripts
            .iter()
            .flat_map(|tokens| (0..longest).map(|at| tokens.get(at).map_or(1, |&token| token as i32)))
            .collect();
        let lengths: Vec<i32> = transcripts.iter().map(|tokens| tokens.len() as i32).collect();
        let expected = CTCLossConfig::new()
            .init()
            .forward(
                log_probs,
                Tensor::<2, Int>::from_data(TensorData::new(padded, [batch, longest]), &device),
                Tensor::<1, Int>::from_data(TensorData::new(vec![frames as i32; batch], [batch]), &device),
                Tensor::<1, Int>::from_data(TensorData::new(lengths, [batch]), &device),
            )
            .mean();
        let expected_gradient = theirs.grad(&expected.backward()).unwrap().into_data();
        let expected: f32 = expected.into_scalar();
        assert!((loss.mean - expected).abs() < 1e-3 * expected.abs(), "{} {expected}", loss.mean);
        for (ours, theirs) in gradient.iter::<f32>().zip(expected_gradient.iter::<f32>()) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }

    #[test]
    fn transcripts_that_do_not_fit_are_left_out() {
        let (frames, classes) = (3, 3);
        let logits = random_logits(frames * classes, 3);
        let mut gradient = vec![9.0; logits.len()];
        for transcript in [vec![1, 2, 1, 2], vec![1, 1, 2], vec![7]] {
            assert_eq!(item_loss(&logits, classes, &transcript, &mut gradient), None);
            assert!(gradient.iter().all(|&value| value == 0.0));
        }
        let device = Device::default().autodiff();
        let both = TensorData::new([logits.clone(), logits.clone()].concat(), [2, frames, classes]);
        let loss = batch_loss(Tensor::from_data(both, &device).require_grad(), &[vec![1, 2], vec![1, 1, 1]], &[]);
        assert_eq!(loss.infeasible, 1);
        assert!((f64::from(loss.mean) - brute_force(&logits, classes, &[1, 2])).abs() < 1e-4);
    }

    #[test]
    fn gradient_rows_sum_to_zero_on_long_items() {
        let (frames, classes) = (600, 11);
        let logits = random_logits(frames * classes, 4);
        let mut gradient = vec![0.0; logits.len()];
        let transcript: Vec<usize> = (0..60).map(|at| 1 + at % 10).collect();
        assert!(item_loss(&logits, classes, &transcript, &mut gradient).unwrap().is_finite());
        for row in gradient.chunks_exact(classes) {
            assert!(row.iter().sum::<f32>().abs() < 1e-5, "{}", row.iter().sum::<f32>());
        }
    }
}
