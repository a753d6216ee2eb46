//! Reads the configuration and runs the command.

use std::process::ExitCode;

use clap::Parser;
use latchkey::server::cli::{self, Cli};

fn main() -> ExitCode {
    // Before any thread starts: it changes the environment. What is set there already wins over the file.
    match dotenvy::from_path(".env") {
        Err(error) if !error.not_found() => {
            eprintln!("error: .env: {error}");
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
