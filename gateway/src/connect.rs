//! How the box presents itself on a link, from settings, keys and memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use culvert_config::gateway::{Gateway, Proxy};
use culvert_link::proxy::ProxyUrlError;
use culvert_link::{Dial, Me, ProxyPolicy, ProxyServer};
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::BootId;

use crate::identity::Identity;
use crate::memory::Memory;
use crate::state::{Claim, State};

/// Why the box cannot even try to connect.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The proxy's password cannot be read.
    #[error("cannot read the proxy's password from {}: {source}", path.display())]
    Password {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The proxy's address cannot be used.
    #[error("the proxy setting cannot be used: {0}")]
    Proxy(#[from] ProxyUrlError),
}

/// The way out, as the settings say; reads the proxy's password.
///
/// # Errors
/// [`SetupError`].
pub fn proxy_policy(proxy: &Proxy) -> Result<ProxyPolicy, SetupError> {
    Ok(match proxy {
        Proxy::None => ProxyPolicy::None,
        Proxy::Environment => ProxyPolicy::FromEnv,
        Proxy::Explicit {
            url,
            user,
            password_file,
        } => {
            let server: ProxyServer = url.parse()?;
            ProxyPolicy::Explicit(match user {
                Some(user) => server.with_login(user, &password(password_file.as_ref())?),
                None => server,
            })
        }
    })
}

fn password(path: Option<&PathBuf>) -> Result<String, SetupError> {
    let Some(path) = path else {
        return Ok(String::new());
    };
    let failed = |source| SetupError::Password {
        path: path.clone(),
        source,
    };
    let bytes = crate::files::read(path)
        .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(failed)?;
    let text =
        String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8 text")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Where to dial and what to trust.
pub fn dial(settings: &Gateway, claim: &Claim, state: &State, proxy: ProxyPolicy) -> Dial {
    let servers = match settings.servers.is_empty() {
        true => claim.servers.clone(),
        false => settings.servers.clone(),
    };
    Dial {
        servers,
        provider: claim.provider,
        epoch_floor: claim.epoch_floor,
        clock_floor: state.clock_floor,
        proxy,
    }
}

/// Who the box says it is.
pub fn hello(identity: &Identity, boot: BootId, state: &State) -> Me {
    Me::Gateway {
        key: identity.signing.clone(),
        hello: GatewayHello {
            identity: identity.signing.public(),
            boot,
            lease: state.lease,
            revocations: state.revocations,
        },
    }
}

/// Makes each attempt of a standing link from the memory of that moment.
///
/// # Errors
/// [`SetupError`].
pub fn attempts(
    settings: &Gateway,
    identity: &Identity,
    memory: Arc<Memory>,
) -> Result<impl Fn() -> (Dial, Me) + Send + Sync + 'static, SetupError> {
    let proxy = proxy_policy(&settings.proxy)?;
    let (settings, identity) = (settings.clone(), identity.clone());
    let boot = BootId::from_random(rand::random());
    Ok(move || {
        let state = memory.read();
        let claim = state
            .claim
            .as_ref()
            .expect("the loop runs on a claimed box");
        let dial = dial(&settings, claim, &state, proxy.clone());
        (dial, hello(&identity, boot, &state))
    })
}
