//! The macro that makes the `main.rs` of every board.

/// Makes a firmware of a [`Board`](crate::Board) and a function `fn(u8) -> !` that ends it with an exit code. The
/// firmware has the image of the build script (`tinybert_runtime::embed_model`), a static workspace, the function
/// `main` that start-up code calls, and a panic handler that does not link.
///
/// A third argument is a function that chooses and verifies another image than that. It is given the board, the image
/// of the build script, and the workspace, which it may use, and returns an image or an error.
///
/// Start-up code has cleared .bss, copied .data, and filled the stack between the linker's symbols `stack_bottom` and
/// `stack_top` with [`stack::PAINT`](crate::stack::PAINT).
#[macro_export]
macro_rules! firmware {
    (@with $board:expr, $exit:path, $choose:expr, $open:path) => {
        include!(concat!(env!("OUT_DIR"), "/model.rs"));

        /// The alignment is 64 bytes, so that the session loses no bytes to alignment.
        #[repr(align(64))]
        struct Workspace([u8; WORKSPACE_BYTES]);
        static mut WORKSPACE: Workspace = Workspace([0; WORKSPACE_BYTES]);
        static mut LINE: [u8; 1024] = [0; 1024];

        unsafe extern "C" {
            // The linker script defines these.
            static stack_bottom: u32;
            static stack_top: u32;
            /// Is defined nowhere. If anything in this firmware can panic, it does not link.
            fn a_panic_path_was_linked() -> !;
        }

        // SAFETY: start-up code calls the one function of this name.
        #[unsafe(no_mangle)]
        extern "C" fn main() -> ! {
            use core::fmt::Write;

            let mut board = $board;
            // SAFETY: `main` is called once, on one core, and nothing else names these.
            let (workspace, line) = unsafe { (&mut (*&raw mut WORKSPACE).0, &mut *&raw mut LINE) };
            // This line tests the rule that no panic path may be linked: the index can be out of bounds.
            #[cfg(feature = "negative-control")]
            let line = &mut line[..$crate::Board::cycles(&board) as usize];
            // Flash can be written, so the compiler must not assume its present contents.
            let image = core::hint::black_box(MODEL);
            let chosen = ($choose)(&mut board, image, &mut *workspace);
            let served = chosen.and_then(|image| open_and_serve(&mut board, image, workspace, line));
            if let Err(error) = &served {
                let _ = writeln!($crate::ConsoleWriter(&mut board), "error: {error}");
            }
            // SAFETY: the linker script's bounds of the stack that this runs on.
            let used = unsafe { $crate::stack::used(&raw const stack_bottom, &raw const stack_top) };
            let _ = writeln!($crate::ConsoleWriter(&mut board), "{used} bytes of stack used");
            $exit(served.is_err().into())
        }

        #[inline(never)] // The stack that this needs is not taken yet while an image is chosen.
        fn open_and_serve(
            board: &mut impl $crate::Board,
            image: &'static [u8],
            workspace: &mut [u8],
            line: &mut [u8],
        ) -> Result<(), $crate::Error> {
            // The model stays a reference, because a second copy of it would take a tenth of the stack.
            match &$open(image) {
                Ok(model) => $crate::serve(board, model, workspace, line),
                Err(error) => Err(*error),
            }
        }

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo) -> ! {
            // SAFETY: a program in which this is reachable does not link.
            unsafe { a_panic_path_was_linked() }
        }
    };
    ($board:expr, $exit:path) => {
        $crate::firmware!(@with $board, $exit, |_, image, _| Ok(image), open_built_in);

        #[inline(never)] // The stack that this needs is free again when answers are computed.
        fn open_built_in(image: &'static [u8]) -> Result<$crate::Model<'static>, $crate::Error> {
            #[cfg(not(feature = "signature"))]
            return $crate::Model::from_bytes(image);
            #[cfg(feature = "signature")]
            return $crate::Model::from_signed_bytes(image, &PUBLIC_KEY, 0);
        }
    };
    ($board:expr, $exit:path, $choose:path) => {
        $crate::firmware!(@with $board, $exit, $choose, $crate::Model::from_bytes);
    };
}
