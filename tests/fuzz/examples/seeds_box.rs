//! As `seeds.rs`, for what a box reads from its disk and from an update.

use std::fs;
use std::path::PathBuf;

use culvert_wire::key::SigningKey;
use culvert_wire::supervisor::{FromGateway, FromSupervisor, LinkState, UpdateState};
use culvert_wire::update::{
    BLOCK, FIRST_PART, KeyList, MAX_RELEASE_KEYS, Manifest, Part, PartKind, SignedKeyList,
    SignedManifest, Verity,
};
use culvert_wire::{Encode, UnixMs};
use sha2::{Digest as _, Sha256};

fn main() {
    updates();
    messages();
}

/// Lists of keys that follow one another, and releases that they sign.
fn updates() {
    let key = |seed| SigningKey::from_seed(&[seed; 32]);
    let list = |generation: u32, root: u8, release: &[u8]| KeyList {
        generation,
        root: key(root).public(),
        release: release.iter().map(|seed| key(*seed).public()).collect(),
    };
    let first = SignedKeyList::sign(list(2, 2, &[10, 11]), &key(1), &key(2));
    let second = SignedKeyList::sign(list(3, 2, &[12]), &key(2), &key(2));
    let full: Vec<u8> = (20..).take(MAX_RELEASE_KEYS).collect();
    let last = SignedKeyList::sign(list(u32::MAX, 3, &full), &key(2), &key(3));
    let lists = [first, second, last];
    for (number, list) in lists.iter().enumerate() {
        seed("key_list", number, &list.to_bytes());
    }

    let small: &[(PartKind, &[u8])] =
        &[(PartKind::Kernel, b"kernel"), (PartKind::Root, b"the root")];
    // One is as long as a block, one longer, one has nothing in it.
    let block = vec![3; usize::try_from(BLOCK).expect("a block fits into memory")];
    let longer = [&block[..], b"more"].concat();
    let whole: &[(PartKind, &[u8])] = &[
        (PartKind::Kernel, &block),
        (PartKind::Initramfs, b"initramfs"),
        (PartKind::DeviceTree, b""),
        (PartKind::Root, &longer),
        (PartKind::HashTree, b"hashes"),
    ];
    let chains = [&lists[..1], &[], &lists[..]];
    for (number, (parts, chain)) in [small, small, whole].into_iter().zip(chains).enumerate() {
        let manifest = manifest(parts);
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|(_, bytes)| *bytes)
            .copied()
            .collect();
        let payload = [&manifest.to_bytes()[..], &bytes].concat();
        seed("payload", number, &payload);
        let signed = SignedManifest::sign(manifest, chain.to_vec(), &key(11));
        seed("manifest", number, &signed.to_bytes());
    }
}

/// Of parts, one behind the other at the beginning of a block.
fn manifest(parts: &[(PartKind, &[u8])]) -> Manifest {
    let mut offset = FIRST_PART;
    let parts = parts.iter().map(|(kind, bytes)| {
        let size = bytes.len() as u64;
        let part = Part {
            kind: *kind,
            offset,
            size,
            hash: Sha256::digest(bytes).into(),
        };
        offset += size.next_multiple_of(BLOCK);
        part
    });
    Manifest {
        board: "qemu-virt".into(),
        version: 7,
        name: "1.2.3".into(),
        issued: UnixMs(1),
        expires: UnixMs(2),
        parts: parts.collect(),
        verity: Verity {
            root_hash: [1; 32],
            salt: [2; 32],
        },
    }
}

/// What the gateway and its supervisor tell each other.
fn messages() {
    let said = [
        FromGateway::Health,
        FromGateway::LinkState {
            link: LinkState::Down,
            cause: "dns".into(),
            sentence: "a name was not found".into(),
            fingerprint: "aaaaa-bbbbb".into(),
            link_time: Some(UnixMs(5)),
        },
        FromGateway::Session(3),
        FromGateway::UpdateBegin {
            size: 100,
            forced: false,
        },
        FromGateway::UpdateData(vec![7; 20]),
        FromGateway::UpdateEnd,
    ];
    for (number, message) in said.iter().enumerate() {
        seed("from_gateway", number, &message.to_bytes());
    }
    let answers = [
        FromSupervisor::Pause(true),
        FromSupervisor::Update(UpdateState::Taken(9)),
        FromSupervisor::Update(UpdateState::Installed { version: 2 }),
        FromSupervisor::Update(UpdateState::Refused("no".into())),
        FromSupervisor::Reboot,
        FromSupervisor::System {
            board: "rock64".into(),
            version: 3,
            trial: true,
            failed: 4,
        },
        FromSupervisor::Trouble {
            code: "settings_refused".into(),
            sentence: "line 1: unknown key".into(),
        },
    ];
    for (number, message) in answers.iter().enumerate() {
        seed("from_supervisor", number, &message.to_bytes());
    }
}

fn seed(target: &str, number: usize, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("the corpus can be written");
    fs::write(folder.join(format!("seed-{number}")), bytes).expect("the corpus can be written");
}
