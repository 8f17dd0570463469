//! Watches every call of every test here (P20): what changed something left a row
//! of the audit trail, what was refused to somebody known left one, too.
//!
//! [`TRAIL`] says what each route writes; a route that is not in it fails
//! (`api_matrix.rs` holds that it is whole). Driven by `World::ask`.

use std::collections::HashMap;

use culvert_cloud_prs::audit::{Chain, Entry};
use culvert_cloud_prs::store::audit::rows_after;

use crate::world::{From, World};

/// What a call leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Something new: after.
    New(&'static str),
    /// Another state: before, and another after.
    Change(&'static str),
    /// Nothing where something was: before.
    Gone(&'static str),
    /// An act: its name says all, or it tells more after.
    Act(&'static str),
    /// New or changed.
    Set(&'static str),
    /// Nothing, and why that is right.
    Nothing(&'static str),
}

use Leaves::{Act, Change, Gone, New, Nothing, Set};

/// A call that asks for what is already so changes nothing: no row then.
const AGAIN: [&str; 5] = [
    "PUT /favourites/{host}",
    "DELETE /favourites/{host}",
    "DELETE /hosts/{host}/credentials/{protocol}",
    "PUT /teams/{team}/members/{user}",
    "DELETE /teams/{team}/members/{user}",
];

const STRANGER: &str = "nothing is kept, and the trail must not grow by a stranger's will";

/// Each route that is no GET, and what a call of it leaves.
pub(crate) const TRAIL: &[(&str, Leaves)] = &[
    ("POST /sign-in", Act("sign-in")),
    ("POST /sign-in/second", Act("sign-in")),
    ("POST /sign-in/passkey/begin", Nothing(STRANGER)),
    ("POST /sign-in/passkey/finish", Act("sign-in")),
    ("POST /sign-out", Gone("sign-out")),
    ("POST /step-up", Act("step-up")),
    ("PUT /me/password", Act("me.password")),
    ("POST /me/totp/begin", Act("me.totp-begin")),
    ("POST /me/totp/confirm", Change("me.totp-add")),
    ("DELETE /me/totp", Gone("me.totp-remove")),
    ("POST /me/recovery-codes", New("me.recovery-codes")),
    (
        "POST /me/passkeys/begin",
        Nothing("a question to her own browser; what it answers has a row"),
    ),
    ("POST /me/passkeys/finish", New("me.passkey-add")),
    ("DELETE /me/passkeys/{passkey}", Gone("me.passkey-remove")),
    ("POST /tokens", New("token.add")),
    ("DELETE /tokens/{token}", Gone("token.revoke")),
    ("POST /customers", New("customer.add")),
    ("PATCH /customers/{customer}", Change("customer.change")),
    ("DELETE /customers/{customer}", Gone("customer.delete")),
    ("POST /customers/{customer}/sites", New("site.add")),
    ("PATCH /sites/{site}", Change("site.change")),
    ("DELETE /sites/{site}", Gone("site.delete")),
    ("POST /sites/{site}/hosts", New("host.add")),
    ("POST /sites/{site}/hosts/import", New("host.add")),
    ("PUT /hosts/{host}", Change("host.change")),
    ("DELETE /hosts/{host}", Gone("host.delete")),
    ("PATCH /hosts/{host}/notes", Change("notes.change")),
    ("PUT /favourites/{host}", Change("favourite.change")),
    ("DELETE /favourites/{host}", Change("favourite.change")),
    (
        "PUT /hosts/{host}/credentials/{protocol}",
        Set("credential.set"),
    ),
    (
        "DELETE /hosts/{host}/credentials/{protocol}",
        Gone("credential.delete"),
    ),
    ("POST /hand-overs", Nothing(STRANGER)),
    ("POST /hand-overs/{hand_over}/collect", Act("sign-in")),
    ("POST /hand-overs/look", Nothing("looking changes nothing")),
    ("POST /hand-overs/approve", New("hand-over.approve")),
    ("POST /webhooks", New("webhook.add")),
    ("DELETE /webhooks/{webhook}", Gone("webhook.delete")),
    ("PUT /gateways/{gateway}/site", Change("gateway.assign")),
    ("POST /gateways/{gateway}/revoke", Change("gateway.revoke")),
    (
        "POST /gateways/{gateway}/release",
        Change("gateway.release"),
    ),
    ("POST /gateways/{gateway}/replace", New("claim.add")),
    ("PUT /gateways/{gateway}/ring", Change("release.ring")),
    (
        "POST /releases/{board}/{version}/promote",
        Change("release.promote"),
    ),
    (
        "POST /releases/{board}/{version}/halt",
        Change("release.halt"),
    ),
    ("POST /claims", New("claim.add")),
    ("DELETE /claims/{claim}", Gone("claim.void")),
    ("POST /sessions", New("session.start")),
    ("POST /sessions/{session}/renew", Change("session.renew")),
    ("DELETE /sessions/{session}", New("session.end")),
    (
        "POST /link-tickets",
        Nothing("another way of the same sign-in, a minute long and in memory only"),
    ),
    ("POST /launches", New("launch.add")),
    ("POST /launches/redeem", New("session.start")),
    ("POST /users", New("user.add")),
    ("PATCH /users/{user}", Change("user.change")),
    ("POST /users/{user}/reset", Change("user.reset")),
    ("POST /users/{user}/off-board", Gone("user.off-board")),
    ("POST /invitations", New("invitation.add")),
    ("DELETE /invitations/{invitation}", Gone("invitation.void")),
    ("POST /invitations/accept", New("invitation.accept")),
    ("POST /teams", New("team.add")),
    ("PATCH /teams/{team}", Change("team.change")),
    ("DELETE /teams/{team}", Gone("team.delete")),
    ("PUT /teams/{team}/members/{user}", New("team.member-add")),
    (
        "DELETE /teams/{team}/members/{user}",
        Gone("team.member-remove"),
    ),
    ("POST /assignments", New("assignment.add")),
    (
        "DELETE /assignments/{assignment}",
        Gone("assignment.remove"),
    ),
];

/// The trail before a call.
pub(crate) struct Watched {
    asked: String,
    actor: Option<String>,
    before: HashMap<Chain, u64>,
}

impl Watched {
    /// Looks at the trail before a call; a GET is not watched.
    pub(crate) async fn before(
        world: &World,
        from: &From<'_>,
        method: &str,
        path: &str,
    ) -> Option<Self> {
        if method == "GET" || !path.starts_with("/api/v1/") {
            return None;
        }
        let heads = world.app.audit_heads().await.ok()?;
        let actor = match from {
            From::Link(link) => link.user().map(|user| user.to_string()),
            From::Nobody | From::Web(_) | From::Page(_) => None,
        };
        Some(Self {
            asked: format!("{method} {}", path.split('?').next().unwrap_or(path)),
            actor,
            before: heads.iter().map(|head| (head.chain, head.seq)).collect(),
        })
    }

    /// Judges what the call left.
    pub(crate) async fn after(self, world: &World, status: u16, answer: &str) {
        let mut rows = Vec::new();
        let mut db = world
            .app
            .store()
            .read()
            .await
            .expect("the database answers");
        for head in world.app.audit_heads().await.expect("the trail is read") {
            let seen = self.before.get(&head.chain).copied().unwrap_or(0);
            if head.seq > seen {
                let new = rows_after(&mut db, head.chain, seen, 1000).await;
                rows.extend(
                    new.expect("the trail is read")
                        .into_iter()
                        .map(|row| row.entry),
                );
            }
        }
        drop(db);
        if (200..300).contains(&status) {
            self.done(&rows, answer);
        } else if matches!(status, 403 | 404 | 409) && self.actor.is_some() {
            self.refused(&rows);
        }
    }

    fn done(&self, rows: &[Entry], answer: &str) {
        let what = &self.asked;
        let Some((route, leaves)) = trail_of(what) else {
            panic!("{what} is no row of TRAIL: say what it leaves");
        };
        // The first of two steps signs nobody in.
        if answer.contains("\"challenge\"") && *route == "POST /sign-in"
            || answer.contains("pending") && route.ends_with("/collect")
        {
            return;
        }
        let (action, before, after) = match *leaves {
            New(action) => (action, false, true),
            Change(action) => (action, true, true),
            Gone(action) => (action, true, false),
            Act(action) | Set(action) => (action, false, false),
            Nothing(_) => return,
        };
        let rows: Vec<&Entry> = rows.iter().filter(|row| row.action == action).collect();
        if rows.is_empty() && (AGAIN.contains(route) || imports_nothing(route, answer)) {
            return;
        }
        assert!(!rows.is_empty(), "{what} left no row {action}");
        let whole = |row: &&&Entry| {
            row.outcome == "done"
                && !row.object.is_empty()
                && row.source == "192.0.2.9"
                && !row.actor_name.is_empty()
                && self.actor.as_ref().is_none_or(|actor| *actor == row.actor)
                && self.names(row, answer)
                && (!before || !row.before.is_empty())
                && (!after || !row.after.is_empty())
                && (!(before && after) || row.before != row.after)
                && (!matches!(leaves, Set(_)) || !row.after.is_empty())
        };
        assert!(rows.iter().any(|row| whole(&row)), "{what}: {rows:?}");
    }

    /// The row's object is one that the path or the answer names; where
    /// neither names one, it is the caller or what the body named.
    fn names(&self, row: &Entry, answer: &str) -> bool {
        let ids: Vec<&str> = self
            .asked
            .split('/')
            .filter(|word| word.len() == 26)
            .collect();
        let named = |text: &str| text.contains(&row.object);
        ids.is_empty() || named(&self.asked) || named(answer)
    }

    fn refused(&self, rows: &[Entry]) {
        let told = |row: &&Entry| {
            row.action == "api.refused"
                && row.object == self.asked
                && row.outcome != "done"
                && self.actor.as_ref() == Some(&row.actor)
                && row.source == "192.0.2.9"
        };
        assert!(
            rows.iter().any(|row| told(&row)),
            "{}: {rows:?}",
            self.asked
        );
    }
}

/// A table without a line makes no host.
fn imports_nothing(route: &str, answer: &str) -> bool {
    route.ends_with("/import") && answer.contains("\"added\":0")
}

/// The row of [`TRAIL`] for a call.
fn trail_of(asked: &str) -> Option<&'static (&'static str, Leaves)> {
    let asked = asked.replacen("/api/v1", "", 1);
    let fits = |route: &str| {
        let (mut route, mut words) = (route.split('/'), asked.split('/'));
        loop {
            match (route.next(), words.next()) {
                (None, None) => return true,
                (Some(route), Some(word)) if route == word => {}
                (Some(route), Some(word)) if route.starts_with('{') && !word.is_empty() => {}
                _ => return false,
            }
        }
    };
    let exact = TRAIL.iter().find(|(route, _)| *route == asked);
    exact.or_else(|| TRAIL.iter().find(|(route, _)| fits(route)))
}
