//! `tinybert.h` is what cbindgen makes of this crate today. `UPDATE_HEADER=1 cargo test -p tinybert-capi` writes it
//! anew.

use std::path::Path;

#[test]
fn the_header_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = folder.join("tinybert.h");
    let mut made = Vec::new();
    cbindgen::generate(folder).expect("cbindgen reads this crate").write(&mut made);
    let made = String::from_utf8(made).expect("a header is text");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&header, &made).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&header).unwrap_or_default();
    assert_eq!(committed, made, "tinybert.h is stale: run UPDATE_HEADER=1 cargo test -p tinybert-capi");
}

#[test]
fn the_header_states_the_version_of_the_library() {
    let header = include_str!("../tinybert.h");
    let version = format!("#define TINYBERT_VERSION \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(header.contains(&version), "set TINYBERT_VERSION in cbindgen.toml");
    // SAFETY: the library's own text, which ends with a zero.
    let linked = unsafe { std::ffi::CStr::from_ptr(tinybert::tinybert_version()) };
    assert_eq!(linked.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
