//! From an error of the link to a cause for people.

use std::io;

use culvert_link::ConnectError;
use culvert_link::client::Step;
use culvert_wire::hello::ProofError;
use culvert_wire::statement::StatementError;

use super::{Cause, Found};

/// The cause behind an error; name errors are examined by [`super::dns`].
pub(super) fn explain(error: &ConnectError, proxied: bool, default_route: bool) -> Found {
    Found::new(cause(error, proxied, default_route), chain(error))
}

fn cause(error: &ConnectError, proxied: bool, default_route: bool) -> Cause {
    match error {
        ConnectError::NoServer | ConnectError::Address { .. } => Cause::Settings,
        ConnectError::ProxySetting(_) => Cause::ProxySettings,
        ConnectError::Resolve { .. } if proxied => Cause::ProxyDns,
        ConnectError::Resolve { .. } => Cause::DnsFailed,
        ConnectError::Connect { .. } if proxied => Cause::ProxyUnreachable,
        ConnectError::Connect { source, .. } => tcp(source, default_route),
        ConnectError::Proxy { .. } => Cause::ProxyRefused,
        ConnectError::ProxyAuth(_) => Cause::ProxyAuth,
        ConnectError::ProxyBroken(_) => Cause::ProxyBroken,
        ConnectError::Tls(source) => tls(source),
        ConnectError::Intercepted { .. } => Cause::Intercepted,
        ConnectError::Http { .. } => Cause::NotOurServer,
        ConnectError::Upgrade(_) => Cause::WebsocketBlocked,
        ConnectError::Version => Cause::Version,
        ConnectError::NoProof(_) => Cause::NoProof,
        ConnectError::Proof(proof) => statement(proof),
        ConnectError::TimedOut { step } => timed_out(*step, proxied),
    }
}

fn tcp(source: &io::Error, default_route: bool) -> Cause {
    let unreachable = [
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::PermissionDenied,
    ];
    if unreachable.contains(&source.kind()) {
        match default_route {
            true => Cause::TcpUnreachable,
            false => Cause::NoRoute,
        }
    } else if source.kind() == io::ErrorKind::TimedOut {
        Cause::TcpTimeout
    } else {
        Cause::TcpRefused
    }
}

fn tls(source: &io::Error) -> Cause {
    let error = source.get_ref().and_then(|inner| inner.downcast_ref());
    match error {
        Some(rustls::Error::InvalidMessage(_)) => Cause::NotTls,
        Some(_) | None => Cause::TlsBroken,
    }
}

const fn statement(proof: &ProofError) -> Cause {
    match proof {
        ProofError::Connection(_) => Cause::Intercepted,
        ProofError::Statement(error) => match error {
            StatementError::OtherProvider { .. } => Cause::OtherProvider,
            StatementError::Signature(_) => Cause::Proof,
            StatementError::OldEpoch { .. } => Cause::StatementOld,
            StatementError::NotValidNow => Cause::StatementExpired,
        },
    }
}

const fn timed_out(step: Step, proxied: bool) -> Cause {
    match step {
        Step::Address => Cause::Settings,
        Step::Resolve => Cause::DnsTimeout,
        Step::Tcp if proxied => Cause::ProxyUnreachable,
        Step::Tcp => Cause::TcpTimeout,
        Step::Proxy => Cause::ProxyTimeout,
        Step::Tls => Cause::TlsTimeout,
        Step::Upgrade => Cause::WebsocketTimeout,
        Step::Proof => Cause::NoProof,
    }
}

/// The error with everything behind it, on one line.
fn chain(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
