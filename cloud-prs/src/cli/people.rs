//! `admin user` and `admin permission`.

use clap::Subcommand;
use culvert_wire::api::Role;

use super::{find, out};
use crate::app::accounts::AccountChange;
use crate::app::{App, Call, report};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person; asks for the password
    Add {
        /// The name she signs in with
        name: String,
        /// owner or technician
        #[arg(long, default_value = "technician")]
        role: Role,
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
    /// Make a person owner or technician
    Role {
        /// Name or id
        user: String,
        /// owner or technician
        role: Role,
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
                let account = app.add_account(call, &name, role, &password).await?;
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
            Self::Role { user, role } => {
                let change = AccountChange {
                    role: Some(role),
                    ..Default::default()
                };
                (user, change)
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
                account.role.name().to_owned(),
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
pub(super) enum Permission {
    /// Permit a technician to work for a customer
    Grant(Pair),
    /// Permit it no longer; her sessions there end at once
    Revoke(Pair),
    /// List a person's customers
    List {
        /// Name or id
        #[arg(long)]
        user: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Pair {
    /// Name or id
    #[arg(long)]
    user: String,
    /// Name or id
    #[arg(long)]
    customer: String,
}

impl Permission {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        match self {
            Self::Grant(pair) => {
                let user = find::user(app, &pair.user).await?;
                let customer = find::customer(app, &pair.customer).await?;
                Ok(app.grant(call, user, customer).await?)
            }
            Self::Revoke(pair) => {
                let user = find::user(app, &pair.user).await?;
                let customer = find::customer(app, &pair.customer).await?;
                Ok(app.revoke_permission(call, user, customer).await?)
            }
            Self::List { user } => {
                let user = find::user(app, &user).await?;
                let customers = app.permissions(call, user).await?;
                if json {
                    return out::json(&customers);
                }
                out::table(
                    ["ID", "CUSTOMER"],
                    customers.into_iter().map(|c| [c.id.to_string(), c.name]),
                )
            }
        }
    }
}
