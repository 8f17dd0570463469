//! A server that tests command: real TLS, upgrade, proof and frames, and no
//! judgement of its own. What it signs is the test's business.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

pub(crate) use culvert_lab::node::{key, now, prover_of, provider, statement, upgrade, web_config};
use culvert_lab::node::{node, prover};
use culvert_link::pipe::Pipe;
use culvert_link::queue::Outgoing;
use culvert_link::server::{Prover, arrive};
use culvert_link::{socket, tls};
use culvert_wire::Encode as _;
use culvert_wire::frame::{
    Channel, Closed, Frame, Invite, InviteResult, Packets, Refused, Welcome,
};
use culvert_wire::grant::{Grant, Protocol, Rights, SignedGrant, Target};
use culvert_wire::hello::Who;
use culvert_wire::id::{GatewayId, Lease, SessionId, UserId};
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::{Revocation, Scope, SignedRevocation};
use culvert_wire::ticket::Ticket;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::net::listen;

pub(crate) const HOUR: u64 = 3_600_000;
/// Nothing in these tests takes longer; a hang fails instead.
pub(crate) const SOON: Duration = Duration::from_secs(40);
/// The certificate's name.
pub(crate) const NAME: &str = "prs.example.com";
pub(crate) const TECHNICIAN: [u8; 16] = [4; 16];

pub(crate) fn target(address: &str, port: u16) -> Target {
    Target {
        address: address.parse().unwrap(),
        port,
        protocol: Protocol::Tcp,
    }
}

/// The server; stops when dropped.
pub(crate) struct Prs {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    prover: Prover,
    ahead_ms: u64,
}

#[derive(Default)]
struct State {
    links: HashMap<u64, LinkOut>,
    next: u64,
    /// Both ends of each route, by end key.
    routes: HashMap<SessionId, HashMap<PublicKey, (u64, Channel)>>,
    heard: Vec<Frame>,
    hellos: Vec<Who>,
    /// Claim codes' public seeds not used yet.
    seeds: Vec<PublicKey>,
    /// What gateways are refused with.
    refuse: Option<Refused>,
    /// What the next join is refused with.
    refuse_joins: Option<Reason>,
    /// Keys that claimed.
    claimed: Vec<PublicKey>,
    /// Claims are consumed, but the answer never sent.
    swallow_answers: bool,
    /// Gateways are welcomed without a lease.
    quarantine: bool,
}

struct LinkOut {
    who: PublicKey,
    out: mpsc::UnboundedSender<Outgoing>,
    task: AbortHandle,
}

impl Prs {
    /// Starts on the cloud's port 443; call inside the cloud's namespace.
    pub(crate) async fn start() -> Self {
        Self::start_as(443, prover(), 0).await
    }

    /// Starts on another port, with another proof, with a clock that is
    /// `ahead_ms` ahead.
    pub(crate) async fn start_as(port: u16, prover: Prover, ahead_ms: u64) -> Self {
        let listener = listen(port).await;
        let inner = Arc::new(Inner {
            state: Mutex::default(),
            changed: Notify::new(),
            prover,
            ahead_ms,
        });
        let served = Arc::clone(&inner);
        let web = web_config(NAME);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (inner, web) = (Arc::clone(&served), Arc::clone(&web));
                tokio::spawn(async move { inner.welcome(tcp, web).await });
            }
        });
        Self { inner, task }
    }

    /// A grant that this server would sign, for changes.
    pub(crate) fn grant(&self, gateway: PublicKey, targets: Vec<Target>) -> Grant {
        let issued = now();
        Grant {
            broker: node().public(),
            session: SessionId::from_random(rand::random()),
            serial: 0,
            gateway,
            technician: UserId::from_random(TECHNICIAN),
            technician_end: key(5).public(),
            targets,
            rights: Rights::ALL,
            issued,
            join_by: issued.plus_ms(60_000),
            ends_at: issued.plus_ms(HOUR),
        }
    }

    /// Signs whatever it is given and sends it to the gateway; its answer.
    pub(crate) async fn invite(&self, grant: Grant) -> InviteResult {
        self.invite_by(grant, &node()).await
    }

    pub(crate) async fn invite_by(&self, grant: Grant, broker: &SigningKey) -> InviteResult {
        let (gateway, session, serial) = (grant.gateway, grant.session, grant.serial);
        let ticket = (serial == 0).then(|| Ticket::from_random([9; 32]));
        let invite = Invite {
            broker: None,
            grant: SignedGrant::sign(grant, broker),
            ticket,
        };
        self.send(&gateway, &Frame::Invite(Box::new(invite)));
        self.hear(|frame| match frame {
            Frame::InviteResult(result) if (result.session, result.serial) == (session, serial) => {
                Some(result.clone())
            }
            _ => None,
        })
        .await
    }

    pub(crate) fn revoke(&self, gateway: PublicKey, counter: u64, scope: Scope) {
        let revocation = Revocation {
            broker: node().public(),
            gateway,
            counter,
            scope,
            reason: Reason::AccessRevoked,
        };
        let order = SignedRevocation::sign(revocation, &node());
        self.send(&gateway, &Frame::Revoke(order));
    }

    /// Waits for a frame that `wanted` takes; each is taken once.
    pub(crate) async fn hear<T>(&self, wanted: impl Fn(&Frame) -> Option<T>) -> T {
        self.when("a frame", |state| {
            let at = state
                .heard
                .iter()
                .position(|frame| wanted(frame).is_some())?;
            wanted(&state.heard.remove(at))
        })
        .await
    }

    /// Whether such a frame has come and was not taken.
    pub(crate) fn heard_any(&self, wanted: impl Fn(&Frame) -> bool) -> bool {
        self.inner.state.lock().unwrap().heard.iter().any(wanted)
    }

    /// Waits until this gateway has a link.
    pub(crate) async fn linked(&self, gateway: PublicKey) {
        self.linked_since(gateway, 0).await;
    }

    /// Waits until it has one that is none of the first `links` there were.
    pub(crate) async fn linked_since(&self, gateway: PublicKey, links: u64) {
        self.when("the gateway's link", |state| {
            let mut all = state.links.iter();
            all.any(|(id, link)| *id >= links && link.who == gateway)
                .then_some(())
        })
        .await;
    }

    /// How many links there were, of whoever.
    pub(crate) fn links(&self) -> u64 {
        self.inner.state.lock().unwrap().next
    }

    /// Waits until the gateway has said hello so many times more.
    pub(crate) async fn greeted(&self, more: usize) {
        let before = self.hellos().len();
        self.when("hellos", |state| {
            (state.hellos.len() >= before + more).then_some(())
        })
        .await;
    }

    /// Whether it has one now.
    pub(crate) fn is_linked(&self, gateway: &PublicKey) -> bool {
        let state = self.inner.state.lock().unwrap();
        state.links.values().any(|link| link.who == *gateway)
    }

    /// The hellos so far.
    pub(crate) fn hellos(&self) -> Vec<Who> {
        self.inner.state.lock().unwrap().hellos.clone()
    }

    pub(crate) fn allow_claim(&self, seed: PublicKey) {
        self.inner.state.lock().unwrap().seeds.push(seed);
    }

    pub(crate) fn swallow_answers(&self, swallow: bool) {
        self.inner.state.lock().unwrap().swallow_answers = swallow;
    }

    pub(crate) fn quarantine(&self) {
        self.inner.state.lock().unwrap().quarantine = true;
    }

    pub(crate) fn refuse(&self, refused: Option<Refused>) {
        self.inner.state.lock().unwrap().refuse = refused;
    }

    /// Refuses the next join.
    pub(crate) fn refuse_a_join(&self, reason: Reason) {
        self.inner.state.lock().unwrap().refuse_joins = Some(reason);
    }

    /// Breaks every link of a key, without a word.
    pub(crate) fn cut(&self, who: PublicKey) {
        self.inner.state.lock().unwrap().cut(&who);
    }

    pub(crate) fn send(&self, to: &PublicKey, frame: &Frame) {
        let state = self.inner.state.lock().unwrap();
        let link = state.links.values().find(|link| link.who == *to);
        let link = link.expect("the receiver has a link");
        link.out.send(Outgoing::Frame(frame.to_bytes())).unwrap();
    }

    /// Sends bytes that may be no frame at all.
    pub(crate) fn send_raw(&self, to: &PublicKey, message: Vec<u8>) {
        let state = self.inner.state.lock().unwrap();
        if let Some(link) = state.links.values().find(|link| link.who == *to) {
            // A link that the last message ended cannot take another.
            let _ = link.out.send(Outgoing::Frame(message.into()));
        }
    }

    async fn when<T>(&self, what: &str, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        let waited = tokio::time::timeout(SOON, async {
            loop {
                let changed = self.inner.changed.notified();
                if let Some(got) = ready(&mut self.inner.state.lock().unwrap()) {
                    return got;
                }
                changed.await;
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }
}

impl Drop for Prs {
    fn drop(&mut self) {
        self.task.abort();
        for link in self.inner.state.lock().unwrap().links.values() {
            link.task.abort();
        }
    }
}

impl Inner {
    async fn welcome(self: Arc<Self>, tcp: TcpStream, web: Arc<ServerConfig>) -> Option<()> {
        socket::prepare(&tcp).ok()?;
        let mut tls = TlsAcceptor::from(web).accept(tcp).await.ok()?;
        let exporter = tls::exporter(tls.get_ref().1).ok()?;
        let nonce = upgrade(&mut tls).await?;
        let arrival = arrive(
            tls,
            &[],
            exporter,
            nonce,
            &self.prover,
            now().plus_ms(self.ahead_ms),
        )
        .await
        .ok()?;
        let who = arrival.auth.verify(&arrival.binding).unwrap().clone();
        let first = {
            let mut state = self.state.lock().unwrap();
            state.hellos.push(who.clone());
            let claimed = match &who {
                Who::Claim(claim) => {
                    let good = |seed: &PublicKey| {
                        arrival.auth.verify_claim(&arrival.binding, seed).is_ok()
                    };
                    match state.seeds.iter().position(good) {
                        Some(at) => {
                            state.seeds.remove(at);
                            state.claimed.push(claim.identity);
                            true
                        }
                        None => false,
                    }
                }
                Who::Gateway(_) | Who::Technician(_) | Who::Browser(_) => true,
            };
            state.greeting(&who, claimed)
        };
        self.changed.notify_waiters();
        let first = first?;
        let (out, orders) = mpsc::unbounded_channel();
        out.send(Outgoing::Frame(first.to_bytes())).ok()?;
        let refused = match first {
            // As the real one parts from an end that it does not take in.
            Frame::Refused(Refused { reason, .. }) => {
                let text = String::new();
                let goodbye = Frame::Goodbye { reason, text };
                out.send(Outgoing::Frame(goodbye.to_bytes())).ok()?;
                true
            }
            _ => false,
        };
        let pipe = arrival.pipe;
        let inner = Arc::clone(&self);
        let mut state = self.state.lock().unwrap();
        let id = state.next;
        state.next += 1;
        let task = tokio::spawn(async move {
            inner.serve(id, pipe, orders).await;
            inner.state.lock().unwrap().links.remove(&id);
            inner.changed.notify_waiters();
        });
        if !refused {
            // Its end may not be heard of yet when the gateway is back.
            if !matches!(who, Who::Technician(_)) {
                state.cut(who.key());
            }
            let link = LinkOut {
                who: *who.key(),
                out,
                task: task.abort_handle(),
            };
            state.links.insert(id, link);
        }
        drop(state);
        self.changed.notify_waiters();
        Some(())
    }

    async fn serve(
        &self,
        id: u64,
        mut pipe: Pipe<TlsStream<TcpStream>>,
        mut orders: mpsc::UnboundedReceiver<Outgoing>,
    ) {
        let mut out = VecDeque::new();
        loop {
            let message = poll_fn(|cx| {
                while let Poll::Ready(Some(order)) = orders.poll_recv(cx) {
                    out.push_back(order);
                }
                if let Poll::Ready(Err(error)) = pipe.poll_send(cx, || out.pop_front()) {
                    return Poll::Ready(Err(error));
                }
                pipe.poll_next(cx)
            });
            let Ok(message) = message.await else { return };
            let frame = Frame::from_message(message).unwrap().unwrap();
            let mut state = self.state.lock().unwrap();
            match frame {
                Frame::Ping(number) => {
                    out.push_back(Outgoing::Frame(Frame::Pong(number).to_bytes()));
                }
                Frame::Packets(packets) => state.forward(id, packets),
                Frame::Join(join) if state.refuse_joins.is_some() => {
                    let closed = Frame::Closed(Closed {
                        channel: join.channel,
                        reason: state.refuse_joins.take().unwrap_or(Reason::Internal),
                        text: String::new(),
                    });
                    out.push_back(Outgoing::Frame(closed.to_bytes()));
                }
                Frame::Join(join) => {
                    let sides = state.routes.entry(join.session).or_default();
                    sides.insert(join.end, (id, join.channel));
                    let joined = Frame::Joined {
                        channel: join.channel,
                        peer: sides.len() == 2,
                    };
                    out.push_back(Outgoing::Frame(joined.to_bytes()));
                }
                other => state.heard.push(other),
            }
            drop(state);
            self.changed.notify_waiters();
        }
    }
}

impl State {
    fn cut(&mut self, who: &PublicKey) {
        self.links.retain(|_, link| {
            if link.who == *who {
                link.task.abort();
            }
            link.who != *who
        });
    }

    fn greeting(&self, who: &Who, claimed: bool) -> Option<Frame> {
        let refuse = |reason| {
            Frame::Refused(Refused {
                reason,
                retry_after_ms: 1000,
                text: String::new(),
            })
        };
        let gateway = !matches!(who, Who::Technician(_));
        if let Some(refused) = self.refuse.clone().filter(|_| gateway) {
            return Some(Frame::Refused(refused));
        }
        if !claimed {
            return Some(refuse(Reason::ClaimRefused));
        }
        if matches!(who, Who::Claim(_)) && self.swallow_answers {
            return None;
        }
        let known = self.claimed.contains(who.key()) || self.claimed.is_empty();
        if matches!(who, Who::Gateway(_)) && !known {
            return Some(refuse(Reason::Unclaimed));
        }
        Some(Frame::Welcome(Welcome {
            keepalive_ms: 20_000,
            gateway: gateway.then(|| GatewayId::from_random([1; 16])),
            lease: (gateway && !self.quarantine).then(|| Lease::from_random(rand::random())),
            version: "test server".into(),
        }))
    }

    fn forward(&self, from: u64, packets: Packets) {
        let at = (from, packets.channel);
        let sides = self
            .routes
            .values()
            .find(|s| s.values().any(|side| *side == at));
        let other = sides.and_then(|s| s.values().find(|side| **side != at));
        if let Some((link, channel)) = other
            && let Some(link) = self.links.get(link)
        {
            // A receiver that has just gone loses packets, as on any network.
            let _ = link.out.send(Outgoing::Packets {
                header: Packets::header(*channel, packets.segment),
                payload: packets.payload,
            });
        }
    }
}
