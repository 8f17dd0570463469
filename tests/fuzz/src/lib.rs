//! Every decoder of foreign bytes as a fuzz target.
//!
//! A target must return for any input: it panics only when a promise breaks
//! (a decoder panics, or a message that was accepted has a second layout).
//! Driven by `tests/replay.rs` in `./check` and, for discovery, by the
//! libFuzzer program in `libfuzzer/` (needs nightly Rust and cargo-fuzz).

mod appliance;
mod http;
mod passkey;
mod peers;
mod terminal;
mod typed;

use std::str::FromStr;

use bytes::Bytes;
use culvert_wire::claim::ClaimCode;
use culvert_wire::frame::Frame;
use culvert_wire::grant::{HostAddress, SignedGrant};
use culvert_wire::hello::{LinkAuth, ServerProof};
use culvert_wire::id::SessionId;
use culvert_wire::key::{Fingerprint, PublicKey};
use culvert_wire::revocation::SignedRevocation;
use culvert_wire::statement::{ProviderRotation, SignedStatement};
use culvert_wire::stream::{Answer, Open};
use culvert_wire::supervisor::{FromGateway, FromSupervisor};
use culvert_wire::ticket::Ticket;
use culvert_wire::update::SignedKeyList;
use culvert_wire::{Decode, Encode};

/// One decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and the folder of its corpus.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
}

/// All decoders.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frame",
        run: frame,
    },
    Target {
        name: "link_auth",
        run: canonical::<LinkAuth>,
    },
    Target {
        name: "server_proof",
        run: canonical::<ServerProof>,
    },
    Target {
        name: "statement",
        run: canonical::<SignedStatement>,
    },
    Target {
        name: "rotation",
        run: canonical::<ProviderRotation>,
    },
    Target {
        name: "grant",
        run: canonical::<SignedGrant>,
    },
    Target {
        name: "revocation",
        run: canonical::<SignedRevocation>,
    },
    Target {
        name: "claim_code",
        run: canonical::<ClaimCode>,
    },
    Target {
        name: "open",
        run: canonical::<Open>,
    },
    Target {
        name: "answer",
        run: canonical::<Answer>,
    },
    Target {
        name: "texts",
        run: texts,
    },
    Target {
        name: "stun",
        run: peers::stun,
    },
    Target {
        name: "answer_pieces",
        run: peers::answer_pieces,
    },
    Target {
        name: "browser_link",
        run: peers::browser_link,
    },
    Target {
        name: "websocket",
        run: peers::websocket,
    },
    Target {
        name: "gateway_toml",
        run: typed::gateway_toml,
    },
    Target {
        name: "box_toml",
        run: typed::box_toml,
    },
    Target {
        name: "prs_toml",
        run: typed::prs_toml,
    },
    Target {
        name: "key_list",
        run: canonical::<SignedKeyList>,
    },
    Target {
        name: "manifest",
        run: appliance::manifest,
    },
    Target {
        name: "payload",
        run: appliance::payload,
    },
    Target {
        name: "routers",
        run: appliance::routers,
    },
    Target {
        name: "from_gateway",
        run: canonical::<FromGateway>,
    },
    Target {
        name: "from_supervisor",
        run: canonical::<FromSupervisor>,
    },
    Target {
        name: "telnet",
        run: typed::telnet,
    },
    Target {
        name: "sealed",
        run: terminal::sealed,
    },
    Target {
        name: "worker",
        run: terminal::worker,
    },
    Target {
        name: "terminal",
        run: terminal::stream,
    },
    Target {
        name: "words",
        run: typed::words,
    },
    Target {
        name: "passkey",
        run: passkey::passkey,
    },
    Target {
        name: "socks",
        run: http::socks,
    },
    Target {
        name: "proxy_answer",
        run: http::proxy_answer,
    },
    Target {
        name: "upgrade_answer",
        run: http::upgrade_answer,
    },
    Target {
        name: "api_json",
        run: http::api_json,
    },
    Target {
        name: "hosts_csv",
        run: http::hosts_csv,
    },
];

/// Runs the target that the first byte picks: one program for libFuzzer.
pub fn any(input: &[u8]) {
    if let Some((pick, rest)) = input.split_first() {
        (TARGETS[usize::from(*pick) % TARGETS.len()].run)(rest);
    }
}

/// What is accepted has exactly one layout: signatures cover bytes.
fn canonical<T: Decode + Encode>(input: &[u8]) {
    if let Ok(value) = T::from_bytes(input) {
        assert_eq!(&value.to_bytes()[..], input, "two layouts for one value");
    }
}

fn frame(input: &[u8]) {
    if let Ok(Some(frame)) = Frame::from_message(Bytes::copy_from_slice(input)) {
        assert_eq!(&frame.to_bytes()[..], input, "two layouts for one frame");
    }
}

/// Texts that people and URLs bring: accepted ones come back the same.
fn texts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    again::<HostAddress>(text);
    again::<SessionId>(text);
    again::<PublicKey>(text);
    again::<Fingerprint>(text);
    if let Ok(code) = text.parse::<ClaimCode>() {
        assert!(code.reveal().parse::<ClaimCode>().is_ok());
    }
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.reveal().parse(), Ok(ticket));
    }
}

fn again<T: FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let shown = value.to_string();
        assert!(
            shown.parse::<T>().is_ok_and(|again| again == value),
            "{shown}"
        );
    }
}
