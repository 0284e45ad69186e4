//! The `tokenwatch` command.

fn main() {}
