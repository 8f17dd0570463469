//! Releases of the boxes' system: published at the console, promoted and stopped
//! there or in the portal, offered to boxes a few at a time, fetched by them with a right of their own.
//!
//! The server can delay a release and never make one: boxes take only what the
//! provider's offline key signed, and judge it themselves.

use std::path::PathBuf;
use std::sync::Arc;

use culvert_wire::frame::{Offer, System};
use culvert_wire::id::GatewayId;
use culvert_wire::key::PublicKey;
use culvert_wire::update::Manifest;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::fetches::Which;
use super::links::Links;
use super::rollout::{self, Member, Release, Ring, Step};
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::{StoreError, gateways, releases};

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
        let members = self.with_links(releases::members(&mut write).await?);
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

    /// Stops a release: no box gets it from now on, neither one that was offered
    /// it before nor one that fetches it now. Boxes that have it keep it.
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
        self.commit(write).await?;
        self.fetches.stop(&release);
        Ok(())
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
    pub async fn system_told(&self, key: &PublicKey, mut system: System) {
        let outcome: Result<(), StoreError> = async {
            let mut write = self.store.write().await?;
            let Some(gateway) = gateways::by_key(&mut write, key).await? else {
                return Ok(());
            };
            if let Some(before) = releases::member_of(&mut write, gateway.id).await? {
                rollout::remember(&before.system, &mut system);
            }
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
        // Some were stopped at the console, by a process of its own.
        for stopped in all.iter().filter(|release| !release.halted.is_empty()) {
            self.fetches.stop(stopped);
        }
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
        self.commit(write).await?;
        self.fetches.stop(release);
        Ok(())
    }

    /// The bundle that a box may fetch with a right, and its turn to do so.
    ///
    /// # Errors
    /// [`NoBundle`].
    pub async fn bundle_for(self: &Arc<Self>, right: &[u8]) -> Result<Bundle, NoBundle> {
        let known = self.fetches.of(right, self.now());
        let which = known.ok_or(NoBundle::Unknown)?;
        let (board, version) = (which.0.as_str(), which.1);
        let mut db = self.store.read().await?;
        let release = releases::one(&mut db, board, version).await?;
        drop(db);
        // The console may have stopped it since it was offered.
        let halted = release.ok_or(NoBundle::Unknown)?.halted;
        if !halted.is_empty() {
            return Err(NoBundle::Stopped(halted));
        }
        Ok(Bundle {
            path: self.here.bundles.join(file_name(board, version)),
            turn: self.fetches.turn().ok_or(NoBundle::Busy)?,
            app: Arc::clone(self),
            which,
        })
    }
}

/// A bundle that a box may fetch now.
pub struct Bundle {
    /// Where it lies.
    pub path: PathBuf,
    turn: OwnedSemaphorePermit,
    app: Arc<App>,
    which: Which,
}

impl Bundle {
    /// Whether it goes on, asked before each piece; holds the box's turn.
    pub fn goes_on(self) -> impl Fn() -> bool + Send + 'static {
        let Self {
            turn, app, which, ..
        } = self;
        move || {
            let _held = &turn;
            !app.fetches.is_stopped(&which)
        }
    }
}

/// Why a box gets no bundle.
#[derive(Debug, thiserror::Error)]
pub enum NoBundle {
    /// Nobody was offered it with this right, or it has ended.
    #[error("no release was offered with this right, or the offer is over")]
    Unknown,
    /// Nobody gets it any more.
    #[error("this release was stopped: {0}")]
    Stopped(String),
    /// Too many fetch at the moment.
    #[error("too many boxes fetch now, ask again later")]
    Busy,
    /// The database does not answer.
    #[error("the server cannot look it up now, ask again later")]
    Store(#[from] StoreError),
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
