//! The trainable tensors of a model, by name.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use tinybert_base::{Error, Result};
use tinybert_model::{Tensors, lookup, names};

/// Trainable tensors sorted by their canonical Hugging Face name. The order of iteration is the order of
/// every norm, sum and saved file.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    vars: BTreeMap<String, Var>,
}

impl Parameters {
    /// Trainable copies of `tensors`, on their devices; later changes reach only the copies.
    pub fn new(tensors: &Tensors) -> Result<Self> {
        let vars = tensors
            .iter()
            .map(|(name, tensor)| Ok((name.clone(), Var::from_tensor(&tensor.copy()?)?)))
            .collect::<Result<_>>()?;
        Ok(Self { vars })
    }

    /// The variable of a name.
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.vars.get(name)
    }

    /// The variable of a name as an operand of a forward pass.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        let var = self.get(name).ok_or_else(|| missing(name))?;
        Ok(var.as_tensor().clone())
    }

    /// All variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.vars.len()
    }

    /// True without any tensor.
    pub fn is_empty(&self) -> bool {
        self.vars.is_empty()
    }

    /// A copy of the present values, free of any graph: for saving, and for evaluating with
    /// [`super::Bert::frozen`].
    pub fn to_tensors(&self) -> Result<Tensors> {
        self.vars.iter().map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }

    /// The present values without a graph, in shared storage: they follow every update.
    pub fn detached(&self) -> Tensors {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// Overwrites all values.
    ///
    /// # Errors
    /// A name without a value in `tensors`, or one of another shape.
    pub fn set(&self, tensors: &Tensors) -> Result<()> {
        for (name, var) in &self.vars {
            var.set(lookup(tensors, name)?)?;
        }
        Ok(())
    }
}

/// The same tensors on a device. A tensor that is there already is shared, not copied.
pub fn on_device(tensors: &Tensors, device: &Device) -> Result<Tensors> {
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_device(device)?))).collect()
}

/// The same tensors with the matrices of the layers' linears in another number format, in which their
/// products are computed then. Everything else keeps its format.
pub fn with_linears_in(tensors: &Tensors, format: DType) -> Result<Tensors> {
    let converted = |(name, tensor): (&String, &Tensor)| match names::is_layer_linear(name) {
        true => Ok((name.clone(), tensor.to_dtype(format)?)),
        false => Ok((name.clone(), tensor.clone())),
    };
    tensors.iter().map(converted).collect()
}

fn missing(name: &str) -> Error {
    Error::Input(format!("the model has no tensor {name}"))
}

/// Makes sure that every trainable tensor is reached by the loss: candle drops the gradient of an operation
/// without a backward pass silently.
///
/// # Errors
/// Names all tensors without a gradient.
pub fn check_gradients<'a>(
    variables: impl Iterator<Item = (&'a str, &'a Var)>,
    gradients: &GradStore,
) -> Result<()> {
    let (reached, missing): (Vec<_>, Vec<_>) = variables.partition(|(_, var)| gradients.get(var).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "no gradient reaches {} of {} trainable tensors: {}; leave them out of the trainable set or add a loss that \
         depends on them",
        missing.len(),
        reached.len() + missing.len(),
        missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    )))
}
