//! The number formats of a written checkpoint.

use candle_core::DType;

/// Number format of the weights in a written checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// Single precision, in which models are trained.
    #[default]
    F32,
    /// Half precision: half the size, rounded to 11 bits.
    F16,
}

impl Storage {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// The name that transformers has for it.
    pub(super) fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
        }
    }
}
