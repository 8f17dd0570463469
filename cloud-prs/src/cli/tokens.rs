//! `admin token`.

use anyhow::Context as _;
use clap::Subcommand;
use culvert_wire::api::TokenKind;
use culvert_wire::id::TokenId;
use serde_json::json;

use super::out;
use crate::app::{App, Call, report};

#[derive(Debug, Subcommand)]
pub(super) enum Tokens {
    /// List everybody's sign-ins and API tokens
    List,
    /// Take one back; its links and sessions end at once
    Revoke {
        /// The id that the list shows
        token: String,
    },
}

impl Tokens {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::List => list(app, call, as_json).await,
            Self::Revoke { token } => {
                let id: TokenId = token.parse().context("this is no token's id")?;
                Ok(app.revoke_token(call, id).await?)
            }
        }
    }
}

async fn list(app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
    let tokens = app.tokens(call).await?;
    if as_json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|(user, token)| json!({ "user": user, "token": token }))
            .collect();
        return out::json(&rows);
    }
    let names = app.accounts(call).await?;
    let name = |id| {
        let account = names.iter().find(|account| account.id == id);
        account.map_or_else(String::new, |account| account.name.clone())
    };
    out::table(
        ["ID", "USER", "KIND", "LABEL", "EXPIRES"],
        tokens.into_iter().map(|(user, token)| {
            let kind = match token.kind {
                TokenKind::SignIn => "sign-in",
                TokenKind::Browser => "browser",
                TokenKind::Api => "api",
            };
            [
                token.id.to_string(),
                name(user),
                kind.to_owned(),
                token.label,
                report::date(token.expires),
            ]
        }),
    )
}
