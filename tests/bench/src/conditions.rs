//! Under what conditions a figure was measured.

use std::fmt;
use std::fs;

use serde::Serialize;

/// The machine and the build.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Conditions {
    cores: usize,
    processor: String,
    kernel: String,
    /// Of the last minute, when the benchmark began.
    load: f64,
    version: &'static str,
    build: &'static str,
    congestion: &'static str,
    host_congestion: String,
}

impl Conditions {
    /// What is true now.
    pub(crate) fn now() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            kernel: word("/proc/sys/kernel/osrelease", 0),
            load: word("/proc/loadavg", 0).parse().unwrap_or(f64::NAN),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) {
                "debug: figures mean nothing"
            } else {
                "release"
            },
            congestion: culvert_session::Congestion::default().name(),
            host_congestion: word("/proc/sys/net/ipv4/tcp_congestion_control", 0),
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores, load {}, {}, Linux {}, culvert {} ({}), session {}, host TCP {}",
            self.cores,
            self.load,
            self.processor,
            self.kernel,
            self.version,
            self.build,
            self.congestion,
            self.host_congestion,
        )
    }
}

fn word(path: &str, at: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().nth(at).unwrap_or("?").to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("?")
        .to_owned()
}
