//! `admin user`, `admin team` and `admin permission`.

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Subcommand};
use culvert_wire::api::{NodeRef, Role};
use culvert_wire::id::{AssignmentId, UserId};

use super::{find, out};
use crate::app::accounts::AccountChange;
use crate::app::assignments::{AssignmentInfo, Holder, NewAssignment};
use crate::app::{App, Call, report};
use crate::store::assignments::Filter;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person; asks for the password
    Add {
        /// The name she signs in with
        name: String,
        /// A role at everything; without it, give her roles at customers,
        /// sites or hosts by `admin permission grant`
        #[arg(long)]
        role: Option<Role>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people
    List,
    /// Shut a person out: sessions, sign-ins and tokens end at once
    Disable {
        /// Name or id
        user: String,
    },
    /// Let a person in again
    Enable {
        /// Name or id
        user: String,
    },
    /// Set a new password; sign-ins and tokens end
    Password {
        /// Name or id
        user: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// After a lost phone or password: ends all she has, voids password and
    /// second factors, prints a link by which she begins anew
    Reset {
        /// Name or id
        user: String,
    },
    /// Give a person one role at everything in place of the one she has
    Role {
        /// Name or id
        user: String,
        /// owner, administrator, technician, reader or none
        role: String,
    },
}

impl User {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        let (user, change) = match self {
            Self::Add {
                name,
                role,
                password_stdin,
            } => {
                let password = out::password(password_stdin)?;
                let account = app.add_account(call, &name, &password).await?;
                if let Some(role) = role {
                    set_role(app, call, account.id, Some(role)).await?;
                }
                return if json {
                    out::json(&account)
                } else {
                    out::line(&format!("{}  {}", account.id, account.name))
                };
            }
            Self::List => return list(app, call, json).await,
            Self::Disable { user } => (user, disabled(true)),
            Self::Enable { user } => (user, disabled(false)),
            Self::Password {
                user,
                password_stdin,
            } => {
                let change = AccountChange {
                    password: Some(out::password(password_stdin)?),
                    ..Default::default()
                };
                (user, change)
            }
            Self::Reset { user } => {
                let id = find::user(app, &user).await?;
                let link = app.reset_account(call, id, None).await?;
                return out::secret(link.link.reveal(), None);
            }
            Self::Role { user, role } => {
                let role = match role.as_str() {
                    "none" => None,
                    role => Some(role.parse::<Role>().context("or none")?),
                };
                let id = find::user(app, &user).await?;
                return set_role(app, call, id, role).await;
            }
        };
        let id = find::user(app, &user).await?;
        app.change_account(call, id, &change).await?;
        Ok(())
    }
}

fn disabled(disabled: bool) -> AccountChange {
    AccountChange {
        disabled: Some(disabled),
        ..Default::default()
    }
}

/// Makes a role the only one that a person has at everything.
async fn set_role(app: &App, call: &Call, id: UserId, role: Option<Role>) -> anyhow::Result<()> {
    let filter = Filter {
        user: Some(id),
        node: Some(NodeRef::All),
        ..Default::default()
    };
    let had = app.assignments(call, filter).await?;
    // The new one first: nobody is without a role between the two.
    if let Some(role) = role.filter(|role| had.iter().all(|held| held.role != *role)) {
        let ask = NewAssignment {
            subject: Holder::User(id),
            role,
            node: NodeRef::All,
        };
        app.assign(call, &ask).await?;
    }
    for held in had.iter().filter(|held| Some(held.role) != role) {
        app.unassign(call, held.id).await?;
    }
    Ok(())
}

async fn list(app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
    let accounts = app.accounts(call).await?;
    if json {
        return out::json(&accounts);
    }
    out::table(
        ["ID", "NAME", "ROLE", "STATE", "SINCE"],
        accounts.into_iter().map(|account| {
            [
                account.id.to_string(),
                account.name,
                account.role.map_or("-", Role::name).to_owned(),
                if account.disabled {
                    "disabled"
                } else {
                    "active"
                }
                .to_owned(),
                report::date(account.created),
            ]
        }),
    )
}

#[derive(Debug, Subcommand)]
pub(super) enum Team {
    /// Make a team
    Add {
        /// Its name
        name: String,
    },
    /// List teams with their people
    List,
    /// Remove a team with its roles; what it alone allowed ends at once
    Delete {
        /// Name or id
        team: String,
    },
    /// Take a person in
    Join(Member),
    /// Take a person out; what the team alone allowed her ends at once
    Leave(Member),
}

#[derive(Debug, clap::Args)]
pub(super) struct Member {
    /// Name or id
    #[arg(long)]
    team: String,
    /// Name or id
    #[arg(long)]
    user: String,
}

impl Team {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        let (member, joins) = match self {
            Self::Add { name } => {
                let team = app.add_team(call, &name).await?;
                return out::line(&format!("{}  {}", team.id, team.name));
            }
            Self::List => {
                let teams = app.teams(call).await?;
                if json {
                    return out::json(&teams);
                }
                return out::table(
                    ["ID", "TEAM", "PEOPLE"],
                    teams.into_iter().map(|team| {
                        let names: Vec<String> = team.members.into_iter().map(|m| m.name).collect();
                        [team.id.to_string(), team.name, names.join(", ")]
                    }),
                );
            }
            Self::Delete { team } => {
                let team = find::team(app, &team).await?;
                return Ok(app.delete_team(call, team).await?);
            }
            Self::Join(member) => (member, true),
            Self::Leave(member) => (member, false),
        };
        let team = find::team(app, &member.team).await?;
        let user = find::user(app, &member.user).await?;
        Ok(app.set_member(call, team, user, joins).await?)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Permission {
    /// Give a person or a team a role at a customer, a site or a host
    Grant(Rule),
    /// Take it; the sessions that it alone allowed end at once
    Revoke(Rule),
    /// List who holds which role where
    List {
        /// Of this person; name or id
        #[arg(long, conflicts_with = "team")]
        user: Option<String>,
        /// Of this team; name or id
        #[arg(long)]
        team: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("place").required(true).args(["customer", "site", "host", "all"]))]
#[command(group = ArgGroup::new("holder").required(true).args(["user", "team"]))]
pub(super) struct Rule {
    /// To this person; name or id
    #[arg(long)]
    user: Option<String>,
    /// To this team; name or id
    #[arg(long)]
    team: Option<String>,
    /// reader, technician, administrator or owner
    #[arg(long, default_value = "technician")]
    role: Role,
    /// At a customer; name or id
    #[arg(long)]
    customer: Option<String>,
    /// At a site; `Customer/Site` or id
    #[arg(long)]
    site: Option<String>,
    /// At a host; `Customer/Site/Host` or id
    #[arg(long)]
    host: Option<String>,
    /// At everything
    #[arg(long)]
    all: bool,
}

impl Rule {
    async fn found(self, app: &App, call: &Call) -> anyhow::Result<NewAssignment> {
        let subject = match (&self.user, &self.team) {
            (Some(user), _) => Holder::User(find::user(app, user).await?),
            (None, Some(team)) => Holder::Team(find::team(app, team).await?),
            (None, None) => bail!("say who: --user or --team"),
        };
        let node = match (&self.customer, &self.site, &self.host) {
            (Some(customer), ..) => NodeRef::Customer(find::customer(app, customer).await?),
            (_, Some(site), _) => NodeRef::Site(find::site(app, call, site).await?),
            (.., Some(host)) => NodeRef::Host(find::host(app, call, host).await?),
            (None, None, None) => NodeRef::All,
        };
        Ok(NewAssignment {
            subject,
            role: self.role,
            node,
        })
    }
}

impl Permission {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Grant(rule) => {
                let ask = rule.found(app, call).await?;
                // Given already is as good as given.
                if held(app, call, &ask).await?.is_none() {
                    app.assign(call, &ask).await?;
                }
                Ok(())
            }
            Self::Revoke(rule) => {
                let ask = rule.found(app, call).await?;
                let id = held(app, call, &ask).await?;
                let id = id.context("this role is not given there")?;
                Ok(app.unassign(call, id).await?)
            }
            Self::List { user, team } => {
                let filter = Filter {
                    user: match user {
                        Some(user) => Some(find::user(app, &user).await?),
                        None => None,
                    },
                    team: match team {
                        Some(team) => Some(find::team(app, &team).await?),
                        None => None,
                    },
                    node: None,
                };
                let all = app.assignments(call, filter).await?;
                if json {
                    return out::json(&all);
                }
                out::table(["ID", "WHO", "ROLE", "WHERE"], all.into_iter().map(row))
            }
        }
    }
}

/// The assignment that says just this, if there is one.
async fn held(app: &App, call: &Call, ask: &NewAssignment) -> anyhow::Result<Option<AssignmentId>> {
    let (user, team) = match ask.subject {
        Holder::User(id) => (Some(id), None),
        Holder::Team(id) => (None, Some(id)),
    };
    let filter = Filter {
        user,
        team,
        node: Some(ask.node),
    };
    let found = app.assignments(call, filter).await?;
    Ok(found
        .iter()
        .find(|held| held.role == ask.role)
        .map(|held| held.id))
}

fn row(assignment: AssignmentInfo) -> [String; 4] {
    let who = match assignment.subject {
        Holder::User(_) => assignment.subject_name,
        Holder::Team(_) => format!("team {}", assignment.subject_name),
    };
    let place = if assignment.path.is_empty() {
        "everything".to_owned()
    } else {
        assignment.path.join(" / ")
    };
    [
        assignment.id.to_string(),
        who,
        assignment.role.name().to_owned(),
        place,
    ]
}
