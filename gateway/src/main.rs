//! `culvert-gateway`: the command line of the box.

use std::process::ExitCode;

fn main() -> ExitCode {
    culvert_gateway::cli::main()
}
