//! A macro that links an image into a program.

/// Includes a model image at compile time, with the alignment that [`Image::from_bytes`](crate::Image::from_bytes)
/// needs: `include_model!(concat!(env!("OUT_DIR"), "/model.tbim"))` is a `&'static [u8]`.
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        #[repr(C, align(64))]
        struct Aligned<Bytes: ?Sized>(Bytes);
        static IMAGE: &Aligned<[u8]> = &Aligned(*::core::include_bytes!($path));
        let bytes: &'static [u8] = &IMAGE.0;
        bytes
    }};
}
