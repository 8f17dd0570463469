//! Follows the audit trail and the links, and tells the feed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use culvert_wire::UnixMs;
use culvert_wire::api::SessionInfo;
use culvert_wire::id::{CustomerId, HostId};
use culvert_wire::key::PublicKey;

use super::{GatewayNow, Live, PresenceNow};
use crate::app::App;
use crate::app::marks::Presence;
use crate::app::whole::Verdict;
use crate::audit::{Chain, Entry};
use crate::authz::Node;
use crate::store::sessions::{self, Filter};
use crate::store::{StoreError, audit, gateways, health};

/// A row is committed within this time of its own time: a writer waits its
/// turn for 15 s at most.
const LATE_MS: u64 = 20_000;

/// What was told already.
#[derive(Default)]
pub(super) struct Tail {
    seen: HashMap<(Chain, u64), UnixMs>,
    begun: bool,
}

impl Tail {
    /// The rows that were not told yet; the first look tells none.
    fn fresh(&mut self, rows: Vec<Entry>, now: UnixMs) -> Vec<Entry> {
        self.seen.retain(|_, at| now.ms_since(*at) <= LATE_MS);
        let begun = std::mem::replace(&mut self.begun, true);
        let mut fresh = rows;
        fresh.retain(|row| self.seen.insert((row.chain, row.seq), row.at).is_none());
        if begun { fresh } else { Vec::new() }
    }
}

/// What a row means for who watches.
enum Meaning {
    Session,
    Tree,
    Rights,
    Nothing,
}

fn meaning(action: &str) -> Meaning {
    let noun = action.split('.').next().unwrap_or("");
    match (noun, action) {
        (_, "session.start" | "session.end") => Meaning::Session,
        ("customer" | "site" | "host" | "gateway" | "notes" | "claim", _) => Meaning::Tree,
        (
            "permission" | "assignment" | "team" | "user" | "token" | "sign-out" | "me"
            | "invitation" | "backup",
            _,
        ) => Meaning::Rights,
        _ => Meaning::Nothing,
    }
}

impl App {
    /// Tells what the trail has got since the last look.
    ///
    /// # Errors
    /// [`StoreError`]; what was not told is told at the next look.
    pub async fn follow_trail(&self) -> Result<(), StoreError> {
        let mut tail = self.feed.tail.lock().await;
        let now = self.now();
        let mut db = self.store.read().await?;
        let since = UnixMs(now.0.saturating_sub(LATE_MS));
        let rows = audit::since(&mut db, since).await?;
        let fresh = tail.fresh(rows, now);
        drop(tail);
        let mut hosts: BTreeMap<HostId, Node> = BTreeMap::new();
        let mut trees: BTreeSet<Option<CustomerId>> = BTreeSet::new();
        let mut rights = false;
        let happened = |row: &&Entry| row.outcome == "done" || row.action == "gateway.quarantine";
        for row in fresh.iter().filter(happened) {
            match meaning(&row.action) {
                Meaning::Session => {
                    let Ok(id) = row.object.parse() else { continue };
                    let session = sessions::by_id(&mut db, id).await?;
                    if let Some(session) = session.filter(|session| !session.test) {
                        hosts.insert(session.host.id, session.node());
                        let mut info = SessionInfo::from(session);
                        if row.action == "session.start" {
                            info.ended = None;
                        }
                        self.feed.tell(Live::Session(Box::new(info)));
                    }
                }
                Meaning::Tree => {
                    trees.insert(match row.chain {
                        Chain::Customer(id) => Some(id),
                        Chain::Provider => None,
                    });
                }
                Meaning::Rights => rights = true,
                Meaning::Nothing => {}
            }
        }
        if rights {
            self.feed.tell(Live::Rights);
        }
        for customer in trees {
            self.feed.tell(Live::Tree(customer));
        }
        for (host, node) in hosts {
            let users = self.present(&mut db, host).await?;
            self.feed
                .tell(Live::Presence(node, PresenceNow { host, users }));
        }
        Ok(())
    }

    async fn present(
        &self,
        db: &mut sqlx::AnyConnection,
        host: HostId,
    ) -> Result<Vec<Presence>, StoreError> {
        let filter = Filter {
            host: Some(host),
            live: Some(true),
            worked: true,
            ..Default::default()
        };
        let live = sessions::list(db, &filter).await?;
        Ok(live.into_iter().map(Presence::from).collect())
    }

    /// Tells how a box is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn tell_gateway(&self, key: &PublicKey) -> Result<(), StoreError> {
        let mut db = self.store.read().await?;
        let Some(gateway) = gateways::by_key(&mut db, key).await? else {
            return Ok(());
        };
        let health = health::of(&mut db, gateway.id).await?;
        drop(db);
        let online = self.links().is_some_and(|links| links.gateway_online(key));
        let node = gateway.node();
        let now = GatewayNow {
            id: gateway.id,
            state: gateway.state.name().to_owned(),
            online,
            last_seen: gateway.last_seen,
            version: gateway.version,
            verdict: health.map(Verdict::from),
        };
        self.feed.tell(Live::Gateway(node, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64, at: u64) -> Entry {
        Entry {
            chain: Chain::Provider,
            seq,
            at: UnixMs(at),
            actor: String::new(),
            actor_name: String::new(),
            source: String::new(),
            action: "customer.add".into(),
            object: String::new(),
            outcome: "done".into(),
            before: String::new(),
            after: String::new(),
        }
    }

    fn told(tail: &mut Tail, rows: &[Entry], now: u64) -> Vec<u64> {
        let fresh = tail.fresh(rows.to_vec(), UnixMs(now));
        fresh.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn each_row_is_told_once_and_none_from_before_the_start() {
        let mut tail = Tail::default();
        assert!(told(&mut tail, &[row(1, 0), row(2, 5)], 10).is_empty());
        assert_eq!(
            told(&mut tail, &[row(1, 0), row(2, 5), row(3, 11)], 20),
            [3]
        );
        assert!(told(&mut tail, &[row(2, 5), row(3, 11)], 30).is_empty());
        // Committed late: its time is before that of one already told.
        assert_eq!(told(&mut tail, &[row(3, 11), row(4, 9)], 40), [4]);
    }

    #[test]
    fn what_is_forgotten_is_what_the_next_question_leaves_out() {
        let mut tail = Tail::default();
        told(&mut tail, &[row(1, 0)], 0);
        told(&mut tail, &[], LATE_MS);
        assert_eq!(tail.seen.len(), 1);
        told(&mut tail, &[], LATE_MS + 1);
        assert!(tail.seen.is_empty());
    }
}
