//! The loop of process 1: one turn a second, or when the gateway speaks.
//!
//! Nothing here waits for the network, and nothing but the start-up may end
//! the loop: a box that cannot do something says so and goes on.

mod button;
mod cables;
mod claim;
mod data;
mod home;
mod last;
#[cfg(feature = "sabotage")]
mod sabotage;
mod start;
mod time;
mod update;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use culvert_board::button::Button;
use culvert_board::gpio::Edges;
use culvert_board::hardware::{Panel as _, Sysfs};
use culvert_board::profile::Board;
use culvert_board::record;
use culvert_board::slots::Slots;
use culvert_config::boxfile::Network;
use culvert_wire::supervisor::{FromGateway, FromSupervisor, LinkState};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use self::cables::{Interface, Offline};
use crate::clock::Clock;
use crate::disk::RecordDisk;
use crate::gateway::Gateway;
use crate::health::{Facts, Trial, Verdict, Way, has_link};
use crate::install::{self, Install, Judge};
use crate::root::Reading;
use crate::routers::Routers;
use crate::status::Standing;
use crate::trouble::{Cause, Troubles};
use crate::{console, network, ports, system};

/// Longest turn.
const TURN: u16 = 1000;
/// The watchdog is not fed any more when no gateway has said that it lives
/// for so long.
const SILENCE: Duration = Duration::from_secs(180);

/// Runs as `/sbin/init`.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let why = format!("the supervisor crashed: {panic}");
        console::line(&why);
        last::keep(&why);
    }));
    match start::start() {
        Ok(mut running) => running.run(),
        Err(error) => {
            let why = format!("this release cannot start: {error:#}");
            last::keep(&why);
            system::restart(&why)
        }
    }
}

/// A box that runs.
struct Running {
    board: Board,
    judge: Judge,
    generation: u32,
    panel: Sysfs,
    records: Option<RecordDisk>,
    trial: Option<Trial>,
    root: Reading,
    network: Network,
    /// Interfaces that were started.
    interfaces: Vec<Interface>,
    offline: Offline,
    /// The one that has the fixed address.
    holder: Option<String>,
    gateway: Gateway,
    gateway_config: PathBuf,
    link: Link,
    sessions: u32,
    begun: Instant,
    heard: Instant,
    clock: Clock,
    clock_saved: Option<Instant>,
    /// A time was heard that cannot be right.
    strange_time: bool,
    /// A release that comes through the gateway, and whether sessions may be
    /// cut for it.
    incoming: Option<(Install, bool)>,
    /// A release that is whole and waits for the end of the last session.
    whole: Option<(Install, Way)>,
    /// The version of one that is in its place and waits for the restart, and
    /// whether sessions may be cut for that.
    installed: Option<(u64, bool)>,
    /// The link was up in this boot.
    linked: bool,
    /// A release on the card, not yet read to its end.
    on_card: Option<(Install, File)>,
    card_looked_at: bool,
    erase_claim: bool,
    shown: String,
    troubles: Troubles,
    button: Option<Edges>,
    presses: Button,
    /// The customer wants no sessions.
    paused: bool,
    hung: bool,
    home: home::Home,
    routers: Option<Routers>,
}

/// Where the link stands, as the gateway said last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    state: LinkState,
    cause: String,
    sentence: String,
    fingerprint: String,
}

impl Running {
    fn run(&mut self) -> ! {
        loop {
            let now = Instant::now();
            self.reap(now);
            self.keep_interfaces(now);
            self.hear_routers(now);
            match self.gateway.keep_running(&self.gateway_config, now) {
                Ok(true) => {
                    self.sessions = 0;
                    // It takes no session before this word.
                    self.gateway.say(&FromSupervisor::Pause(self.paused));
                    self.say_system();
                    self.gateway.say(&self.troubles.message());
                }
                Ok(false) => {}
                Err(error) => console::line(&format!("the gateway cannot start: {error}")),
            }
            for message in self.gateway.messages(now) {
                self.heard = now;
                self.obey(message);
            }
            self.leave_when_idle();
            self.judge_boot(now);
            self.look_at_board(now);
            self.outlive_restart(now);
            self.update_from_card();
            self.finish_when_idle();
            self.look_at_button();
            #[cfg(feature = "sabotage")]
            self.sabotage();
            self.show();
            self.feed(now);
            self.rest();
        }
    }

    /// Feeds the watchdog while the gateway is healthy. Without a watchdog
    /// the box restarts by itself.
    fn feed(&mut self, now: Instant) {
        let wrong = if self.gateway.hung(now) {
            Some("the gateway is hung")
        } else if now.duration_since(self.heard) >= SILENCE {
            Some("no gateway has lived for three minutes")
        } else {
            None
        };
        let was_wrong = std::mem::replace(&mut self.hung, wrong.is_some());
        let Some(why) = wrong else {
            if was_wrong {
                last::forget();
            }
            if let Err(error) = self.panel.feed() {
                console::line(&format!("the watchdog cannot be fed: {error}"));
            }
            return;
        };
        if !was_wrong {
            console::line(&format!("{why}: the watchdog is not fed any more"));
            last::keep(&self.with_cause(why));
        }
        if !self.panel.has_watchdog() {
            system::restart("the gateway is not healthy, and this board has no watchdog");
        }
    }

    /// Takes leave of every child that ended, ours or orphaned.
    fn reap(&mut self, now: Instant) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let (pid, how) = match status {
                WaitStatus::Exited(pid, code) => (pid, format!("with code {code}")),
                WaitStatus::Signaled(pid, signal, _) => (pid, format!("by {signal}")),
                // Nobody else has ended.
                WaitStatus::Stopped(..)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_)
                | WaitStatus::Continued(_)
                | WaitStatus::StillAlive => return,
            };
            if self.gateway.ended(pid, now) {
                console::line(&format!("the gateway ended {how}"));
                self.link.state = LinkState::Down;
                self.forget_incoming();
            }
            self.interfaces.retain(|one| one.client != Some(pid));
        }
    }

    fn obey(&mut self, message: FromGateway) {
        match message {
            FromGateway::Health => {}
            FromGateway::LinkState {
                link,
                cause,
                sentence,
                fingerprint,
                link_time,
            } => {
                self.link = Link {
                    state: link,
                    cause,
                    sentence,
                    fingerprint,
                };
                if let Some(time) = link_time {
                    self.heard_time(time);
                }
                if link == LinkState::Up {
                    self.note_link();
                    self.erase_used_claim();
                }
            }
            FromGateway::Session(count) => self.sessions = count,
            FromGateway::UpdateBegin { size, forced } => self.update_begin(size, forced),
            FromGateway::UpdateData(bytes) => self.update_data(&bytes),
            FromGateway::UpdateEnd => self.update_end(),
        }
    }

    /// Restores the tries of a healthy release; leaves one that failed.
    fn judge_boot(&mut self, now: Instant) {
        let Some(trial) = self.trial else {
            return;
        };
        let facts = Facts {
            uptime: now.duration_since(self.begun),
            gateway_alive: self.gateway.alive(now),
            linked: has_link(self.link.state),
            whole: self.root.is_whole(),
        };
        let (slot, version) = (self.judge.running, self.judge.version);
        let generation = self.generation;
        match trial.judge(&facts) {
            Verdict::Wait => {}
            Verdict::Healthy => {
                self.trial = None;
                self.record(|slots| slots.healthy(slot, version, generation));
                show_open_ports();
                show_memory();
                if let Some(rights) = self.gateway.rights() {
                    console::line(&format!("the gateway's rights: {rights}"));
                }
                console::line("this release is healthy");
                self.say_system();
            }
            Verdict::GiveUp => {
                self.record(|slots| slots.give_up(slot, version));
                let why = "this release was not healthy in time: back to the other slot";
                last::keep(&self.with_cause(&format!("version {version} was not healthy in time")));
                self.leave(why);
            }
        }
    }

    fn record(&mut self, edit: impl FnOnce(&mut Slots)) {
        let done = match &mut self.records {
            Some(records) => install::change(records, edit),
            None => return,
        };
        if let Err(error) = done {
            console::line(&format!("the state record cannot be written: {error}"));
        }
    }

    /// What the state record says of the slots.
    fn slots(&mut self) -> Slots {
        let read = self.records.as_mut().map(record::load);
        match read {
            Some(Ok(Some((_, record)))) => Slots::read(&record),
            Some(Ok(None) | Err(_)) | None => Slots::flashed(0, 0),
        }
    }

    /// The first link of a card's life is kept: from then on a release from the
    /// card must bring it back.
    fn note_link(&mut self) {
        if !std::mem::replace(&mut self.linked, true) {
            self.record(|slots| slots.link_was_up = true);
        }
    }

    /// The gateway tells the server what runs here.
    fn say_system(&mut self) {
        let slots = self.slots();
        self.gateway.say(&FromSupervisor::System {
            board: self.board.name.clone(),
            version: self.judge.version,
            trial: self.trial.is_some_and(|trial| trial.on_trial),
            failed: slots.failed.last().unwrap_or(0),
        });
    }

    /// Something is wrong that does not stop the box.
    fn trouble(&mut self, cause: Cause, sentence: &str) {
        self.troubles.note(cause, sentence);
        self.gateway.say(&self.troubles.message());
    }

    /// Light and screen; the screen only when something changed.
    fn show(&mut self) {
        let any = |has: &dyn Fn(&str) -> bool| self.interfaces.iter().any(|one| has(&one.name));
        let standing = Standing {
            link: self.link.state,
            cause: &self.link.cause,
            sessions: self.sessions,
            cable: any(&|name| network::has_cable("/".as_ref(), name)),
            address: any(&network::has_address),
            card: self.troubles.wants_somebody(),
            paused: self.paused,
        };
        let (light, text) = (standing.light(), standing.text());
        if let Err(error) = self.panel.show(light) {
            console::line(&format!("the light cannot be set: {error}"));
        }
        let Link {
            cause,
            sentence,
            fingerprint,
            ..
        } = &self.link;
        let why = match (self.link.state, cause.as_str()) {
            (LinkState::Up, _) | (_, "") => String::new(),
            _ => format!(" ({cause}: {sentence})"),
        };
        let text = format!("status: {text}{why}, key {fingerprint}");
        if text != self.shown {
            console::line(&text);
            self.shown = text;
        }
    }

    /// Lets the gateway say goodbye, then restarts.
    fn leave(&mut self, why: &str) -> ! {
        self.gateway.say(&FromSupervisor::Reboot);
        std::thread::sleep(Duration::from_millis(500));
        system::restart(why)
    }
}

/// What the whole box uses, for whoever wonders about a slow one.
fn show_memory() {
    if let Some((used, all)) = system::memory() {
        console::line(&format!("memory used: {used:.1} of {all:.0} MB"));
    }
}

/// Whoever looks at the screen can see that nothing listens.
fn show_open_ports() {
    let open = ports::stay_open("/".as_ref());
    let open = match open.is_empty() {
        true => "none".to_owned(),
        false => open.join(", "),
    };
    console::line(&format!("open ports: {open}"));
}
