//! Off-boarding: what of somebody's runs, which hosts' secrets she knows, and
//! the end of all she has.

use culvert_wire::api::{Named, SessionInfo};
use culvert_wire::id::{CustomerId, HostId, SiteId, UserId};
use culvert_wire::reason::Reason;
use serde_json::json;

use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::sessions::Filter;
use crate::store::users::User;
use crate::store::{assignments, audit, hosts, invitations, sessions, teams, tokens, users};

/// The action of the row that says who entered a host's password or key.
const ENTERED: &str = "credential.set";

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
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct KnownHost {
    /// Which.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Whose.
    pub customer: Named<CustomerId>,
    /// Where.
    pub site: Named<SiteId>,
    /// Whether she entered it for others to use.
    pub entered: bool,
    /// Whether she worked on it.
    pub used: bool,
}

impl App {
    /// What there is of somebody's.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn leaving(&self, call: &Call, id: UserId) -> Result<Leaving, AppError> {
        call.needs(Action::UserLeaving)?;
        let mut db = self.store.read().await?;
        self.managed(&mut db, call, Action::UserLeaving, id).await?;
        let hers = Filter {
            user: Some(id),
            ..Default::default()
        };
        let all = sessions::list(&mut db, &hers).await?;
        let mut known: Vec<KnownHost> = Vec::new();
        for session in &all {
            if known.iter().all(|host| host.id != session.host.id) {
                known.push(KnownHost {
                    id: session.host.id,
                    name: session.host.name.clone(),
                    customer: session.customer.clone(),
                    site: session.site.clone(),
                    entered: false,
                    used: true,
                });
            }
        }
        for object in audit::objects_of(&mut db, &id.to_string(), ENTERED).await? {
            let Ok(host) = object.parse::<HostId>() else {
                continue;
            };
            if let Some(host) = known.iter_mut().find(|known| known.id == host) {
                host.entered = true;
            } else if let Some(host) = hosts::by_id(&mut db, host).await? {
                known.push(KnownHost {
                    id: host.id,
                    name: host.name,
                    customer: host.customer,
                    site: host.site,
                    entered: true,
                    used: false,
                });
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
