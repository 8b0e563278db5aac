//! The `tplus` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tplus::cli::run(std::env::args_os()).into()
}
