//! The dense linear algebra in f64 that initial weights are computed with.

use candle_core::{DType, Device, Tensor};

use tinybert_base::Result;

/// A row-major matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseMatrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl DenseMatrix {
    /// Copies a tensor `[rows, columns]`.
    ///
    /// # Errors
    /// An internal error for a tensor of another rank.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let (rows, columns) = tensor.dims2()?;
        let values = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Ok(Self { rows, columns, values })
    }

    /// An f64 tensor `[rows, columns]`.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, (self.rows, self.columns), &Device::Cpu)?)
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.columns + column]
    }

    fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.values[row * self.columns + column]
    }
}

/// Solves A·X = B for X, with a symmetric positive semidefinite A `[n, n]` and B `[n, m]`. `ridge` times the
/// mean of A's diagonal is added to the diagonal, so that the equation has a solution.
pub fn solve(a: &DenseMatrix, b: &DenseMatrix, ridge: f64) -> DenseMatrix {
    let n = a.rows;
    let mean = (0..n).map(|i| a.at(i, i)).sum::<f64>() / n as f64;
    // A = L·Lᵀ, row by row.
    let mut l = a.clone();
    for i in 0..n {
        *l.at_mut(i, i) += (ridge * mean).max(f64::MIN_POSITIVE);
        for j in 0..=i {
            let rest = l.at(i, j) - dot(&l.row(i)[..j], &l.row(j)[..j]);
            *l.at_mut(i, j) = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / l.at(j, j) };
        }
    }
    let mut x = b.clone();
    for i in 0..n {
        eliminate(&mut x, i, 0..i, |k| l.at(i, k), l.at(i, i));
    }
    for i in (0..n).rev() {
        eliminate(&mut x, i, i + 1..n, |k| l.at(k, i), l.at(i, i));
    }
    x
}

/// Sets row i of x to (xᵢ − Σₖ factor(k)·xₖ) / pivot.
fn eliminate(
    x: &mut DenseMatrix,
    i: usize,
    known: std::ops::Range<usize>,
    factor: impl Fn(usize) -> f64,
    pivot: f64,
) {
    let mut row = x.row(i).to_vec();
    for k in known {
        let factor = factor(k);
        for (value, known) in row.iter_mut().zip(x.row(k)) {
            *value -= factor * known;
        }
    }
    for (target, value) in x.values[i * x.columns..].iter_mut().zip(row) {
        *target = value / pivot;
    }
}

/// Sum of products in eight independent sums, so that the compiler can use vector instructions.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// The `count` indices, in ascending order, that explain most of a second-moment matrix `[n, n]`. Pivoted
/// Cholesky takes the index with the largest unexplained part in every step.
pub fn most_explaining(moments: &DenseMatrix, count: usize) -> Vec<usize> {
    let mut rest = moments.clone();
    let n = rest.rows;
    let mut chosen = Vec::with_capacity(count);
    for _ in 0..count {
        let unexplained = |i: &usize| rest.at(*i, *i);
        let candidates = (0..n).filter(|i| !chosen.contains(i));
        // The first one of equal candidates is taken.
        let Some(pivot) = candidates.reduce(|a, b| if unexplained(&b) > unexplained(&a) { b } else { a })
        else {
            break;
        };
        let row = rest.row(pivot).to_vec();
        let scale = 1.0 / row[pivot].max(f64::MIN_POSITIVE);
        for i in 0..n {
            let factor = row[i] * scale;
            for (value, pivot) in rest.values[i * n..(i + 1) * n].iter_mut().zip(&row) {
                *value -= factor * pivot;
            }
        }
        chosen.push(pivot);
    }
    chosen.sort_unstable();
    chosen
}

/// The eigenvalues of a symmetric matrix in descending order and its eigenvectors as rows, by cyclic Jacobi
/// rotations.
///
/// The model crate narrows embeddings by a one-sided solver of its own. The two round differently, so one in place of
/// the other would change the bits of new students.
pub fn symmetric_eigen(matrix: &DenseMatrix) -> (Vec<f64>, DenseMatrix) {
    /// Convergence takes five to ten sweeps.
    const SWEEPS: usize = 60;
    let n = matrix.rows;
    let mut a = matrix.clone();
    let mut vectors = DenseMatrix { rows: n, columns: n, values: vec![0.0; n * n] };
    for i in 0..n {
        *vectors.at_mut(i, i) = 1.0;
    }
    let norm = a.values.iter().map(|v| v * v).sum::<f64>();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).map(|i| (0..i).map(|j| a.at(i, j).powi(2)).sum::<f64>()).sum();
        if off <= 1e-28 * norm {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(j, j).total_cmp(&a.at(i, i)));
    let sorted = order.iter().flat_map(|&i| vectors.row(i).to_vec()).collect();
    (order.iter().map(|&i| a.at(i, i)).collect(), DenseMatrix { rows: n, columns: n, values: sorted })
}

/// Applies the rotation that makes a[p][q] zero: to `a` from both sides, and to the rows of `vectors`.
fn rotate(a: &mut DenseMatrix, vectors: &mut DenseMatrix, p: usize, q: usize) {
    let off = a.at(p, q);
    if off == 0.0 {
        return;
    }
    let theta = (a.at(q, q) - a.at(p, p)) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (t * t + 1.0).sqrt();
    let sine = t * cosine;
    for k in 0..a.rows {
        let (x, y) = (a.at(k, p), a.at(k, q));
        *a.at_mut(k, p) = cosine * x - sine * y;
        *a.at_mut(k, q) = sine * x + cosine * y;
    }
    for matrix in [a, vectors] {
        for k in 0..matrix.columns {
            let (x, y) = (matrix.at(p, k), matrix.at(q, k));
            *matrix.at_mut(p, k) = cosine * x - sine * y;
            *matrix.at_mut(q, k) = sine * x + cosine * y;
        }
    }
}

/// The matrices A `[rank, n]` and B `[rank, n]` for which (A·x)·(B·y) is the best approximation of x·y, where
/// x and y have the second moments `left` and `right` `[n, n]`.
///
/// With left = L·L and right = R·R (symmetric roots) and the singular values L·R = U·Σ·Vᵀ:
/// A = Σ^½·Uᵀ·L⁻¹ and B = Σ^½·Vᵀ·R⁻¹, cut to the largest `rank`.
///
/// # Errors
/// An internal error of the tensor engine.
pub fn low_rank_product(left: &DenseMatrix, right: &DenseMatrix, rank: usize) -> Result<(Tensor, Tensor)> {
    let (left_root, left_inverse) = roots(left)?;
    let (right_root, right_inverse) = roots(right)?;
    let product = left_root.matmul(&right_root)?;
    let (squares, v) = symmetric_eigen(&DenseMatrix::from_tensor(&product.t()?.matmul(&product)?)?);
    let v = v.to_tensor()?.narrow(0, 0, rank)?;
    // A singular value of 0 has no left vector and needs none.
    let floor = 1e-12 * squares.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
    let singular = squares.iter().take(rank).map(|s| s.max(floor).sqrt());
    let root = Tensor::from_iter(singular.clone().map(f64::sqrt), &Device::Cpu)?.reshape((rank, 1))?;
    let inverse_root =
        Tensor::from_iter(singular.map(|s| s.sqrt().recip()), &Device::Cpu)?.reshape((rank, 1))?;
    // Σ^½·Uᵀ = Σ^-½·Vᵀ·(L·R)ᵀ.
    let a = v.broadcast_mul(&inverse_root)?.matmul(&product.t()?)?.matmul(&left_inverse)?;
    let b = v.broadcast_mul(&root)?.matmul(&right_inverse)?;
    Ok((a, b))
}

/// The symmetric root of a positive semidefinite matrix and the inverse of the root. Small eigenvalues are
/// raised.
fn roots(matrix: &DenseMatrix) -> Result<(Tensor, Tensor)> {
    let (values, vectors) = symmetric_eigen(matrix);
    let floor = 1e-9 * values.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
    let vectors = vectors.to_tensor()?;
    let of = |power: f64| -> Result<Tensor> {
        let values = values.iter().map(|value| value.max(floor).powf(power));
        let scaled = vectors.broadcast_mul(&Tensor::from_iter(values, &Device::Cpu)?.reshape(((), 1))?)?;
        Ok(vectors.t()?.matmul(&scaled)?)
    };
    Ok((of(0.5)?, of(-0.5)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize) -> DenseMatrix {
        let values = (0..rows * columns).map(|i| ((i * i) as f64 * 0.7 + i as f64).sin()).collect();
        DenseMatrix { rows, columns, values }
    }

    /// Xᵀ·X of a tall X.
    fn moments(n: usize) -> DenseMatrix {
        let x = matrix(3 * n, n).to_tensor().unwrap();
        DenseMatrix::from_tensor(&x.t().unwrap().matmul(&x).unwrap()).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        let distance = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let distance = distance.to_scalar::<f64>().unwrap();
        assert!(distance < 1e-9, "{distance}");
    }

    #[test]
    fn solve_inverts_a_product() {
        let (a, x) = (moments(20), matrix(20, 7));
        let b = DenseMatrix::from_tensor(&a.to_tensor().unwrap().matmul(&x.to_tensor().unwrap()).unwrap())
            .unwrap();
        assert_close(&solve(&a, &b, 0.0).to_tensor().unwrap(), &x.to_tensor().unwrap());
    }

    #[test]
    fn eigenvectors_are_orthonormal_and_rebuild_the_matrix() {
        let a = moments(17);
        let (values, vectors) = symmetric_eigen(&a);
        assert!(values.is_sorted_by(|x, y| x >= y));
        let v = vectors.to_tensor().unwrap();
        let identity = Tensor::eye(17, DType::F64, &Device::Cpu).unwrap();
        assert_close(&v.matmul(&v.t().unwrap()).unwrap(), &identity);
        let scaled = v.broadcast_mul(&Tensor::from_vec(values, (17, 1), &Device::Cpu).unwrap()).unwrap();
        assert_close(&v.t().unwrap().matmul(&scaled).unwrap(), &a.to_tensor().unwrap());
    }

    #[test]
    fn a_copied_column_explains_nothing_more() {
        let mut x = matrix(30, 4);
        for row in 0..30 {
            // Column 3 is twice column 1, column 2 is small.
            *x.at_mut(row, 3) = 2.0 * x.at(row, 1);
            *x.at_mut(row, 2) *= 0.1;
        }
        let x = x.to_tensor().unwrap();
        let moments = DenseMatrix::from_tensor(&x.t().unwrap().matmul(&x).unwrap()).unwrap();
        assert_eq!(most_explaining(&moments, 3), [0, 2, 3]);
    }

    #[test]
    fn a_product_of_full_rank_is_kept_and_a_deficient_one_too() {
        let (left, right) = (moments(6), moments(6));
        let (a, b) = low_rank_product(&left, &right, 6).unwrap();
        let identity = Tensor::eye(6, DType::F64, &Device::Cpu).unwrap();
        assert_close(&a.t().unwrap().matmul(&b).unwrap(), &identity);

        // x lives in two dimensions only: two numbers are enough for x·y.
        let x = matrix(9, 2).to_tensor().unwrap().matmul(&matrix(2, 6).to_tensor().unwrap()).unwrap();
        let left = DenseMatrix::from_tensor(&x.t().unwrap().matmul(&x).unwrap()).unwrap();
        let (a, b) = low_rank_product(&left, &right, 2).unwrap();
        let y = matrix(5, 6).to_tensor().unwrap();
        let found = x.matmul(&a.t().unwrap()).unwrap().matmul(&b).unwrap().matmul(&y.t().unwrap()).unwrap();
        let expected = x.matmul(&y.t().unwrap()).unwrap();
        let distance = (found - expected).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        assert!(distance.to_scalar::<f64>().unwrap() < 1e-3);
    }
}
