//! Where the log goes: standard error, without colours, one event a line.

use culvert_config::gateway::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log; commands other than `run` only warn unless told more.
pub(super) fn start(level: Level, running: bool) {
    let own = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info if running => LevelFilter::INFO,
        Level::Info => LevelFilter::WARN,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Libraries are heard only when they complain.
    let targets = Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target("culvert", own)
        .with_target("culvert_gateway", own)
        .with_target("culvert_link", own)
        .with_target("culvert_session", own);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Fails only when a log was started before.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(targets)
        .try_init();
}
