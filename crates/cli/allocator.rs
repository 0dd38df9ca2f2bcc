//! The process's allocator.

use libmimalloc_sys::{mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes freed memory stay with the process. A training step frees and takes the same few hundred megabytes again and
/// again; giving them back to the kernel in between costs it the clearing of every page, up to half of the step.
pub fn keep_freed_memory() {
    /// `mi_option_purge_delay` in `mimalloc.h`, which the bindings do not name: milliseconds, -1 for never.
    const PURGE_DELAY: mi_option_t = 15;
    // SAFETY: the function stores one word in mimalloc's static option table, checks the option's range itself, and
    // may be called at any time; no other thread runs yet.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
}
