//! The names of the server that its certificate is for: all of them for a self-made
//! one, those that browsers use for one that is judged. Reads settings only.

use std::net::IpAddr;

use ::http::Uri;
use culvert_config::prs::Prs;

/// The names that the self-made certificate is for.
pub fn certificate_names(settings: &Prs) -> Vec<String> {
    let more = [settings.listen.ip().to_string(), "localhost".into()];
    let addresses = public(settings).chain(portal(settings));
    sorted(addresses.chain(more).collect())
}

/// The names by which browsers find the portal. An IP address beside a name is where
/// boxes find the server: they and `culvert` look at no name.
pub fn browser_names(settings: &Prs) -> Vec<String> {
    let is_ip = |name: &String| name.parse::<IpAddr>().is_ok();
    let (ips, names): (Vec<String>, Vec<String>) = portal(settings).partition(is_ip);
    sorted(if names.is_empty() { ips } else { names })
}

fn public(settings: &Prs) -> impl Iterator<Item = String> {
    settings.public_addresses.iter().filter_map(|address| {
        let (host, _) = address.rsplit_once(':')?;
        Some(host.trim_matches(['[', ']']).to_owned())
    })
}

fn portal(settings: &Prs) -> impl Iterator<Item = String> {
    settings.portal.origins.iter().filter_map(|origin| {
        origin.strip_prefix("https://")?;
        let uri: Uri = origin.parse().ok()?;
        Some(uri.host()?.trim_matches(['[', ']']).to_owned())
    })
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}
