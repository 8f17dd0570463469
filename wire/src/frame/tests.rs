//! Every frame there and back, cut, and of a type that nobody knows.

use bytes::Bytes;

use super::*;
use crate::hello::Binding;
use crate::id::{GatewayId, SessionId};
use crate::key::SigningKey;
use crate::ticket::Ticket;

#[test]
fn every_frame_survives_the_wire() {
    for frame in samples() {
        assert_eq!(
            Frame::from_message(frame.to_bytes()),
            Ok(Some(frame.clone())),
            "{frame:?}"
        );
    }
}

#[test]
fn every_cut_frame_is_an_error() {
    for frame in samples() {
        let bytes = frame.to_bytes();
        for end in 0..bytes.len() {
            let got = Frame::from_message(bytes.slice(..end));
            let is_packets = matches!(frame, Frame::Packets(_)) && end > PACKETS_HEADER;
            assert_eq!(got.is_err(), !is_packets, "{frame:?} cut at {end}");
        }
    }
}

#[test]
fn unknown_types_are_refused_below_0x80_and_skipped_from_there() {
    assert_eq!(
        Frame::from_message(Bytes::from_static(&[0x7f, 1])),
        Err(DecodeError::UnknownFrame(0x7f))
    );
    assert_eq!(
        Frame::from_message(Bytes::from_static(&[0x90, 1])),
        Ok(None)
    );
    assert_eq!(Frame::from_message(Bytes::from_static(&[0xff])), Ok(None));
}

fn samples() -> Vec<Frame> {
    let key = SigningKey::from_seed(&[1; 32]);
    let binding = Binding {
        exporter: [1; 32],
        client_nonce: [2; 32],
        server_nonce: [3; 32],
    };
    let session = SessionId::from_random([4; 16]);
    let ticket = Ticket::from_random([5; 32]);
    vec![
        Frame::Ping(1),
        Frame::Pong(u64::MAX),
        Frame::HostKey(Box::new(HostKey {
            session,
            target: crate::grant::Target {
                address: "192.168.7.9".parse().unwrap(),
                port: 22,
                protocol: crate::grant::Protocol::Ssh,
            },
            algorithm: "ssh-ed25519".into(),
            fingerprint: "SHA256:new".into(),
            old: Some("SHA256:old".into()),
            event: HostKeyEvent::ChangeSeen,
        })),
        Frame::Packets(Packets {
            channel: Channel(7),
            segment: 1200,
            payload: Bytes::from_static(&[9; 2500]),
        }),
        Frame::Welcome(Welcome {
            keepalive_ms: 20_000,
            gateway: Some(GatewayId::from_random([6; 16])),
            lease: Some(Lease::from_random([7; 16])),
            version: "culvert-prs 0.1.0".into(),
        }),
        Frame::Refused(Refused {
            reason: Reason::Quarantined,
            retry_after_ms: 60_000,
            text: "two boxes".into(),
        }),
        Frame::Join(Join::sign(
            Channel(1),
            session,
            Some(ticket),
            &key,
            &binding,
        )),
        Frame::Join(Join::sign(Channel(2), session, None, &key, &binding)),
        Frame::Joined {
            channel: Channel(1),
            peer: true,
        },
        Frame::Peer {
            channel: Channel(1),
            present: false,
        },
        Frame::Closed(Closed {
            channel: Channel(1),
            reason: Reason::Finished,
            text: String::new(),
        }),
        Frame::InviteResult(InviteResult {
            session,
            serial: 0,
            refused: Some((Reason::NotInAllowList, "no".into())),
        }),
        Frame::SessionEnded(SessionEnded {
            session,
            reason: Reason::ClosedByHost,
            from_hosts: 1 << 40,
            to_hosts: 3,
            streams: 2,
        }),
        Frame::Revoked(3),
        Frame::LeaseStored(Lease::from_random([8; 16])),
        Frame::Health(Health {
            code: "udp_blocked".into(),
            text: "UDP to the server is blocked".into(),
            version: "culvert-gateway 0.1.0".into(),
            uptime_s: 86_400,
        }),
        Frame::ApiRequest(ApiRequest {
            id: 1,
            method: Method::Post,
            path: "/api/v1/sessions".into(),
            body: Bytes::from_static(b"{}"),
        }),
        Frame::ApiResponse(ApiResponse {
            id: 1,
            status: 201,
            body: Bytes::from_static(b"{}"),
        }),
        Frame::Drain {
            come_back_ms: 1,
            sessions_end_ms: 2,
        },
        Frame::Spread(20_000),
        Frame::System(System {
            board: "rock64".into(),
            version: 7,
            trial: true,
            progress: Progress::Refused {
                version: 8,
                why: "a session runs".into(),
            },
        }),
        Frame::Offer(Offer {
            version: 8,
            size: 14_000_000,
            forced: false,
            fetch: [9; FETCH_LEN],
        }),
        Frame::Goodbye {
            reason: Reason::ServerDraining,
            text: "soon".into(),
        },
    ]
}
