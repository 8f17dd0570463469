//! The customer's button: a short press pauses all sessions or lets them
//! again, a long one makes the box as new.
//!
//! A pause is kept on the data partition: neither a restart nor anybody in the
//! cloud lifts it. No message of the gateway leads here.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use culvert_board::button::Press;
use culvert_board::gpio::Edges;
use culvert_board::hardware::{Light, Panel as _};
use culvert_board::profile::Board;
use culvert_wire::supervisor::FromSupervisor;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};

use super::{Running, TURN, data, start};
use crate::{console, system};

/// Is there while the customer wants no sessions.
const PAUSED: &str = "/data/system/paused";

/// Opens the board's button, if it has one.
pub(super) fn open(board: &Board) -> Option<Edges> {
    let line = board.hardware.button.as_ref()?;
    match Edges::open("/".as_ref(), line) {
        Ok(edges) => Some(edges),
        Err(error) => {
            console::line(&format!("not there: button: {error}"));
            None
        }
    }
}

/// Whether the customer had paused the box before it was switched off.
pub(super) fn was_paused() -> bool {
    fs::exists(PAUSED).unwrap_or(true)
}

impl Running {
    /// Does what the button's presses mean.
    pub(super) fn look_at_button(&mut self) {
        let Some(button) = &mut self.button else {
            return;
        };
        // Before the clock: an edge that waits is older than now.
        let now = clock();
        let mut meant = Vec::new();
        for edge in button.read() {
            meant.extend(self.presses.handle_edge(edge));
        }
        meant.extend(self.presses.handle_time(now));
        for press in meant {
            match press {
                Press::Short => self.pause(!self.paused),
                Press::Held => console::line(
                    "button: hold on until ten seconds are over and the box becomes as new; \
                     let go and nothing happens",
                ),
                Press::Dropped => console::line("button: let go in time, nothing happens"),
                Press::Long => self.factory_reset(),
            }
        }
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.gateway.say(&FromSupervisor::Pause(paused));
        let kept = match paused {
            true => start::replace(PAUSED, b"", 0),
            false => fs::remove_file(PAUSED).and_then(|()| start::settle(PAUSED)),
        };
        console::line(match paused {
            true => "button: paused, no sessions until it is pressed again",
            false => "button: sessions are allowed again",
        });
        if let Err(error) = kept {
            console::line(&format!("the pause cannot be kept over a restart: {error}"));
        }
    }

    /// Forgets everything but the releases and the card's settings. Once
    /// begun it is finished, by the next boot if need be.
    fn factory_reset(&mut self) {
        if let Err(error) = self.panel.show(Light::Booting) {
            console::line(&format!("the light cannot be set: {error}"));
        }
        console::line("button: factory reset, everything is forgotten");
        self.gateway.say(&FromSupervisor::Reboot);
        std::thread::sleep(Duration::from_millis(500));
        // Nothing may write to the data any more when its head is gone.
        self.gateway.kill();
        match unmount().and_then(|()| data::spoil()) {
            Ok(()) => system::restart("factory reset"),
            // Without its data nothing can go on here either.
            Err(error) => system::restart(&format!("factory reset failed: {error}")),
        }
    }

    /// Waits for the gateway's next word, the button, or the turn's end.
    pub(super) fn rest(&self) {
        let busy = self.on_card.is_some();
        let most = if busy { 0 } else { TURN };
        let due = self.presses.poll_timeout().map(|due| {
            // Rounded up: at that time, not a moment before.
            let left = due.saturating_sub(clock()).as_millis() + 1;
            u16::try_from(left).unwrap_or(TURN)
        });
        let limit = PollTimeout::from(due.unwrap_or(TURN).min(most));
        let mut waits: Vec<PollFd<'_>> = Vec::new();
        waits.extend(
            self.gateway
                .socket()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        let button = self.button.as_ref().map(|button| button.as_fd());
        waits.extend(button.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        if let Err(error) = poll(&mut waits, limit)
            && error != Errno::EINTR
        {
            std::thread::sleep(Duration::from_millis(TURN.into()));
        }
    }
}

fn unmount() -> io::Result<()> {
    let mut tries = 0..20;
    loop {
        match nix::mount::umount(start::DATA) {
            Ok(()) => return Ok(()),
            // The gateway needs a moment to die.
            Err(Errno::EBUSY) if tries.next().is_some() => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The clock of the edges' times.
fn clock() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
