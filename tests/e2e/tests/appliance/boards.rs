//! Images of boards that nobody could boot here: read as their ROM would, by
//! what its maker writes and not by what our builder believes.
//!
//! | board | its ROM and first loader look at |
//! |---|---|
//! | Rockchip RK3328, RK3399 | sectors 64 and 16384 (Rockchip's boot flow) |
//! | Allwinner H2+, H5 | 128 KiB, then 32 KiB further (linux-sunxi: BROM) |
//! | Raspberry Pi 3, 4 | a FAT partition of the old table |

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_board::profile::Board;
use culvert_e2e::world::must_work;

use crate::tree::Node;

/// Bytes that an image holds at an offset: a file of a package.
struct Piece {
    at: u64,
    package: &'static str,
    file: &'static str,
}

/// A board and what its maker wants.
struct Wanted {
    name: &'static str,
    arch: &'static str,
    pieces: &'static [Piece],
    /// What its device tree says it is.
    compatible: &'static str,
}

const ROCK_PI_E: Wanted = Wanted {
    name: "rock-pi-e",
    arch: "arm64",
    pieces: &[
        piece(
            64 * 512,
            "u-boot-rockchip",
            "rock-pi-e-rk3328/idbloader.img",
        ),
        piece(
            16384 * 512,
            "u-boot-rockchip",
            "rock-pi-e-rk3328/u-boot.itb",
        ),
    ],
    compatible: "radxa,rockpi-e",
};
const ROCK64: Wanted = Wanted {
    name: "rock64",
    arch: "arm64",
    pieces: &[
        piece(64 * 512, "u-boot-rockchip", "rock64-rk3328/idbloader.img"),
        piece(16384 * 512, "u-boot-rockchip", "rock64-rk3328/u-boot.itb"),
    ],
    compatible: "pine64,rock64",
};
const ROCKPRO64: Wanted = Wanted {
    name: "rockpro64",
    arch: "arm64",
    pieces: &[
        piece(
            64 * 512,
            "u-boot-rockchip",
            "rockpro64-rk3399/idbloader.img",
        ),
        piece(
            16384 * 512,
            "u-boot-rockchip",
            "rockpro64-rk3399/u-boot.itb",
        ),
    ],
    compatible: "pine64,rockpro64",
};
const NANOPI_NEO2: Wanted = Wanted {
    name: "nanopi-neo2",
    arch: "arm64",
    pieces: &[
        piece(128 << 10, "u-boot-sunxi", "nanopi_neo2/sunxi-spl.bin"),
        piece(
            160 << 10,
            "u-boot-sunxi",
            "nanopi_neo2/u-boot-sunxi-with-spl.fit.itb",
        ),
    ],
    compatible: "friendlyarm,nanopi-neo2",
};
const ORANGEPI_ZERO: Wanted = Wanted {
    name: "orangepi-zero",
    arch: "armhf",
    pieces: &[piece(
        128 << 10,
        "u-boot-sunxi",
        "orangepi_zero/u-boot-sunxi-with-spl.bin",
    )],
    compatible: "xunlong,orangepi-zero",
};
/// The files that a Pi's firmware asks for, with the packages' folders.
const PI_FILES: [(&str, &str, &str); 6] = [
    (
        "bootcode.bin",
        "raspi-firmware",
        "usr/lib/raspi-firmware/bootcode.bin",
    ),
    (
        "start.elf",
        "raspi-firmware",
        "usr/lib/raspi-firmware/start.elf",
    ),
    (
        "fixup.dat",
        "raspi-firmware",
        "usr/lib/raspi-firmware/fixup.dat",
    ),
    (
        "start4.elf",
        "raspi-firmware",
        "usr/lib/raspi-firmware/start4.elf",
    ),
    (
        "fixup4.dat",
        "raspi-firmware",
        "usr/lib/raspi-firmware/fixup4.dat",
    ),
    (
        "u-boot.bin",
        "u-boot-rpi",
        "usr/lib/u-boot/rpi_arm64/u-boot.bin",
    ),
];

const fn piece(at: u64, package: &'static str, file: &'static str) -> Piece {
    Piece { at, package, file }
}

/// S26: built, never booted on hardware; as far as reading goes, each image is
/// what its board's ROM looks for.
#[test]
fn an_image_of_a_real_board_is_what_its_rom_looks_for() -> anyhow::Result<()> {
    let built = crate::built()?;
    for board in [
        &ROCK64,
        &ROCKPRO64,
        &ROCK_PI_E,
        &NANOPI_NEO2,
        &ORANGEPI_ZERO,
    ] {
        let image = built.join(format!("culvert-{}-1.img", board.name));
        rom(&image, board).with_context(|| board.name)?;
        table(&image, false).with_context(|| board.name)?;
        device_tree(&image, board).with_context(|| board.name)?;
        script(&image, board.name).with_context(|| board.name)?;
    }
    // Its firmware is not free: absent where the distribution's part is.
    let image = built.join("culvert-raspberry-pi-1.img");
    if image.exists() {
        table(&image, true).context("raspberry-pi")?;
        pi(&image).context("raspberry-pi")?;
        script(&image, "raspberry-pi").context("raspberry-pi")?;
    }
    Ok(())
}

/// Every piece of the boot loader lies where it is looked for, whole.
fn rom(image: &Path, board: &Wanted) -> anyhow::Result<()> {
    let file = File::open(image).with_context(|| image.display().to_string())?;
    for piece in board.pieces {
        let tree = package(board.arch, piece.package)?;
        let wanted = fs::read(tree.join("usr/lib/u-boot").join(piece.file))?;
        ensure!(wanted.len() > 4096, "{} is empty", piece.file);
        let mut found = vec![0; wanted.len()];
        file.read_exact_at(&mut found, piece.at)?;
        ensure!(found == wanted, "{} is not at {}", piece.file, piece.at);
    }
    Ok(())
}

/// A GPT that sfdisk finds nothing wrong with, behind an old table that
/// protects it; on a Pi the old table also names the boot partition.
fn table(image: &Path, hybrid: bool) -> anyhow::Result<()> {
    let file = File::open(image)?;
    let mut old = [0; 512];
    file.read_exact_at(&mut old, 0)?;
    ensure!(old[510..] == [0x55, 0xaa], "the old table has no mark");
    let kinds: Vec<u8> = (0..4).map(|entry| old[446 + entry * 16 + 4]).collect();
    let wanted: &[u8] = if hybrid {
        &[0x0c, 0xee, 0, 0]
    } else {
        &[0xee, 0, 0, 0]
    };
    ensure!(kinds == wanted, "the old table names {kinds:02x?}");
    let mut sfdisk = Command::new("sfdisk");
    sfdisk.arg("--verify").arg(image);
    let said = String::from_utf8(must_work(&mut sfdisk)?.stdout)?;
    ensure!(said.contains("No errors detected"), "{said}");
    let mut dump = Command::new("sfdisk");
    let said = String::from_utf8(must_work(dump.arg("--dump").arg(image))?.stdout)?;
    ensure!(hybrid || said.contains("label: gpt"), "{said}");
    if hybrid {
        let start = u32::from_le_bytes(old[454..458].try_into()?);
        ensure!(
            start == 16 << 11,
            "the Pi's partition begins at sector {start}"
        );
    } else {
        for name in [
            "boot", "record-1", "record-2", "slot-a", "slot-b", "settings", "data",
        ] {
            ensure!(
                said.contains(&format!("name=\"{name}\"")),
                "no {name}: {said}"
            );
        }
    }
    Ok(())
}

/// The release holds the board's device tree, byte for byte the kernel's; the
/// board's file names a light of it, and its key.
fn device_tree(image: &Path, board: &Wanted) -> anyhow::Result<()> {
    let compatible = board.compatible;
    let tool = culvert_lab::Programs::beside_this_one()?
        .folder()
        .join("culvert-image");
    let mut inspect = Command::new(tool);
    let said = String::from_utf8(must_work(inspect.arg("inspect").arg(image))?.stdout)?;
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("dtb "))
        .with_context(|| format!("no device tree: {said}"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let number =
        |at: usize| -> anyhow::Result<u64> { Ok(words.get(at).context("a number")?.parse()?) };
    let mut bytes = vec![0; usize::try_from(number(1)?)?];
    File::open(image)?.read_exact_at(&mut bytes, (26 << 20) + number(4)?)?;
    let text = String::from_utf8_lossy(&bytes);
    ensure!(text.contains(compatible), "the tree is not {compatible}'s");
    light(&bytes, board.name)?;
    button(&bytes, board.name)
}

/// The button that the board's file names is the tree's key; none only where the
/// tree has none.
fn button(tree: &[u8], name: &str) -> anyhow::Result<()> {
    let (board, _) = Board::named(name)?;
    let keys = Node::read(tree)?.keys();
    let named = board.hardware.button.map(|b| (b.offset, b.active_low));
    let fits = match &named {
        Some(named) => keys.contains(named),
        None => keys.is_empty(),
    };
    ensure!(fits, "the file names line {named:?}, the tree has {keys:?}");
    Ok(())
}

/// The light that the board's file names is one that Linux will show; none only
/// where the tree has none.
fn light(tree: &[u8], name: &str) -> anyhow::Result<()> {
    let (board, _) = Board::named(name)?;
    let lights = Node::read(tree)?.lights();
    let fits = match &board.hardware.led {
        Some(led) => lights.contains(led),
        None => lights.is_empty(),
    };
    let named = board.hardware.led;
    ensure!(fits, "the file names {named:?}, the tree has {lights:?}");
    Ok(())
}

/// The firmware's files and the boot loader, as they are in their packages.
fn pi(image: &Path) -> anyhow::Result<()> {
    let read = |name: &str| boot_file(image, name);
    for (name, from, path) in PI_FILES {
        let wanted = fs::read(package("arm64", from)?.join(path))?;
        ensure!(read(name)? == wanted, "{name} is not the package's");
    }
    for tree in [
        "bcm2837-rpi-3-b.dtb",
        "bcm2837-rpi-3-b-plus.dtb",
        "bcm2711-rpi-4-b.dtb",
    ] {
        light(&read(tree)?, "raspberry-pi").context(tree)?;
    }
    let config = String::from_utf8(read("config.txt")?)?;
    ensure!(config.contains("kernel=u-boot.bin"), "{config}");
    Ok(())
}

/// The script that chooses a slot, for this board's memory: the one that counts
/// without arithmetic, which half of these boot loaders do not have.
fn script(image: &Path, name: &str) -> anyhow::Result<()> {
    let (board, _) = Board::named(name)?;
    let bytes = boot_file(image, "boot.scr")?;
    ensure!(
        bytes.starts_with(&[0x27, 0x05, 0x19, 0x56]),
        "no script of U-Boot's"
    );
    let text = String::from_utf8_lossy(&bytes);
    let scratch = u64::from_str_radix(board.memory.scratch.trim_start_matches("0x"), 16)?;
    for line in [
        format!("setenv rec {scratch:#x}\n"),
        "setenv u9 'setenv e a'\n".to_owned(),
        "setenv spend 'run up; env export -c".to_owned(),
        format!("{} ${{kernel_addr_r}}", board.arch.boot_command()),
    ] {
        ensure!(text.contains(&line), "the script lacks {line:?}");
    }
    ensure!(!text.contains("setexpr"), "the script adds");
    Ok(())
}

/// A file of the partition that boot loaders read.
fn boot_file(image: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let copied = image.with_extension("file");
    let mut copy = Command::new("mcopy");
    copy.args(["-o", "-i"])
        .arg(format!("{}@@{}", image.display(), 16 << 20))
        .arg(format!("::{name}"))
        .arg(&copied);
    must_work(&mut copy)?;
    let bytes = fs::read(&copied)?;
    fs::remove_file(copied)?;
    Ok(bytes)
}

/// Where a package lies unpacked.
fn package(arch: &str, name: &str) -> anyhow::Result<PathBuf> {
    let trees = crate::built()?.join("../packages").join(arch).join("trees");
    let start = format!("{name}_");
    let found = fs::read_dir(&trees)?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    Ok(found
        .with_context(|| format!("no {name} in {}", trees.display()))?
        .path())
}
