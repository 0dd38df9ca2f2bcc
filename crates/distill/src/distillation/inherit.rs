//! Initial weights for a student from its teacher's weights, narrowed to the student's size.
//!
//! The paper trains its general student from random weights for weeks of core time. With a few hours of
//! training, the initial weights decide the result. Narrowing keeps some dimensions and lets them replace the
//! dropped ones as far as linear maps can: hidden dimensions and neurons are selected, and the weights that
//! read dropped dimensions are moved to the kept ones by least squares on sample text. Within each head, the
//! products query·key and output·value are replaced by their best approximations of lower rank.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{D, DType, Device, Tensor};

use super::linalg::{DenseMatrix, low_rank_product, most_explaining, solve};
use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;
use tinybert_model::names::{self, LayerNames};
use tinybert_model::{BertConfig, Checkpoint, Tensors};
use tinybert_nn::{Bert, Observe, Site};

/// Relative ridge of the least-squares fits.
const RIDGE: f64 = 1e-4;

/// The encoder tensors of a student of the sizes `student`, computed from the teacher layers `map` (counted
/// from 1). The activations on `samples` of `text` decide which dimensions are kept.
///
/// # Errors
/// [`Error::Usage`] if a size of the student is larger than the teacher's, or if their numbers of heads differ.
pub fn inherit(
    teacher: &Checkpoint,
    student: &BertConfig,
    map: &[usize],
    text: &EncodedSet,
    samples: &[usize],
) -> Result<Tensors> {
    check(&teacher.config, student)?;
    let moments = ActivationMoments::measure(teacher, map, text, samples)?;
    let hidden = KeptDimensions::new(&moments.states, student.hidden_size)?;
    let narrowing = Narrowing { teacher, student, moments: &moments, hidden };
    let mut tensors = Tensors::new();
    narrowing.embeddings(&mut tensors)?;
    for (m, &layer) in map.iter().enumerate() {
        narrowing.layer(m, layer - 1, &mut tensors)?;
    }
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?.contiguous()?))).collect()
}

fn check(teacher: &BertConfig, student: &BertConfig) -> Result<()> {
    if !student.pruned.is_empty() || !teacher.pruned.is_empty() {
        return Err(Error::Usage(
            "pruned models cannot inherit or be inherited from: prune afterwards".into(),
        ));
    }
    if teacher.embedding_size.is_some() {
        return Err(Error::Usage(format!(
            "a student cannot inherit from a teacher whose embeddings are projected from width {} to {}: leave out \
             `--inherit`",
            teacher.embedding_width(),
            teacher.hidden_size
        )));
    }
    if student.num_attention_heads != teacher.num_attention_heads {
        return Err(Error::Usage(format!(
            "a student can inherit only from a teacher with as many attention heads: it has {}, the teacher {}; make \
             it with `init --heads {1}`",
            student.num_attention_heads, teacher.num_attention_heads
        )));
    }
    for (what, student, teacher) in [
        ("hidden size", student.hidden_size, teacher.hidden_size),
        ("intermediate size", student.intermediate_size, teacher.intermediate_size),
        ("vocabulary", student.vocab_size, teacher.vocab_size),
        ("number of positions", student.max_position_embeddings, teacher.max_position_embeddings),
        ("number of segment types", student.type_vocab_size, teacher.type_vocab_size),
    ] {
        if student > teacher {
            return Err(Error::Usage(format!(
                "a student can inherit only from a teacher that is nowhere smaller: its {what} is {student}, the \
                 teacher's {teacher}"
            )));
        }
    }
    Ok(())
}

/// Second moments Xᵀ·X of the teacher's activations over sample text.
struct ActivationMoments {
    /// The sum over all hidden states, `[hidden, hidden]`.
    states: DenseMatrix,
    sites: BTreeMap<Site, Tensor>,
}

impl ActivationMoments {
    fn measure(teacher: &Checkpoint, map: &[usize], text: &EncodedSet, samples: &[usize]) -> Result<Self> {
        let bert = Bert::frozen(&teacher.config, &teacher.tensors)?;
        let mut observer =
            Observer { layers: map.iter().map(|layer| layer - 1).collect(), sites: BTreeMap::new() };
        let h = teacher.config.hidden_size;
        let mut states = Tensor::zeros((h, h), DType::F64, &Device::Cpu)?;
        for &sample in samples {
            // A batch of one sample has no padding that would have to be left out.
            let output = bert.forward_observed(&text.collate(&[sample], 0)?, &mut observer)?;
            for state in &output.states {
                states = (states + second_moment(&state.squeeze(0)?)?)?;
            }
        }
        Ok(Self { states: DenseMatrix::from_tensor(&states)?, sites: observer.sites })
    }

    fn site(&self, site: Site) -> &Tensor {
        &self.sites[&site]
    }

    /// The block `[head_dim, head_dim]` of one head.
    fn head(&self, site: Site, head: usize, head_dim: usize) -> Result<DenseMatrix> {
        let at = head * head_dim;
        DenseMatrix::from_tensor(&self.site(site).narrow(0, at, head_dim)?.narrow(1, at, head_dim)?)
    }
}

struct Observer {
    layers: BTreeSet<usize>,
    sites: BTreeMap<Site, Tensor>,
}

impl Observe for Observer {
    fn observe(&mut self, site: Site, values: &Tensor) -> candle_core::Result<()> {
        let (Site::Query(layer) | Site::Key(layer) | Site::Context(layer) | Site::PostGelu(layer)) = site
        else {
            return Ok(());
        };
        if !self.layers.contains(&layer) {
            return Ok(());
        }
        let new = second_moment(values)?;
        let sum = match self.sites.remove(&site) {
            Some(old) => (old + new)?,
            None => new,
        };
        self.sites.insert(site, sum);
        Ok(())
    }
}

/// Xᵀ·X of X `[rows, width]` in f64.
fn second_moment(x: &Tensor) -> candle_core::Result<Tensor> {
    x.t()?.matmul(x)?.to_dtype(DType::F64)
}

/// The kept dimensions of a space, and the estimate of all dimensions from them.
struct KeptDimensions {
    /// Indices of the kept dimensions, ascending.
    kept: Tensor,
    /// `[all, kept]`: the best linear estimate of all dimensions from the kept ones.
    estimate: Tensor,
}

impl KeptDimensions {
    /// The `count` dimensions that explain most of the second moments.
    fn new(moments: &DenseMatrix, count: usize) -> Result<Self> {
        Self::from_kept(moments, most_explaining(moments, count))
    }

    fn from_kept(moments: &DenseMatrix, kept: Vec<usize>) -> Result<Self> {
        let kept = Tensor::from_iter(kept.into_iter().map(|i| i as u32), &Device::Cpu)?;
        let rows = moments.to_tensor()?.index_select(&kept, 0)?;
        let square = DenseMatrix::from_tensor(&rows.index_select(&kept, 1)?)?;
        let estimate =
            solve(&square, &DenseMatrix::from_tensor(&rows)?, RIDGE).to_tensor()?.t()?.contiguous()?;
        Ok(Self { kept, estimate })
    }

    /// Kept entries along a dimension.
    fn keep(&self, tensor: &Tensor, dim: impl candle_core::shape::Dim) -> Result<Tensor> {
        Ok(tensor.contiguous()?.index_select(&self.kept, dim)?)
    }

    /// The weight `[outputs, kept]` that reads the kept dimensions and replaces `weight` `[outputs, all]`.
    fn read(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.matmul(&self.estimate)?)
    }
}

struct Narrowing<'a> {
    teacher: &'a Checkpoint,
    student: &'a BertConfig,
    moments: &'a ActivationMoments,
    hidden: KeptDimensions,
}

impl Narrowing<'_> {
    /// A teacher's tensor in f64.
    fn teacher(&self, name: &str) -> Result<Tensor> {
        match self.teacher.tensors.get(name) {
            Some(tensor) => Ok(tensor.to_dtype(DType::F64)?),
            None => Err(Error::Input(format!("the teacher has no tensor {name}"))),
        }
    }

    fn embeddings(&self, tensors: &mut Tensors) -> Result<()> {
        let student = self.student;
        for (name, rows) in [
            (names::WORD_EMBEDDINGS, student.vocab_size),
            (names::POSITION_EMBEDDINGS, student.max_position_embeddings),
            (names::TYPE_EMBEDDINGS, student.type_vocab_size),
        ] {
            let table = self.teacher.embedding_table(name)?.to_dtype(DType::F64)?.narrow(0, 0, rows)?;
            tensors.insert(name.to_owned(), self.hidden.keep(&table, 1)?);
        }
        self.norm(names::EMBEDDING_NORM, names::EMBEDDING_NORM, tensors)
    }

    fn norm(&self, from: &str, to: &str, tensors: &mut Tensors) -> Result<()> {
        for tensor_of in [names::weight, names::bias] {
            let kept = self.hidden.keep(&self.teacher(&tensor_of(from))?, 0)?;
            tensors.insert(tensor_of(to), kept);
        }
        Ok(())
    }

    /// Computes student layer `m` from teacher layer `layer`, both counted from 0.
    fn layer(&self, m: usize, layer: usize, tensors: &mut Tensors) -> Result<()> {
        let (from, to) = (LayerNames::new(layer), LayerNames::new(m));
        self.norm(&from.attention_norm, &to.attention_norm, tensors)?;
        self.norm(&from.output_norm, &to.output_norm, tensors)?;
        let mut insert = |part: &str, weight: Tensor, bias: Tensor| {
            tensors.insert(names::weight(part), weight);
            tensors.insert(names::bias(part), bias);
        };
        let get = |part: &str| -> Result<(Tensor, Tensor)> {
            Ok((self.teacher(&names::weight(part))?, self.teacher(&names::bias(part))?))
        };

        let (output, output_bias) = get(&from.attention_output)?;
        let output = self.hidden.keep(&output, 0)?;
        let [query, key] = self.scores(layer)?;
        let [read, value] = self.values(layer, &output)?;
        let projections = from.projections().into_iter().zip(to.projections()).zip([query, key, value]);
        for ((from, to), maps) in projections {
            let (weight, bias) = get(from)?;
            let bias = by_head(&maps, &bias.unsqueeze(1)?, 0)?.squeeze(1)?;
            insert(to, self.hidden.read(&by_head(&maps, &weight, 0)?)?, bias);
        }
        insert(&to.attention_output, by_head(&read, &output, 1)?, self.hidden.keep(&output_bias, 0)?);

        let ((up, up_bias), (down, down_bias)) = (get(&from.up)?, get(&from.down)?);
        let neurons = self.neurons(layer, &down)?;
        insert(&to.up, self.hidden.read(&neurons.keep(&up, 0)?)?, neurons.keep(&up_bias, 0)?);
        let down = neurons.read(&self.hidden.keep(&down, 0)?)?;
        insert(&to.down, down, self.hidden.keep(&down_bias, 0)?);
        Ok(())
    }

    /// Per head, `[student, teacher]` maps of queries and of keys that keep the scaled scores.
    fn scores(&self, layer: usize) -> Result<[Vec<Tensor>; 2]> {
        let (from, to) = (self.teacher.config.head_dim(), self.student.head_dim());
        // Scores are divided by the root of the head dimension, which changes.
        let rescale = (to as f64 / from as f64).sqrt();
        let (mut queries, mut keys) = (Vec::new(), Vec::new());
        for head in 0..self.student.num_attention_heads {
            let query = self.moments.head(Site::Query(layer), head, from)?;
            let key = self.moments.head(Site::Key(layer), head, from)?;
            let (a, b) = low_rank_product(&query, &key, to)?;
            queries.push((a * rescale)?);
            keys.push(b);
        }
        Ok([queries, keys])
    }

    /// Per head, `[student, teacher]` maps of the rows of `output` `[hidden, heads * head_dim]` and of values.
    fn values(&self, layer: usize, output: &Tensor) -> Result<[Vec<Tensor>; 2]> {
        let (from, to) = (self.teacher.config.head_dim(), self.student.head_dim());
        let (mut outputs, mut values) = (Vec::new(), Vec::new());
        for head in 0..self.student.num_attention_heads {
            let rows = output.narrow(1, head * from, from)?.contiguous()?;
            let readers = DenseMatrix::from_tensor(&rows.t()?.matmul(&rows)?)?;
            let context = self.moments.head(Site::Context(layer), head, from)?;
            let (a, b) = low_rank_product(&readers, &context, to)?;
            outputs.push(a);
            values.push(b);
        }
        Ok([outputs, values])
    }

    /// The neurons with the largest influence on the next layer: the mean square of the neuron times the
    /// squared norm of the weights that read it.
    fn neurons(&self, layer: usize, down: &Tensor) -> Result<KeptDimensions> {
        let moments = self.moments.site(Site::PostGelu(layer));
        let width = moments.dim(D::Minus1)?;
        let squares = (moments * Tensor::eye(width, DType::F64, &Device::Cpu)?)?.sum(0)?;
        let importance = (squares * down.sqr()?.sum(0)?)?.to_vec1::<f64>()?;
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&i, &j| importance[j].total_cmp(&importance[i]));
        order.truncate(self.student.intermediate_size);
        order.sort_unstable();
        KeptDimensions::from_kept(&DenseMatrix::from_tensor(moments)?, order)
    }
}

/// Applies `maps[head]` `[student, teacher]` to each head's block of `tensor` along `dim` (0: rows, 1:
/// columns).
fn by_head(maps: &[Tensor], tensor: &Tensor, dim: usize) -> Result<Tensor> {
    let pieces = maps
        .iter()
        .enumerate()
        .map(|(head, map)| {
            let from = map.dim(1)?;
            let piece = tensor.narrow(dim, head * from, from)?.contiguous()?;
            Ok(if dim == 0 { map.matmul(&piece)? } else { piece.matmul(&map.t()?)? })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&pieces, dim)?)
}
