//! The claim code on the card: handed to the gateway, erased when it was used.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Running, start};
use crate::trouble::{Cause, Troubles};
use crate::{card, console};

/// A code for the gateway.
pub(super) const FILE: &str = "/data/gateway/claim.txt";
/// What people read who put a second code onto a card.
const UNUSED: &str = "the claim code on the card is not used: this box is claimed already; \
    to make it free, hold its button for ten seconds; without one, write its card again";

/// Writes a code for the gateway; answers whether that was possible. If not, the
/// code stays on the card, for a start at which it is.
pub(super) fn hand_over(path: &str, code: &str, user: u32, troubles: &mut Troubles) -> bool {
    let Err(error) = start::replace(path, code.as_bytes(), user) else {
        return true;
    };
    let sentence = format!(
        "the claim code is not used, for nothing can be written to the data: {error}; \
         it stays on the card"
    );
    console::line(&sentence);
    let cause = match error.kind() == ErrorKind::StorageFull {
        true => Cause::FullData,
        false => Cause::NoData,
    };
    troubles.note(cause, &sentence);
    false
}

impl Running {
    /// Once, at the first link. A box that belongs to somebody already has no
    /// use for another code: it stays where it is, for the box it was made for.
    pub(super) fn erase_used_claim(&mut self) {
        if std::mem::take(&mut self.erase_claim) {
            // The gateway takes away what it used.
            if fs::remove_file(FILE).is_ok() {
                console::line(UNUSED);
                return self.trouble(Cause::Claim, UNUSED);
            }
            let card = Path::new(card::CARD);
            match card::writable(|| card::erase_claim(card)) {
                Ok(()) => console::line("the used claim code is erased from the card"),
                Err(error) => console::line(&format!(
                    "the used claim code cannot be erased from the card: {error}"
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S26: data that takes nothing is told, and the box goes on with its code
    /// on the card.
    #[test]
    fn a_code_that_cannot_be_written_is_a_trouble_and_no_end() {
        for (path, cause) in [
            ("/proc/claim.txt", Cause::NoData),
            // Every write to it says that no space is left.
            ("/dev/full", Cause::FullData),
        ] {
            let mut troubles = Troubles::default();
            let dir = tempfile::tempdir().unwrap();
            let place = match path {
                "/dev/full" => {
                    let beside = dir.path().join("claim.txt.new");
                    std::os::unix::fs::symlink(path, beside).unwrap();
                    dir.path().join("claim.txt").display().to_string()
                }
                other => other.to_owned(),
            };

            let handed = hand_over(&place, "culvert-claim-x", 0, &mut troubles);

            assert!(!handed && troubles.has(cause), "{path}: {troubles:?}");
            assert!(!Path::new(&place).exists(), "{path}");
        }
    }
}
