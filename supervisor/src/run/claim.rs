//! The claim code on the card: handed to the gateway, erased when it was used.

use std::fs;
use std::path::Path;

use super::Running;
use crate::trouble::Cause;
use crate::{card, console};

/// A code for the gateway.
pub(super) const FILE: &str = "/data/gateway/claim.txt";
/// What people read who put a second code onto a card.
const UNUSED: &str = "the claim code on the card is not used: \
    this box is claimed already; a factory reset makes it free";

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
