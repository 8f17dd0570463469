//! What a grant must say before anything else is looked at.

use culvert_wire::UnixMs;
use culvert_wire::grant::{Grant, Rights};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;

use super::{JOIN_WITHIN_MS, Refusal};
use crate::guard::Guard;

/// How far a broker's clock may run ahead of the link's server.
const AHEAD_MS: u64 = 30_000;

/// Judges whom a signed grant is for, and when.
pub(super) fn identity_and_times(
    grant: &Grant,
    me: &PublicKey,
    started: Option<UnixMs>,
    now: UnixMs,
) -> Result<(), Refusal> {
    let expired = |text: &str| Err(Refusal::new(Reason::GrantExpired, text));
    if grant.gateway != *me {
        return Err(Refusal::new(Reason::GrantForAnother, ""));
    }
    if started.is_none_or(|started| grant.issued < started) {
        return Err(Refusal::new(Reason::GrantTooOld, ""));
    }
    if grant.issued > now.plus_ms(AHEAD_MS) {
        return expired("it is dated in the future");
    }
    if grant.join_by > grant.issued.plus_ms(JOIN_WITHIN_MS) {
        return expired("its time to join is longer than a minute");
    }
    if now > grant.join_by {
        return expired("its time to join is over");
    }
    if now >= grant.ends_at {
        return expired("its end has passed");
    }
    if !grant.rights.contains(Rights::CONNECT) {
        return Err(Refusal::new(
            Reason::AccessRevoked,
            "it gives no right to connect",
        ));
    }
    Ok(())
}

/// Judges every target that is an address; names are judged when they have
/// been resolved.
pub(super) fn targets(grant: &Grant, guard: &Guard) -> Result<(), Refusal> {
    for (index, target) in grant.targets.iter().enumerate() {
        let Some(ip) = target.address.ip() else {
            continue;
        };
        guard.judge(ip, target.port).map_err(|forbidden| {
            Refusal::new(
                forbidden.reason(),
                format!("target {}: {forbidden}", index + 1),
            )
        })?;
    }
    Ok(())
}
