//! Second factors: proving one to sign in, or once more before something
//! dangerous.
//!
//! Wrong ones are counted for the account over all networks: whoever guesses
//! has the password already.

use std::net::IpAddr;

use culvert_wire::api::{Factor, SecondFactorNeeded, Secret, SignInAnswer, TwoFactor};
use culvert_wire::id::UserId;
use culvert_wire::reason::Reason;
use serde_json::json;
use sqlx::AnyConnection;
use totp_rs::{Builder, Totp};

use super::challenges::For;
use super::throttle::Verdict;
use super::tokens::token_hash;
use super::trail::{Doer, Event};
use super::{App, AppError, Call, Via};
use crate::authz::{Action, Identity};
use crate::store::users::User;
use crate::store::{StoreError, Write, factors, passkeys, tokens, users};
use crate::webauthn::Assertion;

/// What an answer to a waiting sign-in may be; exactly one is given.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondAnswer {
    /// Which sign-in waits.
    pub challenge: Secret,
    /// Six digits of the authenticator program.
    pub totp: Option<Secret>,
    /// A recovery code.
    pub recovery: Option<Secret>,
}

/// How a signed-in person proves herself once more; exactly one is given.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// The password.
    pub password: Option<Secret>,
    /// Six digits of the authenticator program.
    pub totp: Option<Secret>,
    /// What the browser answers to `POST /sign-in/passkey/begin`.
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Assertion>,
    /// The challenge that went with it.
    pub challenge: Option<Secret>,
}

/// A sign-in whose password fitted.
pub(super) struct Begun {
    pub(super) user: User,
    /// What the list of sign-ins will show.
    label: String,
    /// From where the password came.
    from: IpAddr,
}

impl App {
    /// The second factors of an account.
    pub(super) async fn two_factor(
        &self,
        db: &mut AnyConnection,
        user: UserId,
    ) -> Result<TwoFactor, StoreError> {
        let totp = factors::totp(db, user).await?;
        let keys = passkeys::of_user(db, user).await?;
        Ok(TwoFactor {
            totp: totp.is_some_and(|totp| totp.confirmed),
            passkeys: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            recovery_left: factors::codes_left(db, user).await?,
        })
    }

    /// What a sign-in whose password fits still needs; none: nothing.
    pub(super) async fn second_needed(
        &self,
        via: Via<'_>,
        user: &User,
        label: &str,
    ) -> Result<Option<SignInAnswer>, StoreError> {
        let mut db = self.store.read().await?;
        let has = self.two_factor(&mut db, user.id).await?;
        let mut methods = Vec::new();
        if has.passkeys > 0 && matches!(via, Via::Web(_)) {
            methods.push(Factor::Passkey);
        }
        if has.totp {
            methods.push(Factor::Totp);
        }
        if !has.totp && has.passkeys == 0 {
            return Ok(None);
        }
        if has.recovery_left > 0 {
            methods.push(Factor::Recovery);
        }
        if methods.is_empty() {
            methods.push(Factor::Passkey);
        }
        let what = For::SecondStep {
            user: user.id,
            device: via.device(),
            label: label.to_owned(),
            from: via.from(),
        };
        let (challenge, _) = self.challenges.make(what, self.now());
        Ok(Some(SignInAnswer::SecondFactor(SecondFactorNeeded {
            methods,
            challenge,
        })))
    }

    /// Answers a waiting sign-in with a code.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn second_step(
        &self,
        via: Via<'_>,
        ask: &SecondAnswer,
    ) -> Result<SignInAnswer, AppError> {
        let begun = self.waiting_sign_in(via, &ask.challenge, true).await?;
        let user = &begun.user;
        let mut write = self.store.write().await?;
        let method = match (&ask.totp, &ask.recovery) {
            (Some(code), None) => self
                .proves_totp(&mut write, user.id, code)
                .await?
                .then_some("totp"),
            (None, Some(code)) => self
                .proves_recovery(&mut write, user.id, code)
                .await?
                .then_some("recovery"),
            (None, None) | (Some(_), Some(_)) => {
                return Err(AppError::invalid("give a code: totp or recovery"));
            }
        };
        let Some(method) = method else {
            drop(write);
            return Err(self.wrong_factor(user, via.from()).await?);
        };
        write.commit().await?;
        self.finish_second(via, &begun, &ask.challenge, method)
            .await
    }

    /// Signs in whoever has proved a second factor.
    pub(super) async fn finish_second(
        &self,
        via: Via<'_>,
        begun: &Begun,
        challenge: &Secret,
        method: &'static str,
    ) -> Result<SignInAnswer, AppError> {
        // Of two answers at the same time one counts.
        if !self.challenges.done(challenge) {
            return Err(over());
        }
        let Begun { user, label, from } = begun;
        self.throttle.succeeded_second(&user.name, via.from());
        self.throttle.succeeded(&user.name, *from, self.now());
        let signed = self.admit(via, user, label, method).await?;
        Ok(SignInAnswer::Done(Box::new(signed)))
    }

    /// The sign-in that a challenge names, if it came this way and may still
    /// be tried.
    pub(super) async fn waiting_sign_in(
        &self,
        via: Via<'_>,
        challenge: &Secret,
        counts: bool,
    ) -> Result<Begun, AppError> {
        let found = if counts {
            self.challenges.attempt(challenge, self.now())
        } else {
            self.challenges.look(challenge, self.now())
        };
        let Some(For::SecondStep {
            user,
            device,
            label,
            from,
        }) = found.map(|found| found.what)
        else {
            return Err(over());
        };
        if device != via.device() {
            return Err(over());
        }
        let mut db = self.store.read().await?;
        let user = users::by_id(&mut db, user).await?.ok_or_else(over)?;
        if counts {
            self.may_try(&user, via.from()).await?;
        }
        Ok(Begun { user, label, from })
    }

    /// Counts one try at a second factor, or at anything else that somebody proves
    /// who is signed in.
    pub(super) async fn may_try(&self, user: &User, from: IpAddr) -> Result<(), AppError> {
        match self.throttle.begin_second(&user.name, from, self.now()) {
            Verdict::Try => Ok(()),
            Verdict::Wait { first } => {
                if first {
                    let doer = Doer::stranger(&user.name, from.to_string());
                    let event = Event::refused("sign-in", None, "", Reason::Throttled);
                    self.record_alone(&doer, event).await?;
                }
                Err(AppError::because(Reason::Throttled))
            }
        }
    }

    /// Notes a wrong second factor: somebody has the password.
    pub(super) async fn wrong_factor(
        &self,
        user: &User,
        from: IpAddr,
    ) -> Result<AppError, StoreError> {
        let doer = Doer::stranger(&user.name, from.to_string());
        let event = Event::refused("sign-in", None, "", Reason::SignInRefused)
            .after(json!({ "step": "second factor" }));
        self.record_alone(&doer, event).await?;
        Ok(AppError::new(
            Reason::SignInRefused,
            "the code or the passkey is not right, or was used already",
        ))
    }

    /// Whether six digits are the authenticator's of now, and new.
    pub(super) async fn proves_totp(
        &self,
        write: &mut Write,
        user: UserId,
        code: &Secret,
    ) -> Result<bool, StoreError> {
        let found = factors::totp(write, user).await?;
        match found.filter(|totp| totp.confirmed) {
            Some(totp) => self.use_totp(write, user, &totp, code).await,
            None => Ok(false),
        }
    }

    /// The same, of one that may still wait for its first code.
    pub(super) async fn use_totp(
        &self,
        write: &mut Write,
        user: UserId,
        totp: &factors::Totp,
        code: &Secret,
    ) -> Result<bool, StoreError> {
        let Some(secret) = self.vault.open(&user.to_string(), &totp.secret) else {
            tracing::error!(%user, "A second factor's secret does not open: is keys/secrets.key another one?");
            return Ok(false);
        };
        let step =
            generator(secret).and_then(|totp| totp.check(code.reveal(), self.now().0 / 1000));
        match step {
            // A code that was seen is worth nothing any more (RFC 6238 §5.2).
            Some(step) => factors::use_step(write, user, step, self.now()).await,
            None => Ok(false),
        }
    }

    async fn proves_recovery(
        &self,
        write: &mut Write,
        user: UserId,
        code: &Secret,
    ) -> Result<bool, StoreError> {
        let hash = recovery_hash(user, code.reveal());
        let used = factors::use_code(write, user, &hash, self.now()).await?;
        Ok(used)
    }

    /// Proves a signed-in person once more.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn step_up(
        &self,
        call: &Call,
        ask: &StepUp,
        page: Option<&str>,
    ) -> Result<(), AppError> {
        call.needs(Action::StepUp)?;
        let Identity::Person { user, token, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let from = source(call);
        let mut db = self.store.read().await?;
        let found = users::by_id(&mut db, *user).await?;
        drop(db);
        let person = found.ok_or_else(AppError::not_found)?;
        self.may_try(&person, from).await?;
        let fits = match (&ask.password, &ask.totp, &ask.passkey) {
            (Some(password), None, None) => {
                let stored = Some(person.password.clone());
                self.passwords.fits(password, stored).await
            }
            (None, Some(code), None) => {
                let mut write = self.store.write().await?;
                let fits = self.proves_totp(&mut write, *user, code).await?;
                write.commit().await?;
                fits
            }
            (None, None, Some(assertion)) => {
                let challenge = ask.challenge.as_ref().ok_or_else(over)?;
                let owner = self
                    .proves_passkey(challenge, assertion, page, false)
                    .await?;
                owner == Some(*user)
            }
            _ => return Err(AppError::invalid("give a password, a totp or a passkey")),
        };
        if !fits {
            return Err(self.wrong_factor(&person, from).await?);
        }
        self.throttle.succeeded_second(&person.name, from);
        let mut write = self.store.write().await?;
        tokens::step_up(&mut write, *token, self.now()).await?;
        let event = Event::done("step-up", None, token);
        self.record(&mut write, &call.into(), event).await?;
        Ok(write.commit().await?)
    }
}

/// From where a call comes.
pub(super) fn source(call: &Call) -> IpAddr {
    let source = call.source.parse();
    source.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
}

/// The waiting sign-in is over.
pub(super) fn over() -> AppError {
    AppError::new(
        Reason::TicketInvalid,
        "this took too long or was tried too often: begin again",
    )
}

/// Codes of a secret: SHA-1, six digits, 30 seconds, one step either way.
pub(super) fn generator(secret: Vec<u8>) -> Option<Totp> {
    Builder::new().with_secret(secret).build().ok()
}

/// What the store keeps of a recovery code: as typed, without dashes and case.
pub(super) fn recovery_hash(user: UserId, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    token_hash(format!("{user} {}", plain.to_ascii_lowercase()).as_bytes())
}
