//! What a box reads from its disk and from an update.

use culvert_supervisor::routers::announced;
use culvert_wire::key::SigningKey;
use culvert_wire::update::{
    KeyList, MAX_SLOT, Manifest, Payload, Purpose, SignedManifest, UpdateError,
};
use culvert_wire::{Decode as _, UnixMs};

/// A manifest has one layout, and foreign bytes never verify.
pub(crate) fn manifest(input: &[u8]) {
    super::canonical::<SignedManifest>(input);
    if let Ok(signed) = SignedManifest::from_bytes(input) {
        let trusted = KeyList {
            generation: 0,
            root: SigningKey::from_seed(&[200; 32]).public(),
            release: Vec::new(),
        };
        let install = Purpose::Install {
            version_floor: 0,
            generation_floor: 0,
            now: UnixMs(0),
        };
        let board = signed.unverified().board.clone();
        assert!(signed.verify(&trusted, &board, install).is_err());
    }
}

/// Announcements of routers, as the kernel hands them on: few servers, each one
/// that can be asked.
pub(crate) fn routers(input: &[u8]) {
    let told = announced(input);
    assert!(told.len() <= 8, "{} servers", told.len());
    for one in told {
        let server = one.server;
        assert!(!server.is_unspecified() && !server.is_loopback() && !server.is_multicast());
    }
}

/// Bytes that stream in land inside their parts, or are refused.
pub(crate) fn payload(input: &[u8]) {
    let mut reader = culvert_wire::Reader::new(input);
    let Ok(manifest) = Manifest::decode(&mut reader) else {
        return;
    };
    let Ok(mut payload) = Payload::new(&manifest, MAX_SLOT) else {
        return;
    };
    let body = reader.rest();
    // Small pieces meet every border between parts.
    for piece in body.chunks(7) {
        let fed = payload.feed(piece, |landing| {
            let end = landing.offset + landing.bytes.len() as u64;
            let inside = manifest
                .parts
                .iter()
                .any(|part| part.offset <= landing.offset && end <= part.offset + part.size);
            assert!(inside, "bytes land outside of every part");
            Ok::<(), UpdateError>(())
        });
        if fed.is_err() {
            return;
        }
    }
    // Truncated or whole: both are answers.
    drop(payload.finish());
}
