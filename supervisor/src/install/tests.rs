//! Bundles that stream into a slot (P7, P8, threat 11).

use std::collections::HashSet;
use std::os::unix::fs::FileExt as _;

use culvert_board::environment::LEN;
use culvert_board::record::Place;
use culvert_wire::Encode as _;
use culvert_wire::key::SigningKey;
use culvert_wire::update::{BLOCK, FIRST_PART, Manifest, Part, PartKind, Verity};
use sha2::{Digest as _, Sha256};

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const KERNEL: &[u8] = &[3; 10_000];
const ROOT: &[u8] = &[4; 30_000];

struct Records([Vec<u8>; 2]);

impl Places for Records {
    fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        Ok(self.0[place as usize].clone())
    }
    fn write(&mut self, place: Place, bytes: &[u8; LEN]) -> io::Result<()> {
        self.0[place as usize] = bytes.to_vec();
        Ok(())
    }
}

fn records() -> Records {
    let mut records = Records([vec![0; LEN], vec![0; LEN]]);
    record::change(&mut records, |record| Slots::flashed(1, 1).write(record)).unwrap();
    records
}

fn slots(records: &mut Records) -> Slots {
    Slots::read(&record::load(records).unwrap().unwrap().1)
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn signed(version: u64) -> SignedManifest {
    let part = |kind, offset, bytes: &[u8]| Part {
        kind,
        offset,
        size: bytes.len() as u64,
        hash: Sha256::digest(bytes).into(),
    };
    let manifest = Manifest {
        board: "qemu-virt".into(),
        version,
        name: format!("0.{version}"),
        issued: NOW,
        expires: NOW.plus_ms(1000),
        parts: vec![
            part(PartKind::Kernel, FIRST_PART, KERNEL),
            part(PartKind::Root, FIRST_PART + 4 * BLOCK, ROOT),
        ],
        verity: Verity {
            root_hash: [0; 32],
            salt: [0; 32],
        },
    };
    SignedManifest::sign(manifest, vec![], &key())
}

fn bundle(version: u64) -> Vec<u8> {
    let manifest = signed(version).to_bytes();
    let length = u32::try_from(manifest.len()).unwrap().to_be_bytes();
    [&BUNDLE_MAGIC[..], &length, &manifest, KERNEL, ROOT].concat()
}

fn judge() -> Judge {
    Judge {
        trusted: KeyList {
            generation: 1,
            root: SigningKey::from_seed(&[1; 32]).public(),
            release: vec![key().public()],
        },
        board: "qemu-virt".into(),
        running: Slot::A,
        version: 1,
    }
}

/// A slot's file, the records, and how far a bundle gets in.
fn try_install(bytes: &[u8], step: usize, slot: &File) -> (Records, Result<u64, InstallError>) {
    let mut records = records();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(slot));
    let mut install = Install::open(Path::new(&path), judge()).unwrap();
    for piece in bytes.chunks(step) {
        if let Err(error) = install.feed(piece, &mut records, NOW) {
            return (records, Err(error));
        }
    }
    let mut alive = 0;
    let done = install.finish(&mut records, true, || alive += 1);
    assert!(done.is_err() || alive > 1, "a watchdog waits {alive}");
    (records, done)
}

/// A slot that holds an older release, as its header says.
fn slot() -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(FIRST_PART + 64 * BLOCK).unwrap();
    slot::seal(&file, &signed(0)).unwrap();
    file
}

fn bootable(slot: &File) -> Option<u64> {
    let mut header = vec![0; LEN];
    slot.read_exact_at(&mut header, 0).unwrap();
    culvert_board::environment::Environment::decode(&header)?.number("h_version")
}

#[test]
fn a_release_lands_whole_whatever_its_pieces() {
    for step in [1, 7, 4096, 1 << 20] {
        let slot = slot();

        let (mut records, done) = try_install(&bundle(2), step, &slot);

        assert_eq!(done.unwrap(), 2);
        assert_eq!(bootable(&slot), Some(2));
        let mut kernel = vec![0; KERNEL.len()];
        slot.read_exact_at(&mut kernel, FIRST_PART).unwrap();
        assert_eq!(kernel, KERNEL);
        assert_eq!(slot::manifest(&slot).unwrap(), Some(signed(2)));
        let slots = slots(&mut records);
        assert_eq!((slots.want, slots.on_trial(Slot::B)), (Slot::B, true));
        assert!(slots.link_was_up);
    }
}

/// P7: cut anywhere, the running slot boots and the other one does not.
#[test]
fn a_bundle_cut_anywhere_leaves_the_running_release() {
    let whole = bundle(2);
    let mut seen = HashSet::new();
    for cut in (0..whole.len()).step_by(499) {
        let slot = slot();

        let (mut records, done) = try_install(&whole[..cut], 4096, &slot);

        assert!(done.is_err(), "cut at {cut}");
        let mut slots = slots(&mut records);
        assert_eq!(slots.choose(|_| true), Some(Slot::A), "cut at {cut}");
        seen.insert(bootable(&slot));
    }
    // Before the manifest is judged the old release stays; then it is gone.
    assert_eq!(seen, HashSet::from([Some(0), None]));
}

#[test]
fn nothing_is_written_for_a_release_that_must_be_refused() {
    let mut foreign = bundle(2);
    let at = foreign.len() - KERNEL.len() - ROOT.len() - 1;
    foreign[at] ^= 1;
    let endless = [&b"culvert-bundle-1\xff\xff\xff\xff"[..], &[0; 9000]].concat();
    for (bytes, what) in [
        (foreign, "the release's signature is wrong"),
        (
            bundle(0),
            "the release has version 0, this box takes none below 1",
        ),
        (bundle(1), "this release runs already"),
        (b"PK\x03\x04".to_vec(), "this is no update bundle"),
        (endless, "this is no update bundle"),
    ] {
        let slot = slot();

        let (mut records, done) = try_install(&bytes, 4096, &slot);

        assert_eq!(done.unwrap_err().to_string(), what);
        assert_eq!(bootable(&slot), Some(0), "{what}");
        assert_eq!(slots(&mut records), Slots::flashed(1, 1), "{what}");
    }
}

#[test]
fn a_damaged_or_endless_payload_never_boots() {
    let mut damaged = bundle(2);
    *damaged.last_mut().unwrap() ^= 1;
    let endless = [&bundle(2)[..], b"x"].concat();
    for bytes in [damaged, endless] {
        let slot = slot();

        let (mut records, done) = try_install(&bytes, 5000, &slot);

        assert!(done.is_err());
        assert_eq!(bootable(&slot), None);
        assert_eq!(slots(&mut records).choose(|_| true), Some(Slot::A));
    }
}

/// P8: the slot's header tells who was on trial there; one that an install
/// left without a header was not.
#[test]
fn a_slot_s_header_names_its_version_until_an_install_begins() {
    let slot = slot();
    assert_eq!(slot::version(&slot), Some(0));
    slot::seal(&slot, &signed(7)).unwrap();
    assert_eq!(slot::version(&slot), Some(7));

    slot::unseal(&slot).unwrap();

    assert_eq!(slot::version(&slot), None);
}

/// P8: a release that failed here is not tried again.
#[test]
fn a_failed_release_is_not_taken_again() {
    let slot = slot();
    let mut records = records();
    change(&mut records, |slots| slots.give_up(Slot::B, 2)).unwrap();
    // Nor when others failed after it.
    change(&mut records, |slots| slots.left_behind(Slot::A, Some(3))).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&slot));
    let mut refused = |version| {
        let mut install = Install::open(Path::new(&path), judge()).unwrap();
        install.feed(&bundle(version), &mut records, NOW).err()
    };

    assert!(matches!(refused(2), Some(InstallError::Failed)));
    assert!(matches!(refused(3), Some(InstallError::Failed)));
    assert!(refused(4).is_none());
}
