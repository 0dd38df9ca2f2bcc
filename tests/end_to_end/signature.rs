//! Signed images, from the key files of OpenSSL to `inspect --verify`.

use std::fs;
use std::sync::LazyLock;

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
