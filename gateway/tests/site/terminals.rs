//! Terminals on real OpenSSH and Dropbear, and Telnet's: S19, S23 (who did what), issue's host keys,
//! stored credentials, resumption; P22 (one bad host).
//!
//! Here is what they begin with; each file below is a topic.

mod credentials;
mod host_keys;
mod hostile;
mod keeping;
mod lines;
mod servers;
mod signing_in;

use culvert_wire::frame::{Frame, HostKeyEvent};
use culvert_wire::grant::{Grant, Protocol, Target};
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{Start, ToPage};

use crate::net::{HOST, Net};
use crate::person::Person;
use crate::program::{Gateway, Technician};
use crate::prs::{Prs, target};
use crate::sshd::Sshd;

const PASSWORDS: &str = "PasswordAuthentication yes\nKbdInteractiveAuthentication no";
const QUESTIONS: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication yes";

fn ssh() -> Target {
    Target {
        protocol: Protocol::Ssh,
        ..target(HOST, 22)
    }
}

/// A server, a host with OpenSSH, and a box that has its link.
async fn ssh_site(net: &Net, key_type: &str, settings: &str) -> (Prs, Gateway, Sshd) {
    let sshd = Sshd::start(net, key_type, settings).await;
    let (prs, gateway) = Gateway::linked(net, "").await;
    (prs, gateway, sshd)
}

/// A new session on the host.
async fn session(prs: &Prs, gateway: &Gateway) -> (Grant, Technician) {
    Technician::in_session(prs, gateway, vec![ssh()]).await
}

/// Why a terminal is not given, in a session of its own.
async fn refusal(prs: &Prs, gateway: &Gateway, start: Start) -> Reason {
    let (_, technician) = session(prs, gateway).await;
    let mut person = Person::begin(&technician, start).await;
    loop {
        match person.next().await {
            ToPage::Refused { reason, .. } => return reason,
            ToPage::Notice(_) => {}
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// What the server was told of the host's key: the new one, the old one.
async fn host_key_event(prs: &Prs, event: HostKeyEvent) -> (String, Option<String>) {
    prs.hear(|frame| match frame {
        Frame::HostKey(told) if told.event == event => {
            assert_eq!(told.target, ssh());
            Some((told.fingerprint.clone(), told.old.clone()))
        }
        _ => None,
    })
    .await
}
