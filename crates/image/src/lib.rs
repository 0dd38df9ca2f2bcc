//! The model image: one file that holds everything a device needs to answer, used in place.
//!
//! [`Image::from_bytes`] checks every byte once, with checked arithmetic and without a heap. The views that it returns
//! borrow from the file. `docs/image-format.md` in the repository describes the format. With the feature `alloc`,
//! `ImageBuilder` writes images and `repack` changes the layout of their weights.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use tinybert_image::{AlignedBytes, Error, Image};
//!
//! let not_an_image = AlignedBytes::from_slice(&[0; 64]);
//! assert_eq!(Image::from_bytes(&not_an_image).err(), Some(Error::Magic));
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(target_endian = "big")]
compile_error!("model images are little-endian and used in place: a big-endian target cannot read them");

mod check;
mod config;
mod container;
mod crc;
mod error;
mod format;
mod image;
mod include;
#[cfg(feature = "keys")]
mod keys;
mod metadata;
mod parts;
mod per_linear;
mod records;
#[cfg(feature = "sha256")]
mod sha2;
#[cfg(feature = "signature")]
mod signature;
#[cfg(feature = "toy")]
pub mod toy;
mod version;
mod views;
#[cfg(feature = "alloc")]
mod writer;

pub use config::{AttentionMode, Config, HeadKind, InputQuantization, LayerConfig, Pooling};
pub use container::image_bytes;
pub use crc::{Checksum, crc32c};
pub use error::{Error, Field};
pub use format::{ALIGNMENT, Bf16, MAGIC, MAX_DIMENSION, SectionKind};
pub use image::Image;
#[cfg(feature = "keys")]
pub use keys::{KeyError, SigningKey, public_key_from_pem};
pub use metadata::{Metadata, image_metadata};
pub use per_linear::{LayerLinear, NoSuchLinear, PerLinear};
pub use records::{
    CalibrationRecord, CalibrationView, Confidence, Labels, ObservedRange, Provenance, SelfTest, SelfTests,
    Signature,
};
#[cfg(feature = "sha256")]
pub use sha2::image_sha256;
#[cfg(feature = "signature")]
pub use signature::check_public_key;
pub use tinybert_layout::{Encoding, INPUTS_PER_MULTIPLIER, MAX_MULTIPLIER, PackedWeights, Panel};
pub use views::{
    EmbeddingsView, HeadView, LayerNormView, LayerView, Layers, LinearView, ScaledRowsView, StoredRow,
};
#[cfg(all(feature = "alloc", feature = "signature"))]
pub use writer::sign;
#[cfg(feature = "alloc")]
pub use writer::{
    AlignedBytes, CalibrationData, EmbeddingsData, HeadData, ImageBuilder, ImageShape, LayerData,
    LayerNormData, LinearData, ScaledRowsData, SelfTestData, detach_words, repack, seal, with_metadata,
};
