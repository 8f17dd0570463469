//! `culvert trust`.

use crate::account::Account;
use crate::cli::Trust;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::known::{Entry, Known, NOT_MET};
use crate::text::{note, plain};

/// Takes a person's word for a gateway's key, met already or not.
pub(super) fn trust(home: &Home, trust: Trust) -> Result<(), Failure> {
    let account = Account::load(home)?.ok_or(Failure::NoAccount)?;
    let provider = account.provider.fingerprint();
    let mut known = Known::load(home)?;
    let named: Vec<Entry> = known
        .named(&provider, &trust.site)
        .into_iter()
        .cloned()
        .collect();
    let entry = match named.as_slice() {
        [] => Entry {
            provider,
            gateway: NOT_MET.into(),
            fingerprint: trust.fingerprint,
            site: trust.site.clone(),
        },
        [one] => Entry {
            fingerprint: trust.fingerprint,
            ..one.clone()
        },
        several => {
            let sites: String = several
                .iter()
                .map(|entry| format!("\n  {}", plain(&entry.site)))
                .collect();
            let text = format!("several sites are called so; say which one:{sites}");
            return Err(Failure::Person(text, Exit::NotFound));
        }
    };
    let (site, met) = (plain(&entry.site), entry.gateway != NOT_MET);
    let changed = known.trust(entry);
    known.save(home)?;
    note(&match (met, changed) {
        (true, true) => format!("the gateway of {site} is trusted with its new key"),
        (true, false) => format!("the gateway of {site} had this key already"),
        (false, _) => {
            format!("the gateway of {site} has to show this key from its first session on")
        }
    });
    Ok(())
}
