//! `culvert sessions` and `culvert end`.

use culvert_wire::UnixMs;
use culvert_wire::api::SessionInfo;
use culvert_wire::id::SessionId;

use super::hosts::ago;
use crate::api::Api;
use crate::cli::Sessions;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::reach::Server;
use crate::text::{note, result, table};

/// Fewest characters that may stand for a session.
const SHORTEST: usize = 4;

/// Lists sessions.
pub(super) async fn list(home: Home, sessions: Sessions) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    let list = Api(&link).sessions(sessions.ended).await?;
    if sessions.json {
        let text = serde_json::to_string_pretty(&list).expect("plain fields always serialise");
        result(&(text + "\n"));
        return Ok(());
    }
    if list.sessions.is_empty() {
        note("no sessions");
        return Ok(());
    }
    let now = link.link_time();
    let rows: Vec<Vec<String>> = list.sessions.iter().map(|s| row(s, now)).collect();
    let head = [
        "ID", "WHO", "HOST", "SITE", "WHAT", "SINCE", "BYTES", "STATE",
    ];
    result(&table(&head, &rows));
    Ok(())
}

/// Ends one session.
pub(super) async fn end(home: Home, id: &str) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    let api = Api(&link);
    let session = match id.parse() {
        Ok(session) => session,
        Err(_) => meant(id, &api.sessions(false).await?.sessions)?,
    };
    api.end_session(session).await?;
    note("the session is ended");
    Ok(())
}

/// The one running session whose id begins so.
fn meant(id: &str, sessions: &[SessionInfo]) -> Result<SessionId, Failure> {
    let wrong = |text: &str| Err(Failure::Person(text.into(), Exit::NotFound));
    if id.len() < SHORTEST {
        return wrong("give at least the first four characters of the session's id");
    }
    let id = id.to_lowercase();
    let mut fitting = sessions
        .iter()
        .filter(|session| session.session.to_string().starts_with(&id));
    match (fitting.next(), fitting.next()) {
        (Some(session), None) => Ok(session.session),
        (Some(_), Some(_)) => wrong("several sessions begin so: give more of the id"),
        (None, _) => wrong("no running session begins so; `culvert sessions` lists them"),
    }
}

fn row(session: &SessionInfo, now: UnixMs) -> Vec<String> {
    let state = match (session.ended, session.reason) {
        (None, _) => "running".into(),
        (Some(_), Some(reason)) => reason.to_string(),
        (Some(_), None) => "ended".into(),
    };
    vec![
        session.session.to_string(),
        session.user.name.clone(),
        session.host.name.clone(),
        format!("{} / {}", session.customer.name, session.site.name),
        session.protocol.to_string(),
        format!("{} ago", ago(now.ms_since(session.started))),
        bytes(session.from_hosts.saturating_add(session.to_hosts)),
        state,
    ]
}

/// A number of bytes as people say it.
fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{} GB", count / 1_000_000_000),
    }
}
