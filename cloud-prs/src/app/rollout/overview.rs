//! How a fleet stands to its releases, for people: per ring what is out and how
//! many boxes have it, and each box that lags or was lost, with why.
//!
//! No I/O, no clock. Judged exactly as the rollout itself judges. Driven by
//! `app::fleet`.

use std::collections::BTreeMap;

use culvert_wire::UnixMs;
use culvert_wire::frame::Progress;

use super::{Member, Release, Ring, Standing, newest_for, standing};

/// The boxes of one ring that have one kind of board.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct RingNow {
    /// The board.
    pub board: String,
    /// The ring.
    pub ring: Ring,
    /// Boxes that told their system.
    pub boxes: usize,
    /// The newest release that they may have now.
    pub version: Option<u64>,
}

/// How a ring stands to one release that it was promoted to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Reach {
    /// The ring.
    pub ring: Ring,
    /// Its boxes.
    pub boxes: usize,
    /// Those that run it or a later one, healthy.
    pub have: usize,
    /// Those that are on the way to it.
    pub coming: usize,
    /// Those that failed with it or did not come back.
    pub failed: usize,
}

/// Why a box has not what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lag {
    /// It failed there, or did not come back.
    Failed,
    /// It took it, or tried to, and refused.
    Refused,
    /// It is off.
    Offline,
    /// It is on the way.
    Coming,
    /// Its turn comes.
    Waiting,
}

/// A box that has not what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Index of the box.
    pub member: usize,
    /// The version that it should have.
    pub version: u64,
    /// How.
    pub lag: Lag,
    /// Why, for people.
    pub why: String,
}

/// Every board's rings that have boxes, or a release.
pub fn rings(releases: &[Release], members: &[Member]) -> Vec<RingNow> {
    let mut boards: BTreeMap<&str, [usize; Ring::ALL.len()]> = BTreeMap::new();
    for release in releases {
        boards.entry(&release.board).or_default();
    }
    for member in members {
        let counts = boards.entry(&member.system.board).or_default();
        for (ring, count) in Ring::ALL.into_iter().zip(counts) {
            *count += usize::from(member.ring == ring);
        }
    }
    let now = |board: &str, ring: Ring, boxes: usize| RingNow {
        board: board.to_owned(),
        ring,
        boxes,
        version: newest_for(releases, board, ring).map(|index| releases[index].version),
    };
    let all = boards.into_iter();
    all.flat_map(|(board, counts)| {
        let rings = Ring::ALL.into_iter().zip(counts);
        rings.map(move |(ring, boxes)| now(board, ring, boxes))
    })
    .collect()
}

/// How far a release came in each ring that it was promoted to.
pub fn reach(release: &Release, members: &[Member], now: UnixMs) -> Vec<Reach> {
    let rings = Ring::ALL.into_iter();
    let promoted = rings.filter(|ring| release.ring.is_some_and(|upto| *ring <= upto));
    promoted
        .map(|ring| {
            let mut reach = Reach {
                ring,
                boxes: 0,
                have: 0,
                coming: 0,
                failed: 0,
            };
            let ours = |m: &&Member| m.ring == ring && m.system.board == release.board;
            for member in members.iter().filter(ours) {
                reach.boxes += 1;
                match standing(release, member, now) {
                    Standing::Back => reach.have += 1,
                    Standing::OnTheWay => reach.coming += 1,
                    Standing::Lost => reach.failed += 1,
                    Standing::Wants | Standing::Not => {}
                }
            }
            reach
        })
        .collect()
}

/// Every box that has not what it should, those that failed first.
pub fn behind(releases: &[Release], members: &[Member], now: UnixMs) -> Vec<Behind> {
    let all = members.iter().enumerate();
    let mut found: Vec<_> = all
        .filter_map(|(index, member)| {
            let (version, lag, why) = lag(releases, member, now)?;
            Some(Behind {
                member: index,
                version,
                lag,
                why,
            })
        })
        .collect();
    found.sort_by_key(|behind| (behind.lag as u8, behind.member));
    found
}

/// What one box has not, though it should.
pub fn lag(releases: &[Release], member: &Member, now: UnixMs) -> Option<(u64, Lag, String)> {
    // A release that was stopped is owed to nobody, but who failed with it is told.
    let stopped = releases.iter().filter(|release| {
        !release.halted.is_empty()
            && release.board == member.system.board
            && release.ring.is_some_and(|ring| member.ring <= ring)
    });
    let open = newest_for(releases, &member.system.board, member.ring).map(|i| &releases[i]);
    let failed = stopped
        .filter(|release| standing(release, member, now) == Standing::Lost)
        .max_by_key(|release| release.version)
        .filter(|release| open.is_none_or(|open| open.version < release.version));
    let release = failed.or(open)?;
    let (lag, why) = match standing(release, member, now) {
        Standing::Back => return None,
        Standing::Lost => (Lag::Failed, lost(release, member)),
        Standing::OnTheWay => (Lag::Coming, way(member)),
        Standing::Wants | Standing::Not => not_yet(release, member),
    };
    Some((release.version, lag, why))
}

fn lost(release: &Release, member: &Member) -> String {
    let version = release.version;
    if member.system.progress == (Progress::Failed { version }) {
        let runs = member.system.version;
        format!("it was not healthy there: the box went back to version {runs} by itself")
    } else if member.system.version >= version && !member.system.trial {
        "it took the release and is offline since".to_owned()
    } else if member.online {
        "it has installed the release and is not healthy with it".to_owned()
    } else {
        "it was offered the release and is offline since".to_owned()
    }
}

fn way(member: &Member) -> String {
    match &member.system.progress {
        Progress::Taking { .. } => "it takes the release",
        Progress::Installed { .. } => "installed; it restarts when no session runs",
        Progress::None | Progress::Refused { .. } | Progress::Failed { .. } => {
            match member.system.trial {
                true => "it runs there on trial",
                false => "it was offered the release",
            }
        }
    }
    .to_owned()
}

fn not_yet(release: &Release, member: &Member) -> (Lag, String) {
    match &member.system.progress {
        Progress::Refused { version, why } if *version == release.version => {
            (Lag::Refused, why.clone())
        }
        _ if !member.online => (Lag::Offline, "it gets it when it is back online".to_owned()),
        Progress::None
        | Progress::Taking { .. }
        | Progress::Installed { .. }
        | Progress::Refused { .. }
        | Progress::Failed { .. } => (
            Lag::Waiting,
            "a few boxes of a ring get it at a time".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;
