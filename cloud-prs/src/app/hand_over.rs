//! `culvert login` through the browser: the program shows a code, somebody who
//! is signed in at the portal types it there, and the program gets a sign-in of
//! its own, bound to its device key.
//!
//! The code stands in no address: a link that somebody sends cannot carry one,
//! and the portal shows which computer asks, from where. Kept in memory: a
//! restart makes people type `culvert login` again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::api::{HandOverAnswer, HandOverCollected, NewHandOver};
use culvert_wire::id::{HandOverId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::throttle::Net;
use super::trail::Event;
use super::{App, AppError, Call, Caller, Via};
use crate::authz::Action;
use crate::store::users;

/// How long a code is good, in milliseconds.
const GOOD_MS: u64 = 10 * 60_000;
/// Hand-overs that wait, in all and from one network.
const MOST: usize = 1000;
const PER_NET: usize = 20;
/// Wrong codes that one person may type in [`GOOD_MS`].
const WRONG: u32 = 10;
/// Letters and digits that nobody takes for one another.
const LETTERS: &[u8; 31] = b"ABCDEFGHJKLMNPQRSTUVWXYZ2345679"
    .first_chunk()
    .expect("31 letters");

/// One that waits.
#[derive(Debug, Clone)]
struct Waiting {
    code: String,
    device: PublicKey,
    from: IpAddr,
    label: String,
    expires: UnixMs,
    approved: Option<UserId>,
}

/// Those that wait, and who mistyped how often.
#[derive(Default)]
pub(super) struct HandOvers {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    waiting: HashMap<HandOverId, Waiting>,
    wrong: HashMap<UserId, (u32, UnixMs)>,
}

/// Which computer asks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Asking {
    /// What it calls itself.
    pub label: String,
    /// From which address.
    pub from: String,
    /// Until when it waits.
    pub expires: UnixMs,
}

impl HandOvers {
    fn lock(&self, now: UnixMs) -> std::sync::MutexGuard<'_, Inside> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.waiting.retain(|_, one| one.expires > now);
        inside.wrong.retain(|_, (_, until)| *until > now);
        inside
    }
}

impl Inside {
    /// The one that a code names; each wrong one counts.
    fn named(&mut self, user: UserId, code: &str, now: UnixMs) -> Result<&mut Waiting, AppError> {
        let (wrong, until) = self.wrong.get(&user).copied().unwrap_or((0, now));
        if wrong >= WRONG {
            return Err(AppError::because(Reason::Throttled));
        }
        let typed: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let typed = typed.to_ascii_uppercase();
        let open = |one: &&mut Waiting| one.approved.is_none() && one.code == typed;
        if !self
            .waiting
            .values()
            .any(|one| one.approved.is_none() && one.code == typed)
        {
            let until = if wrong == 0 {
                now.plus_ms(GOOD_MS)
            } else {
                until
            };
            self.wrong.insert(user, (wrong + 1, until));
        }
        let found = self.waiting.values_mut().find(open);
        found.ok_or_else(|| {
            AppError::new(
                Reason::NotFound,
                "no program waits with this code: type it as the program shows it, or run \
                 `culvert login` again",
            )
        })
    }
}

impl App {
    /// A program that is not signed in asks for a hand-over.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn begin_hand_over(
        &self,
        caller: &Caller,
        ask: &NewHandOver,
    ) -> Result<HandOverAnswer, AppError> {
        let now = self.now();
        let from = caller.from.ip().to_canonical();
        let mut inside = self.hand_overs.lock(now);
        // A program that asks again has forgotten its first question.
        inside.waiting.retain(|_, one| one.device != caller.device);
        let same = inside
            .waiting
            .values()
            .filter(|one| Net::of(one.from) == Net::of(from))
            .count();
        if inside.waiting.len() >= MOST || same >= PER_NET {
            return Err(AppError::because(Reason::Throttled));
        }
        let code = code(rand::random());
        let id = HandOverId::from_random(rand::random());
        let expires = now.plus_ms(GOOD_MS);
        inside.waiting.insert(
            id,
            Waiting {
                code: code.clone(),
                device: caller.device,
                from,
                label: super::names::name(&ask.label).unwrap_or_else(|_| "culvert".into()),
                expires,
                approved: None,
            },
        );
        let (first, last) = code.split_at(4);
        let origin = self.here.origins.first().cloned().unwrap_or_default();
        Ok(HandOverAnswer {
            id,
            code: format!("{first}-{last}"),
            url: format!("{origin}/hand-over"),
            expires,
        })
    }

    /// Which computer a code is of: shown before it is approved.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn hand_over_of(&self, call: &Call, code: &str) -> Result<Asking, AppError> {
        call.needs(Action::HandOver)?;
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        let now = self.now();
        let mut inside = self.hand_overs.lock(now);
        let one = inside.named(user, code, now)?;
        Ok(asking(one))
    }

    /// Lets the program with a code sign in as the caller.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn approve_hand_over(&self, call: &Call, code: &str) -> Result<Asking, AppError> {
        call.needs(Action::HandOver)?;
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        let now = self.now();
        let (asked, device) = {
            let mut inside = self.hand_overs.lock(now);
            let one = inside.named(user, code, now)?;
            (asking(one), one.device)
        };
        let event = Event::done("hand-over.approve", None, device.fingerprint())
            .after(json!({ "label": asked.label, "from": asked.from }));
        self.record_alone(&call.into(), event).await?;
        // Durable first; then the program may have it.
        let mut inside = self.hand_overs.lock(now);
        inside.named(user, code, now)?.approved = Some(user);
        Ok(asked)
    }

    /// The program asks whether it was approved; once approved, it is signed
    /// in on its link, with its own device key only.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn collect_hand_over(
        &self,
        caller: &std::sync::Arc<Caller>,
        id: HandOverId,
    ) -> Result<HandOverCollected, AppError> {
        let (user, label) = {
            let mut inside = self.hand_overs.lock(self.now());
            let own = inside
                .waiting
                .get(&id)
                .filter(|one| one.device == caller.device);
            let one = own.ok_or_else(AppError::not_found)?;
            let Some(user) = one.approved else {
                return Ok(HandOverCollected::Pending);
            };
            let label = one.label.clone();
            inside.waiting.remove(&id);
            (user, label)
        };
        let mut db = self.store.read().await?;
        let found = users::by_id(&mut db, user).await?;
        drop(db);
        let user = found.filter(|user| !user.disabled);
        let user = user.ok_or_else(|| AppError::because(Reason::SignInRefused))?;
        let signed = self
            .admit(Via::Link(caller), &user, &label, "hand-over")
            .await?;
        Ok(HandOverCollected::Done(Box::new(signed)))
    }
}

fn asking(one: &Waiting) -> Asking {
    Asking {
        label: one.label.clone(),
        from: one.from.to_string(),
        expires: one.expires,
    }
}

/// Eight letters: 39 bits, of which one person may guess ten.
fn code(random: [u8; 16]) -> String {
    let mut rest = u128::from_be_bytes(random);
    let letters = LETTERS.len() as u128;
    let letter = |_| {
        let at = usize::try_from(rest % letters).unwrap_or(0);
        rest /= letters;
        char::from(LETTERS[at])
    };
    (0..8).map(letter).collect()
}
