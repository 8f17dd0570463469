//! Who may do what: one table, everything else is denied.
//!
//! Two questions, in this order: may this actor do such a thing at all
//! ([`Actor::may`], else 403), and does the thing belong to a customer within
//! her reach ([`Actor::reaches`], else 404 with the bytes of a missing one).
//! The first depends on no id, so neither answer tells whether an id exists.
//!
//! Pure. The table is printed to `golden/permissions.txt`, which a test holds.

use std::collections::HashSet;

use culvert_wire::api::{Role, TokenScope};
use culvert_wire::id::{CustomerId, TokenId, UserId};

macro_rules! actions {
    ($($name:ident $text:literal $role:ident $scope:expr;)*) => {
        /// Something that a call does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $text] $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, as the audit trail has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The least role that may do it.
            pub const fn role(self) -> Role {
                match self { $(Self::$name => Role::$role,)* }
            }

            /// The scope an API token needs; none: a sign-in only.
            pub const fn scope(self) -> Option<TokenScope> {
                match self { $(Self::$name => $scope,)* }
            }
        }
    };
}

const READ: Option<TokenScope> = Some(TokenScope::Read);
const CONNECT: Option<TokenScope> = Some(TokenScope::Connect);
const REPORT: Option<TokenScope> = Some(TokenScope::Report);
const MANAGE: Option<TokenScope> = Some(TokenScope::Manage);
const SIGN_IN_ONLY: Option<TokenScope> = None;

actions! {
    MeSee "me.see" Technician READ;
    MePassword "me.password" Technician SIGN_IN_ONLY;
    SignOut "sign-out" Technician SIGN_IN_ONLY;
    TokenList "token.list" Technician SIGN_IN_ONLY;
    TokenAdd "token.add" Technician SIGN_IN_ONLY;
    TokenRevoke "token.revoke" Technician SIGN_IN_ONLY;
    TreeSee "tree.see" Technician READ;
    FavouriteChange "favourite.change" Technician SIGN_IN_ONLY;
    NotesChange "notes.change" Technician MANAGE;
    CustomerAdd "customer.add" Owner MANAGE;
    CustomerChange "customer.change" Owner MANAGE;
    CustomerDelete "customer.delete" Owner MANAGE;
    SiteAdd "site.add" Owner MANAGE;
    SiteChange "site.change" Owner MANAGE;
    SiteDelete "site.delete" Owner MANAGE;
    HostAdd "host.add" Owner MANAGE;
    HostChange "host.change" Owner MANAGE;
    HostDelete "host.delete" Owner MANAGE;
    GatewayAssign "gateway.assign" Owner MANAGE;
    GatewayRevoke "gateway.revoke" Owner MANAGE;
    GatewayRelease "gateway.release" Owner MANAGE;
    GatewayReplace "gateway.replace" Owner MANAGE;
    ClaimList "claim.list" Owner MANAGE;
    ClaimAdd "claim.add" Owner MANAGE;
    ClaimVoid "claim.void" Owner MANAGE;
    SessionSee "session.see" Technician READ;
    SessionSeeAll "session.see-all" Owner READ;
    SessionStart "session.start" Technician CONNECT;
    SessionRenew "session.renew" Technician CONNECT;
    SessionEnd "session.end" Technician CONNECT;
    SessionEndAny "session.end-any" Owner CONNECT;
    Launch "launch.add" Technician CONNECT;
    Report "report.see" Technician REPORT;
    AuditSee "audit.see" Owner REPORT;
    UserList "user.list" Owner SIGN_IN_ONLY;
    UserAdd "user.add" Owner SIGN_IN_ONLY;
    UserChange "user.change" Owner SIGN_IN_ONLY;
    PermissionSee "permission.see" Owner SIGN_IN_ONLY;
    PermissionGrant "permission.grant" Owner SIGN_IN_ONLY;
    PermissionRevoke "permission.revoke" Owner SIGN_IN_ONLY;
}

/// How far an actor's reach goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every customer.
    All,
    /// These.
    Only(HashSet<CustomerId>),
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A person, by a sign-in or an API token.
    Person {
        /// The account.
        user: UserId,
        /// Its name.
        name: String,
        /// By which sign-in or API token.
        token: TokenId,
    },
    /// Somebody at the server's own console.
    Console {
        /// The operating system's account.
        account: String,
    },
}

/// Who acts, with her rights as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub identity: Identity,
    /// Her role.
    pub role: Role,
    /// Her customers.
    pub reach: Reach,
    /// What her API token may be used for; none for a sign-in.
    pub scopes: Option<Vec<TokenScope>>,
}

impl Actor {
    /// Whether she may do such a thing at all.
    pub fn may(&self, action: Action) -> bool {
        let role = match action.role() {
            Role::Owner => self.role == Role::Owner,
            Role::Technician => true,
        };
        let scope = match (&self.scopes, action.scope()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(scopes), Some(needed)) => scopes.contains(&needed),
        };
        role && scope
    }

    /// Whether a customer's things exist for her.
    pub fn reaches(&self, customer: CustomerId) -> bool {
        match &self.reach {
            Reach::All => true,
            Reach::Only(customers) => customers.contains(&customer),
        }
    }

    /// Whether things that belong to no customer are within her reach.
    pub fn reaches_all(&self) -> bool {
        self.reach == Reach::All
    }

    /// The customers to limit a search to; none means all.
    pub fn limit(&self) -> Option<&HashSet<CustomerId>> {
        match &self.reach {
            Reach::All => None,
            Reach::Only(customers) => Some(customers),
        }
    }

    /// The person, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match &self.identity {
            Identity::Person { user, .. } => Some(*user),
            Identity::Console { .. } => None,
        }
    }
}

/// The table, as text: action, roles, what an API token needs.
pub fn table() -> String {
    let mut out = String::from(
        "# Who may do what. Everything that is not here is denied.\n\
         # action            role         API token's scope\n",
    );
    for action in Action::ALL {
        let scope = action
            .scope()
            .map_or("(sign-in only)", |scope| scope.name());
        let role = match action.role() {
            Role::Owner => "owner",
            Role::Technician => "technician+",
        };
        out.push_str(&format!("{:<20}{role:<13}{scope}\n", action.name()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(n: u8) -> CustomerId {
        CustomerId::from_random([n; 16])
    }

    fn actor(role: Role, reach: Reach, scopes: Option<Vec<TokenScope>>) -> Actor {
        Actor {
            identity: Identity::Console {
                account: "test".into(),
            },
            role,
            reach,
            scopes,
        }
    }

    /// S21: different technicians, different customers, by permission.
    #[test]
    fn a_technician_reaches_the_customers_she_is_permitted_and_no_other() {
        let hers = Reach::Only([customer(1)].into());
        let ann = actor(Role::Technician, hers, None);

        assert!(ann.reaches(customer(1)));
        assert!(!ann.reaches(customer(2)));
        assert!(!ann.reaches_all());
    }

    #[test]
    fn a_technician_may_nothing_that_the_table_gives_to_owners() {
        let ann = actor(Role::Technician, Reach::All, None);
        for &action in Action::ALL {
            assert_eq!(ann.may(action), action.role() == Role::Technician);
        }
    }

    #[test]
    fn an_api_token_may_what_its_scopes_name_and_never_what_needs_a_sign_in() {
        for scope in TokenScope::ALL {
            let token = actor(Role::Owner, Reach::All, Some(vec![scope]));
            for &action in Action::ALL {
                assert_eq!(token.may(action), action.scope() == Some(scope));
            }
        }
        let none = actor(Role::Owner, Reach::All, Some(vec![]));
        assert!(!Action::ALL.iter().any(|&action| none.may(action)));
    }

    /// Set `CULVERT_BLESS=1` to write the file anew.
    #[test]
    fn the_table_is_the_one_in_the_golden_file() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/permissions.txt");
        if std::env::var_os("CULVERT_BLESS").is_some() {
            std::fs::write(path, table()).unwrap();
        }

        assert_eq!(table(), std::fs::read_to_string(path).unwrap());
    }
}
