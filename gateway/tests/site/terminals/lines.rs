//! Telnet's terminals: a connection whose bytes are kept and never read, for the
//! technician who had it and for two minutes (P12, S31).

use bytes::Bytes;
use culvert_gateway::worker::MAX_WORKERS;
use culvert_wire::grant::{Protocol, Target};
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{Exit, FromPage, KEPT, Ready, ToPage};

use crate::host::Host;
use crate::net::{HOST, Net};
use crate::person::{Person, start};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::{Prs, target};

fn telnet(port: u16) -> Target {
    Target {
        protocol: Protocol::Telnet,
        ..target(HOST, port)
    }
}

async fn session(prs: &Prs, gateway: &Gateway, port: u16) -> Technician {
    let (_, technician) = Technician::in_session(prs, gateway, vec![telnet(port)]).await;
    technician
}

async fn begin(technician: &Technician) -> (Person, Ready) {
    let mut person = Person::begin(technician, start()).await;
    match person.next().await {
        ToPage::Ready(ready) => (person, ready),
        other => panic!("no terminal: {other:?}"),
    }
}

/// Another page goes on; the number of the first byte that it is shown.
async fn resumed(technician: &Technician, ready: &Ready) -> (Person, u64) {
    let mut person = Person::resume(technician, ready, 0).await;
    assert_eq!(person.next().await, ToPage::Ready(ready.clone()));
    match person.next().await {
        ToPage::Replayed { from, .. } => (person, from),
        other => panic!("no replay: {other:?}"),
    }
}

#[test]
fn a_telnet_connection_outlives_its_session_with_its_bytes_and_a_note() {
    let net = Net::new();
    net.run(async {
        let host = Host::echo(&net, &format!("{HOST}:23"));
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let technician = session(&prs, &gateway, 23).await;
        let (mut person, ready) = begin(&technician).await;
        // Options and window sizes are the two ends': nothing is taken out or added.
        let said: &[u8] = b"\xff\xfd\x1flogin: \xff\xff";
        person.say(FromPage::Input(said.into())).await;
        person.until("login: ").await;
        for note in [&b"older"[..], b"note"] {
            person
                .say(FromPage::Note(Bytes::copy_from_slice(note)))
                .await;
        }
        person.type_line("last").await;
        person.until("last\n").await;
        technician.session.close(Reason::ClosedByTechnician, "");
        drop(person);
        eventually("it waits", || {
            gateway.log().contains("Terminal without its stream")
        })
        .await;

        let technician = session(&prs, &gateway, 23).await;
        let (mut next, from) = resumed(&technician, &ready).await;
        assert_eq!(from, 0);
        assert_eq!(next.next().await, ToPage::Note(Bytes::from_static(b"note")));
        next.type_line("more").await;
        next.until("more\n").await;
        assert_eq!(next.screen, [said, b"last\nmore\n"].concat());
        assert_eq!(host.accepted(), 1, "the same connection");
        assert_eq!(gateway.workers().len(), 0, "nobody reads what it says");

        let another = session(&prs, &gateway, 23).await;
        next.say(FromPage::Close).await;
        assert!(matches!(
            next.exit().await,
            Exit::Lost {
                reason: Reason::ClosedByTechnician,
                ..
            }
        ));
        // At once: the gateway does not know yet that the last word has arrived.
        let mut late = Person::resume(&another, &ready, 0).await;
        assert_eq!(late.refused().await, Reason::TerminalGone);
    });
}

/// A page that crashed is not known to be gone for half a minute; a device may
/// have room for one connection.
#[test]
fn going_on_while_the_page_before_still_counts_makes_no_other_connection() {
    let net = Net::new();
    net.run(async {
        let host = Host::echo(&net, &format!("{HOST}:23"));
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let before = session(&prs, &gateway, 23).await;
        let (mut person, ready) = begin(&before).await;
        person.type_line("first").await;
        person.until("first\n").await;
        let technician = session(&prs, &gateway, 23).await;
        let (mut next, _) = resumed(&technician, &ready).await;
        assert_eq!(next.next().await, ToPage::Note(Bytes::new()));
        next.until("first\n").await;
        assert_eq!(host.accepted(), 1);
    });
}

#[test]
fn what_a_host_says_while_nobody_listens_is_bounded() {
    let net = Net::new();
    net.run(async {
        let _host = Host::chatty(&net, &format!("{HOST}:23"));
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let technician = session(&prs, &gateway, 23).await;
        let (person, ready) = begin(&technician).await;
        technician.session.close(Reason::ClosedByTechnician, "");
        drop(person);
        // It goes on talking to nobody, and only the last of it is there.
        let mut seen = 0;
        while seen < 8 * KEPT as u64 {
            let technician = session(&prs, &gateway, 23).await;
            (_, seen) = resumed(&technician, &ready).await;
        }
        let allocated = gateway.allocated_kib();
        assert!(allocated < 24 * 1024, "{allocated} KiB");
    });
}

#[test]
fn a_host_that_is_not_there_is_told_and_no_other_protocol_is_kept() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let targets = vec![
            telnet(2323),
            Target {
                protocol: Protocol::Vnc,
                ..target(HOST, 23)
            },
        ];
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;
        let mut person = Person::begin(&technician, start()).await;
        assert_eq!(person.refused().await, Reason::HostRefused);
        let (_, answer) = technician
            .open(culvert_wire::stream::Service::Terminal(1))
            .await;
        assert!(matches!(
            answer,
            culvert_wire::stream::Answer::Refused {
                reason: Reason::TargetUnknown,
                ..
            }
        ));
    });
}

/// P22: as many as the box carries, and those that nobody wants go first.
#[test]
fn who_waits_longest_for_its_technician_makes_room() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, &format!("{HOST}:23"));
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let technician = session(&prs, &gateway, 23).await;
        let mut kept = Vec::new();
        for _ in 0..MAX_WORKERS {
            kept.push(begin(&technician).await);
        }
        let mut full = Person::begin(&technician, start()).await;
        assert_eq!(full.refused().await, Reason::TooManySessions);
        let (person, first) = kept.remove(0);
        drop(person);
        let one = session(&prs, &gateway, 23).await;
        eventually("there is room", || {
            gateway.log().contains("Terminal without its stream")
        })
        .await;
        let _new = begin(&one).await;
        let mut late = Person::resume(&one, &first, 0).await;
        assert_eq!(late.refused().await, Reason::TerminalGone);
    });
}
