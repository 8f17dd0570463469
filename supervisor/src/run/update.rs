//! Releases: through the gateway, or by hand on the card.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use culvert_board::slots::Slot;
use culvert_wire::supervisor::{FromSupervisor, LinkState, MAX_DATA, UpdateState};
use culvert_wire::update::MAX_SLOT;

use super::Running;
use crate::install::{Install, InstallError};
use crate::trouble::Cause;
use crate::{card, console, disk};

impl Running {
    pub(super) fn update_begin(&mut self, size: u64, forced: bool) {
        self.incoming = None;
        self.whole = None;
        let refused = if self.trial.is_some_and(|trial| trial.on_trial) {
            Some("this box still tries its last release")
        } else if self.sessions > 0 && !forced {
            Some("a session runs")
        } else if self.on_card.is_some() {
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
        match install.feed(bytes, records, self.authentic) {
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
            Some((install, true)) => self.finish_or_refuse(install),
            Some((install, false)) => self.whole = Some(install),
            None => {}
        }
    }

    /// A session that began meanwhile is not cut for a release.
    pub(super) fn finish_when_idle(&mut self) {
        if self.sessions == 0
            && let Some(install) = self.whole.take()
        {
            self.finish_or_refuse(install);
        }
    }

    fn finish_or_refuse(&mut self, install: Install) {
        if let Err(error) = self.finish(install) {
            self.refuse(&error.to_string());
        }
    }

    /// A release on the card is looked at once a boot, when this boot is
    /// known to be good.
    pub(super) fn update_from_card(&mut self) {
        if !self.card_looked_at && self.trial.is_none() && self.records.is_some() {
            self.card_looked_at = true;
            if let Some((path, _)) = card::bundle(Path::new(card::CARD)) {
                let opened = self
                    .open_install()
                    .and_then(|install| Ok((install, File::open(path)?)));
                match opened {
                    Ok(both) => self.on_card = Some(both),
                    Err(error) => self.refuse_card(&error),
                }
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
                install.feed(&buffer[..length], records, self.authentic)?;
                Ok(length)
            });
        match fed {
            Ok(0) => {
                if let Err(error) = self.finish(install) {
                    self.refuse_card(&error);
                }
            }
            Ok(_) => self.on_card = Some((install, file)),
            Err(error) => self.refuse_card(&error),
        }
    }

    /// Does not come back when the release is in its place.
    fn finish(&mut self, install: Install) -> Result<(), InstallError> {
        let Some(records) = self.records.as_mut() else {
            return Ok(());
        };
        // Before a first link there was nothing that a release could break.
        let linked = self.link.state == LinkState::Up;
        let version = install.finish(records, linked)?;
        self.gateway
            .say(&FromSupervisor::Update(UpdateState::Installed { version }));
        self.leave(&format!("version {version} is installed"))
    }

    fn open_install(&self) -> Result<Install, InstallError> {
        let idle: Slot = self.judge.running.other();
        let device = disk::partition(Path::new("/"), idle.partition())
            .ok_or_else(|| std::io::Error::other("the idle slot's partition is missing"))?;
        Install::open(&device, self.judge.clone())
    }

    /// What lay on the card; the portal shows it.
    fn refuse_card(&mut self, error: &InstallError) {
        show_refused(&error.to_string());
        // One that was installed stays on the card: that is no trouble.
        if !error.is_past() {
            let sentence = format!("the release on the card is refused: {error}");
            self.trouble(Cause::Release, &sentence);
        }
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
