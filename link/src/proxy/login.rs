//! A proxy's sign-in: Digest (RFC 7616) where offered, else Basic (RFC 7617).
//!
//! Pure but for Digest's own nonce. Driven by [`super::ask`].

use std::borrow::Cow;

use data_encoding::BASE64;
use digest_auth::{AuthContext, HttpMethod};

use super::TunnelError;

/// Longest name of a kind of sign-in that is repeated to people.
const MAX_KIND: usize = 24;
/// Kinds that are repeated to people.
const MAX_KINDS: usize = 8;

/// The header for the next attempt.
///
/// # Errors
/// [`TunnelError::Login`] without a sign-in of a known kind, or when `before`
/// was already refused.
pub(super) fn answer(
    challenges: &[&str],
    login: Option<&(String, String)>,
    target: &str,
    before: Option<&str>,
) -> Result<String, TunnelError> {
    let refuse = |tried| {
        // A proxy may say anything: words of the protocol, and a few of them.
        let known = |kind: &&str| {
            let token = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !kind.is_empty() && kind.len() <= MAX_KIND && kind.chars().all(token)
        };
        let kinds = challenges.iter().map(|challenge| kind(challenge));
        let kinds: Vec<&str> = kinds.filter(known).take(MAX_KINDS).collect();
        let offered = match kinds.is_empty() {
            true => "it does not say which".to_owned(),
            false => kinds.join(", "),
        };
        Err(TunnelError::Login { offered, tried })
    };
    let Some((user, password)) = login else {
        return refuse(false);
    };
    let stale = |challenge: &&&str| {
        let lower = challenge.to_ascii_lowercase().replace([' ', '"'], "");
        lower.contains("stale=true")
    };
    let find = |wanted: &str| {
        challenges
            .iter()
            .find(|c| kind(c).eq_ignore_ascii_case(wanted))
    };
    if let Some(challenge) = find("digest") {
        if before.is_some() && !stale(&challenge) {
            return refuse(true);
        }
        if let Some(header) = digest(challenge, user, password, target) {
            return Ok(header);
        }
    }
    match find("basic") {
        Some(_) if before.is_none() => {
            let pair = format!("{user}:{password}");
            Ok(format!("Basic {}", BASE64.encode(pair.as_bytes())))
        }
        Some(_) | None => refuse(before.is_some()),
    }
}

fn kind(challenge: &str) -> &str {
    challenge.split_whitespace().next().unwrap_or_default()
}

fn digest(challenge: &str, user: &str, password: &str, target: &str) -> Option<String> {
    // `digest_auth` slices text by bytes: it panics on anything but ASCII.
    if !challenge.is_ascii() {
        return None;
    }
    let method = HttpMethod(Cow::Borrowed("CONNECT"));
    let context = AuthContext::new_with_method(user, password, target, None::<&[u8]>, method);
    let mut prompt = digest_auth::parse(challenge).ok()?;
    let header = prompt.respond(&context).ok()?.to_header_string();
    (!header.contains(['\r', '\n'])).then_some(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = r#"Digest realm="lan", nonce="abc", qop="auth", algorithm=MD5"#;

    fn login() -> (String, String) {
        ("Aladdin".into(), "open sesame".into())
    }

    #[test]
    fn basic_is_answered_as_in_the_rfc() {
        let header = answer(&["Basic realm=x"], Some(&login()), "prs:443", None).unwrap();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn digest_is_preferred_so_that_the_password_stays_here() {
        let header = answer(&["Basic realm=x", DIGEST], Some(&login()), "prs:443", None).unwrap();
        assert!(
            header.starts_with("Digest ") && header.contains("uri=\"prs:443\""),
            "{header}"
        );
        assert!(!header.contains("sesame"));
    }

    #[test]
    fn a_refused_or_missing_sign_in_names_what_is_offered() {
        for (challenges, login, before, tried, offered) in [
            (
                &["NTLM", "Negotiate"][..],
                Some(login()),
                None,
                false,
                "NTLM, Negotiate",
            ),
            (&["Basic realm=x"], None, None, false, "Basic"),
            (
                &["Basic realm=x"],
                Some(login()),
                Some("Basic x"),
                true,
                "Basic",
            ),
            (&[DIGEST], Some(login()), Some("Digest x"), true, "Digest"),
            (&[], Some(login()), None, false, "it does not say which"),
        ] {
            let got = answer(challenges, login.as_ref(), "prs:443", before);
            let Err(TunnelError::Login {
                offered: o,
                tried: t,
            }) = got
            else {
                panic!("{challenges:?}");
            };
            assert_eq!((o.as_str(), t), (offered, tried));
        }
    }

    #[test]
    fn a_stale_nonce_is_answered_once_more() {
        let stale = format!("{DIGEST}, stale=TRUE");
        assert!(answer(&[&stale], Some(&login()), "prs:443", Some("Digest x")).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_challenges_give_no_panic(text in "\\PC{0,120}", tail in "[ -~]{0,80}") {
            let _ = answer(&[&text], Some(&login()), "prs:443", None);
            let _ = answer(&[&format!("Digest {tail}")], Some(&login()), "prs:443", None);
            let _ = answer(&[&format!("Digest {text}")], Some(&login()), "prs:443", None);
            let named = format!("Digest realm=\"{tail}\", nonce=\"{tail}\", qop=\"auth\"{tail}");
            let _ = answer(&[&named], Some(&login()), "prs:443", None);
        }
    }
}
