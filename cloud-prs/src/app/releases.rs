//! Releases of the boxes' system: published at the console, promoted and stopped
//! there or in the portal, offered to boxes a few at a time, fetched by them with a right of their own.
//!
//! The server can delay a release and never make one: boxes take only what the
//! provider's offline key signed, and judge it themselves.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::frame::{FETCH_LEN, Offer, System};
use culvert_wire::id::GatewayId;
use culvert_wire::key::PublicKey;
use culvert_wire::update::Manifest;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::links::Links;
use super::rollout::{self, Member, Release, Ring, Step};
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::{StoreError, gateways, releases};

/// How long a right to fetch is good, in milliseconds: a large release over a
/// slow line.
const FETCH_MS: u64 = 6 * 3600 * 1000;

/// Boxes that fetch at once; others are asked again later.
const AT_ONCE: usize = 32;

/// Who may fetch what.
pub(crate) struct Fetches {
    rights: Mutex<HashMap<GatewayId, Fetch>>,
    turns: Arc<Semaphore>,
}

impl Default for Fetches {
    fn default() -> Self {
        Self {
            rights: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

#[derive(Clone)]
struct Fetch {
    right: [u8; FETCH_LEN],
    board: String,
    version: u64,
    until: UnixMs,
}

impl Fetches {
    /// One for each box: the newest.
    fn give(&self, gateway: GatewayId, release: &Release, now: UnixMs) -> [u8; FETCH_LEN] {
        let right = rand::random();
        let fetch = Fetch {
            right,
            board: release.board.clone(),
            version: release.version,
            until: now.plus_ms(FETCH_MS),
        };
        self.lock().insert(gateway, fetch);
        right
    }

    fn of(&self, right: &[u8], now: UnixMs) -> Option<(String, u64)> {
        let mut all = self.lock();
        all.retain(|_, fetch| fetch.until > now);
        let found = all.values().find(|fetch| fetch.right[..] == *right)?;
        Some((found.board.clone(), found.version))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<GatewayId, Fetch>> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a release's bundle lies below the folder of bundles.
pub fn file_name(board: &str, version: u64) -> String {
    // Published boards have names of letters, digits and hyphens only.
    format!("{board}-{version}.bundle")
}

impl App {
    /// Notes a release whose bundle lies ready; nobody gets it yet.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn publish_release(
        &self,
        call: &Call,
        manifest: &Manifest,
        size: u64,
    ) -> Result<(), AppError> {
        call.needs(Action::ReleaseManage)?;
        let release = Release {
            board: manifest.board.clone(),
            version: manifest.version,
            name: manifest.name.clone(),
            size,
            published: self.now(),
            ring: None,
            forced: false,
            halted: String::new(),
        };
        let mut write = self.store.write().await?;
        if releases::one(&mut write, &release.board, release.version)
            .await?
            .is_some()
        {
            return Err(AppError::conflict(
                "a release with this version is there already",
            ));
        }
        releases::add(&mut write, &release).await?;
        let event = Event::done("release.publish", None, subject(&release)).after(state(&release));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Lets the boxes of a ring, and of those before it, have a release.
    ///
    /// # Errors
    /// [`AppError`]; a conflict when it was stopped, or lost too many boxes.
    pub async fn promote_release(
        &self,
        call: &Call,
        (board, version): (&str, u64),
        ring: Ring,
        forced: bool,
    ) -> Result<(), AppError> {
        call.needs(Action::ReleaseManage)?;
        let mut write = self.store.write().await?;
        let found = releases::one(&mut write, board, version).await?;
        let mut release = found.ok_or_else(AppError::not_found)?;
        if !release.halted.is_empty() {
            let why = format!("this release was stopped: {}", release.halted);
            return Err(AppError::conflict(why));
        }
        let members = releases::members(&mut write).await?;
        let before = release.ring.unwrap_or(Ring::First);
        if let Some(why) = rollout::lost_in(&release, &members, before, self.now()) {
            return Err(AppError::conflict(why));
        }
        let before = state(&release);
        release.ring = Some(ring);
        release.forced = forced;
        releases::update(&mut write, &release).await?;
        let event = Event::done("release.promote", None, subject(&release))
            .before(before)
            .after(state(&release));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Stops a release: no box gets it from now on. Boxes that have it keep it.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn halt_release(
        &self,
        call: &Call,
        (board, version): (&str, u64),
    ) -> Result<(), AppError> {
        call.needs(Action::ReleaseManage)?;
        let mut write = self.store.write().await?;
        let found = releases::one(&mut write, board, version).await?;
        let mut release = found.ok_or_else(AppError::not_found)?;
        let before = state(&release);
        release.halted = "by hand".to_owned();
        releases::update(&mut write, &release).await?;
        let event = Event::done("release.halt", None, subject(&release))
            .before(before)
            .after(state(&release));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Puts a box into a ring.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn set_ring(
        &self,
        call: &Call,
        gateway: GatewayId,
        ring: Ring,
    ) -> Result<(), AppError> {
        call.needs(Action::ReleaseManage)?;
        let mut write = self.store.write().await?;
        let found = gateways::by_id(&mut write, gateway).await?;
        let found = found.ok_or_else(AppError::not_found)?;
        let before = releases::ring_of(&mut write, gateway).await?;
        releases::set_ring(&mut write, gateway, ring).await?;
        let event = Event::done("release.ring", found.customer, gateway)
            .before(json!({ "site": found.site_name, "ring": before.map(Ring::name) }))
            .after(json!({ "site": found.site_name, "ring": ring.name() }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Where bundles lie.
    pub fn bundles(&self) -> &std::path::Path {
        &self.here.bundles
    }

    /// All releases, and every box that told its system.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn releases(&self, call: &Call) -> Result<(Vec<Release>, Vec<Member>), AppError> {
        call.needs(Action::ReleaseSee)?;
        let mut db = self.store.read().await?;
        let all = releases::all(&mut db).await?;
        Ok((all, releases::members(&mut db).await?))
    }

    /// A box tells its system.
    pub async fn system_told(&self, key: &PublicKey, system: System) {
        let outcome: Result<(), StoreError> = async {
            let mut write = self.store.write().await?;
            let Some(gateway) = gateways::by_key(&mut write, key).await? else {
                return Ok(());
            };
            releases::note_system(&mut write, gateway.id, &system, self.now()).await?;
            write.commit().await?;
            tracing::info!(gateway = %gateway.id, board = system.board, version = system.version,
                trial = system.trial, progress = ?system.progress, "A box tells its system");
            Ok(())
        }
        .await;
        if let Err(error) = outcome {
            tracing::error!(%error, "A box's system could not be noted");
        }
    }

    /// Offers releases to boxes, and stops one that loses too many.
    ///
    /// # Errors
    /// [`StoreError`]; tried again at the next round.
    pub async fn roll_out(&self) -> Result<(), StoreError> {
        let Some(links) = self.links() else {
            return Ok(());
        };
        let mut db = self.store.read().await?;
        let mut all = releases::all(&mut db).await?;
        if !all.iter().any(|r| r.ring.is_some() && r.halted.is_empty()) {
            return Ok(());
        }
        let members = self.with_links(releases::members(&mut db).await?);
        drop(db);
        let now = self.now();
        for step in rollout::plan(&all, &members, now) {
            match step {
                Step::Offer { member, release } => {
                    self.offer(links.as_ref(), &members[member], &all[release])
                        .await?;
                }
                Step::Halt { release, why } => self.stop(&mut all[release], why).await?,
            }
        }
        Ok(())
    }

    async fn offer(
        &self,
        links: &dyn Links,
        member: &Member,
        release: &Release,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let offer = Offer {
            version: release.version,
            size: release.size,
            forced: release.forced,
            fetch: self.fetches.give(member.gateway, release, now),
        };
        if !links.offer(&member.key, offer) {
            return Ok(());
        }
        let version = release.version;
        tracing::info!(gateway = %member.gateway, version, "A release is offered");
        let mut write = self.store.write().await?;
        releases::note_offer(&mut write, member.gateway, version, now).await?;
        write.commit().await
    }

    async fn stop(&self, release: &mut Release, why: String) -> Result<(), StoreError> {
        let Release { board, version, .. } = &release;
        tracing::error!(board, version, why, "A release is stopped");
        let before = state(release);
        release.halted = why;
        let mut write = self.store.write().await?;
        releases::update(&mut write, release).await?;
        let event = Event::done("release.halt", None, subject(release))
            .before(before)
            .after(state(release));
        self.record(&mut write, &Doer::server(), event).await?;
        self.commit(write).await
    }

    /// The bundle that a box may fetch with a right, and its turn to do so;
    /// none of the latter while too many fetch.
    pub fn bundle_for(&self, right: &[u8]) -> Option<(PathBuf, Option<OwnedSemaphorePermit>)> {
        let (board, version) = self.fetches.of(right, self.now())?;
        let turn = Arc::clone(&self.fetches.turns).try_acquire_owned().ok();
        Some((self.here.bundles.join(file_name(&board, version)), turn))
    }
}

/// What the trail calls a release.
fn subject(release: &Release) -> String {
    file_name(&release.board, release.version)
}

/// What the trail tells of it.
fn state(release: &Release) -> Value {
    json!({
        "name": format!("{} for {}", release.name, release.board),
        "ring": release.ring.map(Ring::name),
        "forced": release.forced,
        "halted": release.halted,
    })
}
