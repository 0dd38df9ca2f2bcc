//! Learned linear projections from the student's width to the teacher's.

use candle_core::{DType, Device, Tensor, Var};

use super::linalg::{DenseMatrix, solve};
use tinybert_base::Result;
use tinybert_model::BertConfig;

/// Relative ridge of the least-squares fit that a projection starts from.
const RIDGE: f64 = 1e-3;

/// A projection: a weight `[teacher, student]`, and possibly a bias `[teacher]`.
#[derive(Clone)]
pub struct WidthProjection {
    pub(super) weight: Var,
    pub(super) bias: Option<Var>,
}

impl WidthProjection {
    /// A random projection: weights are normal with the student's initializer range, the bias is 0. The name
    /// selects the stream of random numbers.
    pub fn new(
        name: &str,
        student: &BertConfig,
        teacher: &BertConfig,
        bias: bool,
        seed: u64,
    ) -> Result<Self> {
        let shape = [teacher.hidden_size, student.hidden_size];
        let mut generator = tinybert_base::random::generator(seed, name);
        let values =
            tinybert_base::random::normal(&mut generator, shape.iter().product(), student.initializer_range);
        let bias = match bias {
            true => Some(Var::zeros(shape[0], DType::F32, &Device::Cpu)?),
            false => None,
        };
        Ok(Self { weight: Var::from_vec(values, &shape[..], &Device::Cpu)?, bias })
    }

    /// The projection on a device: a copy, or the same variables if they are there already.
    pub fn on_device(&self, device: &Device) -> Result<Self> {
        if self.weight.device().same_device(device) {
            return Ok(self.clone());
        }
        let moved = |var: &Var| Var::from_tensor(&var.as_detached_tensor().to_device(device)?);
        Ok(Self { weight: moved(&self.weight)?, bias: self.bias.as_ref().map(moved).transpose()? })
    }

    /// Projects states `[b, l, student]` to `[b, l, teacher]`.
    pub fn forward(&self, states: &Tensor) -> Result<Tensor> {
        let (b, l, width) = states.dims3()?;
        let rows = states.reshape((b * l, width))?.matmul(&self.weight.t()?)?;
        let rows = match &self.bias {
            Some(bias) => rows.broadcast_add(bias)?,
            None => rows,
        };
        Ok(rows.reshape((b, l, self.weight.dim(0)?))?)
    }
}

/// The sums over pairs of states from which the least-squares projection is computed.
pub struct LeastSquares {
    /// Xᵀ·X, `[student, student]`. With a bias X has an additional last column of ones.
    inputs: Tensor,
    /// Xᵀ·Y, `[student, teacher]`, with the same additional column.
    products: Tensor,
    bias: bool,
}

impl LeastSquares {
    /// Empty sums for a projection of this shape.
    pub fn new(projection: &WidthProjection) -> Result<Self> {
        let (teacher, student) = projection.weight.dims2()?;
        let bias = projection.bias.is_some();
        let rows = student + usize::from(bias);
        Ok(Self {
            inputs: Tensor::zeros((rows, rows), DType::F64, &Device::Cpu)?,
            products: Tensor::zeros((rows, teacher), DType::F64, &Device::Cpu)?,
            bias,
        })
    }

    /// Adds states `[1, l, student]` and `[1, l, teacher]` without padding.
    pub fn add(&mut self, student: &Tensor, teacher: &Tensor, weight: f64) -> Result<()> {
        let (mut x, y) = (student.squeeze(0)?, teacher.squeeze(0)?);
        if self.bias {
            x = Tensor::cat(&[&x, &Tensor::ones((x.dim(0)?, 1), DType::F32, x.device())?], 1)?;
        }
        let transposed = x.t()?;
        let exact = |sums: Tensor| sums.to_device(&Device::Cpu)?.to_dtype(DType::F64)? * weight;
        self.inputs = (&self.inputs + exact(transposed.matmul(&x)?)?)?;
        self.products = (&self.products + exact(transposed.matmul(&y)?)?)?;
        Ok(())
    }

    /// Sets the projection to the least-squares fit of all states that were added.
    pub fn finish(self, projection: &WidthProjection) -> Result<()> {
        let (inputs, products) =
            (DenseMatrix::from_tensor(&self.inputs)?, DenseMatrix::from_tensor(&self.products)?);
        let best = solve(&inputs, &products, RIDGE).to_tensor()?.to_dtype(DType::F32)?;
        let best = best.to_device(projection.weight.device())?;
        let student = projection.weight.dim(1)?;
        projection.weight.set(&best.narrow(0, 0, student)?.t()?.contiguous()?)?;
        if let Some(bias) = &projection.bias {
            bias.set(&best.get(student)?.contiguous()?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_squares_finds_the_linear_map_behind_the_states() {
        let config = |hidden_size| BertConfig {
            architecture: Default::default(),
            vocab_size: 1,
            hidden_size,
            embedding_size: None,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 1,
            max_position_embeddings: 1,
            type_vocab_size: 1,
            layer_norm_eps: 1e-12,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            initializer_range: 0.5,
            pruned: Default::default(),
        };
        let truth = WidthProjection::new("truth", &config(4), &config(7), true, 1).unwrap();
        truth.bias.as_ref().unwrap().set(&Tensor::arange(0f32, 7.0, &Device::Cpu).unwrap()).unwrap();
        let found = WidthProjection::new("found", &config(4), &config(7), true, 2).unwrap();
        let mut sums = LeastSquares::new(&found).unwrap();
        let values =
            tinybert_base::random::normal(&mut tinybert_base::random::generator(3, "states"), 400 * 4, 1.0);
        let student = Tensor::from_vec(values, (1, 400, 4), &Device::Cpu).unwrap();
        let expected = truth.forward(&student).unwrap();
        sums.add(&student, &expected, 1.0).unwrap();
        sums.finish(&found).unwrap();
        let distance = (found.forward(&student).unwrap() - expected).unwrap().abs().unwrap();
        let distance = distance.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(distance < 0.02, "{distance}");
    }
}
