//! A heap for tests: it hands out memory from front to back, and begins anew when all of it has been returned.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

const BYTES: usize = 1 << 20;

/// The alignment is that of the most demanding allocation.
#[repr(align(16))]
#[allow(dead_code, reason = "it is used through a pointer")]
struct Memory([u8; BYTES]);

/// The heap of a program with one thread and without interrupts.
pub struct Heap {
    memory: UnsafeCell<Memory>,
    /// Bytes handed out so far, and allocations that have not been returned.
    used: UnsafeCell<(usize, usize)>,
}

impl Heap {
    /// Returns an empty heap.
    pub const fn new() -> Self {
        Self { memory: UnsafeCell::new(Memory([0; BYTES])), used: UnsafeCell::new((0, 0)) }
    }
}

// SAFETY: nothing else runs beside the one thread.
unsafe impl Sync for Heap {}

// SAFETY: between two resets, every allocation is a part of `memory` of its own; a reset happens only when there is none.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: only the one thread is here, and no reference outlives a call.
        let (used, live) = unsafe { &mut *self.used.get() };
        // Some allocations are no more aligned than was asked for; most are, as those of other heaps.
        let align = if *used % 7 == 0 { layout.align() } else { layout.align().max(8) };
        let start = used.next_multiple_of(align);
        if layout.align() > align_of::<Memory>() || layout.size() > BYTES.saturating_sub(start) {
            return null_mut();
        }
        (*used, *live) = (start + layout.size(), *live + 1);
        // SAFETY: `start` is inside the memory.
        unsafe { self.memory.get().cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        // SAFETY: as above.
        let (used, live) = unsafe { &mut *self.used.get() };
        *live -= 1;
        if *live == 0 {
            *used = 0;
        }
    }
}
