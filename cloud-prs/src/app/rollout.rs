//! Which box gets which release now, and when a release is stopped.
//!
//! Boxes of a ring get a release a few at a time: the next when those before
//! are back with it, healthy. A box is lost to a release that it was offered
//! when it says that it failed there, when it has no link for [`BACK_MS`], and
//! when it said that it boots it next, or runs it on trial, and is not healthy
//! with it that long after. A box that is linked and has said nothing of the
//! kind is not lost, however long it takes: its sessions go first, or its line
//! is slow. When more than one in a hundred of its ring is lost, the release
//! stops by itself and no further ring gets it.
//!
//! No I/O, no clock. Driven by `app::releases`; shown by `app::fleet`.

pub mod overview;

use std::fmt;
use std::str::FromStr;

use culvert_wire::UnixMs;
use culvert_wire::frame::{Progress, System};
use culvert_wire::id::GatewayId;
use culvert_wire::key::PublicKey;

/// A box that left for a release has this long to come back with it: two starts
/// and the five minutes of its own trial. One that is linked and says nothing
/// is asked again after this time.
pub const BACK_MS: u64 = 15 * 60 * 1000;
/// A box that refused for now is asked again after this time.
const AGAIN_MS: u64 = 10 * 60 * 1000;
/// A box that goes dark this long after the offer is a customer's that was
/// switched off; before, the release may be why.
const SETTLED_MS: u64 = 24 * 3600 * 1000;
/// One in so many boxes of a ring may be lost to a release.
const LOST_ONE_IN: usize = 100;
/// One in so many boxes of a ring may be on the way to it.
const AT_ONCE_ONE_IN: usize = 20;

/// A ring of boxes; lower ones get releases first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Ring {
    /// The provider's own.
    First,
    /// Customers who agreed to come early.
    Early,
    /// Everybody else.
    All,
}

impl Ring {
    const ALL: [Self; 3] = [Self::First, Self::Early, Self::All];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Early => "early",
            Self::All => "all",
        }
    }

    /// Its number, as the database has it.
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The ring of a number.
    pub fn numbered(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|ring| ring.number() == number)
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ring {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|ring| ring.name() == text);
        found.ok_or_else(|| format!("there is no ring {text:?}; they are first, early, all"))
    }
}

/// A release that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// For which board.
    pub board: String,
    /// Its counter.
    pub version: u64,
    /// What people call it.
    pub name: String,
    /// Bytes of its bundle.
    pub size: u64,
    /// When it was published.
    pub published: UnixMs,
    /// The last ring that may have it.
    pub ring: Option<Ring>,
    /// Sessions may be cut for it.
    pub forced: bool,
    /// Why nobody gets it any more; empty: they do.
    pub halted: String,
}

/// A box as a rollout sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub gateway: GatewayId,
    /// Its key.
    pub key: PublicKey,
    /// Its ring.
    pub ring: Ring,
    /// It has a link now.
    pub online: bool,
    /// When it was heard of last; with a link, within the last minute.
    pub seen: UnixMs,
    /// What it said that it runs, and when.
    pub system: System,
    /// When it said so.
    pub at: UnixMs,
    /// The release it was offered last, and when.
    pub offered: Option<(u64, UnixMs)>,
}

/// How a box stands to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has it, or a later one, healthy and online.
    Back,
    /// It was offered, takes it, or has its time to come back.
    OnTheWay,
    /// It went and did not come back, or it failed.
    Lost,
    /// It may have it now.
    Wants,
    /// Not now: off, or asked again later.
    Not,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Offer a release to a box.
    Offer {
        /// Index of the box.
        member: usize,
        /// Index of the release.
        release: usize,
    },
    /// Stop a release.
    Halt {
        /// Index of the release.
        release: usize,
        /// Why, for people.
        why: String,
    },
}

/// What is to be done now.
pub fn plan(releases: &[Release], members: &[Member], now: UnixMs) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, release) in releases.iter().enumerate() {
        let Some(upto) = release.ring.filter(|_| release.halted.is_empty()) else {
            continue;
        };
        if let Some(why) = lost_in(release, members, upto, now) {
            steps.push(Step::Halt {
                release: index,
                why,
            });
            continue;
        }
        for ring in Ring::ALL.into_iter().filter(|ring| *ring <= upto) {
            let own = |member: &&(usize, &Member)| member.1.ring == ring;
            let all: Vec<_> = members.iter().enumerate().collect();
            let of_ring: Vec<_> = all.iter().filter(own).collect();
            let fitting = |m: &&&(usize, &Member)| m.1.system.board == release.board;
            let ours: Vec<_> = of_ring.iter().filter(fitting).collect();
            let way = |m: &Member| standing(release, m, now) == Standing::OnTheWay;
            let busy = ours.iter().filter(|m| way(m.1)).count();
            let room = (ours.len() / AT_ONCE_ONE_IN).max(1).saturating_sub(busy);
            let newest = |m: &Member| newest_for(releases, &m.system.board, m.ring) == Some(index);
            let wants =
                |m: &Member| newest(m) && m.online && standing(release, m, now) == Standing::Wants;
            let mut next: Vec<_> = ours.iter().filter(|m| wants(m.1)).collect();
            // One that is asked again and again takes nobody's turn.
            next.sort_by_key(|m| offered(release, m.1));
            steps.extend(next.into_iter().take(room).map(|m| Step::Offer {
                member: m.0,
                release: index,
            }));
        }
    }
    steps
}

/// Why a release may not go further than `upto`, if so.
pub fn lost_in(release: &Release, members: &[Member], upto: Ring, now: UnixMs) -> Option<String> {
    Ring::ALL
        .into_iter()
        .filter(|ring| *ring <= upto)
        .find_map(|ring| {
            let ours = members
                .iter()
                .filter(|m| m.ring == ring && m.system.board == release.board);
            let all = ours.clone().count();
            let lost = ours.filter(|m| standing(release, m, now) == Standing::Lost);
            let lost = lost.count();
            (lost * LOST_ONE_IN > all).then(|| {
                format!("{lost} of the {all} boxes of ring {ring} did not come back with it")
            })
        })
}

/// The newest release that boxes of a board and a ring may have.
fn newest_for(releases: &[Release], board: &str, of: Ring) -> Option<usize> {
    let open = releases.iter().enumerate().filter(|(_, release)| {
        release.board == board
            && release.halted.is_empty()
            && release.ring.is_some_and(|ring| of <= ring)
    });
    let (index, _) = open.max_by_key(|(_, release)| release.version)?;
    Some(index)
}

fn standing(release: &Release, member: &Member, now: UnixMs) -> Standing {
    let version = release.version;
    let system = &member.system;
    let offer = offered(release, member);
    let late = |since: UnixMs| now.ms_since(since) > BACK_MS;
    if system.version >= version && !system.trial {
        // It has it, and then it went: that counts against the release too.
        let went = |at: UnixMs| !member.online && member.seen.ms_since(at) <= SETTLED_MS;
        return match offer {
            Some(at) if went(at) && late(at.max(member.seen)) => Standing::Lost,
            Some(_) | None => Standing::Back,
        };
    }
    if system.progress == (Progress::Failed { version }) {
        return Standing::Lost;
    }
    let Some(at) = offer else {
        return Standing::Wants;
    };
    if let Progress::Refused { version: of, .. } = &system.progress
        && *of == version
        && member.at >= at
    {
        // It is there, as it was before; it may want it later.
        return match now.ms_since(member.at) > AGAIN_MS {
            true => Standing::Wants,
            false => Standing::Not,
        };
    }
    let leaves = system.trial || system.progress == Progress::Installed { version };
    let (since, then) = match (member.online, leaves) {
        (false, _) => (member.seen, Standing::Lost),
        (true, true) => (member.at, Standing::Lost),
        // It may have forgotten, in a restart of its own.
        (true, false) => (member.at, Standing::Wants),
    };
    match late(at.max(since)) {
        true => then,
        false => Standing::OnTheWay,
    }
}

/// When a box was offered this release, if that was its last offer.
fn offered(release: &Release, member: &Member) -> Option<UnixMs> {
    let ours = member.offered.filter(|(of, _)| *of == release.version);
    ours.map(|(_, at)| at)
}

/// What a box said before, in what it says now, where the program that knew is
/// gone. It booted a release, or said that it does so next, and runs an older
/// one: the release failed there, though nobody was left on the box to say so
/// (it never came up, or hung).
pub fn remember(before: &System, told: &mut System) {
    let was_at = match before.progress {
        _ if before.trial => before.version,
        Progress::Installed { version } | Progress::Failed { version } => version,
        Progress::None | Progress::Taking { .. } | Progress::Refused { .. } => return,
    };
    let silent = match told.progress {
        Progress::None => true,
        // An older failure, which the box knows of.
        Progress::Failed { version } => version < was_at,
        Progress::Taking { .. } | Progress::Installed { .. } | Progress::Refused { .. } => false,
    };
    if silent && told.version < was_at {
        told.progress = Progress::Failed { version: was_at };
    }
}

#[cfg(test)]
mod tests;
