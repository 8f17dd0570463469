//! Who may do what: one table, everything else is denied.
//!
//! Roles are held at places of the tree customer › site › host. Two questions,
//! in this order: may this actor do such a thing anywhere ([`Actor::may`],
//! else 403), and may she do it here ([`Actor::may_at`], else 404 with the
//! bytes of a missing thing, unless she sees the place anyway). The first
//! depends on no id, so neither answer tells whether an id exists.
//!
//! Pure. The table is printed to `golden/permissions.txt`, which a test holds.

mod node;
mod table;

use std::collections::HashSet;

use culvert_wire::UnixMs;
use culvert_wire::api::{NodeRef, Role, TokenScope};
use culvert_wire::id::{CustomerId, TokenId, UserId};

pub use node::{Limit, Node, Reach};
pub use table::{Action, Place, Proof, text};

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

/// A role at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// The role.
    pub role: Role,
    /// Where, and below.
    pub node: Node,
}

/// Who acts, with her rights as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub identity: Identity,
    /// Her roles, her teams' included.
    pub held: Vec<Held>,
    /// What her API token may be used for; none for a sign-in.
    pub scopes: Option<Vec<TokenScope>>,
    /// The customers her API token is limited to.
    pub only: Option<HashSet<CustomerId>>,
    /// Until when her last proof counts as fresh; the console's always does.
    pub fresh_until: Option<UnixMs>,
}

impl Actor {
    /// Somebody at the console, who may everything.
    pub fn console(account: String) -> Self {
        Self {
            identity: Identity::Console { account },
            held: vec![Held {
                role: Role::Owner,
                node: Node::All,
            }],
            scopes: None,
            only: None,
            fresh_until: None,
        }
    }

    /// Whether she may do such a thing anywhere.
    pub fn may(&self, action: Action) -> bool {
        self.scope_allows(action)
            && match action.place() {
                Place::Own => true,
                Place::Root => self.may_at(action, &Node::All),
                Place::Customer => self
                    .held
                    .iter()
                    .any(|held| held.node.site().is_none() && self.counts_for(action, held)),
                Place::Node => self.held.iter().any(|held| self.counts_for(action, held)),
            }
    }

    /// Whether she may do it at this place.
    pub fn may_at(&self, action: Action, node: &Node) -> bool {
        self.scope_allows(action)
            && node::within(self.only.as_ref(), node)
            && self
                .held
                .iter()
                .any(|held| action.roles().contains(&held.role) && held.node.covers(node))
    }

    /// Whether a place exists for her: she works there, or at a part of it.
    pub fn sees(&self, node: &Node) -> bool {
        self.may_at(Action::TreeSee, node)
            || (self.scope_allows(Action::TreeSee)
                && self
                    .held
                    .iter()
                    .any(|held| node.covers(&held.node) && self.counts_for(Action::TreeSee, held)))
    }

    /// Where she may do something.
    pub fn reach(&self, action: Action) -> Reach {
        let allowed = self.scope_allows(action);
        let held = self
            .held
            .iter()
            .filter(|held| allowed && action.roles().contains(&held.role));
        Reach::new(held.map(|held| held.node).collect(), self.only.clone())
    }

    /// The places where she holds just this role.
    pub fn places(&self, role: Role) -> Vec<NodeRef> {
        let held = self.held.iter().filter(|held| held.role == role);
        Reach::new(held.map(|held| held.node).collect(), self.only.clone()).places()
    }

    /// Whether she holds a role, or a higher one, at a place: what she may
    /// give to others and take from them.
    pub fn holds(&self, role: Role, node: &Node) -> bool {
        node::within(self.only.as_ref(), node)
            && self
                .held
                .iter()
                .any(|held| held.role >= role && held.node.covers(node))
    }

    /// Her highest role at everything.
    pub fn role_at_all(&self) -> Option<Role> {
        let all = self.held.iter().filter(|held| held.node == Node::All);
        all.map(|held| held.role).max()
    }

    /// Whether her last proof is new enough for what an action needs. An API
    /// token was made with a fresh one and says what it is for.
    pub fn proof_is_fresh(&self, action: Action, now: UnixMs) -> bool {
        let needed = action.proof() == Proof::Fresh
            && matches!(self.identity, Identity::Person { .. })
            && self.scopes.is_none();
        !needed || self.fresh_until.is_some_and(|until| now < until)
    }

    /// The person, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match &self.identity {
            Identity::Person { user, .. } => Some(*user),
            Identity::Console { .. } => None,
        }
    }

    fn scope_allows(&self, action: Action) -> bool {
        match (&self.scopes, action.scope()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(scopes), Some(needed)) => scopes.contains(&needed),
        }
    }

    /// Whether a role allows such a thing, and a token's limit leaves its place.
    fn counts_for(&self, action: Action, held: &Held) -> bool {
        action.roles().contains(&held.role) && self.limit_touches(&held.node)
    }

    /// Whether a token's limit leaves anything of a place.
    fn limit_touches(&self, node: &Node) -> bool {
        match (&self.only, node) {
            (Some(only), Node::All) => !only.is_empty(),
            (Some(_), node) => node::within(self.only.as_ref(), node),
            (None, _) => true,
        }
    }
}

#[cfg(test)]
mod tests;
