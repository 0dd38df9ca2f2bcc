//! stub
use super::weights::Stored;
use crate::{Error, Result};
use std::path::Path;
pub(super) const CONVERT: &str =
    "convert it in Python: transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)";
pub(super) fn list(path: &Path) -> Result<Vec<Stored>> {
    Err(Error::input(path, CONVERT))
}
