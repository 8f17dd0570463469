//! Passkeys: added and taken away by their person, and signing in with one,
//! alone or as the second step.

use std::net::IpAddr;

use culvert_wire::UnixMs;
use culvert_wire::api::{Secret, SignInAnswer};
use culvert_wire::id::{PasskeyId, UserId};
use culvert_wire::reason::Reason;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::challenges::For;
use super::factors::person;
use super::second::over;
use super::throttle::Verdict;
use super::trail::{Doer, Event};
use super::{App, AppError, Call, Via};
use crate::authz::{Action, Identity};
use crate::store::passkeys::{self, Passkey};
use crate::store::{StoreError, users};
use crate::webauthn::{self, ALGORITHMS, Assertion, Expected, Registration};

/// Passkeys of one person at most.
const MAX_PASSKEYS: usize = 20;

/// What a browser needs for a passkey.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct PasskeyAsk {
    /// Names this exchange; good for 5 minutes.
    pub challenge: Secret,
    /// What `navigator.credentials` takes, bytes as base64url.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// A passkey of a person's.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct PasskeyInfo {
    /// Which.
    pub id: PasskeyId,
    /// What she called it.
    pub label: String,
    /// When it was added.
    pub created: UnixMs,
    /// When it was last used.
    pub last_used: Option<UnixMs>,
}

impl App {
    /// The caller's passkeys.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn passkeys(&self, call: &Call) -> Result<Vec<PasskeyInfo>, AppError> {
        let (user, _) = person(call, Action::TokenList)?;
        let mut db = self.store.read().await?;
        let all = passkeys::of_user(&mut db, user).await?;
        let info = |passkey: Passkey| PasskeyInfo {
            id: passkey.id,
            label: passkey.label,
            created: passkey.created,
            last_used: passkey.last_used,
        };
        Ok(all.into_iter().map(info).collect())
    }

    /// Begins to add a passkey, on a page of this origin.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn begin_passkey(
        &self,
        call: &Call,
        page: Option<&str>,
    ) -> Result<PasskeyAsk, AppError> {
        let (user, name) = person(call, Action::MeFactors)?;
        let Identity::Person { token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let (_, site) = site(page)?;
        let mut db = self.store.read().await?;
        let known = passkeys::of_user(&mut db, user).await?;
        if known.len() >= MAX_PASSKEYS {
            return Err(AppError::conflict(
                "there are many passkeys already: remove one",
            ));
        }
        let (challenge, nonce) = self.challenges.make(For::NewPasskey(*token), self.now());
        let algorithms: Vec<Value> = ALGORITHMS
            .iter()
            .map(|alg| json!({ "type": "public-key", "alg": alg }))
            .collect();
        Ok(PasskeyAsk {
            challenge,
            options: json!({
                "rp": { "id": site, "name": "Culvert" },
                "user": {
                    "id": BASE64URL_NOPAD.encode(user.as_bytes()),
                    "name": name,
                    "displayName": name,
                },
                "challenge": BASE64URL_NOPAD.encode(&nonce),
                "pubKeyCredParams": algorithms,
                "timeout": 300_000,
                "excludeCredentials": descriptors(&known),
                "authenticatorSelection": {
                    "residentKey": "preferred",
                    "userVerification": "preferred",
                },
                "attestation": "none",
            }),
        })
    }

    /// Adds a passkey.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_passkey(
        &self,
        call: &Call,
        challenge: &Secret,
        label: &str,
        message: &Registration,
        page: Option<&str>,
    ) -> Result<PasskeyInfo, AppError> {
        let (user, _) = person(call, Action::MeFactors)?;
        let Identity::Person { token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let (origin, site) = site(page)?;
        let waiting = self.challenges.look(challenge, self.now());
        let waiting = waiting
            .filter(|waiting| waiting.what == For::NewPasskey(*token))
            .ok_or_else(over)?;
        let expected = Expected {
            challenge: &waiting.nonce,
            origin,
            site,
            verified: false,
        };
        let new = webauthn::register(message, &expected)
            .map_err(|error| AppError::invalid(format!("no passkey: {error}")))?;
        if !self.challenges.done(challenge) {
            return Err(over());
        }
        let passkey = Passkey {
            id: PasskeyId::from_random(rand::random()),
            user,
            credential: new.credential,
            key: new.key,
            counter: new.counter,
            label: super::tokens::label(label),
            created: self.now(),
            last_used: None,
        };
        let mut write = self.store.write().await?;
        passkeys::add(&mut write, &passkey)
            .await
            .map_err(|e| AppError::from(e).naming("this passkey is known already"))?;
        let event = Event::done("me.passkey-add", None, passkey.id)
            .after(json!({ "label": passkey.label }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(PasskeyInfo {
            id: passkey.id,
            label: passkey.label,
            created: passkey.created,
            last_used: None,
        })
    }

    /// Takes a passkey away.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn remove_passkey(&self, call: &Call, id: PasskeyId) -> Result<(), AppError> {
        let (user, _) = person(call, Action::MeFactors)?;
        let mut write = self.store.write().await?;
        let all = passkeys::of_user(&mut write, user).await?;
        let gone = all.into_iter().find(|passkey| passkey.id == id);
        let gone = gone.ok_or_else(AppError::not_found)?;
        passkeys::remove(&mut write, user, id).await?;
        let event =
            Event::done("me.passkey-remove", None, id).before(json!({ "label": gone.label }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// What a browser needs to sign in with a passkey: alone, or as the second
    /// step of a sign-in that waits. Alone it is the same for everybody.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn ask_passkey(
        &self,
        via: Via<'_>,
        waiting: Option<&Secret>,
        page: Option<&str>,
    ) -> Result<PasskeyAsk, AppError> {
        let (_, site) = site(page)?;
        let (challenge, nonce, known) = match waiting {
            None => {
                let asked = self.throttle.begin_ask(via.from(), self.now());
                if asked != Verdict::Try {
                    return Err(AppError::because(Reason::Throttled));
                }
                let (challenge, nonce) = self.challenges.make(For::Passkey, self.now());
                (challenge, nonce, vec![])
            }
            Some(challenge) => {
                let begun = self.waiting_sign_in(via, challenge, false).await?;
                let found = self.challenges.look(challenge, self.now());
                let nonce = found.ok_or_else(over)?.nonce;
                let mut db = self.store.read().await?;
                let known = passkeys::of_user(&mut db, begun.user.id).await?;
                (challenge.clone(), nonce, known)
            }
        };
        Ok(PasskeyAsk {
            challenge,
            options: json!({
                "challenge": BASE64URL_NOPAD.encode(&nonce),
                "timeout": 300_000,
                "rpId": site,
                "allowCredentials": descriptors(&known),
                // Alone it has to be two factors in one.
                "userVerification": if waiting.is_some() { "preferred" } else { "required" },
            }),
        })
    }

    /// Signs in with a passkey.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sign_in_by_passkey(
        &self,
        via: Via<'_>,
        challenge: &Secret,
        message: &Assertion,
        page: Option<&str>,
    ) -> Result<SignInAnswer, AppError> {
        let waiting = self
            .challenges
            .look(challenge, self.now())
            .ok_or_else(over)?;
        let alone = waiting.what == For::Passkey;
        if !alone {
            let begun = self.waiting_sign_in(via, challenge, true).await?;
            let user = &begun.user;
            let owner = self.proves_passkey(challenge, message, page, false).await?;
            if owner != Some(user.id) {
                return Err(self.wrong_factor(user, via.from()).await?);
            }
            return self.finish_second(via, &begun, challenge, "passkey").await;
        }
        self.may_try_alone(via.from()).await?;
        let owner = self.proves_passkey(challenge, message, page, true).await?;
        let mut db = self.store.read().await?;
        let user = match owner {
            Some(owner) => users::by_id(&mut db, owner).await?,
            None => None,
        };
        drop(db);
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Err(self.wrong_alone(message, via.from()).await?);
        };
        self.throttle
            .succeeded_alone(&user.name, via.from(), self.now());
        if !self.challenges.done(challenge) {
            return Err(over());
        }
        let signed = self
            .admit(via, &user, &via.label(""), "passkey alone")
            .await?;
        Ok(SignInAnswer::Done(Box::new(signed)))
    }

    /// Counts one try with a passkey alone.
    async fn may_try_alone(&self, from: IpAddr) -> Result<(), AppError> {
        match self.throttle.begin_alone(from, self.now()) {
            Verdict::Try => Ok(()),
            Verdict::Wait { first } => {
                if first {
                    self.refused_sign_in(None, &from.to_string(), Reason::Throttled)
                        .await?;
                }
                Err(AppError::because(Reason::Throttled))
            }
        }
    }

    /// Notes a passkey alone that was refused, under the name of whoever it is
    /// known to belong to.
    async fn wrong_alone(&self, message: &Assertion, from: IpAddr) -> Result<AppError, StoreError> {
        let mut db = self.store.read().await?;
        let known = match BASE64URL_NOPAD.decode(message.id.as_bytes()) {
            Ok(credential) => passkeys::by_credential(&mut db, &credential).await?,
            Err(_) => None,
        };
        let owner = match known {
            Some(known) => users::by_id(&mut db, known.user).await?,
            None => None,
        };
        drop(db);
        let name = owner.map(|owner| owner.name).unwrap_or_default();
        let doer = Doer::stranger(&name, from.to_string());
        let event = Event::refused("sign-in", None, "", Reason::SignInRefused)
            .after(json!({ "step": "passkey alone" }));
        self.record_alone(&doer, event).await?;
        Ok(AppError::new(
            Reason::SignInRefused,
            "this passkey is not known here, or its account is shut out",
        ))
    }

    /// Whose passkey answers a challenge; none when it does not.
    pub(super) async fn proves_passkey(
        &self,
        challenge: &Secret,
        message: &Assertion,
        page: Option<&str>,
        verified: bool,
    ) -> Result<Option<UserId>, AppError> {
        let (origin, site) = site(page)?;
        let waiting = self.challenges.attempt(challenge, self.now());
        let waiting = waiting
            .filter(|waiting| !matches!(waiting.what, For::NewPasskey(_)))
            .ok_or_else(over)?;
        let Ok(credential) = BASE64URL_NOPAD.decode(message.id.as_bytes()) else {
            return Ok(None);
        };
        let mut write = self.store.write().await?;
        let Some(known) = passkeys::by_credential(&mut write, &credential).await? else {
            return Ok(None);
        };
        let handle = BASE64URL_NOPAD.encode(known.user.as_bytes());
        if message
            .response
            .user_handle
            .as_ref()
            .is_some_and(|said| *said != handle)
        {
            return Ok(None);
        }
        let expected = Expected {
            challenge: &waiting.nonce,
            origin,
            site,
            verified,
        };
        match webauthn::authenticate(&message.response, &expected, &known.key, known.counter) {
            Ok(counter) => {
                let counted = passkeys::used(&mut write, &known, counter, self.now()).await?;
                write.commit().await?;
                Ok(counted.then_some(known.user))
            }
            Err(error) => {
                tracing::info!(passkey = %known.id, %error, "Passkey refused");
                Ok(None)
            }
        }
    }
}

/// The page's origin and the name of its site. Passkeys belong to names.
fn site(page: Option<&str>) -> Result<(&str, &str), AppError> {
    let no_page = || AppError::invalid("passkeys are for the portal's page in a browser");
    let origin = page.ok_or_else(no_page)?;
    let (_, host) = origin.split_once("://").ok_or_else(no_page)?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return Err(AppError::invalid(
            "passkeys belong to a name: open the portal by its name, not by its address",
        ));
    }
    Ok((origin, name))
}

fn descriptors(known: &[Passkey]) -> Vec<Value> {
    let one = |passkey: &Passkey| json!({ "type": "public-key", "id": BASE64URL_NOPAD.encode(&passkey.credential) });
    known.iter().map(one).collect()
}
