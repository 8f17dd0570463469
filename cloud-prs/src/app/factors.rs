//! Second factors but passkeys: an authenticator program and recovery codes,
//! set up and taken away by the person herself, after a fresh proof.

use culvert_wire::api::Secret;
use culvert_wire::id::UserId;
use data_encoding::BASE32_NOPAD;
use serde_json::json;

use super::second::{over, recovery_hash};
use super::trail::Event;
use super::{App, AppError, Call};
use crate::authz::{Action, Identity};
use crate::store::{StoreError, factors, passkeys};

/// Recovery codes that a person gets.
const CODES: usize = 10;

/// A new authenticator program; counts once its first code was seen.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct NewTotp {
    /// What a QR code for the program holds.
    pub url: Secret,
    /// The same secret, to be typed.
    pub secret: Secret,
}

impl App {
    /// Begins to set an authenticator program up.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn begin_totp(&self, call: &Call) -> Result<NewTotp, AppError> {
        let (user, name) = person(call, Action::MeFactors)?;
        let secret: [u8; 20] = rand::random();
        let mut write = self.store.write().await?;
        if factors::totp(&mut write, user)
            .await?
            .is_some_and(|totp| totp.confirmed)
        {
            return Err(AppError::conflict(
                "an authenticator is set up already: remove it first",
            ));
        }
        let sealed = self.vault.seal(&user.to_string(), &secret);
        factors::begin_totp(&mut write, user, &sealed).await?;
        let event = Event::done("me.totp-begin", None, user);
        self.record(&mut write, &call.into(), event).await?;
        write.commit().await?;
        let text = BASE32_NOPAD.encode(&secret);
        let url = format!(
            "otpauth://totp/Culvert:{}?secret={text}&issuer=Culvert",
            escaped(&name)
        );
        Ok(NewTotp {
            url: Secret::new(url),
            secret: Secret::new(text),
        })
    }

    /// Confirms it with its first code.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn confirm_totp(&self, call: &Call, code: &Secret) -> Result<(), AppError> {
        let (user, _) = person(call, Action::MeFactors)?;
        let mut write = self.store.write().await?;
        let found = factors::totp(&mut write, user).await?;
        let waiting = found.filter(|totp| !totp.confirmed).ok_or_else(over)?;
        if !self.use_totp(&mut write, user, &waiting, code).await? {
            return Err(AppError::invalid(
                "the code is not the one of now: look at both clocks and try the next one",
            ));
        }
        let event = Event::done("me.totp-add", None, user)
            .before(json!({ "authenticator": false }))
            .after(json!({ "authenticator": true }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Takes the authenticator program away.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn remove_totp(&self, call: &Call) -> Result<(), AppError> {
        let (user, _) = person(call, Action::MeFactors)?;
        let mut write = self.store.write().await?;
        if !factors::remove_totp(&mut write, user).await? {
            return Err(AppError::not_found());
        }
        let event =
            Event::done("me.totp-remove", None, user).before(json!({ "authenticator": true }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Makes new recovery codes; the old ones are void. The only time that
    /// they are shown.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn recovery_codes(&self, call: &Call) -> Result<Vec<Secret>, AppError> {
        let (user, _) = person(call, Action::MeFactors)?;
        let codes: Vec<String> = (0..CODES).map(|_| recovery_code(rand::random())).collect();
        let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(user, code)).collect();
        let mut write = self.store.write().await?;
        factors::replace_codes(&mut write, user, &hashes, self.now()).await?;
        let event =
            Event::done("me.recovery-codes", None, user).after(json!({ "codes": codes.len() }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(codes.into_iter().map(Secret::new).collect())
    }

    /// Takes every second factor from a person.
    pub(super) async fn forget_factors(
        &self,
        db: &mut sqlx::AnyConnection,
        user: UserId,
    ) -> Result<(), StoreError> {
        passkeys::forget_factors(db, user).await
    }
}

pub(super) fn person(call: &Call, action: Action) -> Result<(UserId, String), AppError> {
    call.needs(action)?;
    match &call.actor.identity {
        Identity::Person { user, name, .. } => Ok((*user, name.clone())),
        Identity::Console { .. } => Err(AppError::not_allowed()),
    }
}

/// 80 random bits in four groups.
fn recovery_code(random: [u8; 10]) -> String {
    let text = BASE32_NOPAD.encode(&random).to_ascii_lowercase();
    let groups: Vec<&str> = (0..4).map(|n| &text[4 * n..4 * n + 4]).collect();
    groups.join("-")
}

/// A name in a URL's path.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
