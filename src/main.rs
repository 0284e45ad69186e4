//! The `tokenwatch` command.

use std::io::{self, Write};

/// State is many small allocations of few sizes, which this allocator packs tightly and frees fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let code = tokenwatch::cli::main();
    // Nobody is left who could be told that it is not written.
    let _ = io::stdout().flush();
    // Threads of Kafka clients may still be about to say farewell to brokers. What C libraries do at a regular exit
    // (OpenSSL gives back its memory) would take it from under them.
    // SAFETY: it ends the process.
    unsafe { libc::_exit(code.into()) }
}
