//! Signed images, from the key files of OpenSSL to `inspect --verify`.

use std::fs;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::program::{fails, output};
use crate::toy::{self, IMAGE};

/// The private key of RFC 8410, section 10.3, in the form that `openssl genpkey` writes.
static KEY: LazyLock<String> = LazyLock::new(|| {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    toy::write("key.pem", pem)
});

/// The public key that belongs to [`KEY`], of RFC 8410, section 10.1.
static PUBLIC_KEY: LazyLock<String> = LazyLock::new(|| {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    toy::write("public.pem", pem)
});

/// [`PUBLIC_KEY`] in hexadecimal.
const PUBLIC_HEX: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

/// The public key of RFC 8032, section 7.1, test 1.
static OTHER_KEY: LazyLock<String> = LazyLock::new(|| {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";
    toy::write("other.pem", pem)
});

static SIGNED: LazyLock<String> = LazyLock::new(|| {
    let out = toy::path("signed.tbim").display().to_string();
    output(&format!("sign --model {} --key {} --out {out}", *IMAGE, *KEY));
    out
});

#[test]
fn a_signed_image_is_verified_and_answers_as_before() {
    let told = output(&format!("inspect {} --verify {}", *SIGNED, *PUBLIC_KEY));
    assert!(told.contains(&format!("signed with public key {PUBLIC_HEX}: verified")), "{told}");
    let told = output(&format!("inspect {}", *SIGNED));
    assert!(told.contains(&format!("{PUBLIC_HEX}: not verified")), "{told}");
    let answer = |model: &str| output(&format!("run --json --model {model} jazz"));
    assert_eq!(answer(&SIGNED), answer(&IMAGE));
}

#[test]
fn images_that_are_not_signed_or_with_another_key_or_changed_are_refused() {
    let (key, signed) = (PUBLIC_KEY.as_str(), SIGNED.as_str());
    fails(&format!("inspect {} --verify {key}", *IMAGE), 3, &[&IMAGE, "not signed"]);
    fails(&format!("inspect {signed} --verify {}", *OTHER_KEY), 3, &[signed, "another key"]);
    let mut image = fs::read(signed).expect("sign writes an image");
    image[1000] ^= 1;
    let changed = toy::write("changed.tbim", image);
    fails(&format!("inspect {changed} --verify {key}"), 3, &[&changed]);
}

#[test]
fn the_header_for_c_has_the_key_that_was_verified() {
    let header = output(&format!("inspect --header {} --verify {}", *SIGNED, *PUBLIC_KEY));
    assert!(header.contains("#define TINYBERT_PUBLIC_KEY { 0x19, 0xbf, 0x44, "), "{header}");
    assert!(!output(&format!("inspect --header {}", *SIGNED)).contains("PUBLIC_KEY"));
}

#[test]
fn quantize_signs_what_it_writes() {
    let out = toy::path("quantized-signed.tbim").display().to_string();
    let line = format!("quantize --model {} {} --max-tokens 32 --sign {}", *toy::STUDENT, toy::data(), *KEY);
    output(&format!("{line} --out {out}"));
    output(&format!("inspect {out} --verify {}", *PUBLIC_KEY));
    fails(&format!("{line} --out {out} --word-rows {out}.rows"), 2, &["--sign", "--word-rows"]);
}

#[test]
fn what_is_no_key_is_refused_with_the_command_that_makes_one() {
    let out = toy::path("never.tbim").display().to_string();
    let sign = |key: &str| format!("sign --model {} --key {key} --out {out}", *IMAGE);
    fails(&sign("no-such.pem"), 4, &["no-such.pem"]);
    fails(&sign(&PUBLIC_KEY), 3, &[&PUBLIC_KEY, "openssl genpkey -algorithm ed25519"]);
    fails(&sign(&IMAGE), 3, &[&IMAGE, "private key"]);
    fails(&format!("inspect {} --verify {}", *SIGNED, *KEY), 3, &[&KEY, "openssl pkey -pubout"]);
    assert!(!toy::path("never.tbim").exists());
}

#[test]
fn quantize_writes_metadata_and_sign_replaces_those_that_it_is_given() {
    let quantized = toy::path("metadata.tbim").display().to_string();
    let line = format!("quantize --model {} {} --max-tokens 32", *toy::STUDENT, toy::data());
    output(&format!("{line} --model-name intents --license MIT --security-version 3 --out {quantized}"));
    let told = output(&format!("inspect {quantized}"));
    for fact in ["name: intents\n", "licence: MIT\n", "security version: 3\n"] {
        assert!(told.contains(fact), "{fact}: {told}");
    }
    assert!(!told.contains("created: ") && !told.contains("\nversion: "), "{told}");

    let signed = toy::path("metadata-signed.tbim").display().to_string();
    let sign = |from: &str, options: &str| {
        output(&format!("sign --model {from} --key {} --out {signed} {options}", *KEY));
        let told = output(&format!("inspect --json {signed} --verify {}", *PUBLIC_KEY));
        serde_json::from_str::<Value>(&told).expect("inspect --json prints JSON")
    };
    let created = "2026-12-01T13:00:00Z";
    let told = sign(&quantized, &format!("--model-version 1.2.0 --security-version 7 --created {created}"));
    let expected = json!({
        "name": "intents", "version": "1.2.0", "license": "MIT", "created": created, "security_version": 7
    });
    assert_eq!(told["metadata"], expected);
    assert_eq!(told["signature"], json!({ "public_key": PUBLIC_HEX, "verified": true }));
    assert_eq!(told["sections"]["metadata"], json!(4 + 4 * 8 + 7 + 5 + 3 + 20));
    let size = fs::metadata(&signed).expect("sign writes an image").len();
    assert_eq!(told["flash_bytes"], json!(size));
    assert_eq!(told["self_tests_passed"], json!(4));
    // A signed image may be signed with other metadata.
    let earlier = toy::path("metadata-earlier.tbim").display().to_string();
    fs::copy(&signed, &earlier).expect("the folder can be written");
    assert_eq!(sign(&earlier, "--model-version 1.2.1")["metadata"]["version"], json!("1.2.1"));
    // Without an option, and without the section, nothing is written.
    assert_eq!(sign(&IMAGE, "")["metadata"], Value::Null);
    assert_eq!(sign(&IMAGE, "--security-version 0")["metadata"]["security_version"], json!(0));
}

#[test]
fn metadata_that_mean_nothing_are_refused() {
    let sign = format!("sign --model {} --key {} --out never", *IMAGE, *KEY);
    for (option, says) in [
        ("--model-version 1.2", "1.2.0"),
        ("--model-version v1.2.0", "semantic version"),
        ("--created 2026-12-01", "in UTC"),
        ("--created 2026-02-29T00:00:00Z", "in UTC"),
        ("--security-version=-1", "--security-version"),
        ("--security-version 4294967296", "4294967296"),
        (&format!("--model-name {}", "n".repeat(256)), "255 bytes"),
        (&format!("--license {}", "l".repeat(256)), "255 bytes"),
    ] {
        fails(&format!("{sign} {option}"), 2, &[says]);
    }
    fails(&format!("inspect --json {}", *toy::STUDENT), 2, &["--json"]);
}
