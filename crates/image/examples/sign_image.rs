//! Signs an image, or forges one, for trying firmware; `tinybert-compress sign` is for people.
//!
//!     sign_image sign IMAGE.tbim KEY.pem OUT.tbim [VERSION SECURITY_VERSION [NAME]]
//!     sign_image forge FILE
//!
//! `forge` renames the first label of the signed image that is somewhere in FILE, a firmware for example, and
//! makes checksums and digest right again: whoever can write the file can do that, and only the signature
//! tells.

use std::error::Error;
use std::{env, fs};

use sha2::{Digest, Sha256};
use tinybert_image::{AlignedBytes, Image, Metadata, SigningKey, seal, with_metadata};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sign", image, key, out, metadata @ ..] => {
            let key = SigningKey::from_pem(&fs::read_to_string(key)?)?;
            let mut image = AlignedBytes::from_slice(&fs::read(image)?);
            if let [version, security_version, name @ ..] = metadata {
                let name = name.first().map(ToString::to_string);
                let version = Some(version.to_string());
                let security_version = security_version.parse()?;
                let metadata = Metadata { name, version, security_version, ..Metadata::default() };
                image = with_metadata(&Image::from_bytes(&image)?, &metadata)?;
            }
            Ok(fs::write(out, &*key.sign(&Image::from_bytes(&image)?)?)?)
        }
        ["forge", path] => {
            let mut file = fs::read(path)?;
            let (start, mut image) = find(&file).ok_or("there is no signed image in it")?;
            forge(&mut image)?;
            file[start..][..image.len()].copy_from_slice(&image);
            Ok(fs::write(path, file)?)
        }
        _ => Err("usage: sign_image sign IMAGE KEY OUT [VERSION SECURITY_VERSION [NAME]], or sign_image forge FILE"
            .into()),
    }
}

/// The first signed image in a file, and where it begins.
fn find(file: &[u8]) -> Option<(usize, AlignedBytes)> {
    file.windows(16).enumerate().filter(|(_, header)| header.starts_with(b"TBIM")).find_map(
        |(start, header)| {
            let bytes = usize::try_from(u64::from_le_bytes(*header.last_chunk()?)).ok()?;
            let image = AlignedBytes::from_slice(file.get(start..start.checked_add(bytes)?)?);
            let signed = Image::from_bytes(&image).is_ok_and(|image| image.signature().is_some());
            signed.then_some((start, image))
        },
    )
}

fn forge(image: &mut AlignedBytes) -> Result<(), Box<dyn Error>> {
    let label = Image::from_bytes(image)?.labels().next().ok_or("the image has no labels")?;
    let place = label.as_ptr() as usize - image.as_ptr() as usize;
    image[place] ^= 1;
    // The sections' checksums are in the table, which the digest covers; its own section's changes with it.
    seal(image);
    // docs/image-format.md says what is hashed: all but the header's checksums, the signature's entry in the table,
    // and the signature.
    let table_end = 64 + 32 * usize::from(u16::from_le_bytes([image[6], image[7]]));
    let end = image.len() - 128;
    let digest = Sha256::new()
        .chain_update(&image[..56])
        .chain_update(&image[64..table_end - 32])
        .chain_update(&image[table_end..end])
        .finalize();
    image[end..][..32].copy_from_slice(&digest);
    seal(image);
    Image::from_bytes(image)?;
    Ok(())
}
