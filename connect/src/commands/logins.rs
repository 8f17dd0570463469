//! `culvert logins`, and `culvert logout ID`: what a person does about a laptop
//! that was stolen.

use culvert_wire::UnixMs;
use culvert_wire::api::{TokenInfo, TokenKind};
use culvert_wire::id::TokenId;

use super::hosts::ago;
use crate::api::Api;
use crate::cli::Logins;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::reach::Server;
use crate::text::{note, result, table};

/// Lists sign-ins and API tokens.
pub(super) async fn list(home: Home, logins: Logins) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    let list = Api(&link).tokens().await?;
    if logins.json {
        let text = serde_json::to_string_pretty(&list).expect("plain fields always serialise");
        result(&(text + "\n"));
        return Ok(());
    }
    let now = link.link_time();
    let rows: Vec<Vec<String>> = list.tokens.iter().map(|token| row(token, now)).collect();
    result(&table(&["ID", "KIND", "WHAT", "USED", "ENDS", ""], &rows));
    Ok(())
}

/// Takes one of them back.
pub(super) async fn end(home: Home, id: &str) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    let api = Api(&link);
    let token = meant(id, &api.tokens().await?.tokens)?;
    api.revoke_token(token).await?;
    note("it is ended, with its links and sessions");
    Ok(())
}

/// The one whose id begins so.
fn meant(id: &str, tokens: &[TokenInfo]) -> Result<TokenId, Failure> {
    let id = id.to_lowercase();
    let mut fitting = tokens
        .iter()
        .filter(|token| id.len() >= 4 && token.id.to_string().starts_with(&id));
    match (fitting.next(), fitting.next()) {
        (Some(token), None) => Ok(token.id),
        (None, _) | (Some(_), Some(_)) => {
            let text = "no single sign-in or token begins so; `culvert logins` lists them";
            Err(Failure::Person(text.into(), Exit::NotFound))
        }
    }
}

fn row(token: &TokenInfo, now: UnixMs) -> Vec<String> {
    let kind = match token.kind {
        TokenKind::SignIn => "sign-in",
        TokenKind::Browser => "browser",
        TokenKind::Api => "API token",
    };
    let used = token.last_used.map_or_else(
        || "never".to_owned(),
        |used| format!("{} ago", ago(now.ms_since(used))),
    );
    vec![
        token.id.to_string(),
        kind.into(),
        token.label.clone(),
        used,
        format!("in {}", ago(token.expires.ms_since(now))),
        if token.current {
            "this one".into()
        } else {
            String::new()
        },
    ]
}
