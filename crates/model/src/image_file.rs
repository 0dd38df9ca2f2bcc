//! Image files on the host: read, checked, and put into the layout of this machine's kernels.

use std::os::unix::fs::FileExt;
use std::path::Path;

use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result, files};
use tinybert_image::{
    AlignedBytes, Error as ImageError, Image, ImageBuilder, MAGIC, SectionKind, image_bytes,
};
use tinybert_kernels::Kernels;
use tinybert_runtime::Model;

/// At least as many bytes as the header of an image has.
const LONGEST_HEADER: u64 = 256;

/// Whether `path` is a file that begins as images do.
pub fn is_image(path: &Path) -> bool {
    let mut found = [0; MAGIC.len()];
    files::open(path).is_ok_and(|(file, _)| file.read_exact_at(&mut found, 0).is_ok()) && found == MAGIC
}

/// An image in memory, checked completely.
pub struct ImageFile {
    bytes: AlignedBytes,
    kernels: Kernels,
}

impl ImageFile {
    /// Reads and checks an image.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for one that is not a complete,
    /// undamaged image.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, length) = files::open(path)?;
        let refused = |error: tinybert_runtime::Error| {
            Error::input(path, format_args!("{error}; make the image anew with `quantize`"))
        };
        // The header says how long the file has to be, so that no other large file is read.
        let mut header = AlignedBytes::zeroed(length.min(LONGEST_HEADER) as usize);
        file.read_exact_at(&mut header, 0).map_err(Error::io(path))?;
        match image_bytes(&header) {
            Ok(_) => {}
            Err(ImageError::FileSize { stated, .. }) if stated == length => {}
            Err(ImageError::FileSize { stated, .. }) => {
                return Err(refused(ImageError::FileSize { stated, actual: length }.into()));
            }
            Err(error) => return Err(refused(error.into())),
        }
        let mut bytes = AlignedBytes::zeroed(length as usize);
        file.read_exact_at(&mut bytes, 0).map_err(Error::io(path))?;
        Self::new(bytes).map_err(refused)
    }

    /// Takes an image that is in memory already.
    ///
    /// # Errors
    /// What the runtime finds wrong, or row sums that are not those of the weights.
    pub fn new(bytes: AlignedBytes) -> std::result::Result<Self, tinybert_runtime::Error> {
        Model::from_bytes(&bytes)?.image().check_row_sums()?;
        Ok(Self { bytes, kernels: Kernels::detect() })
    }

    /// The same image for other kernels: answers stay the same to the bit.
    #[must_use]
    pub fn with_kernels(self, kernels: Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// The same image with its weights in the layout that the chosen kernels read fastest.
    ///
    /// # Errors
    /// [`Error::Input`] with what the runtime finds wrong.
    pub fn native(self) -> Result<Self> {
        let panel = self.kernels.native_panel();
        let image = Image::from_bytes(&self.bytes).map_err(damaged)?;
        if image.word_checks().is_some() {
            return Err(Error::Input(
                "the image has no word rows (`quantize --word-rows`): it is for a device; here, use one that was \
                 quantized without that option"
                    .to_owned(),
            ));
        }
        if image.config().panel == panel {
            return Ok(self);
        }
        let mut builder = ImageBuilder::from_image(&image);
        builder.config.panel = panel;
        let bytes = builder.build().map_err(damaged)?;
        Ok(Self { bytes, kernels: self.kernels })
    }

    /// The model, ready to answer.
    ///
    /// # Errors
    /// [`Error::Input`] with what the runtime finds wrong, which [`ImageFile::new`] has ruled out.
    pub fn model(&self) -> Result<Model<'_>> {
        Ok(Model::from_bytes(&self.bytes).map_err(damaged)?.with_kernels(self.kernels))
    }

    /// Makes sure that the holder of this key has signed the image and that nobody has changed it since.
    ///
    /// # Errors
    /// The reason why the signature does not hold.
    pub fn verify(&self, public_key: &[u8; 32]) -> std::result::Result<(), tinybert_runtime::Error> {
        Model::from_signed_bytes(&self.bytes, public_key, 0).map(drop)
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of the file, for a caller that changes them.
    pub fn into_bytes(self) -> AlignedBytes {
        self.bytes
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes an image atomically: a temporary file beside it, synced, then renamed.
///
/// # Errors
/// [`Error::Io`]; nothing half-written is left.
pub fn write(path: &Path, image: &[u8]) -> Result<()> {
    write_file(path, image)
}

/// The name of a section where sizes are shown.
pub fn section_name(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Configuration => "configuration",
        SectionKind::Vocabulary => "vocabulary",
        SectionKind::Embeddings => "embeddings",
        SectionKind::Layers => "layers",
        SectionKind::Head => "head",
        SectionKind::Labels => "labels",
        SectionKind::Calibration => "calibration",
        SectionKind::Provenance => "provenance",
        SectionKind::SelfTest => "self-tests",
        SectionKind::Signature => "signature",
        SectionKind::WordChecks => "word checks",
        SectionKind::Confidence => "confidence",
        SectionKind::Metadata => "metadata",
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the image is not usable: {error}"))
}
