//! What the benchmarks are put together from.

pub(crate) mod cpu;
pub(crate) mod ends;
pub(crate) mod herd;
pub(crate) mod keys;
pub(crate) mod line;
pub(crate) mod plane;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod site;

use anyhow::bail;

/// Runs a part that needs a process of its own, until its input ends.
pub(crate) fn part(name: &str) -> anyhow::Result<()> {
    match name {
        "plane" => plane::serve_until_input_ends(),
        "sink" => sink::serve_until_input_ends(),
        other => bail!("there is no part {other}"),
    }
}

/// The value below which `share` of the sorted values lie.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and last"
    )]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
