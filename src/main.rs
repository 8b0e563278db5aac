//! The `tplus` program; everything is in the library.

use std::process::ExitCode;

/// Answers of any size are built and freed on several threads, which glibc's allocator pays for with consolidations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tplus::cli::run(std::env::args_os()).into()
}
