//! Which box gets which release now, and when a release is stopped.
//!
//! Boxes of a ring get a release a few at a time: the next when those before
//! are back with it, healthy. A box that was offered a release and is not back
//! with it after [`BACK_MS`], or says that it failed there, is lost to it; when
//! more than one in a hundred of its ring is lost, the release stops by itself
//! and no further ring gets it.
//!
//! No I/O, no clock. Driven by `app::releases`; shown by `app::fleet`.

pub mod overview;

use std::fmt;
use std::str::FromStr;

use culvert_wire::UnixMs;
use culvert_wire::frame::{Progress, System};
use culvert_wire::id::GatewayId;
use culvert_wire::key::PublicKey;

/// A box that got a release has this long to come back with it: the five
/// minutes of its own trial, the way there over a slow line, and a start.
pub const BACK_MS: u64 = 15 * 60 * 1000;
/// A box that refused for now is asked again after this time.
const AGAIN_MS: u64 = 10 * 60 * 1000;
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
    /// It was offered, and has its time.
    OnTheWay,
    /// It was offered and did not come back, or it failed.
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
            let next = ours.iter().filter(|m| {
                newest(m.1) && m.1.online && standing(release, m.1, now) == Standing::Wants
            });
            steps.extend(next.take(room).map(|m| Step::Offer {
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
    let failed = system.progress == Progress::Failed { version };
    let offered = member.offered.filter(|(of, _)| *of == version);
    if system.version >= version && !system.trial {
        return match offered {
            // It has it, and then it went: that counts against the release too.
            Some((_, at)) if !member.online && late(at, now) => Standing::Lost,
            _ => Standing::Back,
        };
    }
    if failed {
        return Standing::Lost;
    }
    let Some((_, at)) = offered else {
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
    match late(at, now) {
        false => Standing::OnTheWay,
        true => Standing::Lost,
    }
}

fn late(since: UnixMs, now: UnixMs) -> bool {
    now.ms_since(since) > BACK_MS
}

#[cfg(test)]
mod tests;
