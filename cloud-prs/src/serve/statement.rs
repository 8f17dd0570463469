//! Keeps the node's statement valid while the server runs.
//!
//! Renews it by itself in its last month, as long as the provider key is in
//! the data folder; where that was moved away, takes over the statement that
//! `key renew-statement` writes. Looks once an hour, and at SIGHUP.

use std::time::Duration;

use culvert_link::server::Prover;
use culvert_wire::UnixMs;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::app::report;
use crate::data::Data;
use crate::keys::{KeyError, Keys, MAX_DAYS, PROVIDER_KEY};
use crate::plane::Plane;
use crate::steady;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// With less than this left it is renewed, in milliseconds.
const RENEW_MS: u64 = 30 * 24 * 3600 * 1000;
/// With less than this left it is warned about, in milliseconds.
const SOON_MS: u64 = 14 * 24 * 3600 * 1000;

/// What links are proved with.
pub(super) fn prover(keys: &Keys) -> Prover {
    Prover {
        node: keys.node.clone(),
        statement: keys.statement.clone(),
        rotations: keys.rotations.clone(),
    }
}

/// Renews a statement in its last month, if the provider key is there.
pub(super) fn renew_if_due(data: &Data, keys: &mut Keys, now: UnixMs) -> Result<bool, KeyError> {
    if keys.valid_until().ms_since(now) > RENEW_MS || !data.has(PROVIDER_KEY) {
        return Ok(false);
    }
    keys.renew(data, &data.path(PROVIDER_KEY), now, MAX_DAYS)?;
    info!(
        until = report::date(keys.valid_until()),
        "Statement renewed"
    );
    Ok(true)
}

/// Says when a statement ends soon and nothing renews it.
pub(super) fn warn_if_soon(keys: &Keys, now: UnixMs) {
    if keys.valid_until().ms_since(now) < SOON_MS {
        let until = report::date(keys.valid_until());
        warn!(
            until,
            "Statement ends soon, run `culvert-prs key renew-statement`"
        );
    }
}

/// Looks after the statement of a running server until dropped.
pub(super) async fn keep(
    data: &Data,
    running: Keys,
    plane: &Plane,
    mut hang_up: Signal,
    until: watch::Sender<UnixMs>,
) {
    let mut shown = running.statement.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = hang_up.recv() => {}
        }
        let now = steady::now();
        let looked = Keys::load(data).and_then(|mut keys| {
            renew_if_due(data, &mut keys, now)?;
            Ok(keys)
        });
        match looked {
            Err(error) => error!(%error, "Statement could not be looked at"),
            Ok(keys) if keys.node.public() != running.node.public() => {
                warn!("The node's key was rotated: restart the server");
            }
            Ok(keys) => {
                warn_if_soon(&keys, now);
                if keys.statement != shown {
                    shown = keys.statement.clone();
                    until.send_replace(keys.valid_until());
                    plane.set_prover(prover(&keys));
                    info!(
                        until = report::date(keys.valid_until()),
                        "Statement taken over"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);
    const DAY: u64 = 24 * 3600 * 1000;

    #[test]
    fn a_statement_is_renewed_in_its_last_month_if_the_provider_key_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::at(dir.path());
        data.make().unwrap();
        let mut keys = Keys::make(&data, NOW).unwrap();
        let later = NOW.plus_ms(65 * DAY);

        assert!(!renew_if_due(&data, &mut keys, NOW.plus_ms(50 * DAY)).unwrap());
        assert!(renew_if_due(&data, &mut keys, later).unwrap());
        assert!(Keys::load(&data).unwrap().holds(later.plus_ms(89 * DAY)));

        std::fs::remove_file(data.path(PROVIDER_KEY)).unwrap();
        assert!(!renew_if_due(&data, &mut keys, later.plus_ms(70 * DAY)).unwrap());
    }
}
