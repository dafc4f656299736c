//! LayerNorm and GELU in one pass over rows, on plain slices.
//!
//! `y = GELU(gamma · x̂ + beta)`, where `x̂` is a row with its mean taken away and its deviation divided out. Mean,
//! deviation, scale, the error function and its derivative are all worked out while a row lies in the first cache; the
//! backward pass reads what the forward pass kept and needs no exponential.

use rayon::prelude::*;

use super::conv::add;
use super::machine::on_wide_vectors;

/// Rows to a task; a fixed number, so that sums over rows have one order whatever the number of threads.
const ROWS_AT_ONCE: usize = 64;

/// Values that one instruction may take together. Sums are kept in so many parts on every processor.
const LANES: usize = 16;

/// Added to a variance before its root is taken; burn's and PyTorch's default.
pub const EPSILON: f32 = 1e-5;

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `x̂`, in the input's shape.
    normalised: Vec<f32>,
    /// The derivative of GELU, in the input's shape.
    slope: Vec<f32>,
    /// One over each row's deviation.
    scale: Vec<f32>,
}

/// Derivatives of the loss.
#[derive(Debug)]
pub struct Derivatives {
    /// By the input.
    pub input: Vec<f32>,
    /// By gamma.
    pub gamma: Vec<f32>,
    /// By beta.
    pub beta: Vec<f32>,
}

/// `input` in rows of `gamma.len()` channels; what [`backward`] needs is kept when `is_tracked`.
pub fn forward(input: &[f32], gamma: &[f32], beta: &[f32], is_tracked: bool) -> (Vec<f32>, Option<Kept>) {
    let channels = gamma.len().max(1);
    let part_len = ROWS_AT_ONCE * channels;
    let mut output = vec![0.0; input.len()];
    if !is_tracked {
        output.par_chunks_mut(part_len).zip(input.par_chunks(part_len)).for_each(|(output, input)| {
            on_wide_vectors(
                #[inline(always)]
                || {
                    let mut normalised = vec![0.0; channels];
                    for (output, input) in output.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
                        normalise(input, &mut normalised);
                        for (((output, x), gamma), beta) in output.iter_mut().zip(&normalised).zip(gamma).zip(beta) {
                            *output = gelu(x * gamma + beta).0;
                        }
                    }
                },
            );
        });
        return (output, None);
    }
    let (mut normalised, mut slope) = (vec![0.0; input.len()], vec![0.0; input.len()]);
    let mut scale = vec![0.0; input.len() / channels];
    output
        .par_chunks_mut(part_len)
        .zip(input.par_chunks(part_len))
        .zip(normalised.par_chunks_mut(part_len))
        .zip(slope.par_chunks_mut(part_len))
        .zip(scale.par_chunks_mut(ROWS_AT_ONCE))
        .for_each(|((((output, input), normalised), slope), scale)| {
            on_wide_vectors(
                #[inline(always)]
                || {
                    let rows = output.chunks_exact_mut(channels).zip(input.chunks_exact(channels));
                    let kept = normalised.chunks_exact_mut(channels).zip(slope.chunks_exact_mut(channels)).zip(scale);
                    for ((output, input), ((normalised, slope), scale)) in rows.zip(kept) {
                        *scale = normalise(input, normalised);
                        let parameters = gamma.iter().zip(beta);
                        let values = output.iter_mut().zip(slope).zip(normalised.iter());
                        for (((output, slope), x), (gamma, beta)) in values.zip(parameters) {
                            (*output, *slope) = gelu(x * gamma + beta);
                        }
                    }
                },
            );
        });
    (output, Some(Kept { normalised, slope, scale }))
}

/// The loss's derivatives, from that by the output.
pub fn backward(kept: &Kept, gradient: &[f32], gamma: &[f32]) -> Derivatives {
    let channels = gamma.len().max(1);
    let part_len = ROWS_AT_ONCE * channels;
    let mut by_input = vec![0.0; gradient.len()];
    let sums: Vec<(Vec<f32>, Vec<f32>)> = by_input
        .par_chunks_mut(part_len)
        .zip(gradient.par_chunks(part_len))
        .zip(kept.normalised.par_chunks(part_len))
        .zip(kept.slope.par_chunks(part_len))
        .zip(kept.scale.par_chunks(ROWS_AT_ONCE))
        .map(|((((by_input, gradient), normalised), slope), scale)| {
            on_wide_vectors(
                #[inline(always)]
                || backward_rows(by_input, gradient, normalised, slope, scale, gamma),
            )
        })
        .collect();
    let mut derivatives = Derivatives { input: by_input, gamma: vec![0.0; gamma.len()], beta: vec![0.0; gamma.len()] };
    for (by_gamma, by_beta) in &sums {
        add(&mut derivatives.gamma, by_gamma);
        add(&mut derivatives.beta, by_beta);
    }
    derivatives
}

/// The derivatives by some rows, and their sums by gamma and by beta.
#[inline(always)]
fn backward_rows(
    by_input: &mut [f32],
    gradient: &[f32],
    normalised: &[f32],
    slope: &[f32],
    scale: &[f32],
    gamma: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let channels = gamma.len().max(1);
    let (mut by_gamma, mut by_beta) = (vec![0.0; gamma.len()], vec![0.0; gamma.len()]);
    let rows = by_input.chunks_exact_mut(channels).zip(gradient.chunks_exact(channels));
    let kept = normalised.chunks_exact(channels).zip(slope.chunks_exact(channels)).zip(scale);
    for ((by_input, gradient), ((normalised, slope), scale)) in rows.zip(kept) {
        let sums = by_gamma.iter_mut().zip(by_beta.iter_mut()).zip(gamma);
        let values = by_input.iter_mut().zip(gradient).zip(normalised).zip(slope);
        for ((((by_input, gradient), x), slope), ((by_gamma, by_beta), gamma)) in values.zip(sums) {
            let before = gradient * slope;
            *by_gamma += before * x;
            *by_beta += before;
            *by_input = before * gamma;
        }
        let mean = sum(by_input, |value, _| value, normalised) / channels as f32;
        let along = sum(by_input, |value, x| value * x, normalised) / channels as f32;
        for (by_input, x) in by_input.iter_mut().zip(normalised) {
            *by_input = scale * (*by_input - mean - x * along);
        }
    }
    (by_gamma, by_beta)
}

/// Writes `row` with zero mean and unit variance; returns one over its deviation.
#[inline(always)]
fn normalise(row: &[f32], normalised: &mut [f32]) -> f32 {
    let count = row.len() as f32;
    let mean = sum(row, |value, _| value, row) / count;
    normalised.iter_mut().zip(row).for_each(|(slot, value)| *slot = value - mean);
    let variance = sum(normalised, |value, _| value * value, normalised) / count;
    let scale = 1.0 / (variance + EPSILON).sqrt();
    normalised.iter_mut().for_each(|value| *value *= scale);
    scale
}

/// The sum of `term` over pairs of values, in [`LANES`] parts.
#[inline(always)]
fn sum(a: &[f32], term: impl Fn(f32, f32) -> f32, b: &[f32]) -> f32 {
    let mut parts = [0.0; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..LANES {
            parts[lane] += term(a[lane], b[lane]);
        }
    }
    for (lane, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        parts[lane] += term(*a, *b);
    }
    parts.iter().sum()
}

/// GELU (Hendrycks and Gimpel, 2016) with the error function, and its derivative.
///
/// The error function is formula 7.1.26 of Abramowitz and Stegun, right to 1.5e-7; its exponential is that of the normal
/// density, too, which the derivative needs.
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let bell = exp_of_negative(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let series = t * (0.254_829_6 + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    let tail = 0.5 * series * bell;
    let below = if x > 0.0 { 1.0 - tail } else { tail };
    (x * below, below + x * bell * 0.398_942_3)
}

/// `exp(x)` for `x` of at most zero, right to 2e-7 of itself: two to the whole part of `x / ln 2` by its bits, the rest
/// by a polynomial.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// 1.5 · 2²³: what is added to it is rounded to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    // ln 2 in two parts, the first of which has few bits, so that the product is exact.
    let rest = (x - whole * 0.693_359_4) + whole * 2.121_944_4e-4;
    let power = f32::from_bits((rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23);
    let cubes = 0.166_666_67 + rest * (0.041_666_67 + rest * (0.008_333_334 + rest * 0.001_388_889));
    power * (1.0 + rest * (1.0 + rest * (0.5 + rest * cubes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_and_gelu_are_right() {
        let mut x = -90.0f32;
        while x <= 0.0 {
            let exact = f64::from(x.max(-87.0)).exp();
            assert!((f64::from(exp_of_negative(x)) - exact).abs() <= 3e-7 * exact, "{x}");
            x += 0.013;
        }
        // From tables of the normal distribution.
        for (x, below) in [(0.0, 0.5), (1.0, 0.841_344_8), (-1.0, 0.158_655_25), (2.5, 0.993_790_3), (-6.0, 9.9e-10)] {
            assert!((gelu(x).0 - x * below).abs() < 2e-6, "{x}");
        }
        for step in -600..=600 {
            let x = step as f32 * 0.01;
            let slope = (f64::from(gelu(x + 5e-3).0) - f64::from(gelu(x - 5e-3).0))
                / (f64::from(x + 5e-3) - f64::from(x - 5e-3));
            assert!((f64::from(gelu(x).1) - slope).abs() < 2e-4, "{x}");
        }
        assert!(gelu(f32::NAN).0.is_nan());
    }

    #[test]
    fn a_flat_row_and_no_row_are_finite() {
        let (gamma, beta) = ([1.0; 5], [0.5; 5]);
        let (output, kept) = forward(&[3.0; 5], &gamma, &beta, true);
        assert!(output.iter().all(|value| (value - gelu(0.5).0).abs() < 1e-6));
        let derivatives = backward(&kept.unwrap(), &[1.0; 5], &gamma);
        assert!(derivatives.input.iter().chain(&derivatives.gamma).all(|value| value.is_finite()));
        assert!(forward(&[], &gamma, &beta, false).0.is_empty());
    }

    #[test]
    fn tracking_changes_no_bit() {
        let input: Vec<f32> = (0..37 * 200).map(|at| (at as f32 * 0.71).sin() * 3.0).collect();
        let (gamma, beta): (Vec<f32>, Vec<f32>) = (0..37).map(|at| (1.0 + 0.01 * at as f32, 0.1 * at as f32)).unzip();
        assert_eq!(forward(&input, &gamma, &beta, false).0, forward(&input, &gamma, &beta, true).0);
    }
}
