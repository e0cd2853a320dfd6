//! Arguments, start, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::crash_report::install();
    weir::cli::run(std::env::args_os())
}
