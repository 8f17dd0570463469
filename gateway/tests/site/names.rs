//! Names: resolved at the site, judged by what they resolve to, dialled at
//! exactly the address that was judged (threat 3).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Service};
use tokio::task::JoinHandle;

use crate::host::Host;
use crate::net::{METADATA, Net, OTHER, OWN, lan_udp};
use crate::program::{Gateway, Technician};
use crate::prs::target;

/// A name server of the LAN; the answers of a name are given in turn, the
/// last one for ever.
pub(crate) struct Names {
    asked: Arc<Mutex<HashMap<String, usize>>>,
    task: JoinHandle<()>,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Names {
    pub(crate) async fn start(net: &Net, table: &[(&str, &[&[&str]])]) -> Self {
        let socket = lan_udp(net, "192.168.77.10:53").await;
        let table: HashMap<String, Vec<Vec<IpAddr>>> = table
            .iter()
            .map(|(name, turns)| {
                let turn = |turn: &&[&str]| turn.iter().map(|ip| ip.parse().unwrap()).collect();
                ((*name).to_owned(), turns.iter().map(turn).collect())
            })
            .collect();
        let asked = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let counted = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let mut last = HashMap::new();
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let (name, kind, end) = question(&buffer[..length]);
                // One that is sent again, as on a slow machine, is no other lookup.
                let sent = (from, buffer[..2].to_vec());
                let again = last.insert((name.clone(), kind), sent.clone()) == Some(sent);
                let turn = {
                    let mut asked = counted.lock().unwrap();
                    let count = asked.entry(name.clone()).or_default();
                    // Both families of one lookup are one turn.
                    *count += usize::from(kind == 1 && !again);
                    count.saturating_sub(1)
                };
                let none = Vec::new();
                let found = table.get(&name).map_or(&none, |turns| {
                    turns.get(turn).or_else(|| turns.last()).unwrap_or(&none)
                });
                let known = table.contains_key(&name);
                let answer = answer(&buffer[..end], kind, found, known);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { asked, task }
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

/// RFC 1035: the asked name, its type, and where the question ends.
fn question(message: &[u8]) -> (String, u16, usize) {
    let mut at = 12;
    let mut labels = Vec::new();
    while message[at] != 0 {
        let length = usize::from(message[at]);
        let label = &message[at + 1..=at + length];
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([message[at + 1], message[at + 2]]);
    (labels.join("."), kind, at + 5)
}

fn answer(asked: &[u8], kind: u16, found: &[IpAddr], known: bool) -> Vec<u8> {
    let fitting: Vec<&IpAddr> = found
        .iter()
        .filter(|ip| kind == if ip.is_ipv4() { 1 } else { 28 })
        .collect();
    let mut out = asked.to_vec();
    out[2..4].copy_from_slice(&if known { 0x8180u16 } else { 0x8183 }.to_be_bytes());
    out[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(fitting.len()).unwrap(), 0, 0, 0, 0]);
    for ip in fitting {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        let octets = match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        out.extend(u16::try_from(octets.len()).unwrap().to_be_bytes());
        out.extend(octets);
    }
    out
}

#[test]
fn a_name_reaches_only_what_its_address_may() {
    let net = Net::new();
    net.run(async {
        let canary = Host::silent(&net.gateway(), "0.0.0.0:22");
        let host = Host::echo(&net, "192.168.77.20:22");
        let names = Names::start(
            &net,
            &[
                ("printer.lan", &[&[OTHER]]),
                ("loopback.lan", &[&["127.0.0.1"]]),
                ("own.lan", &[&[OWN]]),
                ("metadata.lan", &[&[METADATA]]),
                ("mapped.lan", &[&["::ffff:127.0.0.1"]]),
                ("public.lan", &[&["203.0.113.77"]]),
                ("mixed.lan", &[&["127.0.0.1", METADATA, OTHER]]),
                ("rebind.lan", &[&[OTHER], &["127.0.0.1"]]),
                ("empty.lan", &[&[]]),
            ],
        )
        .await;
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let cases = [
            ("printer.lan", Ok(())),
            ("loopback.lan", Err(Reason::AddressForbidden)),
            ("own.lan", Err(Reason::AddressForbidden)),
            ("metadata.lan", Err(Reason::AddressForbidden)),
            ("mapped.lan", Err(Reason::AddressForbidden)),
            ("public.lan", Err(Reason::NotInAllowList)),
            ("mixed.lan", Ok(())),
            ("rebind.lan", Ok(())),
            ("rebind.lan", Err(Reason::AddressForbidden)),
            ("empty.lan", Err(Reason::NameNotResolved)),
            ("unknown.lan", Err(Reason::NameNotResolved)),
        ];
        let targets = cases.map(|(name, _)| target(name, 22)).to_vec();
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;
        for (index, (name, wanted)) in (0..).zip(cases) {
            let (_, answer) = technician.open(Service::Target(index)).await;
            let got = match answer {
                Answer::Accepted => Ok(()),
                Answer::Refused { reason, .. } => Err(reason),
            };
            assert_eq!(got, wanted, "{name}");
        }
        host.accepts(3).await;
        assert_eq!(canary.accepted(), 0);
        // Judged and dialled from one lookup each.
        assert_eq!(names.asked("rebind.lan"), 2);
    });
}

/// A name server that never answers costs its stream and nothing else.
#[test]
fn a_silent_name_server_does_not_hold_up_other_streams() {
    let net = Net::new();
    net.run(async {
        let _host = Host::echo(&net, "192.168.77.20:22");
        let _silent = lan_udp(&net, "192.168.77.10:53").await;
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let targets = vec![target("printer.lan", 22), target(OTHER, 22)];
        let (_, technician) = Technician::in_session(&prs, &gateway, targets).await;
        let named = technician.open(Service::Target(0));
        let literal = technician.open(Service::Target(1));
        tokio::pin!(named);

        tokio::select! {
            (_, answer) = literal => assert_eq!(answer, Answer::Accepted),
            _ = &mut named => panic!("the silent name server was not waited for"),
        }
        let (_, answer) = named.await;
        assert!(matches!(
            answer,
            Answer::Refused {
                reason: Reason::NameNotResolved,
                ..
            }
        ));
    });
}
