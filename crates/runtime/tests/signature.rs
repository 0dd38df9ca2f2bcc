//! Signed models: no heap is needed to verify, and the answers are those of the image without a signature.

mod common;

use tinybert_image::{Image, SigningKey};
use tinybert_runtime::{Error, Input, Model, image};

/// RFC 8410, section 10.3.
const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_signed_model_answers_without_a_heap_and_an_unsigned_one_not_at_all() {
    let key = SigningKey::from_pem(PRIVATE_PEM).unwrap();
    let unsigned = common::three_layers().build().unwrap();
    let signed = key.sign(&Image::from_bytes(&unsigned).unwrap()).unwrap();
    let public_key = key.public_key();
    let mut workspace = vec![0; 1 << 17];
    let mut answer = |model: Result<Model<'_>, Error>| {
        let model = model?;
        let mut session = model.session(&mut workspace)?;
        Ok(session.run(Input::text("play some jazz"))?.answer.outputs().try_into().unwrap())
    };
    let expected: Result<[f32; 3], Error> = answer(Model::from_bytes(&unsigned));
    let counted = allocation_counter::measure(|| {
        assert_eq!(answer(Model::from_signed_bytes(&signed, &public_key, 0)), expected);
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(answer(Model::from_bytes(&signed)), expected, "who trusts nobody reads it too");

    let refused = answer(Model::from_signed_bytes(&unsigned, &public_key, 0));
    assert_eq!(refused, Err(Error::Image(image::Error::NotSigned)));
    let refused = answer(Model::from_signed_bytes(&signed, &[9; 32], 0));
    assert_eq!(refused, Err(Error::Image(image::Error::OtherKey)));
    let refused = answer(Model::from_signed_bytes(&signed, &public_key, 1));
    assert_eq!(refused, Err(Error::Image(image::Error::TooOld { security_version: 0, least: 1 })));
}
