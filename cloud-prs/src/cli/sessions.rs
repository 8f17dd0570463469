//! `admin session` and `admin report`.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use culvert_wire::UnixMs;
use culvert_wire::api::SessionInfo;
use culvert_wire::id::SessionId;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use super::{find, out};
use crate::app::{App, Call, report};
use crate::store::sessions::{self, Filter};

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List running sessions
    List,
    /// End a session
    End {
        /// The id that the list shows
        session: String,
    },
}

impl Session {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        match self {
            Self::List => {
                let filter = Filter {
                    live: Some(true),
                    ..Default::default()
                };
                show(app.sessions(call, filter).await?, json)
            }
            Self::End { session } => {
                let id: SessionId = session.parse().context("this is no session's id")?;
                Ok(app.end_session(call, id).await?)
            }
        }
    }
}

/// Who worked on which host, when, for how long
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Print as CSV
    #[arg(long)]
    csv: bool,
    /// From this day (2026-01-31) or time (RFC 3339) on
    #[arg(long)]
    from: Option<String>,
    /// Before this day or time
    #[arg(long)]
    to: Option<String>,
    /// Of this customer
    #[arg(long)]
    customer: Option<String>,
    /// On this host; `Customer/Site/Host` or id
    #[arg(long)]
    host: Option<String>,
    /// Of this person
    #[arg(long)]
    user: Option<String>,
}

impl Report {
    pub(super) async fn run(self, app: &App, call: &Call, json: bool) -> anyhow::Result<()> {
        let mut filter = Filter {
            from: self.from.as_deref().map(when).transpose()?,
            to: self.to.as_deref().map(when).transpose()?,
            ..Default::default()
        };
        if let Some(customer) = &self.customer {
            filter.customer = Some(find::customer(app, customer).await?);
        }
        if let Some(host) = &self.host {
            filter.host = Some(find::host(app, call, host).await?);
        }
        if let Some(user) = &self.user {
            filter.user = Some(find::user(app, user).await?);
        }
        let sessions = app.report(call, filter).await?;
        if self.csv {
            return out::raw(&report::csv(&sessions, false, app.now())?);
        }
        show(sessions, json)
    }
}

fn show(sessions: Vec<sessions::Session>, json: bool) -> anyhow::Result<()> {
    let infos: Vec<SessionInfo> = sessions.into_iter().map(SessionInfo::from).collect();
    if json {
        return out::json(&infos);
    }
    out::table(
        [
            "ID", "USER", "CUSTOMER", "HOST", "PROTOCOL", "STARTED", "ENDED", "REASON",
        ],
        infos.into_iter().map(|session| {
            [
                session.session.to_string(),
                session.user.name,
                session.customer.name,
                session.host.name,
                session.protocol.to_string(),
                report::date(session.started),
                session.ended.map(report::date).unwrap_or_default(),
                session.reason.map_or("running", |r| r.slug()).to_owned(),
            ]
        }),
    )
}

/// A day, or a time, in UTC.
fn when(text: &str) -> anyhow::Result<UnixMs> {
    let day = Date::parse(text, &Iso8601::DATE).map(|day| day.midnight().assume_utc());
    let time = day.or_else(|_| OffsetDateTime::parse(text, &Rfc3339));
    let time = time.with_context(|| format!("\"{text}\" is neither 2026-01-31 nor RFC 3339"))?;
    let seconds = u64::try_from(time.unix_timestamp()).unwrap_or(0);
    Ok(UnixMs(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_understood() {
        assert_eq!(when("2026-01-01").unwrap(), UnixMs(1_767_225_600_000));
        assert_eq!(
            when("2026-01-01T01:00:00+01:00").unwrap(),
            UnixMs(1_767_225_600_000)
        );
        assert!(when("yesterday").is_err());
    }
}
