//! Reads the configuration and runs the command.

use std::process::ExitCode;

use clap::Parser;
use latchkey::server::cli::{self, Cli};
use latchkey::server::log;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(instead) => return cli::explain(&instead),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::say(&format!("error: the program cannot start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(cli::run(cli));
    if let Err(error) = &done {
        log::say(&format!("error: {error}"));
    }
    log::finish();
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
