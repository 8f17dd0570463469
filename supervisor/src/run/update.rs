//! Releases: through the gateway, or by hand on the card.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use culvert_board::hardware::Panel as _;
use culvert_board::slots::Slot;
use culvert_wire::supervisor::{FromSupervisor, LinkState, MAX_DATA, UpdateState};
use culvert_wire::update::MAX_SLOT;

use super::{Running, last};
use crate::health::{Past, Way};
use crate::install::{Install, InstallError};
use crate::trouble::Cause;
use crate::{card, console, disk};

impl Running {
    pub(super) fn update_begin(&mut self, size: u64, forced: bool) {
        self.forget_incoming();
        let refused = if self.trial.is_some_and(|trial| trial.on_trial) {
            Some("this box still tries its last release")
        } else if self.installed.is_some() {
            Some("a release is installed and waits for the restart")
        } else if self.sessions > 0 && !forced {
            Some("a session runs")
        } else if self.on_card.is_some() || self.whole.is_some() {
            Some("a release from the card is being installed")
        } else if size > MAX_SLOT {
            Some("the bundle is larger than any slot")
        } else {
            None
        };
        if let Some(why) = refused {
            return self.refuse(why);
        }
        match self.open_install() {
            Ok(install) => {
                self.incoming = Some((install, forced));
                self.gateway
                    .say(&FromSupervisor::Update(UpdateState::Taken(0)));
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    pub(super) fn update_data(&mut self, bytes: &[u8]) {
        let (Some((mut install, forced)), Some(records)) =
            (self.incoming.take(), self.records.as_mut())
        else {
            return;
        };
        match install.feed(bytes, records, self.clock.floor()) {
            Ok(()) => {
                let taken = install.taken();
                self.incoming = Some((install, forced));
                self.gateway
                    .say(&FromSupervisor::Update(UpdateState::Taken(taken)));
            }
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    pub(super) fn update_end(&mut self) {
        match self.incoming.take() {
            Some((install, true)) => self.finish(install, Way::Link, true),
            Some((install, false)) => self.whole = Some((install, Way::Link)),
            None => {}
        }
    }

    /// What the gateway carried ends with it; what came on the card does not.
    pub(super) fn forget_incoming(&mut self) {
        self.incoming = None;
        if matches!(self.whole, Some((_, Way::Link))) {
            self.whole = None;
        }
    }

    /// A session that began meanwhile is not cut for a release.
    pub(super) fn finish_when_idle(&mut self) {
        if self.sessions == 0
            && let Some((install, way)) = self.whole.take()
        {
            self.finish(install, way, false);
        }
    }

    /// The restart into a release that is in its place: putting it there took
    /// its time, and a session may have begun meanwhile.
    pub(super) fn leave_when_idle(&mut self) {
        if let Some((version, forced)) = self.installed
            && (forced || self.sessions == 0)
        {
            let why = format!("version {version} is installed");
            last::wanted(&why);
            self.leave(&why);
        }
    }

    /// A release on the card is looked at once a boot, when this boot is
    /// known to be good.
    pub(super) fn update_from_card(&mut self) {
        // There is one idle slot: who came first has it.
        let free = self.incoming.is_none() && self.whole.is_none() && self.installed.is_none();
        let asked = self.trial.is_none() && self.records.is_some();
        if !self.card_looked_at && asked && free {
            self.card_looked_at = true;
            match card::bundle(Path::new(card::CARD)) {
                Ok(None) => {}
                Ok(Some(path)) => {
                    let opened = self
                        .open_install()
                        .and_then(|install| Ok((install, File::open(path)?)));
                    match opened {
                        Ok(both) => self.on_card = Some(both),
                        Err(error) => self.refuse_card(&error),
                    }
                }
                Err(why) => self.note_refused_card(&why),
            }
        }
        let (Some((mut install, mut file)), Some(records)) =
            (self.on_card.take(), self.records.as_mut())
        else {
            return;
        };
        let mut buffer = vec![0; MAX_DATA];
        let fed = file
            .read(&mut buffer)
            .map_err(InstallError::from)
            .and_then(|length| {
                install.feed(&buffer[..length], records, self.clock.floor())?;
                Ok(length)
            });
        match fed {
            Ok(0) => self.whole = Some((install, Way::Card)),
            Ok(_) => self.on_card = Some((install, file)),
            Err(error) => self.refuse_card(&error),
        }
    }

    fn finish(&mut self, install: Install, way: Way, forced: bool) {
        let past = Past {
            linked: self.linked,
            linked_before: self.slots().link_was_up,
            claimed: self.link.state != LinkState::Unclaimed,
        };
        let Some(records) = self.records.as_mut() else {
            return;
        };
        let panel = &mut self.panel;
        // A watchdog that cannot be fed is told by the loop.
        let alive = || drop(panel.feed());
        match install.finish(records, way.needs_link(past), alive) {
            Ok(version) => {
                self.gateway
                    .say(&FromSupervisor::Update(UpdateState::Installed { version }));
                self.installed = Some((version, forced));
            }
            Err(error) => match way {
                Way::Link => self.refuse(&error.to_string()),
                Way::Card => self.refuse_card(&error),
            },
        }
    }

    fn open_install(&self) -> Result<Install, InstallError> {
        let idle: Slot = self.judge.running.other();
        let device = disk::partition(Path::new("/"), idle.partition())
            .ok_or_else(|| std::io::Error::other("the idle slot's partition is missing"))?;
        Install::open(&device, self.judge.clone())
    }

    /// What lay on the card; the portal shows it.
    fn refuse_card(&mut self, error: &InstallError) {
        // One that was installed stays on the card: that is no trouble.
        match error.is_past() {
            true => show_refused(&error.to_string()),
            false => self.note_refused_card(&error.to_string()),
        }
    }

    fn note_refused_card(&mut self, why: &str) {
        show_refused(why);
        let sentence = format!("the release on the card is refused: {why}");
        self.trouble(Cause::Release, &sentence);
    }

    /// What the gateway carried; the server hears of it.
    fn refuse(&self, why: &str) {
        show_refused(why);
        self.gateway
            .say(&FromSupervisor::Update(UpdateState::Refused(
                why.to_owned(),
            )));
    }
}

fn show_refused(why: &str) {
    console::line(&format!("release refused: {why}"));
}
