//! The issuer's name in a certificate, for the sentence about an interceptor.
//!
//! Reads just enough DER (RFC 5280 §4.1) to find the organisation and common
//! name of the issuer; anything unexpected gives no name. Pure.

/// `Organisation / Common Name` of a certificate's issuer, as far as given.
pub fn issuer_of(certificate: &[u8]) -> Option<String> {
    let (_, body, _) = element(certificate)?;
    let (_, tbs, _) = element(body)?;
    // version [0] (optional), serial number, signature algorithm, issuer.
    let (tag, _, after) = element(tbs)?;
    let rest = if tag == 0xa0 {
        element(after)?.2
    } else {
        after
    };
    let (_, _, rest) = element(rest)?;
    let (_, name, _) = element(rest)?;
    let parts: Vec<String> = [ORGANISATION, COMMON_NAME]
        .iter()
        .filter_map(|wanted| attribute(name, wanted))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" / "))
}

/// 2.5.4.10 and 2.5.4.3.
const ORGANISATION: [u8; 3] = [0x55, 4, 10];
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
/// Longest part shown.
const LONGEST: usize = 64;

fn attribute(name: &[u8], wanted: &[u8; 3]) -> Option<String> {
    let mut sets = name;
    while let Some((_, set, after)) = element(sets) {
        sets = after;
        let Some((_, pair, _)) = element(set) else {
            continue;
        };
        let Some((_, kind, value)) = element(pair) else {
            continue;
        };
        if kind == wanted {
            let (_, text, _) = element(value)?;
            let clean: String = String::from_utf8_lossy(text)
                .chars()
                .filter(|c| !c.is_control())
                .take(LONGEST)
                .collect();
            return Some(clean);
        }
    }
    None
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else {
        return None;
    };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let wide = usize::from(first & 0x7f);
            let (digits, rest) = rest.split_at_checked(wide)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    #[test]
    fn the_issuer_of_an_interceptors_certificate_is_named() {
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(DnType::OrganizationName, "Fortress Ltd");
        ca.distinguished_name
            .push(DnType::CommonName, "Inspection CA");
        let ca_key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let leaf = CertificateParams::new(vec!["prs.example.com".into()]).unwrap();
        let leaf = leaf
            .signed_by(&KeyPair::generate().unwrap(), &issuer)
            .unwrap();

        assert_eq!(
            issuer_of(leaf.der()).as_deref(),
            Some("Fortress Ltd / Inspection CA")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = issuer_of(&bytes);
        }
    }
}
