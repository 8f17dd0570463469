//! Figures as a table for people and JSON for machines, and the verdict.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::bars::{self, BARS};
use crate::bench::Name;
use crate::conditions::Conditions;

/// One measured number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// Its name, as in the bars.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it is, for people.
    pub(crate) about: String,
    /// The largest value that passes.
    pub(crate) bar: Option<f64>,
    /// Whether it passes.
    pub(crate) passes: bool,
}

impl Figure {
    /// A figure; its bar is looked up when it is reported.
    pub(crate) fn new(
        name: &'static str,
        value: f64,
        unit: &'static str,
        about: impl Into<String>,
    ) -> Self {
        Self {
            name,
            value,
            unit,
            about: about.into(),
            bar: None,
            passes: true,
        }
    }
}

/// What one benchmark found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    bench: Name,
    conditions: Conditions,
    figures: Vec<Figure>,
    /// Figures that have a bar and could not be measured here.
    missing: Vec<&'static str>,
}

impl Report {
    pub(crate) fn new(bench: Name, conditions: Conditions, mut figures: Vec<Figure>) -> Self {
        for figure in &mut figures {
            let bar = bars::of(bench, figure.name);
            figure.bar = bar.map(|bar| bar.limit);
            // A value that is no number passes no bar.
            figure.passes = bar.is_none_or(|bar| figure.value <= bar.limit);
        }
        let measured = |name| figures.iter().any(|figure| figure.name == name);
        let missing = BARS
            .iter()
            .filter(|bar| bar.bench == bench && !measured(bar.figure))
            .map(|bar| bar.figure)
            .collect();
        Self {
            bench,
            conditions,
            figures,
            missing,
        }
    }

    /// The table.
    #[expect(clippy::print_stdout, reason = "the table is the program's output")]
    pub(crate) fn print(&self) {
        println!("\n== {} ==  {}", self.bench, self.conditions);
        for figure in &self.figures {
            println!("{}", line(figure));
        }
        for missing in &self.missing {
            println!("  {missing:26}  not measured here");
        }
    }

    /// `NAME.json` in `folder`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.json", self.bench));
        let json = serde_json::to_string_pretty(self)?;
        fs::write(&path, json + "\n").with_context(|| format!("{} not written", path.display()))
    }
}

fn line(figure: &Figure) -> String {
    let verdict = match (figure.bar, figure.passes) {
        (None, _) => String::new(),
        (Some(bar), true) => format!("  ok (bar {bar})"),
        (Some(bar), false) => format!("  MISSED (bar {bar})"),
    };
    format!(
        "  {:26} {:>10.2} {:8} {}{verdict}",
        figure.name, figure.value, figure.unit, figure.about
    )
}

/// Exit code; with `--bars` the missed and missing figures come last.
#[expect(clippy::print_stdout, reason = "the verdict is the program's output")]
pub(crate) fn verdict(reports: &[Report], bars: bool) -> ExitCode {
    if !bars {
        return ExitCode::SUCCESS;
    }
    let mut passed = true;
    println!();
    for report in reports {
        for missing in &report.missing {
            passed = false;
            println!("not measured: {} {missing}", report.bench);
        }
    }
    for report in reports {
        for figure in report.figures.iter().filter(|figure| !figure.passes) {
            passed = false;
            println!("missed: {}{}", report.bench, line(figure));
        }
    }
    if passed {
        println!("every bar is held");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(value: f64) -> Report {
        let figure = Figure::new("p95_over_idle", value, "ms", "");
        Report::new(Name::Delay, Conditions::now(), vec![figure])
    }

    #[test]
    fn a_figure_over_its_bar_fails_and_one_at_it_passes() {
        assert_eq!(verdict(&[report(60.0)], true), ExitCode::SUCCESS);
        assert_eq!(verdict(&[report(60.1)], true), ExitCode::FAILURE);
        assert_eq!(verdict(&[report(60.1)], false), ExitCode::SUCCESS);
        assert_eq!(verdict(&[report(f64::NAN)], true), ExitCode::FAILURE);
    }

    #[test]
    fn a_figure_that_was_not_measured_fails() {
        let empty = Report::new(Name::Delay, Conditions::now(), Vec::new());
        assert_eq!(verdict(&[empty], true), ExitCode::FAILURE);
    }

    #[test]
    fn every_figure_has_one_bar_at_most() {
        for (at, bar) in BARS.iter().enumerate() {
            assert!(
                BARS[at + 1..]
                    .iter()
                    .all(|other| (other.bench, other.figure) != (bar.bench, bar.figure))
            );
        }
    }
}
