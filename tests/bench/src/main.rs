//! Measures the figures of SPECIFICATION.md on the shipped code.
//!
//! `./bench [--bars] [NAME…]` at the root builds this in release and runs it:
//! a table with conditions, `target/bench/NAME.json`, and with `--bars` exit
//! code 1 when a figure misses its bar, that figure last. Real TLS, real
//! sockets, the shipped relay, link and session code; what is emulated (a
//! line's delay and rate) is said in the conditions.

mod bars;
mod bench;
mod conditions;
mod report;
mod rig;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::bench::Name;
use crate::conditions::Conditions;
use crate::report::Report;

/// Measures the figures of SPECIFICATION.md.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Exit with 1 when a figure misses its bar, and print that one last.
    #[arg(long)]
    bars: bool,
    /// Where the JSON files go.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Where the release programs are.
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// Which benchmarks; all when none is named.
    names: Vec<Name>,
    /// A part of a benchmark that runs as a process of its own.
    #[arg(long, hide = true)]
    part: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.part {
        return rig::part(part).map(|()| ExitCode::SUCCESS);
    }
    let names = match arguments.names.as_slice() {
        [] => Name::ALL.to_vec(),
        names => names.to_vec(),
    };
    let mut reports = Vec::new();
    for name in names {
        let conditions = Conditions::now();
        let figures = bench::run(name, &arguments.programs)?;
        let report = Report::new(name, conditions, figures);
        report.print();
        report.write(&arguments.out)?;
        reports.push(report);
    }
    Ok(report::verdict(&reports, arguments.bars))
}
