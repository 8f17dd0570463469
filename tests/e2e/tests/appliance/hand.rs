//! A person's hand at the machine: its button, its reset line. The monitor of
//! QEMU's `virt` machine presses one of its GPIO lines for 100 ms.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Well below the 100 ms after which the monitor lets the button go.
const AGAIN: Duration = Duration::from_millis(25);

/// At one machine.
pub(crate) struct Hand {
    monitor: BufReader<UnixStream>,
}

impl Hand {
    /// `socket` is the machine's monitor.
    pub(crate) fn at(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).context("the machine's monitor")?;
        let mut hand = Self {
            monitor: BufReader::new(stream),
        };
        hand.line()?;
        hand.does("qmp_capabilities")?;
        Ok(hand)
    }

    /// Presses the button and lets it go.
    pub(crate) fn press(&mut self) -> anyhow::Result<()> {
        self.does("system_powerdown")
    }

    /// Holds the button down until `enough`.
    pub(crate) fn hold(
        &mut self,
        mut enough: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        // Looked at now and then: reading the screen takes time of its own.
        loop {
            for _ in 0..20 {
                self.press()?;
                sleep(AGAIN);
            }
            if enough()? {
                return Ok(());
            }
        }
    }

    /// The board's reset line.
    pub(crate) fn reset(&mut self) -> anyhow::Result<()> {
        self.does("system_reset")
    }

    /// Pulls the cable, or plugs it in.
    pub(crate) fn cable(&mut self, there: bool) -> anyhow::Result<()> {
        self.tells(
            "set_link",
            &format!(",\"arguments\":{{\"name\":\"lan\",\"up\":{there}}}"),
        )
    }

    fn does(&mut self, command: &str) -> anyhow::Result<()> {
        self.tells(command, "")
    }

    fn tells(&mut self, command: &str, more: &str) -> anyhow::Result<()> {
        let words = format!("{{\"execute\":\"{command}\"{more}}}\n");
        self.monitor.get_mut().write_all(words.as_bytes())?;
        loop {
            let line = self.line()?;
            ensure!(!line.contains("\"error\""), "{command}: {line}");
            // Else it tells of an event.
            if line.contains("\"return\"") {
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(
            self.monitor.read_line(&mut line)? > 0,
            "the machine's monitor is gone"
        );
        Ok(line)
    }
}
