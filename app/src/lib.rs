//! Weir's window and command line. The binary only starts [`cli::run`]; the library is there so that tests, benches and pictures reach the
//! same interface that the window shows.

pub mod cli;
pub mod crash_report;
mod headless;
pub mod hosts;
pub mod panels;
pub mod shell;
