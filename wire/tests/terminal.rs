//! The messages of a terminal stream: golden bytes that the browser's coder
//! shares, limits, and texts that can only be read (S19, S23).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a panic is a failed test"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use culvert_wire::reason::Reason;
use culvert_wire::secret::Secret;
use culvert_wire::terminal::*;
use culvert_wire::{DecodeError, UnixMs, Writer};
use proptest::prelude::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes())
}

/// One of each form, with the name that both languages' tests give it.
fn from_page() -> Vec<(&'static str, FromPage)> {
    let size = Size {
        columns: 120,
        rows: 40,
    };
    vec![
        (
            "start",
            FromPage::Start(Start {
                size,
                term: "xterm-256color".into(),
                account: Some("root".into()),
                resume: None,
                credential: Credential::None,
            }),
        ),
        (
            "start sealed",
            FromPage::Start(Start {
                size,
                term: "xterm".into(),
                account: None,
                resume: None,
                credential: Credential::Sealed(Bytes::from_static(&[1, 2, 3, 255])),
            }),
        ),
        (
            "start resume",
            FromPage::Start(Start {
                size,
                term: "xterm".into(),
                account: None,
                resume: Some(Resume {
                    token: Token::from_random([7; TOKEN_LEN]),
                    seen: 0x0001_0000_0002,
                }),
                credential: Credential::None,
            }),
        ),
        ("input", FromPage::Input(Bytes::from_static(b"ls -l\r"))),
        ("resize", FromPage::Resize(size)),
        (
            "answer",
            FromPage::Answer {
                prompt: 3,
                answers: vec![secret("grüße"), secret("")],
            },
        ),
        (
            "host key",
            FromPage::HostKey(HostKeyAnswer {
                verdict: Verdict::Remember,
                fingerprint: "SHA256:abc".into(),
            }),
        ),
        (
            "private key",
            FromPage::PrivateKey(PrivateKey {
                prompt: 9,
                key: secret("-----BEGIN OPENSSH PRIVATE KEY-----\n"),
                passphrase: secret("open"),
            }),
        ),
        ("close", FromPage::Close),
        ("legacy", FromPage::Legacy(Verdict::Once)),
        ("note", FromPage::Note(Bytes::from_static(&[1, 255]))),
    ]
}

fn to_page() -> Vec<(&'static str, ToPage)> {
    vec![
        (
            "ready",
            ToPage::Ready(Ready {
                token: Token::from_random([7; TOKEN_LEN]),
                account: "root".into(),
                algorithm: "ssh-ed25519".into(),
                fingerprint: "SHA256:abc".into(),
            }),
        ),
        (
            "host key new",
            ToPage::HostKeyQuestion(HostKeyQuestion {
                state: KeyState::New,
                algorithm: "ssh-ed25519".into(),
                fingerprint: "SHA256:abc".into(),
                old_fingerprint: None,
                since: None,
            }),
        ),
        (
            "host key changed",
            ToPage::HostKeyQuestion(HostKeyQuestion {
                state: KeyState::Changed,
                algorithm: "rsa-sha2-512".into(),
                fingerprint: "SHA256:abc".into(),
                old_fingerprint: Some("SHA256:old".into()),
                since: Some(UnixMs(1_795_219_200_000)),
            }),
        ),
        (
            "prompt",
            ToPage::Prompt(Prompt {
                id: 3,
                kind: PromptKind::Interactive,
                name: "PAM".into(),
                instruction: "Two\nlines".into(),
                questions: vec![
                    Question {
                        text: "Password: ".into(),
                        echo: false,
                    },
                    Question {
                        text: "Code: ".into(),
                        echo: true,
                    },
                ],
            }),
        ),
        ("banner", ToPage::Banner("Authorised use only\n".into())),
        ("output", ToPage::Output(Bytes::from_static(b"\x1b[1m$ "))),
        ("exit status", ToPage::Exit(Exit::Status(127))),
        (
            "exit signal",
            ToPage::Exit(Exit::Signal {
                name: "KILL".into(),
                text: "out of memory".into(),
            }),
        ),
        (
            "exit lost",
            ToPage::Exit(Exit::Lost {
                reason: Reason::BridgeEnded,
                text: String::new(),
            }),
        ),
        (
            "refused",
            ToPage::Refused {
                reason: Reason::TargetUnknown,
                text: "only for ssh".into(),
            },
        ),
        (
            "replayed",
            ToPage::Replayed {
                from: 0x0001_0000_0002,
                input: 42,
            },
        ),
        (
            "legacy question",
            ToPage::Legacy("diffie-hellman-group14-sha1".into()),
        ),
        ("notice", ToPage::Notice("one line".into())),
        ("noted", ToPage::Note(Bytes::from_static(&[1, 255]))),
    ]
}

fn one(message: &[u8]) -> (u8, Bytes) {
    let mut unframer = Unframer::default();
    unframer.push(message);
    let cut = unframer.next().unwrap().expect("a whole message");
    assert!(!unframer.is_mid_message());
    cut
}

/// The browser's coder reads the same file (`terminal.test.ts`).
#[test]
fn every_message_has_the_golden_bytes_and_comes_back() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../cloud-prs/portal/src/session/terminal.golden.json");
    let mut golden = String::from("{\n");
    let mut row = |name: &str, bytes: &[u8]| {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        writeln!(golden, "  \"{name}\": \"{hex}\",").unwrap();
    };
    for (name, message) in from_page() {
        let bytes = message.to_message();
        let (kind, body) = one(&bytes);
        assert_eq!(FromPage::decode(kind, &body), Ok(Some(message)), "{name}");
        row(name, &bytes);
    }
    for (name, message) in to_page() {
        let bytes = message.to_message();
        let (kind, body) = one(&bytes);
        assert_eq!(ToPage::decode(kind, &body), Ok(Some(message)), "{name}");
        row(name, &bytes);
    }
    golden.truncate(golden.len() - 2);
    golden.push_str("\n}\n");
    if std::env::var_os("CULVERT_BLESS").is_some() {
        fs::write(&path, &golden).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    assert_eq!(golden, stored, "bless it, and change the TypeScript coder");
}

#[test]
fn a_size_of_nothing_or_of_a_wall_is_refused() {
    for (columns, rows) in [(0, 24), (80, 0), (MAX_SIZE + 1, 24), (80, u16::MAX)] {
        let body: Bytes = [columns.to_be_bytes(), rows.to_be_bytes()].concat().into();
        assert!(FromPage::decode(0x03, &body).is_err(), "{columns}×{rows}");
    }
}

#[test]
fn a_note_is_no_place_for_much() {
    let most = Bytes::from(vec![7; MAX_NOTE]);
    let more = Bytes::from(vec![7; MAX_NOTE + 1]);
    for (kind, fits) in [(0x09, true), (0x8b, false)] {
        let known = |body| match fits {
            true => FromPage::decode(kind, body).is_ok(),
            false => ToPage::decode(kind, body).is_ok(),
        };
        assert!(known(&most) && !known(&more));
    }
}

#[test]
fn unknown_types_are_skipped_only_where_that_is_agreed() {
    let empty = Bytes::new();
    assert_eq!(FromPage::decode(0x40, &empty), Ok(None));
    assert_eq!(ToPage::decode(0xc0, &empty), Ok(None));
    assert!(FromPage::decode(0x0a, &empty).is_err());
    assert!(ToPage::decode(0x8c, &empty).is_err());
    assert!(FromPage::decode(0x85, &empty).is_err(), "the other's type");
    assert!(ToPage::decode(0x02, &empty).is_err(), "the other's type");
}

#[test]
fn a_length_over_the_limit_is_refused_before_a_byte_is_held_for_it() {
    let mut unframer = Unframer::default();
    unframer.push(&[0x02, 0x01, 0x00, 0x01]);

    assert!(matches!(
        unframer.next(),
        Err(DecodeError::TooLong { length: 65_537, .. })
    ));
}

/// A host's text cannot move the cursor, write backwards or end a line early.
#[test]
fn texts_of_hosts_lose_what_only_deceives() {
    let message = ToPage::Banner("a\x1b[2J\u{202e}b\u{2066}\rc\x07\nd\te".into()).to_message();
    let (kind, body) = one(&message);

    let shown = ToPage::decode(kind, &body).unwrap().unwrap();

    assert_eq!(shown, ToPage::Banner("a [2J b  c \nd\te".into()));
    for foreign in ["\u{202e}", "\x1b", "\r"] {
        let mut out = Writer::default();
        out.bytes16(foreign.as_bytes());
        assert!(ToPage::decode(0x84, &out.finish()).is_err(), "{foreign:?}");
    }
}

/// Privacy (threat 36): what was answered never prints.
#[test]
fn secrets_do_not_print() {
    for (_, message) in from_page() {
        let shown = format!("{message:?}");
        assert!(!shown.contains("grüße") && !shown.contains("OPENSSH"));
    }
}

proptest! {
    /// However the stream is cut, the same messages come out.
    #[test]
    fn any_cutting_gives_the_same_messages(cuts in prop::collection::vec(1usize..40, 1..200)) {
        let sent: Vec<_> = to_page().into_iter().map(|(_, message)| message).collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|message| message.to_message()).collect();
        let mut unframer = Unframer::default();
        let mut got = Vec::new();
        let mut rest = &bytes[..];
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            rest = later;
            unframer.push(piece);
            while let Some((kind, body)) = unframer.next().unwrap() {
                got.push(ToPage::decode(kind, &body).unwrap().unwrap());
            }
        }
        prop_assert_eq!(got, sent);
    }
}
