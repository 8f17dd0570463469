//! Lists of sessions: of whom, where, when, and who may see them.

use culvert_wire::UnixMs;
use culvert_wire::id::{CustomerId, GatewayId, HostId, TokenId, UserId};
use sqlx::AnyConnection;

use super::{Session, read};
use crate::authz::Limit;
use crate::store::StoreError;
use crate::store::statement::query;
use crate::store::wanted::Wanted;

/// What a list of sessions is limited to; empty means no limit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this person.
    pub user: Option<UserId>,
    /// For this customer.
    pub customer: Option<CustomerId>,
    /// On this host.
    pub host: Option<HostId>,
    /// Through this gateway.
    pub gateway: Option<GatewayId>,
    /// Asked for by this sign-in or API token.
    pub token: Option<TokenId>,
    /// Running (`true`) or over (`false`).
    pub live: Option<bool>,
    /// Granted at or after this time.
    pub from: Option<UnixMs>,
    /// Granted before this time.
    pub to: Option<UnixMs>,
    /// Only what somebody worked in, and no test of a connection.
    pub worked: bool,
    /// Only what somebody may see.
    pub seen: Option<Seen>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What somebody may see who does not see all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Everybody's sessions within this.
    pub all: Limit,
    /// And those of this person; within this, none means everywhere.
    pub own: Option<(UserId, Option<Limit>)>,
}

/// The columns of a session's place.
const PLACE: [&str; 3] = ["customer", "site", "host"];

/// Sessions, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(db: &mut AnyConnection, filter: &Filter) -> Result<Vec<Session>, StoreError> {
    let (wanted, rest) = filter.wanted();
    wanted
        .statement("SELECT * FROM sessions", &rest)
        .all(db, read)
        .await
}

/// Running sessions, and those that ended at or after a time: of whom, where and by
/// whose sign-in the filter says.
///
/// # Errors
/// [`StoreError`].
pub async fn live_or_over_since(
    db: &mut AnyConnection,
    filter: &Filter,
    since: UnixMs,
) -> Result<Vec<Session>, StoreError> {
    let live = Filter {
        live: Some(true),
        ..filter.clone()
    };
    let mut found = list(db, &live).await?;
    let over = query(OVER_SINCE).time(since).all(db, read).await?;
    found.extend(over.into_iter().filter(|session| filter.names(session)));
    Ok(found)
}

/// Everybody's: what ended lately is little, one person's history is long.
const OVER_SINCE: &str = "SELECT * FROM sessions WHERE ended >= $1";

impl Filter {
    fn names(&self, session: &Session) -> bool {
        self.user.is_none_or(|user| session.user.id == user)
            && self.host.is_none_or(|host| session.host.id == host)
            && self
                .gateway
                .is_none_or(|gateway| session.gateway == gateway)
            && (self.token.is_none() || session.token == self.token)
    }

    /// The conditions, and what comes behind them.
    fn wanted(&self) -> (Wanted, String) {
        let mut wanted = Wanted::default();
        wanted.is("user_id", self.user);
        wanted.is("customer", self.customer);
        wanted.is("host", self.host);
        wanted.is("gateway", self.gateway);
        wanted.is("token", self.token);
        match self.live {
            Some(true) => wanted.that("ended IS NULL"),
            Some(false) => wanted.that("ended IS NOT NULL"),
            None => {}
        }
        if let Some(from) = self.from {
            let mark = wanted.time(from);
            wanted.that(format!("started >= {mark}"));
        }
        if let Some(to) = self.to {
            let mark = wanted.time(to);
            wanted.that(format!("started < {mark}"));
        }
        if self.worked {
            wanted.that("test = 0");
        }
        if let Some(seen) = &self.seen {
            let seen = seen.condition(&mut wanted);
            wanted.that(seen);
        }
        let most = wanted.number(self.limit.map_or(i64::MAX, i64::from));
        (wanted, format!("ORDER BY started DESC, id LIMIT {most}"))
    }
}

impl Seen {
    fn condition(&self, wanted: &mut Wanted) -> String {
        let all = wanted.within(&self.all, PLACE);
        let Some((user, limit)) = &self.own else {
            return all;
        };
        let own = wanted.text(user);
        match limit {
            Some(limit) => {
                let within = wanted.within(limit, PLACE);
                format!("({all} OR (user_id = {own} AND {within}))")
            }
            None => format!("({all} OR user_id = {own})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::column::Columns as _;
    use crate::store::{Place, Store};

    /// Who is working is asked at each start of a session, in the turn of all who
    /// write: it must not take longer with each year of history.
    #[tokio::test]
    async fn running_sessions_are_found_without_their_history() {
        let dir = tempfile::tempdir().unwrap();
        let file = Place::File(dir.path().join("prs.db"));
        let store = Store::open(file).await.unwrap();
        let live = Filter {
            live: Some(true),
            ..Default::default()
        };
        let all = [
            live.clone(),
            Filter {
                user: Some(UserId::from_random([1; 16])),
                ..live.clone()
            },
            Filter {
                host: Some(HostId::from_random([2; 16])),
                ..live.clone()
            },
            Filter {
                gateway: Some(GatewayId::from_random([3; 16])),
                ..live.clone()
            },
            Filter {
                token: Some(TokenId::from_random([4; 16])),
                ..live
            },
        ];
        for filter in all {
            let mut db = store.read().await.unwrap();
            let (wanted, rest) = filter.wanted();
            let plan = wanted
                .statement("EXPLAIN QUERY PLAN SELECT * FROM sessions", &rest)
                .all(&mut db, |row| row.text("detail"))
                .await
                .unwrap();
            assert!(
                plan[0].starts_with("SEARCH sessions USING INDEX sessions_live"),
                "{plan:?}"
            );
        }
    }
}
