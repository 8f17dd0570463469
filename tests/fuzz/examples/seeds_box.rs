//! As `seeds.rs`, for what a box reads from its disk and from an update.

use std::fs;
use std::path::PathBuf;

use culvert_wire::key::SigningKey;
use culvert_wire::supervisor::{FromGateway, FromSupervisor, LinkState, UpdateState};
use culvert_wire::update::{
    BLOCK, FIRST_PART, KeyList, Manifest, Part, PartKind, SignedKeyList, SignedManifest, Verity,
};
use culvert_wire::{Encode, UnixMs};
use sha2::{Digest as _, Sha256};

fn main() {
    let key = |seed| SigningKey::from_seed(&[seed; 32]);
    let list = KeyList {
        generation: 2,
        root: key(2).public(),
        release: vec![key(10).public(), key(11).public()],
    };
    let list = SignedKeyList::sign(list, &key(1), &key(2));
    let part = |kind, block: u64, bytes: &[u8]| Part {
        kind,
        offset: FIRST_PART + block * BLOCK,
        size: bytes.len() as u64,
        hash: Sha256::digest(bytes).into(),
    };
    let manifest = Manifest {
        board: "qemu-virt".into(),
        version: 7,
        name: "1.2.3".into(),
        issued: UnixMs(1),
        expires: UnixMs(2),
        parts: vec![
            part(PartKind::Kernel, 0, b"kernel"),
            part(PartKind::Root, 1, b"the root"),
        ],
        verity: Verity {
            root_hash: [1; 32],
            salt: [2; 32],
        },
    };
    let payload = [&manifest.to_bytes()[..], b"kernelthe root"].concat();
    seed("payload", 0, &payload);
    seed("key_list", 0, &list.to_bytes());
    let signed = SignedManifest::sign(manifest, vec![list], &key(11));
    seed("manifest", 0, &signed.to_bytes());
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
