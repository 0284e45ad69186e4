//! The allocator's own figure: what a thread has asked for and not given back.
//!
//! Counted per thread, so that tests beside each other do not count each other's memory. What the allocator adds of its
//! own, such as rounding up to a size class, is not in it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
pub struct Counting;

/// Bytes that this thread holds; memory that another thread freed for it included.
pub fn held() -> isize {
    HELD.with(Cell::get)
}

fn count(bytes: isize) {
    // At the very end of a thread there is nothing left to count in.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

const fn size(layout: Layout) -> isize {
    layout.size().cast_signed()
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no allocated memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size_new: usize) -> *mut u8 {
        count(size_new.cast_signed() - size(layout));
        // SAFETY: the caller's own promise.
        unsafe { System.realloc(pointer, layout, size_new) }
    }
}
