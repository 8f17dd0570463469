//! A server that is no longer its provider's says everything that there is to say
//! to a box, well-formed and broken: it runs nothing there, changes none of the
//! box's keys, provider, servers and settings, reaches no host that its owner did
//! not allow, and the box works on (threat 12).
//!
//! The messages are the fuzz corpus's: one of every type that a link knows, as any
//! end sends it. What a release's bytes can do is the supervisor's to judge
//! (threat 11, `supervisor/src/install/tests.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use culvert_gateway::identity::Identity;
use culvert_gateway::state::{Claim, State};
use culvert_wire::Encode as _;
use culvert_wire::frame::{Frame, HostKey, HostKeyEvent, Refused};
use culvert_wire::id::SessionId;
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;

use crate::host::Host;
use crate::net::{ELSEWHERE, HOST, METADATA, Net};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::{Prs, target};

/// Types of frames: docs/wire.md has as many.
const TYPES: usize = 24;

#[test]
fn whatever_the_cloud_says_it_runs_nothing_and_changes_nothing_on_a_box() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.10:22");
        let _forbidden = Host::echo(&net, "10.9.9.9:22");
        let (prs, mut gateway) = Gateway::linked(&net, "").await;
        settled(&prs).await;
        let (key, before, syns) = (gateway.key(), Kept::of(&gateway), net.syns());

        let mut ended = 0;
        for (number, message) in (1 << 40..).zip(messages()) {
            let hellos = prs.hellos().len();
            prs.send_raw(&key, message);
            // Answered by a link that the message has not ended.
            prs.send_raw(&key, Frame::Ping(number).to_bytes().to_vec());
            let answered = || prs.heard_any(|frame| *frame == Frame::Pong(number));
            eventually("an answer, or the link's end", || {
                // It may be back before anybody has looked.
                answered() || !prs.is_linked(&key) || prs.hellos().len() > hellos
            })
            .await;
            assert_eq!(gateway.workers(), [] as [u32; 0], "it started a program");
            assert_eq!(Kept::of(&gateway), before);
            if !answered() {
                // It would come back by itself, later and later.
                ended += 1;
                gateway.kill();
                gateway.up(&prs).await;
                settled(&prs).await;
            }
        }
        // An order that is the broker's to give.
        prs.revoke(key, 1, Scope::All);

        assert!(ended > TYPES, "only {ended} messages were not understood");
        assert_eq!(net.syns(), syns, "a host was dialled");
        // What its owner did not allow is refused still, and what he did works.
        for forbidden in [ELSEWHERE, METADATA] {
            let grant = prs.grant(key, vec![target(forbidden, 22)]);
            assert!(prs.invite(grant).await.refused.is_some(), "{forbidden}");
        }
        let grant = prs.grant(key, vec![target(HOST, 22)]);
        Technician::admitted(&prs, &grant).await.stream().await;
        assert_eq!(Kept::of(&gateway), before);
        assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
        assert_eq!(tokio::task::block_in_place(|| gateway.stop()), Some(0));
    });
}

/// The box has stored what a welcome gives it.
async fn settled(prs: &Prs) {
    let stored = |frame: &Frame| matches!(frame, Frame::LeaseStored(_)).then_some(());
    prs.hear(stored).await;
}

/// One of each type, as it is and broken.
fn messages() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/frame");
    let mut whole: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for file in fs::read_dir(corpus).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        if let Ok(Some(_)) = Frame::from_message(bytes.clone().into()) {
            // The corpus is sorted by nothing that stays.
            let kept = whole.entry(bytes[0]).or_insert_with(|| bytes.clone());
            if (bytes.len(), &bytes) < (kept.len(), kept) {
                *kept = bytes;
            }
        }
    }
    // What the corpus has not yet; and with times that a test can wait for.
    for frame in [
        Frame::HostKey(Box::new(HostKey {
            session: SessionId::from_random([1; 16]),
            target: target(HOST, 22),
            algorithm: "ssh-ed25519".into(),
            fingerprint: "SHA256:abc".into(),
            old: None,
            event: HostKeyEvent::Replaced,
        })),
        Frame::Refused(Refused {
            reason: Reason::Throttled,
            retry_after_ms: 1,
            text: String::new(),
        }),
        Frame::Drain {
            come_back_ms: 1,
            sessions_end_ms: 1,
        },
    ] {
        let bytes = frame.to_bytes().to_vec();
        whole.insert(bytes[0], bytes);
    }
    assert_eq!(whole.len(), TYPES, "types: {:x?}", whole.keys());
    let mut all = Vec::new();
    for bytes in whole.into_values() {
        let mut longer = bytes.clone();
        longer.extend([0x41; 300]);
        let shorter = bytes[..bytes.len() - 1].to_vec();
        let mut turned = bytes.clone();
        for byte in turned.iter_mut().skip(1).step_by(7) {
            *byte ^= 0x5a;
        }
        all.extend([bytes, longer, shorter, turned]);
    }
    all
}

/// What the cloud cannot change.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    files: BTreeSet<String>,
    settings: String,
    key: PublicKey,
    claim: Claim,
}

impl Kept {
    fn of(gateway: &Gateway) -> Self {
        let data = gateway.data();
        let files = fs::read_dir(&data).unwrap();
        let name = |file: std::io::Result<fs::DirEntry>| {
            file.unwrap().file_name().to_string_lossy().into_owned()
        };
        let claim = State::load(&data).unwrap().claim.unwrap();
        Self {
            // One that is being written is renamed in a moment.
            files: files
                .map(name)
                .filter(|name| !name.ends_with(".new"))
                .collect(),
            settings: fs::read_to_string(gateway.dir.path().join("gateway.toml")).unwrap(),
            key: Identity::load_or_make(&data).unwrap().signing.public(),
            // Which place of the provider's list it is: the cloud's own number.
            claim: Claim {
                gateway: None,
                ..claim
            },
        }
    }
}
