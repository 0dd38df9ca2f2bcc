//! A student's embeddings from its teacher's, narrowed to the student's width.

use candle_core::{DType, Device, Tensor};

use super::names::{POSITION_EMBEDDINGS, TYPE_EMBEDDINGS, WORD_EMBEDDINGS};
use super::{BertConfig, Checkpoint, Tensors, lookup};
use tinybert_base::{Error, Result};

/// The three embedding matrices of a student of sizes `config`, made from a teacher with the same vocabulary.
///
/// All three are projected by one orthonormal basis, the one that keeps most of what the teacher's embeddings
/// sum to: up to LayerNorm that is the minimiser of the embedding-layer loss of distillation (arXiv
/// 1909.10351, eq. 9), so a student starts where a long general stage would take it. The scale is the
/// teacher's: LayerNorm takes it out.
///
/// # Errors
/// [`Error::Usage`] when vocabulary or segment types differ, or the student is wider or longer than the
/// teacher.
pub fn embeddings_from_teacher(teacher: &Checkpoint, config: &BertConfig) -> Result<Tensors> {
    let from = &teacher.config;
    let refuse =
        |what: String| Err(Error::Usage(format!("embeddings of {}: {what}", teacher.folder.display())));
    if config.vocab_size != from.vocab_size || config.type_vocab_size != from.type_vocab_size {
        return refuse(format!(
            "the teacher has {} word pieces and {} segment types, the student {} and {}; they must be the same",
            from.vocab_size, from.type_vocab_size, config.vocab_size, config.type_vocab_size
        ));
    }
    if config.hidden_size > from.embedding_width()
        || config.max_position_embeddings > from.max_position_embeddings
    {
        return refuse(format!(
            "the teacher's have width {} and {} positions, the student {} and {}; it must not have more",
            from.embedding_width(),
            from.max_position_embeddings,
            config.hidden_size,
            config.max_position_embeddings
        ));
    }
    let mut tables = Vec::new();
    for (name, rows) in [
        (WORD_EMBEDDINGS, config.vocab_size),
        (POSITION_EMBEDDINGS, config.max_position_embeddings),
        (TYPE_EMBEDDINGS, config.type_vocab_size),
    ] {
        tables.push((name, without_mean(&teacher.embedding_table(name)?.narrow(0, 0, rows)?)?));
    }
    // A token is one row of each table, so each table counts by the mean over its rows. Word embeddings alone
    // would not do: positions stand nearly at right angles to them.
    let mut moments =
        Tensor::zeros((from.embedding_width(), from.embedding_width()), DType::F64, &Device::Cpu)?;
    for (_, rows) in &tables {
        moments = (moments + (second_moments(rows)? / rows.dim(0)? as f64)?)?;
    }
    let projection = NarrowBasis::fit(&moments, config.hidden_size)?;
    tables.into_iter().map(|(name, rows)| Ok((name.to_owned(), projection.apply(&rows)?))).collect()
}

impl Checkpoint {
    /// One of the three embedding tables of width e, named by its tensor, as BERT has it: `[pieces, e]` by
    /// BERT's ids, `[positions, e]` from the first token's on, or `[types, e]`. A model without segment types
    /// gives rows of 0.
    ///
    /// # Errors
    /// [`Error::Input`] if the model has no such tensor.
    pub fn embedding_table(&self, name: &str) -> Result<Tensor> {
        let config = &self.config;
        if name == TYPE_EMBEDDINGS && !config.has_segment_types() {
            let shape = (config.type_vocab_size, config.embedding_width());
            return Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?);
        }
        let table = lookup(&self.tensors, name)?;
        Ok(match (name, config.piece_rows()) {
            (WORD_EMBEDDINGS, Some(rows)) => {
                table.index_select(&Tensor::new(rows.rows(), &Device::Cpu)?, 0)?
            }
            (POSITION_EMBEDDINGS, _) => {
                table.narrow(0, config.first_position(), config.max_position_embeddings)?
            }
            _ => table.clone(),
        })
    }
}

/// XᵀX of rows `[n, width]`, in f64.
fn second_moments(rows: &Tensor) -> Result<Tensor> {
    let rows = rows.to_dtype(DType::F64)?;
    Ok(rows.t()?.matmul(&rows)?)
}

/// Rows `[rows, width]` without the mean of each row, which the LayerNorm after the embeddings discards.
fn without_mean(rows: &Tensor) -> Result<Tensor> {
    Ok(rows.broadcast_sub(&rows.mean_keepdim(1)?)?)
}

/// An orthonormal basis for narrower rows, in f64 `[wide, narrow]`.
struct NarrowBasis {
    basis: Tensor,
}

impl NarrowBasis {
    /// The subspace that keeps most of the energy of rows with these second moments (`[wide, wide]`): the
    /// leading eigenvectors.
    ///
    /// Within that subspace the axes are turned by an orthonormal cosine transform. It spreads every
    /// component over all coordinates, so that none stands out when activations are quantized, and puts the
    /// weakest component on the constant vector, which the student's LayerNorm discards.
    fn fit(moments: &Tensor, narrow: usize) -> Result<Self> {
        let wide = moments.dim(0)?;
        let components = eigenvectors(moments.to_vec2()?);
        let mut basis = vec![0.0; wide * narrow];
        for (frequency, component) in components[..narrow].iter().rev().enumerate() {
            for (axis, value) in component.iter().enumerate() {
                for (column, entry) in basis[axis * narrow..][..narrow].iter_mut().enumerate() {
                    *entry += value * cosine_basis(frequency, column, narrow);
                }
            }
        }
        Ok(Self { basis: Tensor::from_vec(basis, (wide, narrow), &Device::Cpu)? })
    }

    /// Projects rows `[n, wide]` to f32 `[n, narrow]`.
    fn apply(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(rows.to_dtype(DType::F64)?.matmul(&self.basis)?.to_dtype(DType::F32)?)
    }
}

/// Entry of the orthonormal DCT-II matrix; frequency 0 is the constant vector.
fn cosine_basis(frequency: usize, column: usize, width: usize) -> f64 {
    let norm = if frequency == 0 { 1.0 } else { 2.0 };
    let angle = std::f64::consts::PI * frequency as f64 * (column as f64 + 0.5) / width as f64;
    (norm / width as f64).sqrt() * angle.cos()
}

/// Relative size of a scalar product below which two rows count as orthogonal.
const ORTHOGONAL: f64 = 1e-14;
/// Sweeps after which the iteration ends in any case; it converges in about ten.
const SWEEPS: usize = 40;

/// Orthonormal eigenvectors of a symmetric positive semi-definite matrix, largest eigenvalue first.
///
/// One-sided Jacobi (Hestenes): pairs of rows are rotated until all are orthogonal; each is then an
/// eigenvector times its eigenvalue. It only ever touches whole rows, and gives the same bits on every run.
/// Vectors of eigenvalue 0 are not determined by it and come out as zero. The distillation crate has a solver of its
/// own, for any symmetric matrix. The two round differently, so one in place of the other would change the bits of new
/// students.
fn eigenvectors(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut norms: Vec<f64> = rows.iter().map(|row| dot(row, row)).collect();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for second in 1..rows.len() {
            let (before, after) = rows.split_at_mut(second);
            let two = &mut after[0];
            for (first, one) in before.iter_mut().enumerate() {
                let product = dot(one, two);
                if product.abs() <= ORTHOGONAL * (norms[first] * norms[second]).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (norms[second] - norms[first]) / (2.0 * product);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for (x, y) in one.iter_mut().zip(two.iter_mut()) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
                norms[first] = dot(one, one);
                norms[second] = dot(two, two);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| norms[*b].total_cmp(&norms[*a]));
    let unit = |index: usize| -> Vec<f64> {
        let norm = norms[index].sqrt();
        let scale = if norm > f64::MIN_POSITIVE { 1.0 / norm } else { 0.0 };
        rows[index].iter().map(|value| value * scale).collect()
    };
    order.into_iter().map(unit).collect()
}

/// Scalar product in eight fixed partial sums, which vectorises.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left_chunks, left_rest) = left.as_chunks::<8>();
    let (right_chunks, right_rest) = right.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum::<f64>() + left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;
    use crate::tests::folder::ModelFolder;

    /// `rows x wide` with known singular values: a diagonal between two Householder reflections.
    fn with_singular_values(rows: usize, wide: usize, values: &[f64]) -> Tensor {
        let reflection = |size: usize| {
            let direction: Vec<f64> = (0..size).map(|i| ((i * 5 + 3) % 7) as f64 - 2.5).collect();
            let norm: f64 = direction.iter().map(|x| x * x).sum();
            move |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * direction[i] * direction[j] / norm
        };
        let (left, right) = (reflection(rows), reflection(wide));
        let entry =
            |i, j| values.iter().enumerate().map(|(k, value)| left(i, k) * value * right(k, j)).sum::<f64>();
        let entries: Vec<f64> = (0..rows * wide).map(|at| entry(at / wide, at % wide)).collect();
        Tensor::from_vec(entries, (rows, wide), &Device::Cpu).unwrap()
    }

    fn fit(rows: &Tensor, narrow: usize) -> NarrowBasis {
        NarrowBasis::fit(&second_moments(rows).unwrap(), narrow).unwrap()
    }

    fn energy(tensor: &Tensor) -> f64 {
        tensor.to_dtype(DType::F64).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar().unwrap()
    }

    const VALUES: [f64; 8] = [9.0, 5.0, 4.0, 4.0, 2.0, 1.0, 0.5, 0.25];

    #[test]
    fn what_a_projection_loses_is_the_energy_of_the_singular_values_left_out() {
        let rows = with_singular_values(20, 8, &VALUES);
        for narrow in [1, 2, 4, 5, 8] {
            let projection = fit(&rows, narrow);
            let basis = &projection.basis;
            let back = rows.matmul(basis).unwrap().matmul(&basis.t().unwrap()).unwrap();
            let lost = energy(&(&rows - back).unwrap());
            let expected: f64 = VALUES[narrow..].iter().map(|value| value * value).sum();
            assert!((lost - expected).abs() < 1e-9, "width {narrow}: lost {lost}, expected {expected}");
        }
    }

    #[test]
    fn the_basis_is_orthonormal() {
        let basis = fit(&with_singular_values(20, 8, &VALUES), 5).basis;
        let gram: Vec<Vec<f64>> = basis.t().unwrap().matmul(&basis).unwrap().to_vec2().unwrap();
        for (i, row) in gram.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((value - f64::from(u8::from(i == j))).abs() < 1e-12, "({i}, {j}): {value}");
            }
        }
    }

    #[test]
    fn a_matrix_of_low_rank_is_kept_whole() {
        let rows = with_singular_values(20, 8, &[3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let narrow = fit(&rows, 3).apply(&rows).unwrap();
        assert!((energy(&narrow) - 13.0).abs() < 1e-5);
    }

    #[test]
    fn no_coordinate_stands_out() {
        // One component has nearly all the energy, as real embeddings' mean has.
        let rows = with_singular_values(40, 16, &[100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let narrow: Vec<Vec<f32>> = fit(&rows, 8).apply(&rows).unwrap().to_vec2().unwrap();
        let column = |j: usize| narrow.iter().map(|row| f64::from(row[j]).powi(2)).sum::<f64>();
        let largest = (0..8).map(column).fold(0.0, f64::max);
        assert!(largest < 2.1 * 10_007.0 / 8.0, "a coordinate has the energy {largest}");
    }

    #[test]
    fn the_same_embeddings_give_the_same_bits() {
        let rows = with_singular_values(20, 8, &VALUES);
        let project = || -> Vec<Vec<f32>> { fit(&rows, 5).apply(&rows).unwrap().to_vec2().unwrap() };
        assert_eq!(project(), project());
    }

    fn teacher() -> Checkpoint {
        ModelFolder::new(&Head::None).finish().load().unwrap()
    }

    #[test]
    fn at_full_width_the_angles_within_and_between_the_tables_stay() {
        let teacher = teacher();
        let projected = embeddings_from_teacher(&teacher, &teacher.config).unwrap();
        assert_eq!(projected.len(), 3);
        let all = |tables: &Tensors| {
            let tables: Vec<_> = projected.keys().map(|name| without_mean(&tables[name]).unwrap()).collect();
            Tensor::cat(&tables, 0).unwrap()
        };
        let products = |rows: Tensor| rows.matmul(&rows.t().unwrap()).unwrap();
        let difference = (products(all(&projected)) - products(all(&teacher.tensors))).unwrap();
        assert!(energy(&difference) < 1e-8, "{difference}");
    }

    #[test]
    fn sizes_that_the_teacher_cannot_give_are_usage_errors() {
        let teacher = teacher();
        let config = || teacher.config.clone();
        for (student, part) in [
            (BertConfig { vocab_size: 11, ..config() }, "10 word pieces"),
            (BertConfig { hidden_size: 10, ..config() }, "width 8"),
            (BertConfig { max_position_embeddings: 17, ..config() }, "16 positions"),
        ] {
            let error = embeddings_from_teacher(&teacher, &student).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
