//! What whatever hangs on a sign-in is told: a browser's link, a stream of
//! events.

use culvert_wire::id::{TokenId, UserId};

/// Messages that a slow listener may be behind; one that is further behind has
/// to look at its sign-in anew.
pub(super) const WAITING: usize = 1024;

/// Something that is over or other than before. Told after it is committed,
/// also when the command line did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything of this person.
    User(UserId),
    /// This sign-in or API token.
    Token(TokenId),
    /// This person's rights are others now: read them anew.
    Rights(UserId),
}
