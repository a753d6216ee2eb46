//! Reads the command line and runs the command: `serve` serves the app.

fn main() -> std::process::ExitCode {
    latchkey_cli::main(latchkey::router::app)
}
