//! Lights, watchdog, serial number and hardware address, through sysfs and
//! device files below a root that tests may choose.
//!
//! A light or a watchdog that is missing or fails is no reason to stop a box:
//! every call here says so and nothing else happens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::profile;
use crate::watchdog::Watchdog;

/// How the kernel marks a hardware address that it made up.
const RANDOM: &str = "1";

/// What a light tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// Starting.
    Booting,
    /// No cable.
    NoCable,
    /// No address.
    NoAddress,
    /// No server, with the cause on the console.
    NoServer,
    /// The box is not claimed, or something is wrong with its card: a file on it
    /// that is not used, data that cannot be kept.
    Unclaimed,
    /// Linked.
    Online,
    /// A session runs.
    Session,
    /// The customer wants no sessions.
    Paused,
}

impl Light {
    /// Milliseconds on and off; none: steady.
    pub const fn blink(self) -> Option<(u16, u16)> {
        match self {
            Self::Booting => Some((100, 100)),
            Self::NoCable => Some((100, 1900)),
            Self::NoAddress => Some((100, 900)),
            Self::NoServer => Some((500, 500)),
            Self::Unclaimed => Some((1900, 100)),
            Self::Online => None,
            Self::Session => Some((900, 100)),
            Self::Paused => Some((1000, 3000)),
        }
    }
}

/// The parts of a board that the supervisor uses.
pub trait Panel {
    /// Shows a state.
    ///
    /// # Errors
    /// What the system says.
    fn show(&mut self, light: Light) -> io::Result<()>;

    /// Tells the watchdog that all is well.
    ///
    /// # Errors
    /// What the system says.
    fn feed(&mut self) -> io::Result<()>;

    /// Whether something resets the board when it is not fed.
    fn has_watchdog(&self) -> bool;

    /// After how many seconds, by its driver's word.
    fn watchdog_seconds(&self) -> Option<u32>;

    /// The board's serial number, if it has one.
    fn serial(&self) -> Option<String>;

    /// The hardware address of a network interface; none if it was made up at
    /// this start.
    fn mac(&self, interface: &str) -> Option<String>;
}

/// Starts a board's watchdog before anything else of the board is looked at;
/// none: it has none, or its driver is not there yet.
pub fn early_watchdog(root: &Path, hardware: &profile::Hardware) -> Option<Watchdog> {
    let path = below(root, hardware.watchdog.as_ref()?);
    Watchdog::start(&path, hardware.watchdog_seconds).ok()
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The board as Linux shows it.
#[derive(Debug)]
pub struct Sysfs {
    root: PathBuf,
    led: Option<PathBuf>,
    watchdog: Option<Watchdog>,
    shown: Option<Light>,
}

impl Sysfs {
    /// Opens what there is; the second value says what there is not.
    ///
    /// From here on the watchdog runs and must be fed.
    pub fn open(root: &Path, hardware: &profile::Hardware) -> (Self, Vec<String>) {
        let mut missing = Vec::new();
        let led = hardware.led.as_ref().and_then(|name| {
            let path = root.join("sys/class/leds").join(name);
            if !path.exists() {
                missing.push(format!("light {name}"));
            }
            path.exists().then_some(path)
        });
        let watchdog = hardware.watchdog.as_ref().and_then(|path| {
            let path = below(root, path);
            let opened = Watchdog::start(&path, hardware.watchdog_seconds);
            if let Err(error) = &opened {
                missing.push(format!("watchdog {}: {error}", path.display()));
            }
            opened.ok()
        });
        let board = Self {
            root: root.to_owned(),
            led,
            watchdog,
            shown: None,
        };
        (board, missing)
    }

    fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Panel for Sysfs {
    fn show(&mut self, light: Light) -> io::Result<()> {
        let Some(led) = self.led.as_ref().filter(|_| self.shown != Some(light)) else {
            return Ok(());
        };
        match light.blink() {
            None => {
                fs::write(led.join("trigger"), "none")?;
                fs::write(led.join("brightness"), "1")?;
            }
            Some((on, off)) => {
                fs::write(led.join("trigger"), "timer")?;
                fs::write(led.join("delay_on"), on.to_string())?;
                fs::write(led.join("delay_off"), off.to_string())?;
            }
        }
        self.shown = Some(light);
        Ok(())
    }

    fn feed(&mut self) -> io::Result<()> {
        match &mut self.watchdog {
            Some(watchdog) => watchdog.feed(),
            None => Ok(()),
        }
    }

    fn has_watchdog(&self) -> bool {
        self.watchdog.is_some()
    }

    fn watchdog_seconds(&self) -> Option<u32> {
        self.watchdog.as_ref()?.seconds()
    }

    fn serial(&self) -> Option<String> {
        self.text("proc/device-tree/serial-number")
    }

    fn mac(&self, interface: &str) -> Option<String> {
        if interface.contains(['/', '.']) {
            return None;
        }
        let about = |file| self.text(&format!("sys/class/net/{interface}/{file}"));
        match about("addr_assign_type").as_deref() {
            Some(RANDOM) => None,
            _ => about("address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware() -> profile::Hardware {
        profile::Hardware {
            led: Some("status".into()),
            watchdog: Some("/dev/watchdog0".into()),
            watchdog_seconds: 60,
            button: None,
            console: "/dev/ttyS0".into(),
            health_seconds: 300,
        }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for file in ["trigger", "brightness", "delay_on", "delay_off"] {
            make(&format!("sys/class/leds/status/{file}"), "");
        }
        make("dev/watchdog0", "");
        make("proc/device-tree/serial-number", "0123abcd\0");
        make("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
        dir
    }

    #[test]
    fn each_state_has_a_light_of_its_own() {
        let dir = tree();
        let (mut board, missing) = Sysfs::open(dir.path(), &hardware());
        assert!(missing.is_empty(), "{missing:?}");
        let read = |file: &str| {
            fs::read_to_string(dir.path().join("sys/class/leds/status").join(file)).unwrap()
        };

        board.show(Light::NoServer).unwrap();
        assert_eq!(
            (read("trigger"), read("delay_on")),
            ("timer".into(), "500".into())
        );
        board.show(Light::Online).unwrap();
        assert_eq!(
            (read("trigger"), read("brightness")),
            ("none".into(), "1".into())
        );

        let all = [
            Light::Booting,
            Light::NoCable,
            Light::NoAddress,
            Light::NoServer,
            Light::Unclaimed,
            Light::Online,
            Light::Session,
            Light::Paused,
        ];
        for (number, light) in all.iter().enumerate() {
            assert!(
                all[..number]
                    .iter()
                    .all(|other| other.blink() != light.blink())
            );
        }
    }

    #[test]
    fn the_watchdog_is_fed_and_the_box_is_known_by_number_and_address() {
        let dir = tree();
        let (mut board, _) = Sysfs::open(dir.path(), &hardware());

        board.feed().unwrap();
        board.feed().unwrap();
        // A plain file has no driver that could tell its time.
        assert_eq!(board.watchdog_seconds(), None);
        // Nothing written at its end: a `V` would let the kernel stop it.
        let mut early = early_watchdog(dir.path(), &hardware()).unwrap();
        early.feed().unwrap();
        drop(early);
        drop(board);

        assert_eq!(fs::read(dir.path().join("dev/watchdog0")).unwrap(), b"..");
        let (board, _) = Sysfs::open(dir.path(), &hardware());
        assert_eq!(board.serial().as_deref(), Some("0123abcd"));
        assert_eq!(board.mac("eth0").as_deref(), Some("52:54:00:12:34:56"));
        assert_eq!(board.mac("../../../etc"), None);
        let made_up = dir.path().join("sys/class/net/eth0/addr_assign_type");
        fs::write(made_up, "1\n").unwrap();
        assert_eq!(board.mac("eth0"), None);
    }

    #[test]
    fn what_is_missing_is_said_and_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();

        let (mut board, missing) = Sysfs::open(dir.path(), &hardware());

        assert_eq!(missing.len(), 2, "{missing:?}");
        board.show(Light::Booting).unwrap();
        board.feed().unwrap();
        assert_eq!(board.serial(), None);
    }
}
