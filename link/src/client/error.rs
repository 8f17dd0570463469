//! Why a server could not be used, one error for each thing a person can act on.

use std::io;

use culvert_wire::hello::ProofError;
use culvert_wire::statement::StatementError;

use crate::proxy::{ProxyUrlError, TunnelError};

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Reading the settings.
    Address,
    /// Looking the name up.
    Resolve,
    /// Opening TCP.
    Tcp,
    /// Asking the proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
    /// The server's proof.
    Proof,
}

impl Step {
    /// For sentences.
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "the address",
            Self::Resolve => "the name server",
            Self::Tcp => "the TCP connection",
            Self::Proxy => "the proxy",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
            Self::Proof => "the server's proof",
        }
    }
}

/// Why no link came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The list of servers is empty.
    #[error("no server is set")]
    NoServer,
    /// A server is not written `host:port`.
    #[error("{server} is not host:port")]
    Address {
        /// What was written.
        server: String,
    },
    /// The proxy setting cannot be used.
    #[error(transparent)]
    ProxySetting(#[from] ProxyUrlError),
    /// The name does not resolve.
    #[error("the name {host} does not resolve")]
    Resolve {
        /// The name: the server's or the proxy's.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the server or proxy takes a connection.
    #[error("{host} port {port} does not take the connection")]
    Connect {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
        /// What the system said of the last address.
        source: io::Error,
    },
    /// The proxy refused with this status.
    #[error("the proxy refused the connection (status {status})")]
    Proxy {
        /// The HTTP status.
        status: u16,
    },
    /// The proxy wants another sign-in.
    #[error("{0}")]
    ProxyAuth(#[source] TunnelError),
    /// What should be a proxy is none.
    #[error("{0}")]
    ProxyBroken(#[source] TunnelError),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// Somebody on the way opens TLS.
    #[error(
        "TLS is opened on the way to the server, by {}",
        issuer.as_deref().unwrap_or("somebody without a name")
    )]
    Intercepted {
        /// Who signed the certificate that was shown.
        issuer: Option<String>,
    },
    /// Something answered that is not our server, or it refuses.
    #[error(
        "HTTP status {status} came instead of a link (certificate by {})",
        issuer.as_deref().unwrap_or("somebody without a name")
    )]
    Http {
        /// The HTTP status.
        status: u16,
        /// Who signed the certificate that was shown.
        issuer: Option<String>,
    },
    /// The upgrade was answered wrongly.
    #[error("the WebSocket upgrade failed: {0}")]
    Upgrade(String),
    /// No common protocol version.
    #[error("the server speaks no protocol version that this program knows: update the older one")]
    Version,
    /// No proof came.
    #[error("the server did not prove itself: {0}")]
    NoProof(String),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(ProofError),
    /// A step took too long.
    #[error("{} took too long", step.name())]
    TimedOut {
        /// Which.
        step: Step,
    },
}

impl ConnectError {
    pub(super) fn tls(error: rustls::Error) -> Self {
        Self::Tls(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// A statement that holds but was not made for this connection is the mark
    /// of an interceptor.
    pub(super) fn proof(error: ProofError, issuer: Option<String>) -> Self {
        match error {
            ProofError::Connection(_) => Self::Intercepted { issuer },
            other @ ProofError::Statement(_) => Self::Proof(other),
        }
    }

    /// How far the attempt came.
    pub const fn step(&self) -> Step {
        match self {
            Self::NoServer | Self::Address { .. } | Self::ProxySetting(_) => Step::Address,
            Self::Resolve { .. } => Step::Resolve,
            Self::Connect { .. } => Step::Tcp,
            Self::Proxy { .. } | Self::ProxyAuth(_) | Self::ProxyBroken(_) => Step::Proxy,
            Self::Tls(_) => Step::Tls,
            Self::Http { .. } | Self::Upgrade(_) | Self::Version => Step::Upgrade,
            Self::Intercepted { .. } | Self::NoProof(_) | Self::Proof(_) => Step::Proof,
            Self::TimedOut { step } => *step,
        }
    }

    /// A code for `doctor`, logs and scripts; never changes its meaning.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NoServer | Self::Address { .. } => "settings",
            Self::ProxySetting(_) => "proxy_settings",
            Self::Resolve { .. } => "dns",
            Self::Connect { .. } => "tcp",
            Self::Proxy { .. } => "proxy_refused",
            Self::ProxyAuth(_) => "proxy_auth",
            Self::ProxyBroken(_) => "proxy_broken",
            Self::Tls(_) => "tls",
            Self::Intercepted { .. } => "intercepted",
            Self::Http { .. } => "http",
            Self::Upgrade(_) => "websocket",
            Self::Version => "version",
            Self::NoProof(_) => "no_proof",
            Self::Proof(ProofError::Statement(StatementError::OtherProvider { .. })) => {
                "other_provider"
            }
            Self::Proof(ProofError::Statement(StatementError::NotValidNow)) => "statement_expired",
            Self::Proof(ProofError::Statement(StatementError::OldEpoch { .. })) => "statement_old",
            Self::Proof(_) => "proof",
            Self::TimedOut { step } => match step {
                Step::Address => "settings",
                Step::Resolve => "dns_timeout",
                Step::Tcp => "tcp_timeout",
                Step::Proxy => "proxy_timeout",
                Step::Tls => "tls_timeout",
                Step::Upgrade => "websocket_timeout",
                Step::Proof => "proof_timeout",
            },
        }
    }
}
