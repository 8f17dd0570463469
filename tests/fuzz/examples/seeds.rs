//! Writes one well-formed input for each decoder into `corpus/`: run it after a
//! layout has changed, then grow the corpus with libFuzzer.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use culvert_wire::claim::ClaimCode;
use culvert_wire::frame::{
    ApiRequest, ApiResponse, Channel, Closed, Frame, Health, Invite, InviteResult, Join, Method,
    Offer, Packets, Progress, Refused, SessionEnded, System, Welcome,
};
use culvert_wire::grant::{Grant, Protocol, Rights, SignedGrant, Target};
use culvert_wire::hello::{
    Binding, BrowserHello, ClaimHello, GatewayHello, LinkAuth, ServerProof, TechnicianHello, Who,
};
use culvert_wire::id::{BootId, ClaimId, CustomerId, GatewayId, HostId, Lease, SessionId, UserId};
use culvert_wire::key::{Context, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{Revocation, Scope, SignedRevocation};
use culvert_wire::sealed::{Contents, Purpose};
use culvert_wire::secret::Secret;
use culvert_wire::statement::{NodeStatement, ProviderRotation, Roles, SignedStatement};
use culvert_wire::stream::{Answer, Lane, Open, Service};
use culvert_wire::ticket::Ticket;
use culvert_wire::{Encode, UnixMs};

fn main() {
    let key = |seed| SigningKey::from_seed(&[seed; 32]);
    let binding = Binding {
        exporter: [1; 32],
        client_nonce: [2; 32],
        server_nonce: [3; 32],
    };
    let statement = SignedStatement::sign(
        NodeStatement {
            provider: key(1).public(),
            node: key(2).public(),
            roles: Roles {
                relay: true,
                broker: true,
            },
            issued: UnixMs(1),
            not_after: UnixMs(2),
            epoch: 1,
        },
        &key(1),
    );
    let rotation = ProviderRotation::sign(&key(1), &key(2));
    let session = SessionId::from_random([4; 16]);
    let target = |address: &str, protocol: Protocol, port| Target {
        address: address.parse().expect("an address"),
        port,
        protocol,
    };
    let grant = SignedGrant::sign(
        Grant {
            broker: key(2).public(),
            session,
            serial: 0,
            gateway: key(3).public(),
            technician: UserId::from_random([5; 16]),
            technician_end: key(4).public(),
            targets: vec![
                target("192.168.7.9", Protocol::Ssh, 22),
                target("fe80::1", Protocol::Vnc, 5901),
                target("printer.office", Protocol::Http, 80),
            ],
            rights: Rights::ALL,
            issued: UnixMs(1),
            join_by: UnixMs(2),
            ends_at: UnixMs(3),
        },
        &key(2),
    );
    let revocation = |scope| {
        SignedRevocation::sign(
            Revocation {
                broker: key(2).public(),
                gateway: key(3).public(),
                counter: 1,
                scope,
                reason: Reason::AccessRevoked,
            },
            &key(2),
        )
    };
    let ticket = Ticket::from_random([6; 32]);
    let lease = Lease::from_random([7; 16]);
    let code = ClaimCode {
        servers: vec!["prs.example.com:443".into()],
        provider: key(1).public(),
        claim: ClaimId::from_random([8; 16]),
        seed: key(9),
    };
    let sealing = [5; 32];

    save("statement", 0, &statement.to_bytes());
    save("rotation", 0, &rotation.to_bytes());
    save("grant", 0, &grant.to_bytes());
    save("claim_code", 0, &code.to_bytes());
    let scopes = [
        Scope::Sessions(vec![session; 3]),
        Scope::Technician(UserId::from_random([1; 16])),
        Scope::All,
    ];
    for (number, scope) in scopes.into_iter().enumerate() {
        save("revocation", number, &revocation(scope).to_bytes());
    }
    let proof = ServerProof::sign(
        statement.clone(),
        vec![rotation; 2],
        UnixMs(9),
        &binding,
        &key(2),
    );
    save("server_proof", 0, &proof.to_bytes());
    let whos = [
        Who::Gateway(GatewayHello {
            identity: key(3).public(),
            boot: BootId::from_random([1; 16]),
            lease: Some(lease),
            revocations: 2,
        }),
        Who::Claim(ClaimHello {
            claim: code.claim,
            identity: key(3).public(),
            sealing,
            sealing_signature: key(3).sign(Context::SealingKey, &sealing),
            boot: BootId::from_random([1; 16]),
        }),
        Who::Technician(TechnicianHello {
            device: key(3).public(),
            token: Some(Bytes::from_static(b"token")),
        }),
        Who::Browser(BrowserHello {
            link: key(3).public(),
            ticket: Ticket::from_random([7; 32]),
        }),
    ];
    for (number, who) in whos.into_iter().enumerate() {
        let auth = LinkAuth::sign(who, "x 1".into(), &binding, &key(3), Some(&key(9)));
        save("link_auth", number, &auth.to_bytes());
    }
    let frames = [
        Frame::Ping(1),
        Frame::Pong(2),
        Frame::Packets(Packets {
            channel: Channel(1),
            segment: 8,
            payload: Bytes::from_static(&[1; 20]),
        }),
        Frame::Welcome(Welcome {
            keepalive_ms: 1,
            gateway: Some(GatewayId::from_random([1; 16])),
            lease: Some(lease),
            version: "culvert-prs 0.1.0".into(),
        }),
        Frame::Refused(Refused {
            reason: Reason::Throttled,
            retry_after_ms: 9,
            text: "wait".into(),
        }),
        Frame::Join(Join::sign(
            Channel(1),
            session,
            Some(ticket.clone()),
            &key(4),
            &binding,
        )),
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
            reason: Reason::Expired,
            text: "over".into(),
        }),
        Frame::Invite(Box::new(Invite {
            broker: Some(statement),
            grant,
            ticket: Some(ticket.clone()),
        })),
        Frame::InviteResult(InviteResult {
            session,
            serial: 1,
            refused: Some((Reason::NotInAllowList, "no".into())),
        }),
        Frame::SessionEnded(SessionEnded {
            session,
            reason: Reason::ClosedByHost,
            from_hosts: 1,
            to_hosts: 2,
            streams: 3,
        }),
        Frame::Revoke(revocation(Scope::All)),
        Frame::Revoked(7),
        Frame::LeaseStored(lease),
        Frame::Health(Health {
            code: "ok".into(),
            text: "everything works".into(),
            version: "culvert-gateway 0.1.0".into(),
            uptime_s: 1,
        }),
        Frame::ApiRequest(ApiRequest {
            id: 1,
            method: Method::Post,
            path: "/api/v1/sessions".into(),
            body: Bytes::from_static(b"{}"),
        }),
        Frame::ApiResponse(ApiResponse {
            id: 1,
            status: 200,
            body: Bytes::from_static(b"{}"),
        }),
        Frame::Drain {
            come_back_ms: 1,
            sessions_end_ms: 2,
        },
        Frame::Spread(20_000),
        Frame::Goodbye {
            reason: Reason::ServerDraining,
            text: "soon".into(),
        },
        Frame::System(System {
            board: "rock64".into(),
            version: 7,
            trial: true,
            progress: Progress::Refused {
                version: 8,
                why: "no".into(),
            },
        }),
        Frame::Offer(Offer {
            version: 8,
            size: 14_000_000,
            forced: false,
            fetch: [9; 16],
        }),
    ];
    for (number, frame) in frames.into_iter().enumerate() {
        save("frame", number, &frame.to_bytes());
    }
    terminal();
    let purpose = Purpose {
        gateway: key(3).public(),
        customer: CustomerId::from_random([1; 16]),
        host: HostId::from_random([2; 16]),
        target: target("192.168.7.9", Protocol::Ssh, 22),
        account: "root".into(),
    };
    let private = |passphrase| Contents::PrivateKey {
        key: Secret::new(b"-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        passphrase: Secret::new(passphrase),
    };
    let secrets = [
        Contents::Password(Secret::new(b"password")),
        Contents::Password(Secret::new(b"")),
        private(b""),
        private("päss".as_bytes()),
    ];
    for (number, secret) in secrets.iter().enumerate() {
        let sealed = culvert_session::sealed::seal(&purpose, secret, &[9; 32], [1; 32])
            .expect("it can be sealed");
        save("sealed", number, &sealed.to_bytes());
    }
    let open = Open {
        service: Service::Target(1),
        lane: Lane::Bulk,
    };
    save("open", 0, &open.to_bytes());
    save("answer", 0, &Answer::Accepted.to_bytes());
    let refused = Answer::Refused {
        reason: Reason::HostRefused,
        text: "port 22".into(),
    };
    save("answer", 1, &refused.to_bytes());
    let texts = [
        "192.168.7.9".to_owned(),
        "[fe80::1]".to_owned(),
        "printer.office.".to_owned(),
        session.to_string(),
        key(1).public().to_string(),
        key(1).public().fingerprint().to_string(),
        code.reveal().to_string(),
        ticket.reveal(),
    ];
    for (number, text) in texts.iter().enumerate() {
        save("texts", number, text.as_bytes());
    }
}

/// The golden messages, each in pieces of another size.
fn terminal() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../cloud-prs/portal/src/session/terminal.golden.json");
    let golden = fs::read_to_string(path).expect("the golden messages");
    let hex = golden.lines().filter_map(|line| line.split('"').nth(3));
    for (number, hex) in hex.enumerate() {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        let bytes = digits.chunks(2).map(|two| two[0] * 16 + two[1]);
        let mut seed = vec![u8::try_from(number + 1).expect("few messages")];
        seed.extend(bytes.map(|byte| u8::try_from(byte).expect("two digits")));
        save("terminal", number, &seed);
    }
}

fn save(target: &str, number: usize, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!("seed-{number:02}")), bytes).expect("a file can be written");
}
