//! Mounts, the clock, the kernel's arguments, restarting.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_wire::UnixMs;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

/// Nothing on it is a program, a device or a way to more rights.
pub const DATA_ONLY: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

/// Why something is not mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {what} on {target}: {errno}")]
pub struct MountError {
    what: String,
    target: String,
    /// What the system says.
    pub errno: Errno,
}

impl From<MountError> for io::Error {
    fn from(error: MountError) -> Self {
        Self::new(Self::from(error.errno).kind(), error.to_string())
    }
}

/// Mounts `source` of a type on `target`.
///
/// # Errors
/// [`MountError`].
pub fn mount_at(
    source: &Path,
    target: &str,
    kind: &str,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), MountError> {
    mount(Some(source), target, Some(kind), flags, options).map_err(|errno| MountError {
        what: source.display().to_string(),
        target: target.to_owned(),
        errno,
    })
}

/// The file systems that the kernel itself provides.
///
/// # Errors
/// What the system says. What is mounted already stays.
pub fn mount_kernel() -> io::Result<()> {
    for (kind, target, flags) in [
        ("proc", "/proc", DATA_ONLY),
        ("sysfs", "/sys", DATA_ONLY),
        (
            "devtmpfs",
            "/dev",
            MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
        ),
    ] {
        fs::create_dir_all(target)?;
        match mount(Some(kind), target, Some(kind), flags, None::<&str>) {
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(io::Error::other(format!("cannot mount {target}: {error}"))),
        }
    }
    Ok(())
}

/// The value of a kernel argument `name=value`.
pub fn argument(name: &str) -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// The system clock.
pub fn now() -> UnixMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Sets the system clock; only logs read it.
///
/// # Errors
/// What the system says.
pub fn set_clock(time: UnixMs) -> io::Result<()> {
    let spec = TimeSpec::from_duration(Duration::from_millis(time.0));
    // A clock of 32 bits has no room for every time.
    if u64::try_from(spec.tv_sec()) != Ok(time.0 / 1000) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(clock_settime(ClockId::CLOCK_REALTIME, spec)?)
}

/// Bytes that anybody can still write to a file system.
///
/// # Errors
/// What the system says.
pub fn free(path: &str) -> io::Result<u64> {
    let told = statvfs(path)?;
    Ok(wide(told.blocks_available()) * wide(told.fragment_size()))
}

/// A number of the system's own width: 32 bits on the smaller boards.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// Megabytes in use and in all; the kernel's own code is in neither.
pub fn memory() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let mega = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        let kilo: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilo * 1024.0 / 1e6)
    };
    let (all, free) = (mega("MemTotal:")?, mega("MemAvailable:")?);
    Some((all - free, all))
}

/// Restarts the box.
pub fn restart(why: &str) -> ! {
    crate::console::line(&format!("restart: {why}"));
    nix::unistd::sync();
    // The line above shall leave the serial port.
    std::thread::sleep(Duration::from_millis(300));
    let Err(error) = reboot(RebootMode::RB_AUTOBOOT);
    crate::console::line(&format!("cannot restart: {error}"));
    // Process 1 ends: the kernel panics and restarts by `panic=`.
    std::process::exit(1)
}
