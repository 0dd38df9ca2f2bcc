//! Libraries that stop at damaged input by a panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Whether this thread is inside of [`caught`].
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Calls `read`, which hands input from outside to a library. `None` if the library panics: it has met input that it
/// does not expect. `read` has to stay in this thread, and what it was working on is not to be used afterwards.
pub fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    let before = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(read)).ok();
    IS_CAUGHT.set(before);
    result
}

/// Whether a panic of this thread will be caught by [`caught`], so that the user gets an error about the input instead
/// of a message about this program.
pub fn is_caught() -> bool {
    IS_CAUGHT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_is_no_result_and_the_next_call_is_as_before() {
        assert_eq!(caught(is_caught), Some(true));
        assert_eq!(caught(|| -> u8 { panic!("damaged") }), None);
        assert!(!is_caught());
    }
}
