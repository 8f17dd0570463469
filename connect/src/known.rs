//! Gateways this user has met, by fingerprint.
//!
//! The first meeting is stored and said; a key that changed is refused until
//! the person confirms the new fingerprint with `culvert trust`. A fingerprint
//! that was confirmed before the first meeting leaves nothing to trust.
//!
//! One line each: `provider gateway fingerprint # site`. `gateway` is the
//! server's stable name of the place; `provider` keeps two providers apart.

use std::fmt::Write as _;

use culvert_wire::key::{Fingerprint, PublicKey};

use crate::home::{Home, HomeError};
use crate::pick::slug;

/// The file's name.
pub const FILE: &str = "known_gateways";
/// Stands for the name of a gateway that was trusted but not met yet.
pub const NOT_MET: &str = "-";

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    entries: Vec<Entry>,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose server named it.
    pub provider: Fingerprint,
    /// The stable name of its place.
    pub gateway: String,
    /// The key that is trusted there.
    pub fingerprint: Fingerprint,
    /// `customer / site`, for people.
    pub site: String,
}

/// What a key's check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// As it was before.
    Known,
    /// As it was trusted before the first meeting: to be stored with its place.
    Bound,
    /// Never met: to be stored.
    First(Fingerprint),
}

impl Known {
    /// Reads the list.
    ///
    /// # Errors
    /// [`HomeError`]; a damaged list is an error, never an empty one.
    pub fn load(home: &Home) -> Result<Self, HomeError> {
        let text = home.read(FILE)?.unwrap_or_default();
        Self::parse(&text).map_err(|line| HomeError::Damaged {
            path: home.path(FILE),
            why: format!("line {line} is not a gateway"),
        })
    }

    /// Writes the list.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be written.
    pub fn save(&self, home: &Home) -> Result<(), HomeError> {
        home.write(FILE, &self.text())
    }

    /// Judges the key a gateway is announced with.
    ///
    /// # Errors
    /// [`ChangedKey`] when another key is trusted there.
    pub fn check(
        &mut self,
        provider: &PublicKey,
        gateway: &str,
        site: &str,
        key: &PublicKey,
    ) -> Result<Met, ChangedKey> {
        let shown = key.fingerprint();
        let provider = provider.fingerprint();
        let here = Entry {
            provider,
            gateway: word(gateway),
            fingerprint: shown,
            site: line(site),
        };
        let met = self.find(&provider, gateway).is_some();
        let entry = match met {
            true => self.find(&provider, gateway),
            false => self.announced(&provider, site),
        };
        match entry {
            // One that was meant for another site of that name keeps its word.
            Some(entry) if entry.fingerprint != shown => Err(ChangedKey {
                site: here.site,
                known: entry.fingerprint,
                shown,
            }),
            Some(_) if met => Ok(Met::Known),
            Some(entry) => {
                *entry = here;
                Ok(Met::Bound)
            }
            None => {
                self.entries.push(here);
                Ok(Met::First(shown))
            }
        }
    }

    /// Follows a provider that changed its key, with the old one's signature.
    pub fn follow(&mut self, old: &PublicKey, new: &PublicKey) {
        let (old, new) = (old.fingerprint(), new.fingerprint());
        for entry in &mut self.entries {
            if entry.provider == old {
                entry.provider = new;
            }
        }
    }

    /// Takes a person's word for a gateway's key; true if it was another one.
    pub fn trust(&mut self, entry: Entry) -> bool {
        let old = match entry.gateway.as_str() {
            NOT_MET => {
                let name = squeeze(&entry.site);
                self.not_met(&entry.provider, move |site| site == name)
            }
            gateway => self.find(&entry.provider, gateway),
        };
        match old {
            Some(old) => {
                let changed = old.fingerprint != entry.fingerprint;
                *old = entry;
                changed
            }
            None => {
                self.entries.push(entry);
                false
            }
        }
    }

    /// The entries of a site's whole name or a gateway's, as a person types them; else
    /// those whose name ends so.
    pub fn named(&self, provider: &Fingerprint, name: &str) -> Vec<&Entry> {
        let wanted = squeeze(name);
        let ours = || {
            let ours = self.entries.iter();
            ours.filter(|entry| entry.provider == *provider)
        };
        let whole: Vec<&Entry> = ours()
            .filter(|entry| entry.gateway == name || squeeze(&entry.site) == wanted)
            .collect();
        if !whole.is_empty() {
            return whole;
        }
        ours()
            .filter(|entry| last(&squeeze(&entry.site)) == wanted)
            .collect()
    }

    /// What was trusted by this site's name before the first meeting: by its whole name,
    /// else by its last part.
    fn announced(&mut self, provider: &Fingerprint, site: &str) -> Option<&mut Entry> {
        let wanted = squeeze(site);
        let name = match self.not_met(provider, |name| name == wanted) {
            Some(_) => wanted.as_str(),
            None => last(&wanted),
        };
        self.not_met(provider, |other| other == name)
    }

    fn not_met(&mut self, provider: &Fingerprint, is: impl Fn(&str) -> bool) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| {
            entry.provider == *provider && entry.gateway == NOT_MET && is(&squeeze(&entry.site))
        })
    }

    fn find(&mut self, provider: &Fingerprint, gateway: &str) -> Option<&mut Entry> {
        let gateway = word(gateway);
        self.entries
            .iter_mut()
            .find(|entry| entry.provider == *provider && entry.gateway == gateway)
    }

    fn parse(text: &str) -> Result<Self, usize> {
        let mut entries = Vec::new();
        for (at, row) in text.lines().enumerate() {
            if row.trim().is_empty() || row.starts_with('#') {
                continue;
            }
            entries.push(parse_entry(row).ok_or(at + 1)?);
        }
        Ok(Self { entries })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for Entry {
            provider,
            gateway,
            fingerprint,
            site,
        } in &self.entries
        {
            writeln!(out, "{provider} {gateway} {fingerprint} # {site}")
                .expect("writing to a string does not fail");
        }
        out
    }
}

fn parse_entry(row: &str) -> Option<Entry> {
    let (head, site) = row.split_once(" # ").unwrap_or((row, ""));
    let mut words = head.split_whitespace();
    let entry = Entry {
        provider: words.next()?.parse().ok()?,
        gateway: words.next()?.to_owned(),
        fingerprint: words.next()?.parse().ok()?,
        site: site.trim().to_owned(),
    };
    words.next().is_none().then_some(entry)
}

/// A name as one word: what splits words or lines is replaced.
fn word(text: &str) -> String {
    let keep = |c: char| !c.is_whitespace() && !c.is_control() && c != '#';
    let word: String = text
        .chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect();
    match word.as_str() {
        "" | NOT_MET => "_".into(),
        _ => word,
    }
}

/// A name within one line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// `Acme / Berlin` and `acme/berlin` are one place. Nothing in the result
/// means anything to a shell: people copy it from the message below.
pub fn squeeze(text: &str) -> String {
    text.split('/').map(slug).collect::<Vec<_>>().join("/")
}

/// A site's own name, without its customer's.
fn last(squeezed: &str) -> &str {
    squeezed.rsplit('/').next().unwrap_or(squeezed)
}

/// The gateway's key is not the one that was met before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the gateway of {site} shows another key than before.\n  \
     known:  {known}\n  now:    {shown}\n\
     The box may have been replaced, or somebody stands between. Ask who manages the site to read \
     the fingerprint from the box (culvert-gateway status); if it is the new one, run\n  \
     culvert trust {} {shown}",
    squeeze(site)
)]
pub struct ChangedKey {
    /// Where.
    pub site: String,
    /// The key that was trusted.
    pub known: Fingerprint,
    /// The key that is announced now.
    pub shown: Fingerprint,
}

#[cfg(test)]
mod tests {
    use culvert_wire::key::SigningKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn the_first_key_is_stored_and_another_one_refused_until_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let mut known = Known::load(&home).unwrap();

        let first = known.check(&key(1), "gw-1", "Acme / Berlin", &key(2));
        known.save(&home).unwrap();
        let mut known = Known::load(&home).unwrap();

        assert_eq!(first, Ok(Met::First(key(2).fingerprint())));
        let mut check = |seed| known.check(&key(1), "gw-1", "Acme / Berlin", &key(seed));
        assert_eq!(check(2), Ok(Met::Known));
        let refused = check(3).unwrap_err();
        assert_eq!(refused.known, key(2).fingerprint());
        assert_eq!(refused.shown, key(3).fingerprint());

        let provider = key(1).fingerprint();
        let mut entry = known.named(&provider, "acme/berlin")[0].clone();
        entry.fingerprint = key(3).fingerprint();
        assert!(known.trust(entry));
        let again = known.check(&key(1), "gw-1", "x", &key(3));
        assert_eq!(again, Ok(Met::Known));
        assert!(known.check(&key(1), "gw-1", "x", &key(2)).is_err());
    }

    #[test]
    fn a_fingerprint_trusted_beforehand_binds_the_first_meeting() {
        let mut known = Known::default();
        let changed = known.trust(Entry {
            provider: key(1).fingerprint(),
            gateway: "gw-1".into(),
            fingerprint: key(2).fingerprint(),
            site: "Acme / Berlin".into(),
        });

        assert!(!changed);
        assert!(known.check(&key(1), "gw-1", "s", &key(9)).is_err());
        assert_eq!(known.check(&key(1), "gw-1", "s", &key(2)), Ok(Met::Known));
    }

    #[test]
    fn the_command_to_copy_holds_nothing_for_a_shell() {
        let mut known = Known::default();
        let site = "Acme / $(id)'; rm -rf `x` \"";
        known.check(&key(1), "gw-1", site, &key(2)).unwrap();

        let refused = known.check(&key(1), "gw-1", site, &key(3)).unwrap_err();

        let text = refused.to_string();
        let command = text.lines().last().unwrap().trim();
        let shell = |c: char| "$'\"`;()<>|&".contains(c);
        assert!(
            command.starts_with("culvert trust acme/id-rm-rf-x "),
            "{command}"
        );
        assert!(!command.contains(shell), "{command}");
    }

    #[test]
    fn a_site_trusted_by_its_name_alone_binds_its_gateway() {
        for typed in ["acme/berlin", "Acme / Berlin", "berlin"] {
            let mut known = Known::default();
            known.trust(Entry {
                provider: key(1).fingerprint(),
                gateway: NOT_MET.into(),
                fingerprint: key(2).fingerprint(),
                site: typed.into(),
            });
            let mut check = |seed| known.check(&key(1), "gw-1", "Acme / Berlin", &key(seed));

            assert!(check(9).is_err(), "{typed}");
            assert_eq!(check(2), Ok(Met::Bound), "{typed}");
            assert_eq!(check(2), Ok(Met::Known), "{typed}");
            let elsewhere = known.check(&key(1), "gw-2", "Acme / Paris", &key(3));
            assert!(matches!(elsewhere, Ok(Met::First(_))));
        }
    }

    fn trusted(known: &mut Known, site: &str, seed: u8) {
        known.trust(Entry {
            provider: key(1).fingerprint(),
            gateway: NOT_MET.into(),
            fingerprint: key(seed).fingerprint(),
            site: site.into(),
        });
    }

    #[test]
    fn what_was_trusted_beforehand_can_be_put_right() {
        let provider = key(1).fingerprint();
        for first in ["acme/berlin", "berlin"] {
            let mut known = Known::default();
            trusted(&mut known, first, 9);
            assert!(
                known
                    .check(&key(1), "gw-1", "Acme / Berlin", &key(2))
                    .is_err()
            );

            // As the refusal says.
            trusted(&mut known, "acme/berlin", 2);

            let mut again = Known::parse(&known.text()).unwrap();
            let met = again.check(&key(1), "gw-1", "Acme / Berlin", &key(2));
            assert_eq!(met, Ok(Met::Bound), "{first}");
            assert_eq!(again.named(&provider, "acme/berlin").len(), 1);
        }
    }

    #[test]
    fn a_short_name_stays_for_the_site_that_it_was_meant_for() {
        let mut known = Known::default();
        trusted(&mut known, "berlin", 2);

        // Another customer's Berlin.
        assert!(
            known
                .check(&key(1), "gw-9", "Best / Berlin", &key(9))
                .is_err()
        );
        trusted(&mut known, "best/berlin", 9);
        let other = known.check(&key(1), "gw-9", "Best / Berlin", &key(9));
        let ours = known.check(&key(1), "gw-1", "Acme / Berlin", &key(2));

        assert_eq!((other, ours), (Ok(Met::Bound), Ok(Met::Bound)));
        let provider = key(1).fingerprint();
        assert_eq!(known.named(&provider, "berlin").len(), 2);
    }

    #[test]
    fn two_providers_do_not_mix() {
        let mut known = Known::default();
        known.check(&key(1), "gw-1", "s", &key(2)).unwrap();

        let other = known.check(&key(8), "gw-1", "s", &key(3));

        assert_eq!(other, Ok(Met::First(key(3).fingerprint())));
    }

    #[test]
    fn known_gateways_stay_known_when_the_provider_changes_its_key() {
        let mut known = Known::default();
        known.check(&key(1), "gw-1", "s", &key(2)).unwrap();

        known.follow(&key(1), &key(8));

        assert_eq!(known.check(&key(8), "gw-1", "s", &key(2)), Ok(Met::Known));
        assert!(known.check(&key(8), "gw-1", "s", &key(3)).is_err());
    }

    #[test]
    fn names_with_blanks_and_newlines_cannot_forge_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let mut known = Known::default();
        let forged = format!("x\n{} gw-2", key(1).fingerprint());

        known.check(&key(1), &forged, &forged, &key(2)).unwrap();
        known.save(&home).unwrap();

        let mut read = Known::load(&home).unwrap();
        assert_eq!(read.entries.len(), 1);
        assert_eq!(read.check(&key(1), &forged, "s", &key(2)), Ok(Met::Known));
    }

    #[test]
    fn a_damaged_list_is_an_error_and_not_a_first_meeting() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        for bad in ["nonsense", "a b c", "\u{1b}[0m"] {
            home.write(FILE, bad).unwrap();
            assert!(matches!(Known::load(&home), Err(HomeError::Damaged { .. })));
        }
    }
}
