//! Finds the one host that a word means.
//!
//! An id or a full name wins over everything; a name that several hosts carry
//! is never guessed: all of them are listed. Names compare without case, and
//! as slugs (`front-desk` is `Front Desk`), because SSH lower-cases names and
//! shells split at blanks. Pure.

use culvert_wire::api::{HostEntry, HostList};

use crate::word::HostWord;

/// Names shown when a word is ambiguous or unknown.
const SHOWN: usize = 8;
/// Least likeness of a name that is proposed instead (0 none, 1 equal).
const ALIKE: f64 = 0.6;

/// `customer/site/name`.
pub fn full_name(host: &HostEntry) -> String {
    format!("{}/{}/{}", host.customer.name, host.site.name, host.name)
}

/// The one host of a list that `word` means.
///
/// # Errors
/// [`PickError`] when it is none or more than one, or perhaps more than one, because
/// the list is cut.
pub fn pick<'a>(word: &HostWord, list: &'a HostList) -> Result<&'a HostEntry, PickError> {
    if let Some(id) = word.id()
        && let Some(host) = list.hosts.iter().find(|host| host.id == id)
    {
        return Ok(host);
    }
    // The strictest reading that means anything at all decides.
    for fits in [exact, slugs, dotted] {
        if let Some(host) = only(word, list, fits)? {
            return Ok(host);
        }
    }
    Err(PickError::Unknown {
        word: word.place(),
        nearest: some_names(nearest(word, &list.hosts).into_iter()),
    })
}

/// The one host whose name or address is the word, of a list of all that are called
/// so: for a word that too many names contain for any looser reading.
///
/// # Errors
/// As [`pick`].
pub fn pick_exact<'a>(word: &HostWord, list: &'a HostList) -> Result<&'a HostEntry, PickError> {
    only(word, list, exact)?.ok_or_else(|| PickError::TooMany { word: word.place() })
}

/// The one host that fits; none when no host does. A part of all hosts does not tell
/// who else fits.
fn only<'a>(
    word: &HostWord,
    list: &'a HostList,
    fits: fn(&HostWord, &HostEntry) -> bool,
) -> Result<Option<&'a HostEntry>, PickError> {
    let found: Vec<&HostEntry> = list.hosts.iter().filter(|host| fits(word, host)).collect();
    match found.as_slice() {
        [] => Ok(None),
        [_] if list.more => Err(PickError::TooMany { word: word.place() }),
        [host] => Ok(Some(host)),
        several => Err(PickError::Ambiguous {
            word: word.place(),
            names: some_names(several.iter().map(|host| full_name(host))),
        }),
    }
}

/// Letters and digits in lower case, anything else one `-`.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '.' | '_') {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

fn exact(word: &HostWord, host: &HostEntry) -> bool {
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    fits(word, host, same) || (in_place(word, host, same) && host.address.as_str() == word.name)
}

fn slugs(word: &HostWord, host: &HostEntry) -> bool {
    fits(word, host, |a, b| slug(a) == slug(b))
}

/// `name.site.customer` of a word that came through SSH.
fn dotted(word: &HostWord, host: &HostEntry) -> bool {
    if word.site.is_some() {
        return false;
    }
    let wanted = slug(&word.name);
    let short = format!("{}.{}", slug(&host.name), slug(&host.site.name));
    wanted == short || wanted == format!("{short}.{}", slug(&host.customer.name))
}

fn fits(word: &HostWord, host: &HostEntry, same: impl Fn(&str, &str) -> bool + Copy) -> bool {
    same(&word.name, &host.name) && in_place(word, host, same)
}

fn in_place(word: &HostWord, host: &HostEntry, same: impl Fn(&str, &str) -> bool) -> bool {
    let part = |said: &Option<String>, is: &str| said.as_deref().is_none_or(|said| same(said, is));
    part(&word.site, &host.site.name) && part(&word.customer, &host.customer.name)
}

/// Full names of the hosts whose names are most like the word.
fn nearest(word: &HostWord, hosts: &[HostEntry]) -> Vec<String> {
    let wanted = slug(&word.name);
    let mut alike: Vec<(f64, &HostEntry)> = hosts
        .iter()
        .map(|host| {
            let name = slug(&host.name);
            let part = name.contains(&wanted) || wanted.contains(&name);
            let likeness = strsim::jaro_winkler(&wanted, &name);
            (if part { likeness.max(ALIKE) } else { likeness }, host)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.iter().map(|(_, host)| full_name(host)).collect()
}

fn some_names(names: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names.take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("… and {more} more"));
    }
    shown
}

/// Why a word means no single host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// Several hosts fit.
    #[error(
        "'{word}' is the name of several hosts; say which one:{}",
        listed(names)
    )]
    Ambiguous {
        /// As typed.
        word: String,
        /// The candidates.
        names: Vec<String>,
    },
    /// No host fits.
    #[error("there is no host '{word}', or you may not see it{}", meant(nearest))]
    Unknown {
        /// As typed.
        word: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// More hosts contain the word than are looked through.
    #[error("too many hosts contain '{word}'; say which one as customer/site/host, in full")]
    TooMany {
        /// As typed.
        word: String,
    },
}

fn listed(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("\n  {}", crate::text::plain(name)))
        .collect()
}

fn meant(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return "; `culvert ls` shows what there is".into();
    }
    format!("; did you mean:{}", listed(nearest))
}

#[cfg(test)]
mod tests {
    use culvert_wire::api::Named;
    use culvert_wire::id::{CustomerId, HostId, SiteId};

    use super::*;
    use crate::word::Numbers;

    fn host(seed: u8, customer: &str, site: &str, name: &str, address: &str) -> HostEntry {
        HostEntry {
            id: HostId::from_random([seed; 16]),
            name: name.into(),
            customer: Named {
                id: CustomerId::from_random([seed; 16]),
                name: customer.into(),
            },
            site: Named {
                id: SiteId::from_random([seed; 16]),
                name: site.into(),
            },
            address: address.parse().unwrap(),
            services: Vec::new(),
            any_port: false,
            online: true,
            last_seen: None,
        }
    }

    fn hosts() -> Vec<HostEntry> {
        vec![
            host(1, "Acme", "Berlin", "printer", "192.168.1.9"),
            host(2, "Acme", "Paris", "printer", "192.168.1.9"),
            host(3, "Acme", "Paris", "Front Desk", "192.168.1.20"),
            host(4, "Zeta", "HQ", "nas.local", "10.0.0.4"),
            host(5, "Zeta", "HQ", "switch-1", "10.0.0.5"),
        ]
    }

    fn list(more: bool) -> HostList {
        HostList {
            hosts: hosts(),
            more,
        }
    }

    fn find(text: &str) -> Result<u8, PickError> {
        let word = HostWord::parse(text, Numbers::Port).unwrap();
        pick(&word, &list(false)).map(|host| host.id.as_bytes()[0])
    }

    #[test]
    fn every_form_of_a_name_finds_its_host() {
        let id = HostId::from_random([5; 16]).to_string();
        for (text, host) in [
            ("berlin/printer", 1),
            ("Acme/Paris/Printer", 2),
            ("Front Desk", 3),
            ("front-desk", 3),
            ("nas.local", 4),
            ("NAS.local.culvert", 4),
            ("10.0.0.5", 5),
            ("paris/192.168.1.9", 2),
            (id.as_str(), 5),
            ("switch-1.hq.culvert", 5),
            ("front-desk.paris.acme.culvert", 3),
        ] {
            assert_eq!(find(text), Ok(host), "{text}");
        }
    }

    #[test]
    fn several_hosts_of_a_name_are_listed_and_none_is_guessed() {
        let error = find("printer").unwrap_err();

        assert_eq!(
            error,
            PickError::Ambiguous {
                word: "printer".into(),
                names: vec!["Acme/Berlin/printer".into(), "Acme/Paris/printer".into()],
            }
        );
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_nearest_names() {
        let PickError::Unknown { nearest, .. } = find("swich-1").unwrap_err() else {
            panic!("nothing is called so");
        };
        assert_eq!(nearest[0], "Zeta/HQ/switch-1");
        let PickError::Unknown { nearest, .. } = find("nas").unwrap_err() else {
            panic!("nothing is called so");
        };
        assert_eq!(nearest[0], "Zeta/HQ/nas.local");
        let text = find("qqqqqq").unwrap_err().to_string();
        assert!(text.contains("culvert ls"), "{text}");
    }

    /// Of more hosts than a list holds only a full name is taken, and only from a
    /// list of all that have it: never a colleague's printer for lack of room.
    #[test]
    fn in_a_list_that_is_cut_only_a_full_name_means_anything() {
        let word = |text: &str| HostWord::parse(text, Numbers::Port).unwrap();
        let id = |host: &HostEntry| host.id.as_bytes()[0];
        let find = |text: &str, more| pick_exact(&word(text), &list(more)).map(id);
        let too_many = |word: &str| Err(PickError::TooMany { word: word.into() });

        assert_eq!(find("Paris/Printer", false), Ok(2));
        assert_eq!(find("Paris/Printer", true), too_many("Paris/Printer"));
        assert!(matches!(
            find("printer", true),
            Err(PickError::Ambiguous { .. })
        ));
        // It is one host's slug here, and perhaps others' that are not listed.
        assert_eq!(find("front-desk", false), too_many("front-desk"));
        let cut = pick(&word("front-desk"), &list(true)).map(id);
        assert_eq!(cut, too_many("front-desk"));
        // Names like it are worth telling, whoever else has such names.
        let unknown = pick(&word("swich-1"), &list(true)).map(id);
        assert!(matches!(unknown, Err(PickError::Unknown { .. })));
    }

    #[test]
    fn a_long_list_of_candidates_is_cut() {
        let hosts: Vec<HostEntry> = (0..20)
            .map(|n| host(n, "A", "B", "x", "10.0.0.1"))
            .collect();
        let list = HostList { hosts, more: false };
        let word = HostWord::parse("x", Numbers::Port).unwrap();

        let Err(PickError::Ambiguous { names, .. }) = pick(&word, &list) else {
            panic!("twenty hosts fit");
        };

        assert_eq!(names.len(), SHOWN + 1);
        assert_eq!(names.last().unwrap(), "… and 12 more");
    }
}
