//! One `.toml` per board, in `boards/`: what the image builder takes from the
//! distribution and where it goes, and what the supervisor finds at run time.

use std::path::PathBuf;

use serde::Deserialize;

/// A board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Its name, as releases carry it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What is known of it on real hardware.
    pub proof: Proof,
    /// Its processor.
    pub arch: Arch,
    /// The kernel.
    pub kernel: Kernel,
    /// The boot loader; none where the machine brings it.
    pub loader: Option<Loader>,
    /// What the board's own firmware finds in the boot partition.
    #[serde(default)]
    pub boot: Boot,
    /// Where the boot script puts things.
    pub memory: Memory,
    /// Lights and watchdog.
    pub hardware: Hardware,
}

/// How far a board was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// `./check` boots it.
    BootedInCheck,
    /// Its image is built and looked at; nobody has booted it on hardware.
    NeverBooted,
}

impl Proof {
    /// For people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BootedInCheck => "booted in every check",
            Self::NeverBooted => "built, never booted on hardware",
        }
    }
}

/// A processor architecture, by Debian's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM with hardware floating point.
    Armhf,
}

impl Arch {
    /// Debian's name.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
        }
    }

    /// The boot loader's command for this kernel.
    pub const fn boot_command(self) -> &'static str {
        match self {
            Self::Arm64 => "booti",
            Self::Armhf => "bootz",
        }
    }
}

/// What runs first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The distribution's package; a name that ends on no version stands for
    /// the one it depends on.
    pub package: String,
    /// Modules the box needs before and after its root is there, the
    /// watchdog's first; those they need are added.
    pub modules: Vec<String>,
    /// The device tree in the package, below `usr/lib/linux-image-*`; none:
    /// the boot loader has it.
    pub device_tree: Option<PathBuf>,
    /// What the kernel is told, besides the slot.
    pub arguments: String,
}

/// What the processor's ROM loads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loader {
    /// The distribution's package.
    pub package: String,
    /// In the package: what was switched on when it was built.
    pub config: PathBuf,
    /// Its files and where they go.
    pub pieces: Vec<Piece>,
}

/// The boot partition, besides the boot script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The old partition table names this partition, too.
    pub hybrid: bool,
    /// The distribution's package of firmware.
    pub firmware: Option<String>,
    /// Files out of packages.
    pub files: Vec<BootFile>,
    /// Small files.
    pub text: Vec<BootText>,
}

/// A file of the boot partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootFile {
    /// Which package it comes from.
    pub from: Source,
    /// In the package; of the kernel's: below its device trees.
    pub file: PathBuf,
    /// Its name in the partition.
    pub name: String,
}

/// A text in the boot partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootText {
    /// Its name in the partition.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// One of a board's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// [`Loader::package`].
    Loader,
    /// [`Boot::firmware`].
    Firmware,
    /// [`Kernel::package`].
    Kernel,
}

/// One file of the boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// In the package.
    pub file: PathBuf,
    /// 512-byte sector of the disk where the ROM, or the piece before, looks
    /// for it.
    pub sector: u64,
}

/// Addresses for the boot script, as U-Boot writes them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// 16 KiB for records and a slot's header.
    pub scratch: String,
    /// Where a packed kernel is unpacked.
    pub unpack: String,
}

/// What the supervisor finds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Name of the light below `/sys/class/leds`; none: the box has none.
    pub led: Option<String>,
    /// The watchdog's device; none: the box has none.
    pub watchdog: Option<PathBuf>,
    /// Seconds after which an unfed watchdog resets the board, as far as its
    /// driver can count.
    #[serde(default = "watchdog_seconds")]
    pub watchdog_seconds: u32,
    /// The customer's button; none: the board has none that Linux can read.
    pub button: Option<Line>,
    /// The serial console.
    pub console: PathBuf,
    /// Seconds a release on trial has to become healthy.
    #[serde(default = "health_seconds")]
    pub health_seconds: u64,
}

/// Issue of a release's trial: five minutes.
const fn health_seconds() -> u64 {
    300
}

/// What most drivers can count to. Long work feeds it as it goes.
const fn watchdog_seconds() -> u32 {
    60
}

/// A line of a GPIO chip.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The chip's label, as `gpiodetect` prints it.
    pub chip: String,
    /// Which of its lines.
    pub offset: u32,
    /// Pressed is low.
    #[serde(default)]
    pub active_low: bool,
}

/// Every board's name and file.
pub const BOARDS: [(&str, &str); 9] = [
    ("qemu-virt", include_str!("../boards/qemu-virt.toml")),
    ("qemu-virt32", include_str!("../boards/qemu-virt32.toml")),
    (
        "qemu-watchdog",
        include_str!("../boards/qemu-watchdog.toml"),
    ),
    ("rock64", include_str!("../boards/rock64.toml")),
    ("rockpro64", include_str!("../boards/rockpro64.toml")),
    ("rock-pi-e", include_str!("../boards/rock-pi-e.toml")),
    ("nanopi-neo2", include_str!("../boards/nanopi-neo2.toml")),
    ("raspberry-pi", include_str!("../boards/raspberry-pi.toml")),
    (
        "orangepi-zero",
        include_str!("../boards/orangepi-zero.toml"),
    ),
];

impl Board {
    /// Reads a board's file.
    ///
    /// # Errors
    /// [`BoardError::File`].
    pub fn from_toml(text: &str) -> Result<Self, BoardError> {
        Ok(toml::from_str(text)?)
    }

    /// A board that this program knows, with its file's text.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn named(name: &str) -> Result<(Self, &'static str), BoardError> {
        let known = BOARDS.iter().find(|(known, _)| *known == name);
        let (_, text) = known.ok_or_else(|| BoardError::Unknown {
            name: name.to_owned(),
        })?;
        Ok((Self::from_toml(text)?, text))
    }
}

/// Why there is no such board.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// No file of this name.
    #[error("there is no board {name:?}; known are {}", BOARDS.map(|(name, _)| name).join(", "))]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// The file is not right.
    #[error("the board's file cannot be used: {0}")]
    File(#[from] toml::de::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_s_file_is_whole_and_carries_its_name() {
        for (name, _) in BOARDS {
            let (board, _) = Board::named(name).unwrap();
            assert_eq!(board.name, name);
            assert!(!board.kernel.modules.is_empty(), "{name}");
        }
    }

    /// ext4 asks for its checksum by name: the kernel's list of what needs what
    /// does not tell of it.
    #[test]
    fn whoever_loads_ext4_loads_its_checksum_first() {
        for (name, _) in BOARDS {
            let (board, _) = Board::named(name).unwrap();
            let at = |wanted: &str| board.kernel.modules.iter().position(|one| one == wanted);
            if let Some(ext4) = at("ext4") {
                assert!(at("crc32c_generic").is_some_and(|sum| sum < ext4), "{name}");
            }
        }
    }

    /// A release whose drivers hang shall be reset: its watchdog runs before
    /// the other drivers come.
    #[test]
    fn a_watchdog_s_module_is_loaded_first() {
        for (name, _) in BOARDS {
            let (board, _) = Board::named(name).unwrap();
            let dogs = ["dw_wdt", "sunxi_wdt", "bcm2835_wdt", "i6300esb"];
            let at = |module: &String| dogs.contains(&module.as_str());
            let place = board.kernel.modules.iter().position(at);
            assert!(matches!(place, None | Some(0)), "{name}: {place:?}");
            // sunxi_wdt refuses more than 16 seconds.
            if board.kernel.modules[0] == "sunxi_wdt" {
                assert_eq!(board.hardware.watchdog_seconds, 16, "{name}");
            }
        }
    }

    /// GPT keeps sectors 0 to 33 for itself; the first partition begins at
    /// 16 MiB.
    #[test]
    fn no_boot_loader_overwrites_the_partition_table_or_a_partition() {
        for (name, _) in BOARDS {
            let (board, _) = Board::named(name).unwrap();
            for piece in board.loader.iter().flat_map(|loader| &loader.pieces) {
                assert!((34..32768).contains(&piece.sector), "{name}: {piece:?}");
            }
        }
    }

    #[test]
    fn an_unknown_board_names_the_known_ones() {
        let error = Board::named("pi").unwrap_err().to_string();

        assert!(error.contains("rock64"), "{error}");
    }
}
