//! Off-boarding: what of somebody's runs, which hosts' secrets she knows, and
//! the end of all she has.

use culvert_wire::UnixMs;
use culvert_wire::api::{Named, SessionInfo};
use culvert_wire::grant::Protocol;
use culvert_wire::id::{CustomerId, HostId, SiteId, UserId};
use culvert_wire::reason::Reason;
use serde_json::json;

use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::credentials::Hand;
use crate::store::sessions::Filter;
use crate::store::users::User;
use crate::store::{assignments, hosts, invitations, sessions, teams, tokens, users};

/// What there is of somebody's.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Leaving {
    /// Hosts whose password or key she may know.
    pub hosts: Vec<KnownHost>,
    /// Sessions that run.
    pub sessions: Vec<SessionInfo>,
    /// How many sign-ins and API tokens she has.
    pub tokens: usize,
    /// How many invitations of hers are open.
    pub invitations: usize,
}

/// A host whose password or key somebody may know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct KnownHost {
    /// Which.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Whose.
    pub customer: Named<CustomerId>,
    /// Where; none when the host was removed here, which changes no password there.
    pub site: Option<Named<SiteId>>,
    /// When she worked on it last: she may have typed its password.
    pub worked: Option<UnixMs>,
    /// The kept passwords and keys that went through her hands.
    pub credentials: Vec<KnownCredential>,
}

/// A kept password or key that somebody entered or worked with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct KnownCredential {
    /// What is spoken with it.
    pub protocol: Protocol,
    /// The account on the host.
    pub account: String,
    /// When she entered it last.
    pub entered: Option<UnixMs>,
    /// When a session of hers used it last.
    pub used: Option<UnixMs>,
}

impl App {
    /// What there is of somebody's; hosts where the caller has no say are not
    /// named.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn leaving(&self, call: &Call, id: UserId) -> Result<Leaving, AppError> {
        call.needs(Action::UserLeaving)?;
        let hands = self.hands_of(id).await?;
        let mut db = self.store.read().await?;
        self.managed(&mut db, call, Action::UserLeaving, id).await?;
        let hers = Filter {
            user: Some(id),
            worked: true,
            ..Default::default()
        };
        let mut all = sessions::list(&mut db, &hers).await?;
        all.retain(|session| call.actor.may_at(Action::UserLeaving, &session.node()));
        let mut known: Vec<KnownHost> = Vec::new();
        for session in &all {
            let at = Some(session.started);
            match known.iter_mut().find(|host| host.id == session.host.id) {
                Some(host) => host.worked = host.worked.max(at),
                None => known.push(KnownHost {
                    id: session.host.id,
                    name: session.host.name.clone(),
                    customer: session.customer.clone(),
                    site: Some(session.site.clone()),
                    worked: at,
                    credentials: Vec::new(),
                }),
            }
        }
        for hand in hands {
            let found = hosts::by_id(&mut db, hand.host.id).await?;
            let gone = Node::Customer(hand.customer.id);
            let node = found.as_ref().map_or(gone, hosts::Host::node);
            if !call.actor.may_at(Action::UserLeaving, &node) {
                continue;
            }
            match known.iter_mut().find(|host| host.id == hand.host.id) {
                Some(host) => host.credentials.push(hand.into()),
                None => known.push(KnownHost {
                    id: hand.host.id,
                    name: hand.host.name.clone(),
                    customer: hand.customer.clone(),
                    site: found.map(|host| host.site),
                    worked: None,
                    credentials: vec![hand.into()],
                }),
            }
        }
        known.sort_by(|a, b| {
            let key = |host: &KnownHost| (host.customer.name.clone(), host.name.clone());
            key(a).cmp(&key(b))
        });
        let live = all.into_iter().filter(|session| session.ended.is_none());
        let tokens = tokens::holding(&mut db, Some(id), self.now()).await?;
        let open: Vec<invitations::Invitation<serde_json::Value>> =
            invitations::open(&mut db, self.now()).await?;
        Ok(Leaving {
            hosts: known,
            sessions: live.map(SessionInfo::from).collect(),
            tokens: tokens.len(),
            invitations: open.iter().filter(|one| one.made_by == Some(id)).count(),
        })
    }

    /// Ends everything of somebody's: sign-ins, tokens, tickets, sessions,
    /// roles, teams, factors, and the invitations she made.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn off_board(&self, call: &Call, id: UserId) -> Result<(), AppError> {
        call.needs(Action::UserOffBoard)?;
        let mut write = self.store.write().await?;
        let user = self
            .managed(&mut write, call, Action::UserOffBoard, id)
            .await?;
        self.may_leave(&mut write, call, id).await?;
        let doer = Doer::from(call);
        let mut had = Vec::new();
        for held in assignments::of_person(&mut write, id).await? {
            had.push(json!({ "role": held.role, "at": held.path.join(" / ") }));
            if held.subject == assignments::Subject::User(id) {
                assignments::remove(&mut write, held.id).await?;
            }
        }
        for team in teams::all(&mut write).await? {
            teams::remove_member(&mut write, team.id, id).await?;
        }
        let gone = User {
            disabled: true,
            password: String::new(),
            ..user
        };
        users::update(&mut write, &gone).await?;
        self.forget_factors(&mut write, id).await?;
        let event = Event::done("user.off-board", None, id)
            .before(json!({ "name": gone.name, "roles": had }));
        self.record(&mut write, &doer, event).await?;
        self.shut_out(&mut write, &doer, id, Reason::UserDisabled)
            .await?;
        Ok(self.commit(write).await?)
    }
}

impl From<Hand> for KnownCredential {
    fn from(hand: Hand) -> Self {
        Self {
            protocol: hand.protocol,
            account: hand.account,
            entered: hand.entered,
            used: hand.used,
        }
    }
}
