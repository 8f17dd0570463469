//! Releases that must be refused, and the few that must not (P7, P8, threat 11).

use sha2::{Digest as _, Sha256};

use super::*;

const BOARD: &str = "qemu-virt";
const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn list(generation: u32, root: u8, release: &[u8]) -> KeyList {
    KeyList {
        generation,
        root: key(root).public(),
        release: release.iter().map(|&seed| key(seed).public()).collect(),
    }
}

fn manifest() -> Manifest {
    let part = |kind, offset, bytes: &[u8]| Part {
        kind,
        offset,
        size: bytes.len() as u64,
        hash: Sha256::digest(bytes).into(),
    };
    Manifest {
        board: BOARD.into(),
        version: 7,
        name: "1.2.3".into(),
        issued: NOW,
        expires: NOW.plus_ms(1000),
        parts: vec![
            part(PartKind::Kernel, FIRST_PART, b"kernel"),
            part(PartKind::Root, FIRST_PART + BLOCK, b"the root"),
        ],
        verity: Verity {
            root_hash: [1; 32],
            salt: [2; 32],
        },
    }
}

fn install() -> Purpose {
    Purpose::Install {
        version_floor: 7,
        generation_floor: 1,
        now: NOW,
    }
}

fn judge(signed: &SignedManifest, trusted: &KeyList, purpose: Purpose) -> Result<u32, UpdateError> {
    let again = SignedManifest::from_bytes(&signed.to_bytes()).expect("our own layout");
    assert_eq!(&again, signed);
    again
        .verify(trusted, BOARD, purpose)
        .map(|(_, keys)| keys.generation)
}

#[test]
fn a_release_of_a_listed_key_is_taken() {
    let signed = SignedManifest::sign(manifest(), vec![], &key(10));

    assert_eq!(judge(&signed, &list(1, 1, &[10]), install()), Ok(1));
}

#[test]
fn a_box_two_rotations_behind_follows_to_a_new_root_and_refuses_the_revoked_key() {
    let pinned = list(1, 1, &[10]);
    let chain = vec![
        SignedKeyList::sign(list(1, 1, &[10]), &key(1), &key(1)),
        SignedKeyList::sign(list(2, 2, &[10, 11]), &key(1), &key(2)),
        SignedKeyList::sign(list(3, 2, &[11]), &key(2), &key(2)),
    ];

    let revoked = SignedManifest::sign(manifest(), chain.clone(), &key(10));
    let valid = SignedManifest::sign(manifest(), chain, &key(11));

    assert_eq!(judge(&revoked, &pinned, install()), Err(UpdateError::Key));
    assert_eq!(judge(&valid, &pinned, install()), Ok(3));
}

#[test]
fn a_list_needs_the_root_before_it_and_its_own() {
    let pinned = list(1, 1, &[10]);
    for (former, own) in [(9, 2), (1, 9), (2, 2)] {
        let forged = SignedKeyList::sign(list(2, 2, &[11]), &key(former), &key(own));
        let signed = SignedManifest::sign(manifest(), vec![forged], &key(11));

        let refused = judge(&signed, &pinned, install());

        assert_eq!(refused, Err(UpdateError::Chain { generation: 2 }));
    }
}

#[test]
fn a_chain_shorter_than_the_box_has_seen_is_refused_but_still_boots() {
    let signed = SignedManifest::sign(manifest(), vec![], &key(10));
    let pinned = list(1, 1, &[10]);
    let purpose = Purpose::Install {
        version_floor: 0,
        generation_floor: 2,
        now: NOW,
    };

    assert_eq!(judge(&signed, &pinned, purpose), Err(UpdateError::OldKeys));
    assert_eq!(judge(&signed, &pinned, Purpose::Boot), Ok(1));
}

#[test]
fn older_expired_and_foreign_releases_are_refused_but_an_installed_one_boots() {
    let pinned = list(1, 1, &[10]);
    let at = |version_floor, now| Purpose::Install {
        version_floor,
        generation_floor: 1,
        now,
    };
    let signed = SignedManifest::sign(manifest(), vec![], &key(10));
    let other = Manifest {
        board: "rock64".into(),
        ..manifest()
    };
    let other = SignedManifest::sign(other, vec![], &key(10));

    assert_eq!(
        judge(&signed, &pinned, at(8, NOW)),
        Err(UpdateError::Older {
            release: 7,
            floor: 8
        })
    );
    assert_eq!(
        judge(&signed, &pinned, at(0, NOW.plus_ms(1000))),
        Err(UpdateError::Expired)
    );
    assert!(matches!(
        judge(&other, &pinned, Purpose::Boot),
        Err(UpdateError::Board { .. })
    ));
    assert_eq!(judge(&signed, &pinned, Purpose::Boot), Ok(1));
}

#[test]
fn a_version_that_a_boot_loader_cannot_compare_is_refused() {
    let of = |version| {
        let manifest = Manifest {
            version,
            ..manifest()
        };
        let signed = SignedManifest::sign(manifest, vec![], &key(10));
        judge(&signed, &list(1, 1, &[10]), Purpose::Boot)
    };

    assert_eq!(of(MAX_VERSION), Ok(1));
    for version in [MAX_VERSION + 1, 2_611_221_200, u64::MAX] {
        assert_eq!(of(version), Err(UpdateError::Version(version)));
    }
    assert_eq!(of(0), Err(UpdateError::Version(0)));
}

/// A chain is never carried in part: a box that is behind would refuse the release.
#[test]
fn a_chain_that_is_too_long_is_carried_by_no_release() {
    let next = |generation| SignedKeyList::sign(list(generation, 1, &[10]), &key(1), &key(1));
    let mut chain: Vec<_> = (1..).take(MAX_CHAIN).map(next).collect();
    let read = |chain: &Vec<SignedKeyList>| {
        let signed = SignedManifest::sign(manifest(), chain.clone(), &key(10));
        SignedManifest::from_bytes(&signed.to_bytes())
    };

    let full = read(&chain).unwrap();
    assert_eq!(judge(&full, &list(1, 1, &[]), install()), Ok(32));

    for more in [1, 300] {
        chain.extend((100..).take(more).map(next));
        assert!(read(&chain).is_err(), "{} lists", chain.len());
    }
}

/// Threat 11: whichever bit of the signed bytes is flipped, nothing is taken.
#[test]
fn no_changed_bit_of_a_signed_manifest_is_accepted() {
    let chain = vec![SignedKeyList::sign(list(2, 1, &[10]), &key(1), &key(1))];
    let whole = SignedManifest::sign(manifest(), chain, &key(10)).to_bytes();
    // Where a processor is emulated (image/toolchain test) each takes forty times as long:
    // there every seventh, so that all places in a byte come.
    let step = if cfg!(target_arch = "x86_64") { 1 } else { 7 };
    for bit in (0..whole.len() * 8).step_by(step) {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let taken = SignedManifest::from_bytes(&bytes)
            .is_ok_and(|signed| signed.verify(&list(1, 1, &[]), BOARD, install()).is_ok());
        assert!(!taken, "bit {bit}");
    }
}

#[test]
fn parts_may_not_overlap_repeat_or_leave_the_slot() {
    let wrong = |change: &dyn Fn(&mut Vec<Part>)| {
        let mut manifest = manifest();
        change(&mut manifest.parts);
        Manifest::from_bytes(&manifest.to_bytes()).is_err()
    };

    assert!(wrong(&|parts| parts[0].offset = 0));
    assert!(wrong(&|parts| parts[0].offset += 1));
    assert!(wrong(&|parts| parts[0].size = BLOCK + 1));
    assert!(wrong(&|parts| parts[1].size = u64::MAX));
    assert!(wrong(&|parts| parts[1].offset = u64::MAX - 4095));
    assert!(wrong(&|parts| parts[1].size = 0));
    assert!(wrong(&|parts| parts[1].kind = PartKind::Kernel));
    assert!(wrong(&|parts| parts.reverse()));
    assert!(!wrong(&|_| ()));
}

fn stream(bytes: &[u8], step: usize) -> Result<Vec<(u64, Vec<u8>)>, UpdateError> {
    let mut payload = Payload::new(&manifest(), MAX_SLOT)?;
    let mut landed = Vec::new();
    for piece in bytes.chunks(step) {
        payload.feed(piece, |landing| {
            landed.push((landing.offset, landing.bytes.to_vec()));
            Ok::<(), UpdateError>(())
        })?;
    }
    payload.finish()?;
    Ok(landed)
}

#[test]
fn a_payload_lands_at_its_places_whatever_its_pieces() {
    for step in 1..=14 {
        let landed = stream(b"kernelthe root", step).unwrap();
        let mut slot = vec![b'.'; 8192];
        for (offset, bytes) in landed {
            let at = usize::try_from(offset - FIRST_PART).unwrap();
            slot[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        assert_eq!(&slot[..7], b"kernel.");
        assert_eq!(&slot[4096..4105], b"the root.");
    }
}

#[test]
fn damaged_truncated_and_endless_payloads_are_named() {
    assert_eq!(
        stream(b"kernelthe boot", 3),
        Err(UpdateError::Part(PartKind::Root))
    );
    assert_eq!(stream(b"kernelthe roo", 5), Err(UpdateError::Truncated));
    assert_eq!(stream(b"", 5), Err(UpdateError::Truncated));
    assert_eq!(stream(b"kernelthe roots", 14), Err(UpdateError::Endless));
    assert!(matches!(
        Payload::new(&manifest(), FIRST_PART + BLOCK),
        Err(UpdateError::TooLarge { .. })
    ));
}
