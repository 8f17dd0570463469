//! The bars: which figure must not exceed what.
//!
//! The same numbers as in SPECIFICATION.md. A figure without a bar is shown
//! for comparison only.

use crate::bench::Name;

/// A limit on one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// Whose figure.
    pub(crate) bench: Name,
    /// Which figure.
    pub(crate) figure: &'static str,
    /// The largest value that passes, in the figure's unit.
    pub(crate) limit: f64,
}

/// All bars.
pub(crate) const BARS: &[Bar] = &[
    bar(Name::Relay, "relay_to_plain_copy", 1.3),
    bar(Name::Relay, "relay_to_rathole", 1.0),
    bar(Name::Relay, "gateway_cpu_per_gb", 1.6),
    bar(Name::Relay, "technician_cpu_per_gb", 1.6),
    bar(Name::Delay, "p95_over_idle", 60.0),
    bar(Name::Start, "first_ssh_byte", 350.0),
    bar(Name::Start, "from_program_start", 350.0),
    bar(Name::Memory, "relay_per_idle_link", 24.0),
    bar(Name::Memory, "gateway_idle", 16.0),
    bar(Name::Memory, "gateway_8_sessions", 32.0),
    bar(Name::Memory, "gateway_behind_8", 32.0),
    bar(Name::Memory, "gateway_binary", 8.0),
    bar(Name::Memory, "culvert_binary", 8.0),
    // 80 Mbit/s.
    bar(Name::Portal, "browser_s_per_gb", 100.0),
    // A page that stops for longer is felt to hang.
    bar(Name::Portal, "page_longest_pause", 250.0),
    bar(Name::Portal, "terminal_longest_pause", 250.0),
    bar(Name::Portal, "key_to_echo_p95", 25.0),
    bar(Name::Portal, "terminal_echo_p95", 25.0),
    bar(Name::Portal, "click_to_prompt", 400.0),
    bar(Name::Portal, "click_to_prompt_60_ms", 900.0),
    bar(Name::Portal, "search_p95", 100.0),
    // 20 frames a second.
    bar(Name::Portal, "ms_per_frame", 50.0),
    bar(Name::Image, "slot", 25.0),
    bar(Name::Image, "bundle", 20.0),
    bar(Name::Image, "image", 40.0),
    bar(Name::Image, "build", 60.0),
    bar(Name::Image, "online", 12.0),
    bar(Name::Image, "memory", 48.0),
    bar(Name::Image, "writes", 2.0),
    bar(Name::Image, "fall_back", 30.0),
    bar(Name::Revoke, "role_p99", 2.0),
    bar(Name::Revoke, "role_slowest", 5.0),
    bar(Name::Revoke, "person_p99", 2.0),
    bar(Name::Revoke, "person_slowest", 5.0),
    bar(Name::Revoke, "host_p99", 2.0),
    bar(Name::Revoke, "host_slowest", 5.0),
    bar(Name::Revoke, "box_p99", 2.0),
    bar(Name::Revoke, "box_slowest", 5.0),
    bar(Name::Revoke, "p99_gone", 2.0),
    bar(Name::Revoke, "slowest_gone", 5.0),
    bar(Name::Storm, "all_back", 60.0),
    bar(Name::Storm, "p99_back", 30.0),
    bar(Name::Storm, "peak_to_mean", 3.0),
];

const fn bar(bench: Name, figure: &'static str, limit: f64) -> Bar {
    Bar {
        bench,
        figure,
        limit,
    }
}

/// The bar of a figure, if it has one.
pub(crate) fn of(bench: Name, figure: &str) -> Option<Bar> {
    BARS.iter()
        .copied()
        .find(|bar| bar.bench == bench && bar.figure == figure)
}
