//! The writer of images. It needs a heap.

mod aligned;
mod builder;
mod data;
mod detach;
mod metadata;
mod repack;
mod seal;
#[cfg(feature = "signature")]
mod sign;
mod size;
mod sums;

pub use aligned::AlignedBytes;
pub use builder::ImageBuilder;
pub use data::{
    CalibrationData, EmbeddingsData, HeadData, LayerData, LayerNormData, LinearData, ScaledRowsData,
    SelfTestData,
};
pub use detach::detach_words;
pub use metadata::with_metadata;
pub use repack::repack;
pub use seal::seal;
#[cfg(feature = "signature")]
pub use sign::sign;
pub use size::ImageShape;
