//! Credentials of hosts: kept as ciphertext that only the site's box opens.
//!
//! A browser seals them to the box's sealing key, which the box signed with
//! its identity key at its claim: the browser checks that. What is handed to a
//! session is again the ciphertext. Whoever entered or used one is remembered
//! for the day she leaves.

use culvert_wire::UnixMs;
use culvert_wire::api::{Named, StoredCredential};
use culvert_wire::grant::{HostAddress, Protocol, Target};
use culvert_wire::id::{CustomerId, HostId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::trail::{Doer, Event};
use super::tree::reachable_host;
use super::{App, AppError, Call};
use crate::authz::{Action, Identity};
use crate::store::credentials::{self, Credential, Did, Hand};
use crate::store::hosts::Host;
use crate::store::{StoreError, Write, gateways};

/// Longest ciphertext, in bytes: a private key with its passphrase.
const MAX_SEALED: usize = 32 * 1024;
/// Longest account name on a host, in bytes.
const MAX_ACCOUNT: usize = 255;

/// A credential, sealed.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// The account on the host.
    pub account: String,
    /// The ciphertext, base64.
    pub sealed: String,
    /// The box it is sealed to.
    pub gateway_key: PublicKey,
    /// On which port; left out, the host's first for the protocol.
    #[serde(default)]
    pub port: Option<u16>,
}

/// A credential as lists show it: without the ciphertext.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct CredentialInfo {
    /// What is spoken with it.
    pub protocol: Protocol,
    /// On which port.
    pub port: u16,
    /// The account on the host.
    pub account: String,
    /// Who entered it.
    pub by: Named<UserId>,
    /// When.
    pub entered: UnixMs,
    /// Whether it must be entered again: the box or the address is another.
    pub enter_again: bool,
}

/// What a browser needs to seal a credential.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SealingKey {
    /// The box's identity key.
    pub gateway_key: PublicKey,
    /// Its X25519 sealing key, base32.
    pub sealing_key: String,
    /// Its Ed25519 signature over that, base32: `culvert sealing key v1`.
    pub signature: String,
    /// Whose host.
    pub customer: CustomerId,
    /// Which host.
    pub host: HostId,
    /// The host's address, as grants name it.
    pub address: HostAddress,
}

impl App {
    /// A host's credentials, without ciphertext.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn credentials(
        &self,
        call: &Call,
        host: HostId,
    ) -> Result<Vec<CredentialInfo>, AppError> {
        call.needs(Action::CredentialSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::CredentialSee, host).await?;
        let all = credentials::of_host(&mut db, host.id).await?;
        let info = |one: Credential| CredentialInfo {
            enter_again: !one.holds(&host),
            protocol: one.protocol,
            port: one.port,
            account: one.account,
            by: one.by,
            entered: one.entered,
        };
        Ok(all.into_iter().map(info).collect())
    }

    /// What a browser seals a host's credentials to.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sealing_key(&self, call: &Call, host: HostId) -> Result<SealingKey, AppError> {
        call.needs(Action::CredentialSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::CredentialSee, host).await?;
        let no_box = || AppError::new(Reason::Unclaimed, "the host's site has no gateway yet");
        let at = host.gateway.as_ref().ok_or_else(no_box)?;
        let gateway = gateways::by_id(&mut db, at.id).await?.ok_or_else(no_box)?;
        if gateway.sealing_signature.is_empty() {
            return Err(AppError::conflict(
                "this box was claimed before credentials could be kept: replace its claim",
            ));
        }
        Ok(SealingKey {
            gateway_key: gateway.identity,
            sealing_key: gateway.sealing,
            signature: gateway.sealing_signature,
            customer: host.customer.id,
            host: host.id,
            address: host.address,
        })
    }

    /// Keeps a host's credential.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn set_credential(
        &self,
        call: &Call,
        host: HostId,
        protocol: Protocol,
        new: &NewCredential,
    ) -> Result<(), AppError> {
        call.needs(Action::CredentialChange)?;
        let Identity::Person { user, name, .. } = &call.actor.identity else {
            return Err(AppError::not_allowed());
        };
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::CredentialChange, host).await?;
        check(new)?;
        let credential = Credential {
            protocol,
            port: port_of(&host, protocol, new.port)?,
            account: new.account.clone(),
            sealed: new.sealed.clone(),
            gateway_key: new.gateway_key,
            address: host.address.clone(),
            by: Named {
                id: *user,
                name: name.clone(),
            },
            entered: self.now(),
        };
        if !credential.holds(&host) {
            return Err(AppError::conflict(
                "the site has another gateway now: load the page again, then enter it again",
            ));
        }
        let all = credentials::of_host(&mut write, host.id).await?;
        let same = |one: &&Credential| (one.protocol, one.port) == (protocol, credential.port);
        let before = all.iter().find(same).map_or(Value::Null, described);
        credentials::set(&mut write, host.id, &credential).await?;
        let what = (protocol, credential.account.as_str());
        credentials::note(&mut write, *user, &host, what, Did::Entered, self.now()).await?;
        let event = Event::done("credential.set", Some(host.customer.id), host.id)
            .before(before)
            .after(described(&credential));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// Forgets a host's credentials for a protocol.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_credential(
        &self,
        call: &Call,
        host: HostId,
        protocol: Protocol,
    ) -> Result<(), AppError> {
        call.needs(Action::CredentialChange)?;
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::CredentialChange, host).await?;
        if credentials::delete(&mut write, host.id, protocol).await? == 0 {
            return Ok(());
        }
        let event = Event::done("credential.delete", Some(host.customer.id), host.id)
            .before(json!({ "protocol": protocol.name() }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// What a session that starts is given: the ciphertexts for exactly its
    /// targets. Noted in the transaction that grants it.
    pub(super) async fn hand_out(
        &self,
        write: &mut Write,
        call: &Call,
        host: &Host,
        targets: &[Target],
    ) -> Result<Vec<StoredCredential>, StoreError> {
        let Some(user) = call.actor.user() else {
            return Ok(Vec::new());
        };
        let mut all = credentials::of_host(write, host.id).await?;
        all.retain(|one| {
            let names = |t: &Target| t.port == one.port && t.protocol == one.protocol;
            one.holds(host) && targets.iter().any(names)
        });
        for one in &all {
            let what = (one.protocol, one.account.as_str());
            credentials::note(write, user, host, what, Did::Used, self.now()).await?;
            let event = Event::done("credential.use", Some(host.customer.id), host.id)
                .after(described(one));
            self.record(write, &Doer::from(call), event).await?;
        }
        let give = |one: Credential| StoredCredential {
            protocol: one.protocol,
            port: one.port,
            account: one.account,
            sealed: one.sealed,
        };
        Ok(all.into_iter().map(give).collect())
    }

    /// The credentials that went through somebody's hands: for her last day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hands_of(&self, user: UserId) -> Result<Vec<Hand>, StoreError> {
        let mut db = self.store.read().await?;
        credentials::hands_of(&mut db, user).await
    }
}

fn described(credential: &Credential) -> Value {
    json!({
        "protocol": credential.protocol.name(),
        "port": credential.port,
        "account": credential.account,
    })
}

fn check(new: &NewCredential) -> Result<(), AppError> {
    let plain = !new.account.chars().any(char::is_control);
    if new.account.len() > MAX_ACCOUNT || !plain {
        return Err(AppError::invalid(format!(
            "an account has at most {MAX_ACCOUNT} bytes and no control characters"
        )));
    }
    let sealed = BASE64.decode(new.sealed.as_bytes());
    let fits = |bytes: &Vec<u8>| !bytes.is_empty() && bytes.len() <= MAX_SEALED;
    if new.sealed.len() > 2 * MAX_SEALED || !sealed.as_ref().is_ok_and(fits) {
        return Err(AppError::invalid(format!(
            "what is sealed is base64 of at most {MAX_SEALED} bytes"
        )));
    }
    Ok(())
}

/// The port that a credential is for.
fn port_of(host: &Host, protocol: Protocol, asked: Option<u16>) -> Result<u16, AppError> {
    let own = |service: &&culvert_wire::api::HostService| {
        service.protocol == protocol && asked.is_none_or(|port| port == service.port)
    };
    let found = host.services.iter().find(own).map(|service| service.port);
    let any = || {
        let port = asked.or_else(|| protocol.default_port());
        port.filter(|port| host.any_port && *port > 0)
    };
    found.or_else(any).ok_or_else(|| {
        AppError::new(
            Reason::TargetUnknown,
            format!("this host has no such {protocol} service: add it first"),
        )
    })
}
