//! The exit code that stands for a result, and the message of a panic.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tinybert_base::{Error, Result, foreign_panic};

use crate::terminal::say;

/// Exit code of success.
pub const DONE: u8 = 0;
/// Exit code of a fault of this program.
pub const INTERNAL: u8 = 1;

/// Replaces the panic message of this process by one that says that the fault is this program's and not the
/// user's.
pub fn explain_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if foreign_panic::is_caught() {
            return;
        }
        let place = panic.location().map(|location| format!(" at {location}")).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("unknown cause");
        say(format_args!(
            "error: internal error{place}: {what}\n\
             This is a fault of tinybert-compress, not of your data: please report it with the command you ran."
        ));
    }));
}

/// Runs the command, prints its error and gives the exit code that stands for the result.
pub fn code_of(command: impl FnOnce() -> Result<()>) -> u8 {
    match catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(())) => DONE,
        Ok(Err(error)) if is_closed_pipe(&error) => DONE,
        Ok(Err(error)) => {
            say(format_args!("error: {error}"));
            error.exit_code()
        }
        Err(_) => INTERNAL, // the panic hook has printed the message
    }
}

/// True if the reader of standard output has closed it (`| head`), which is no error for a Unix tool.
fn is_closed_pipe(error: &Error) -> bool {
    matches!(error, Error::Io { path, source }
        if source.kind() == ErrorKind::BrokenPipe && path.as_os_str() == crate::standard_output::STANDARD_OUTPUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: Error) -> u8 {
        code_of(|| Err(error))
    }

    fn broken_pipe(path: &str) -> Error {
        Error::Io { path: path.into(), source: ErrorKind::BrokenPipe.into() }
    }

    #[test]
    fn an_error_gives_its_exit_code() {
        assert_eq!(code(Error::Input("x".into())), 3);
        assert_eq!(code(Error::Ranks("x".into())), 6);
        assert_eq!(code(Error::Interrupted("x".into())), 130);
    }

    #[test]
    fn only_a_closed_standard_output_is_forgiven() {
        assert_eq!(code(broken_pipe(crate::standard_output::STANDARD_OUTPUT)), DONE);
        assert_eq!(code(broken_pipe("/dev/fifo")), 4);
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        assert_eq!(code_of(|| panic!("on purpose")), INTERNAL);
    }
}
