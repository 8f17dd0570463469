//! The session report: who, host, when, how long, bytes, why it ended.

use culvert_wire::UnixMs;
use culvert_wire::reason::Reason;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::sessions::{Filter, Session};

/// Columns of the CSV form.
const COLUMNS: [&str; 13] = [
    "session",
    "user",
    "customer",
    "site",
    "host",
    "protocol",
    "started",
    "ended",
    "seconds",
    "bytes_from_host",
    "bytes_to_host",
    "reason",
    "explanation",
];

impl App {
    /// Sessions within reach, newest first: a technician's own, everybody's
    /// for readers and administrators.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn report(&self, call: &Call, filter: Filter) -> Result<Vec<Session>, AppError> {
        call.needs(Action::Report)?;
        self.listed(call, filter, Action::Report, Action::ReportAll)
            .await
    }
}

/// The CSV form; a last line tells the reader when there are `more` sessions.
///
/// # Errors
/// [`AppError`] when a row cannot be written, which memory always takes.
pub fn csv(sessions: &[Session], more: bool, now: UnixMs) -> Result<String, AppError> {
    let failed = |_| AppError::because(Reason::Internal);
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).map_err(failed)?;
    for session in sessions {
        let until = session.ended.unwrap_or(now);
        let row = [
            session.id.to_string(),
            guard(&session.user.name),
            guard(&session.customer.name),
            guard(&session.site.name),
            guard(&session.host.name),
            session.protocol.to_string(),
            date(session.started),
            session.ended.map(date).unwrap_or_default(),
            (until.ms_since(session.started) / 1000).to_string(),
            session.from_hosts.to_string(),
            session.to_hosts.to_string(),
            session.reason.map_or("running", Reason::slug).to_owned(),
            session.reason.map_or("", Reason::sentence).to_owned(),
        ];
        out.write_record(row).map_err(failed)?;
    }
    if more {
        let mut row = [""; COLUMNS.len()];
        row[0] = "older sessions are left out: ask for a shorter time";
        out.write_record(row).map_err(failed)?;
    }
    let bytes = out
        .into_inner()
        .map_err(|_| AppError::because(Reason::Internal))?;
    String::from_utf8(bytes).map_err(|_| AppError::because(Reason::Internal))
}

/// A text that no table program takes for a formula.
fn guard(text: &str) -> String {
    if text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// RFC 3339 in UTC, to the second.
pub fn date(at: UnixMs) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threat 18: names must not become formulas.
    #[test]
    fn texts_that_begin_a_formula_are_made_plain() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\u{ff1d}1"] {
            assert_eq!(guard(text), format!("'{text}"));
        }
        assert_eq!(guard("Ann = boss"), "Ann = boss");
    }

    #[test]
    fn what_is_left_out_is_told_in_the_last_line_and_only_then() {
        let lines = |more| csv(&[], more, UnixMs(0)).map(|text| text.lines().count());
        assert!(matches!((lines(false), lines(true)), (Ok(1), Ok(2))));
        let text = csv(&[], true, UnixMs(0)).unwrap_or_default();
        assert!(
            text.ends_with("older sessions are left out: ask for a shorter time,,,,,,,,,,,,\n")
        );
    }

    #[test]
    fn dates_are_rfc_3339_in_utc() {
        assert_eq!(date(UnixMs(1_767_225_600_123)), "2026-01-01T00:00:00Z");
    }
}
