//! What an image contains, as JSON.

use serde_json::{Map, Value, json};
use tinybert_base::{Result, hex};
use tinybert_model::image_file::{ImageFile, section_name};

use super::run_self_tests;

/// The object that `inspect --json` prints. `verified` says whether the signature was checked.
///
/// # Errors
/// [`Error::Input`](tinybert_base::Error::Input) for a self-test that fails.
pub fn of_image(file: &ImageFile, verified: bool) -> Result<Value> {
    let model = file.model()?;
    let (image, config) = (model.image(), model.config());
    let sections: Map<_, _> =
        image.section_bytes().map(|(kind, bytes)| (section_name(kind).to_owned(), json!(bytes))).collect();
    let metadata = image.metadata().map(|metadata| {
        json!({
            "name": metadata.name,
            "version": metadata.version,
            "license": metadata.license,
            "created": metadata.created,
            "security_version": metadata.security_version,
        })
    });
    let label = |class: u32| image.labels().nth(class as usize);
    let confidence = image.confidence().map(|confidence| {
        json!({
            "temperature": confidence.temperature,
            "threshold": confidence.threshold,
            "out_of_scope": confidence.out_of_scope.and_then(label),
        })
    });
    let signature = image
        .signature()
        .map(|signature| json!({ "public_key": hex(&signature.public_key), "verified": verified }));
    Ok(json!({
        "layers": config.layers,
        "hidden": config.hidden,
        "pieces": config.vocab,
        "max_tokens": config.max_tokens,
        "head": format!("{:?}", config.head),
        "labels": image.labels().collect::<Vec<_>>(),
        "flash_bytes": file.size(),
        "workspace_bytes": model.max_workspace_bytes(),
        "sections": sections,
        "confidence": confidence,
        "metadata": metadata,
        "signature": signature,
        "self_tests_passed": run_self_tests(&model)?,
    }))
}
