//! The fleet's releases as people look at them: what is out in which ring, how
//! far it came, which boxes lag and why.
//!
//! Changes nothing: publishing, promoting and stopping are `app::releases`'.

use std::collections::HashMap;

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::id::{CustomerId, GatewayId, SiteId};
use sqlx::AnyConnection;

use super::rollout::overview::{self, Behind, Lag, Reach, RingNow};
use super::rollout::{Member, Release, Ring};
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::gateways::{self, Gateway, GatewayState};
use crate::store::{StoreError, releases};

/// Boxes that lag in one answer; the rest is counted.
const MOST: usize = 500;

/// All releases, and how the fleet stands to them.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Fleet {
    /// The newest of each board first.
    pub releases: Vec<ReleaseInfo>,
    /// Boards and rings that have boxes, or a release.
    pub rings: Vec<RingNow>,
    /// Boxes that have not what they should, those that failed first.
    pub behind: Vec<BoxBehind>,
    /// How many boxes lag in all.
    pub behind_in_all: usize,
}

/// A release.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ReleaseInfo {
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
    /// The last ring that may have it; none before it is promoted.
    pub ring: Option<Ring>,
    /// Boxes take it even while a session runs.
    pub forced: bool,
    /// Why nobody gets it any more; empty: they do.
    pub halted: String,
    /// How far it came in each ring that may have it.
    pub reach: Vec<Reach>,
}

/// A box that has not what it should.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct BoxBehind {
    /// Which.
    pub gateway: GatewayId,
    /// Whose.
    pub customer: Option<Named<CustomerId>>,
    /// Where.
    pub site: Option<Named<SiteId>>,
    /// Its board.
    pub board: String,
    /// Its ring.
    pub ring: Ring,
    /// Whether it is connected.
    pub online: bool,
    /// The version that it runs.
    pub runs: u64,
    /// The version that it should have, or was lost with.
    pub wants: u64,
    /// How it stands.
    pub state: Lag,
    /// Why, in words.
    pub why: String,
}

/// The system of a box, as the box tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct BoxSystem {
    /// The board, as releases name it.
    pub board: String,
    /// The version of the release that runs.
    pub version: u64,
    /// What people call that release, if it is known here.
    pub name: Option<String>,
    /// It was not healthy yet.
    pub trial: bool,
    /// When the box said so.
    pub at: UnixMs,
    /// Its ring.
    pub ring: Ring,
    /// The version that it should have and has not, or was lost with.
    pub wants: Option<u64>,
    /// How it stands to that.
    pub state: Option<Lag>,
    /// Why, in words; empty: nothing is wanted.
    pub why: String,
}

impl App {
    /// The releases and the fleet.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn release_fleet(&self, call: &Call) -> Result<Fleet, AppError> {
        call.needs(Action::ReleaseSee)?;
        let mut db = self.store.read().await?;
        let all = releases::all(&mut db).await?;
        let members = self.with_links(releases::members(&mut db).await?);
        let boxes = gateways::all(&mut db).await?;
        drop(db);
        let places: HashMap<_, _> = boxes.into_iter().map(|g| (g.id, g)).collect();
        let now = self.now();
        let behind = overview::behind(&all, &members, now);
        let described = |b: &Behind| box_behind(b, &members[b.member], &places);
        Ok(Fleet {
            rings: overview::rings(&all, &members),
            behind_in_all: behind.len(),
            behind: behind.iter().take(MOST).map(described).collect(),
            releases: all
                .into_iter()
                .rev()
                .map(|release| info(release, &members, now))
                .collect(),
        })
    }

    /// What a box's system is; none when it never told.
    pub(super) async fn system_of(
        &self,
        db: &mut AnyConnection,
        gateway: &Gateway,
    ) -> Result<Option<BoxSystem>, StoreError> {
        let Some(member) = releases::member_of(db, gateway.id).await? else {
            return Ok(None);
        };
        let all = releases::all(db).await?;
        let [member] = <[Member; 1]>::try_from(self.with_links(vec![member]))
            .expect("as many come back as were given");
        // One in quarantine, or revoked, is offered nothing.
        let active = gateway.state == GatewayState::Active;
        let lag = active.then(|| overview::lag(&all, &member, self.now()));
        let lag = lag.flatten();
        let system = member.system;
        let known = |r: &&Release| r.board == system.board && r.version == system.version;
        Ok(Some(BoxSystem {
            name: all.iter().find(known).map(|release| release.name.clone()),
            version: system.version,
            trial: system.trial,
            board: system.board,
            at: member.at,
            ring: member.ring,
            wants: lag.as_ref().map(|(version, ..)| *version),
            state: lag.as_ref().map(|(_, state, _)| *state),
            why: lag.map(|(.., why)| why).unwrap_or_default(),
        }))
    }

    /// Boxes, with their links as they are now. No box was away longer than
    /// this server listens: after a long outage all come back at once.
    pub(super) fn with_links(&self, mut members: Vec<Member>) -> Vec<Member> {
        if let (Some(links), Some(since)) = (self.links(), self.listening_since()) {
            for member in &mut members {
                member.online = links.gateway_online(&member.key);
                member.seen = member.seen.max(since);
            }
        }
        members
    }
}

fn info(release: Release, members: &[Member], now: UnixMs) -> ReleaseInfo {
    ReleaseInfo {
        reach: overview::reach(&release, members, now),
        board: release.board,
        version: release.version,
        name: release.name,
        size: release.size,
        published: release.published,
        ring: release.ring,
        forced: release.forced,
        halted: release.halted,
    }
}

fn box_behind(behind: &Behind, member: &Member, places: &HashMap<GatewayId, Gateway>) -> BoxBehind {
    let place = places.get(&member.gateway);
    let customer = place.and_then(|g| g.customer.zip(g.customer_name.clone()));
    let site = place.and_then(|g| g.site.zip(g.site_name.clone()));
    BoxBehind {
        gateway: member.gateway,
        customer: customer.map(|(id, name)| Named { id, name }),
        site: site.map(|(id, name)| Named { id, name }),
        board: member.system.board.clone(),
        ring: member.ring,
        online: member.online,
        runs: member.system.version,
        wants: behind.version,
        state: behind.lag,
        why: behind.why.clone(),
    }
}
