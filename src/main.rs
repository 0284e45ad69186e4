//! The `tokenwatch` command.

use std::process::ExitCode;

/// State is many small allocations of few sizes, which this allocator packs tightly and frees fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tokenwatch::cli::main()
}
