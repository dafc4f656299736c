//! The two things that the compiler cannot check: a matrix product that reads rows in place, and code for wide vectors.
//!
//! The whole program has no other `unsafe`. Both are behind functions that check what they need.
#![expect(unsafe_code, reason = "gemm takes pointers, and wide vectors need a processor that has them")]

use gemm::Parallelism;

/// A matrix inside `values`: element `(row, column)` lies at `row · row_stride + column · column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Where its elements lie.
    pub values: &'a [f32],
    /// How many rows it has.
    pub rows: usize,
    /// How many columns it has.
    pub columns: usize,
    /// From one row to the next.
    pub row_stride: usize,
    /// From one column to the next.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` rows that lie one after the other.
    pub fn of_rows(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements, rows taken for columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Whether every element lies inside `values`.
    fn is_inside(&self) -> bool {
        let last = (self.rows.max(1) - 1) * self.row_stride + (self.columns.max(1) - 1) * self.column_stride;
        self.rows == 0 || self.columns == 0 || last < self.values.len()
    }
}

/// `out += left · right` on the calling thread; the rows of `out` lie one after the other.
///
/// # Panics
/// When the sizes do not fit each other or an element would lie outside.
pub fn add_product(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    assert!(left.columns == right.rows && out.len() == left.rows * right.columns, "sizes that fit each other");
    assert!(left.is_inside() && right.is_inside(), "matrices inside their values");
    let stride = |stride: usize| stride as isize; // No slice has more elements than `isize` holds.
    // SAFETY: `out` is borrowed alone and holds `left.rows · right.columns` elements; every element of both matrices lies
    // inside its slice, as asserted above.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            stride(right.columns),
            true,
            left.values.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.values.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Does `work`, compiled for the widest vectors of this processor. `work` must be a closure marked `#[inline(always)]`.
///
/// The results are the same everywhere: plain arithmetic is neither fused nor put in another order by the compiler.
#[inline]
pub fn on_wide_vectors<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn avx512<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        #[target_feature(enable = "avx2")]
        fn avx2<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        let has_avx512 = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("avx512bw");
        if has_avx512 {
            // SAFETY: the processor has these vectors, as just asked.
            return unsafe { avx512(work) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { avx2(work) };
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_added_and_strides_followed() {
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3], or transposed [3, 2].
        let right = [1.0, -1.0, 0.5, 2.0, 0.0, 1.0]; // [3, 2].
        let mut out = [10.0; 4];
        add_product(&mut out, Matrix::of_rows(&left, 2, 3), Matrix::of_rows(&right, 3, 2));
        assert_eq!(out, [12.0, 16.0, 16.5, 22.0]);
        let mut out = [0.0; 9];
        add_product(&mut out, Matrix::of_rows(&left, 2, 3).transposed(), Matrix::of_rows(&right, 3, 2).transposed());
        assert_eq!(out, [-3.0, 8.5, 4.0, -3.0, 11.0, 5.0, -3.0, 13.5, 6.0]);
        add_product(&mut [], Matrix::of_rows(&[], 0, 3), Matrix::of_rows(&right, 3, 2));
    }

    #[test]
    #[should_panic(expected = "inside their values")]
    fn a_matrix_outside_its_values_is_refused() {
        add_product(&mut [0.0; 4], Matrix::of_rows(&[0.0; 5], 2, 3), Matrix::of_rows(&[0.0; 6], 3, 2));
    }

    #[test]
    fn wide_vectors_change_no_bit() {
        let values: Vec<f32> = (0..1_003).map(|at| (at as f32 * 0.37).sin()).collect();
        let work =
            |values: &[f32]| -> Vec<f32> { values.iter().map(|value| value * 1.7 + 0.3 / (2.0 + value)).collect() };
        let wide = on_wide_vectors(
            #[inline(always)]
            || work(&values),
        );
        assert_eq!(wide, work(&values));
    }
}
