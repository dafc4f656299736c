//! The causal dilated convolution on plain slices: `kernel` matrix products an item, on rows as they lie.
//!
//! Shift `i` of the kernel multiplies input row `t + i · dilation - padding` into output row `t`. For one item and one
//! shift that is a product of a stretch of input rows with one matrix, so nothing is copied or unfolded. Items are
//! spread over the current rayon pool; what is summed over items is summed in their order on one thread, so that every
//! number of threads gives the same bits.

use rayon::prelude::*;

use super::machine::{Matrix, add_product};

/// Input channels to a task of the weights' gradient; a fixed number, whatever the number of threads.
const CHANNELS_AT_ONCE: usize = 64;

/// Sizes of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Items.
    pub batch: usize,
    /// Rows of an item.
    pub time: usize,
    /// Channels in.
    pub from: usize,
    /// Channels out.
    pub to: usize,
    /// Shifts.
    pub kernel: usize,
    /// Rows between two shifts.
    pub dilation: usize,
    /// Rows of zeros that are imagined before each item.
    pub padding: usize,
}

impl ConvShape {
    /// Rows of an item of the output.
    pub fn output_time(&self) -> usize {
        (self.time + self.padding).saturating_sub((self.kernel - 1) * self.dilation)
    }

    /// The output row and the input row where the stretch of `shift` begins, and its length.
    fn stretch(&self, shift: usize) -> (usize, usize, usize) {
        let start = self.padding.saturating_sub(shift * self.dilation).min(self.output_time());
        (start, (start + shift * self.dilation).saturating_sub(self.padding), self.output_time() - start)
    }

    /// The matrix of `shift` in `weight`, `[channels in, channels out]`.
    fn matrix<'a>(&self, weight: &'a [f32], shift: usize) -> Matrix<'a> {
        let len = self.from * self.to;
        Matrix::of_rows(&weight[shift * len..(shift + 1) * len], self.from, self.to)
    }
}

/// `input` `[batch, time, from]`, `weight` `[kernel · from, to]` and `bias` `[to]` give `[batch, output time, to]`.
pub fn forward(shape: ConvShape, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; shape.batch * shape.output_time() * shape.to];
    let (input_len, output_len) = (shape.time * shape.from, shape.output_time() * shape.to);
    output.par_chunks_mut(output_len.max(1)).zip(input.par_chunks(input_len.max(1))).for_each(|(output, input)| {
        output.chunks_exact_mut(shape.to).for_each(|row| row.copy_from_slice(bias));
        for shift in 0..shape.kernel {
            let (out_start, in_start, rows) = shape.stretch(shift);
            let input = Matrix::of_rows(&input[in_start * shape.from..], rows, shape.from);
            add_product(&mut output[out_start * shape.to..], input, shape.matrix(weight, shift));
        }
    });
    output
}

/// The loss's derivative by the input, from that by the output.
pub fn backward_input(shape: ConvShape, gradient: &[f32], weight: &[f32]) -> Vec<f32> {
    let mut by_input = vec![0.0; shape.batch * shape.time * shape.from];
    let (input_len, output_len) = (shape.time * shape.from, shape.output_time() * shape.to);
    by_input.par_chunks_mut(input_len.max(1)).zip(gradient.par_chunks(output_len.max(1))).for_each(
        |(by_input, gradient)| {
            for shift in 0..shape.kernel {
                let (out_start, in_start, rows) = shape.stretch(shift);
                let gradient = Matrix::of_rows(&gradient[out_start * shape.to..], rows, shape.to);
                let by_input = &mut by_input[in_start * shape.from..(in_start + rows) * shape.from];
                add_product(by_input, gradient, shape.matrix(weight, shift).transposed());
            }
        },
    );
    by_input
}

/// The loss's derivative by the weights.
pub fn backward_weight(shape: ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let mut by_weight = vec![0.0; shape.kernel * shape.from * shape.to];
    let (input_len, output_len) = (shape.time * shape.from, shape.output_time() * shape.to);
    if input_len == 0 || output_len == 0 {
        return by_weight;
    }
    let part_len = CHANNELS_AT_ONCE * shape.to;
    by_weight.par_chunks_mut(shape.from * shape.to).enumerate().for_each(|(shift, by_matrix)| {
        let (out_start, in_start, rows) = shape.stretch(shift);
        by_matrix.par_chunks_mut(part_len).enumerate().for_each(|(part, by_part)| {
            let channel = part * CHANNELS_AT_ONCE;
            for (input, gradient) in input.chunks_exact(input_len).zip(gradient.chunks_exact(output_len)) {
                let input = Matrix {
                    values: &input[in_start * shape.from + channel..],
                    rows,
                    columns: by_part.len() / shape.to,
                    row_stride: shape.from,
                    column_stride: 1,
                };
                let gradient = Matrix::of_rows(&gradient[out_start * shape.to..], rows, shape.to);
                add_product(by_part, input.transposed(), gradient);
            }
        });
    });
    by_weight
}

/// The loss's derivative by the bias.
pub fn backward_bias(shape: ConvShape, gradient: &[f32]) -> Vec<f32> {
    let output_len = (shape.output_time() * shape.to).max(1);
    let by_item = |gradient: &[f32]| {
        let mut sum = vec![0.0; shape.to];
        gradient.chunks_exact(shape.to).for_each(|row| add(&mut sum, row));
        sum
    };
    let by_items: Vec<Vec<f32>> = gradient.par_chunks(output_len).map(by_item).collect();
    let mut sum = vec![0.0; shape.to];
    by_items.iter().for_each(|item| add(&mut sum, item));
    sum
}

/// `sum += values`, element by element.
pub fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_hear_the_shifts_that_they_should() {
        // One channel, powers of ten as weights: each digit of an output is the input of one shift.
        let shape = ConvShape { batch: 2, time: 5, from: 1, to: 1, kernel: 3, dilation: 2, padding: 4 };
        let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0];
        let weight = [100.0, 10.0, 1.0];
        let expected = [1.0, 2.0, 13.0, 24.0, 135.0, 6.0, 7.0, 68.0, 79.0, 681.0];
        assert_eq!(forward(shape, &input, &weight, &[0.0]), expected);
        let shape = ConvShape { padding: 0, ..shape };
        assert_eq!(forward(shape, &input, &weight, &[0.5]), [135.5, 681.5]);
        let short = ConvShape { time: 3, ..shape };
        assert!(forward(short, &input[..6], &weight, &[0.5]).is_empty());
    }

    #[test]
    fn nothing_gives_nothing() {
        let shape = ConvShape { batch: 0, time: 4, from: 2, to: 3, kernel: 2, dilation: 1, padding: 1 };
        assert!(forward(shape, &[], &[0.0; 12], &[0.0; 3]).is_empty());
        assert_eq!(backward_weight(shape, &[], &[]), [0.0; 12]);
        assert_eq!(backward_bias(shape, &[]), [0.0; 3]);
        let empty = ConvShape { batch: 2, time: 0, ..shape };
        assert!(backward_input(empty, &[], &[0.0; 12]).is_empty());
    }
}
