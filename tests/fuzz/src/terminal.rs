//! The messages of a terminal stream, in pieces, from either end: what is
//! accepted has one layout, and a bad length ends the reading.

use culvert_gateway::worker::message::{FromWorker, ToWorker};
use culvert_wire::grant::{Protocol, Target};
use culvert_wire::key::SigningKey;
use culvert_wire::sealed::Sealed;
use culvert_wire::terminal::{FromPage, HEAD, MAX_BODY, ToPage, Unframer, framed};
use culvert_wire::{Decode as _, Encode as _};

/// The first byte says how long the pieces are.
pub(crate) fn stream(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let mut unframer = Unframer::default();
    for piece in stream.chunks(usize::from(*size).max(1)) {
        unframer.push(piece);
        loop {
            match unframer.next() {
                Ok(None) => break,
                Ok(Some((kind, body))) => judge(kind, &body),
                Err(_) => return,
            }
        }
    }
}

fn judge(kind: u8, body: &bytes::Bytes) {
    assert!(body.len() <= MAX_BODY, "more held than allowed");
    let whole = framed(kind, body);
    assert_eq!(whole.len(), HEAD + body.len(), "framing changed the body");
    if let Ok(Some(message)) = FromPage::decode(kind, body) {
        assert_eq!(message.to_message(), whole, "two layouts for one message");
    }
    if let Ok(Some(message)) = ToPage::decode(kind, body) {
        assert_eq!(message.to_message(), whole, "two layouts for one message");
    }
}

/// What a worker that a host has taken over may send, in pieces: accepted
/// messages have one layout, and none is in the gateway's name.
pub(crate) fn worker(input: &[u8]) {
    let mut unframer = Unframer::default();
    for piece in input.chunks(7) {
        unframer.push(piece);
        loop {
            let (kind, body) = match unframer.next() {
                Ok(None) => break,
                Ok(Some(message)) => message,
                Err(_) => return,
            };
            if let Ok(message) = FromWorker::decode(kind, &body) {
                assert_eq!(message.to_message(), framed(kind, &body), "two layouts");
            }
            if let Ok(message) = ToWorker::decode(kind, &body) {
                assert_eq!(message.to_message(), framed(kind, &body), "two layouts");
            }
        }
    }
}

/// A stored credential that anybody may have made: one layout, and no key of
/// ours opens what was not sealed to it.
pub(crate) fn sealed(input: &[u8]) {
    let Ok(sealed) = Sealed::from_bytes(input) else {
        return;
    };
    assert_eq!(&sealed.to_bytes()[..], input, "two layouts for one value");
    let target = Target {
        address: "192.168.7.9".parse().expect("an address"),
        port: 22,
        protocol: Protocol::Ssh,
    };
    let gateway = SigningKey::from_seed(&[3; 32]).public();
    assert!(
        culvert_session::sealed::open(&sealed, gateway, &target, &[7; 32]).is_err(),
        "opened"
    );
}
