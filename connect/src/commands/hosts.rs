//! `culvert ls`.

use culvert_wire::UnixMs;
use culvert_wire::api::HostEntry;

use crate::api::Api;
use crate::cli::Ls;
use crate::failure::Failure;
use crate::home::Home;
use crate::reach::Server;
use crate::text::{note, result, table};

/// Lists hosts.
pub(super) async fn ls(home: Home, ls: Ls) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let (link, _events) = server.signed_in().await?;
    let list = Api(&link).hosts(&ls.words.join(" ")).await?;
    if ls.json {
        let text = serde_json::to_string_pretty(&list).expect("plain fields always serialise");
        result(&(text + "\n"));
        return Ok(());
    }
    let now = link.link_time();
    let rows: Vec<Vec<String>> = list.hosts.iter().map(|host| row(host, now)).collect();
    if rows.is_empty() {
        note("no host of yours contains these words");
        return Ok(());
    }
    let head = ["CUSTOMER", "SITE", "HOST", "ADDRESS", "SERVICES", "STATE"];
    result(&table(&head, &rows));
    if list.more {
        note("there are more: add words to see fewer");
    }
    Ok(())
}

fn row(host: &HostEntry, now: UnixMs) -> Vec<String> {
    let services: Vec<String> = host.services.iter().map(ToString::to_string).collect();
    vec![
        host.customer.name.clone(),
        host.site.name.clone(),
        host.name.clone(),
        host.address.to_string(),
        services.join(" "),
        state(host, now),
    ]
}

fn state(host: &HostEntry, now: UnixMs) -> String {
    match (host.online, host.last_seen) {
        (true, _) => "online".into(),
        (false, Some(seen)) => format!("offline for {}", ago(now.ms_since(seen))),
        (false, None) => "never seen".into(),
    }
}

/// A time span as people say it.
pub(super) fn ago(ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => format!("{} s", ms / 1000),
        1..60 => format!("{minutes} min"),
        60..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (47 * 3_600_000, "47 h"),
            (48 * 3_600_000, "2 days"),
        ] {
            assert_eq!(ago(ms), text);
        }
    }
}
