//! Sealing a host's credential in the browser: only one gateway opens it, for
//! one account on one target (`culvert_session::sealed`).
//!
//! Judges first that the sealing key was signed by the gateway's identity,
//! which the portal shows and sessions prove. Never keeps a secret. Driven by
//! the module `web`; random bytes are an argument.

use culvert_session::sealed::{self, SealError};
use culvert_wire::Encode as _;
use culvert_wire::grant::{HostAddress, Protocol, Target};
use culvert_wire::key::{BadSignature, Context, KEY_LEN, PublicKey, SIGNATURE_LEN, Signature};
use culvert_wire::sealed::{Contents, Purpose};
use culvert_wire::secret::Secret;
use data_encoding::BASE32_NOPAD;

/// What the page says, as texts of the API.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The gateway's identity key.
    pub gateway_key: &'a str,
    /// Its X25519 key, base32.
    pub sealing_key: &'a str,
    /// The identity's signature over it, base32.
    pub signature: &'a str,
    /// Whose host.
    pub customer: &'a str,
    /// Which host.
    pub host: &'a str,
    /// Where it is.
    pub address: &'a str,
    /// Its port.
    pub port: u16,
    /// What is spoken.
    pub protocol: &'a str,
    /// The account there.
    pub account: &'a str,
}

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// A text is none of its kind.
    #[error("the {0} cannot be read: reload the page")]
    Text(&'static str),
    /// Somebody else's sealing key.
    #[error(
        "the gateway has not signed its sealing key: do not enter the secret, and tell your administrator"
    )]
    Signature(#[from] BadSignature),
    /// What was entered cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Seals with a seed that the caller drew at random for this call alone.
///
/// # Errors
/// [`AskError`].
pub fn seal(ask: &Ask<'_>, contents: &Contents, seed: [u8; 32]) -> Result<Vec<u8>, AskError> {
    let gateway: PublicKey = read("gateway's key", ask.gateway_key)?;
    let sealing: [u8; KEY_LEN] = bytes("sealing key", ask.sealing_key)?;
    let signature: [u8; SIGNATURE_LEN] = bytes("signature", ask.signature)?;
    gateway.verify(Context::SealingKey, &sealing, &Signature(signature))?;
    let target = Target {
        address: read::<HostAddress>("address", ask.address)?,
        port: ask.port,
        protocol: read::<Protocol>("protocol", ask.protocol)?,
    };
    let purpose = Purpose {
        gateway,
        customer: read("customer", ask.customer)?,
        host: read("host", ask.host)?,
        target,
        account: ask.account.to_owned(),
    };
    let sealed = sealed::seal(&purpose, contents, &sealing, seed)?;
    Ok(sealed.to_bytes().to_vec())
}

/// What the page has asked the person for.
pub fn contents(kind: &str, secret: &[u8], passphrase: &[u8]) -> Result<Contents, AskError> {
    match kind {
        "password" => Ok(Contents::Password(Secret::new(secret))),
        "private_key" => Ok(Contents::PrivateKey {
            key: Secret::new(secret),
            passphrase: Secret::new(passphrase),
        }),
        _ => Err(AskError::Text("kind of secret")),
    }
}

fn read<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, AskError> {
    text.parse().map_err(|_| AskError::Text(what))
}

fn bytes<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], AskError> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
    let bytes = bytes.map_err(|_| AskError::Text(what))?;
    bytes.try_into().map_err(|_| AskError::Text(what))
}

#[cfg(test)]
mod tests {
    use culvert_wire::Decode as _;
    use culvert_wire::id::{CustomerId, HostId};
    use culvert_wire::key::SigningKey;
    use culvert_wire::sealed::Sealed;

    use super::*;

    /// RFC 7748 §6.1, Bob's key pair, as the server writes keys.
    const SECRET: &str = "lwvqq7tcjkfew6pbp6fyhaao4zxtxmjjeymln7i4f6fsp74i4dvq";
    const PUBLIC: &str = "32pnw7l3pxa3ju23mhbozzbvg47ygq6iln4gotnn7r7bi34ifnhq";

    struct Texts {
        gateway: String,
        signature: String,
        customer: String,
        host: String,
    }

    fn texts(signer: u8) -> Texts {
        let key = |seed| SigningKey::from_seed(&[seed; 32]);
        let sealing: [u8; KEY_LEN] = bytes("key", PUBLIC).unwrap();
        let signature = key(signer).sign(Context::SealingKey, &sealing);
        Texts {
            gateway: key(1).public().to_string(),
            signature: BASE32_NOPAD.encode(&signature.0).to_ascii_lowercase(),
            customer: CustomerId::from_random([2; 16]).to_string(),
            host: HostId::from_random([3; 16]).to_string(),
        }
    }

    fn ask(texts: &Texts) -> Ask<'_> {
        Ask {
            gateway_key: &texts.gateway,
            sealing_key: PUBLIC,
            signature: &texts.signature,
            customer: &texts.customer,
            host: &texts.host,
            address: "192.168.7.1",
            port: 22,
            protocol: "ssh",
            account: "root",
        }
    }

    /// Sealed in the browser, opened by the gateway for that target alone.
    #[test]
    fn what_a_browser_seals_only_its_gateway_opens_and_for_its_target_only() {
        let texts = texts(1);
        let password = contents("password", b"open sesame", b"").unwrap();

        let sealed = seal(&ask(&texts), &password, [9; 32]).unwrap();

        let sealed = Sealed::from_bytes(&sealed).unwrap();
        let gateway = texts.gateway.parse().unwrap();
        let secret = bytes("secret", SECRET).unwrap();
        let target = |port| Target {
            address: "192.168.7.1".parse().unwrap(),
            port,
            protocol: Protocol::Ssh,
        };
        assert_eq!(sealed.account(), "root");
        assert_eq!(
            sealed::open(&sealed, gateway, &target(22), &secret).unwrap(),
            password
        );
        assert!(sealed::open(&sealed, gateway, &target(23), &secret).is_err());
    }

    #[test]
    fn a_sealing_key_that_the_gateway_has_not_signed_gets_nothing() {
        let texts = texts(5);
        let password = contents("password", b"open sesame", b"").unwrap();

        let refused = seal(&ask(&texts), &password, [9; 32]).unwrap_err();

        assert!(matches!(refused, AskError::Signature(_)), "{refused}");
    }

    #[test]
    fn texts_that_are_none_are_refused_by_name() {
        let texts = texts(1);
        let password = contents("password", b"x", b"").unwrap();
        let bad = Ask {
            host: "nonsense",
            ..ask(&texts)
        };
        let refused = seal(&bad, &password, [9; 32]).unwrap_err();
        assert!(refused.to_string().contains("host"), "{refused}");
        assert!(contents("smoke signal", b"", b"").is_err());
    }
}
