//! Stored credentials open for exactly what they were sealed for.

use culvert_gateway::identity::Identity;
use culvert_wire::Encode as _;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{CustomerId, HostId};
use culvert_wire::reason::Reason;
use culvert_wire::sealed::{Contents, Purpose};
use culvert_wire::secret::Secret;
use culvert_wire::terminal::{Credential, PromptKind, Start, ToPage, Verdict};

use super::{QUESTIONS, refusal, session, ssh, ssh_site};
use crate::net::Net;
use crate::person::{Person, start};
use crate::program::Gateway;
use crate::sshd::{ACCOUNT, PASSWORD};

fn sealed(gateway: &Gateway, change: impl FnOnce(&mut Purpose)) -> Credential {
    let password = Contents::Password(Secret::new(PASSWORD.as_bytes()));
    stored(gateway, &password, change)
}

fn stored(gateway: &Gateway, contents: &Contents, change: impl FnOnce(&mut Purpose)) -> Credential {
    let identity = Identity::load_or_make(&gateway.data()).unwrap();
    let mut purpose = Purpose {
        gateway: gateway.key(),
        customer: CustomerId::from_random([1; 16]),
        host: HostId::from_random([2; 16]),
        target: ssh(),
        account: ACCOUNT.into(),
    };
    change(&mut purpose);
    let key = identity.sealing_public();
    let sealed = culvert_session::sealed::seal(&purpose, contents, &key, rand::random()).unwrap();
    Credential::Sealed(sealed.to_bytes())
}

/// Threats 10 and 26: used for exactly its target, account and gateway, and
/// only with the pinned host; never logged.
#[test]
fn a_stored_credential_is_used_for_its_own_host_only() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", QUESTIONS).await;
        let stored = || Start {
            account: None,
            credential: sealed(&gateway, |_| {}),
            ..start()
        };

        // The first time: the host is not known, so the technician is asked.
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, stored()).await;
        assert!(matches!(person.next().await, ToPage::Notice(_)));
        let question = person.question().await;
        person.judge(&question, Verdict::Remember).await;
        let prompt = person.prompt().await;
        person.answer(&prompt, &[PASSWORD]).await;
        person.sign_in().await;

        // From then on: straight to the shell, by password or by question.
        let mut person = Person::begin(&technician, stored()).await;
        let first = person.next().await;
        assert!(matches!(first, ToPage::Ready(_)), "{first:?}");

        // Moved to anything else it does not open.
        let moved: [fn(&mut Purpose); 5] = [
            |purpose| purpose.target.port = 2222,
            |purpose| purpose.target.address = "192.168.77.20".parse().unwrap(),
            |purpose| purpose.target.protocol = Protocol::Telnet,
            |purpose| purpose.gateway = crate::prs::key(66).public(),
            |purpose| purpose.account = "root".into(),
        ];
        for change in moved {
            let mut credential = sealed(&gateway, change);
            if let Credential::Sealed(bytes) = &mut credential {
                // Whoever stores it may claim another account.
                let old: &[u8] = b"\x00\x04root";
                if let Some(at) = bytes.windows(old.len()).position(|part| part == old) {
                    let name = [&b"\x00\x08"[..], ACCOUNT.as_bytes()].concat();
                    *bytes = [&bytes[..at], &name, &bytes[at + old.len()..]]
                        .concat()
                        .into();
                }
            }
            let moved = Start {
                credential,
                ..start()
            };
            let reason = refusal(&prs, &gateway, moved).await;
            assert_eq!(reason, Reason::CredentialRefused);
        }

        // Another machine at that address gets nothing of it.
        let sshd = sshd.reinstalled(&net, QUESTIONS).await;
        let mut person = Person::begin(&technician, stored()).await;
        let question = person.question().await;
        person.judge(&question, Verdict::Once).await;
        assert_eq!(person.prompt().await.kind, PromptKind::Interactive);
        assert!(!gateway.log().contains(PASSWORD));
        assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
    });
}

/// Threat 26: a key that is kept opens its host with the passphrase kept beside
/// it, or asks for that alone; it is never logged.
#[test]
fn a_stored_key_signs_in_and_a_locked_one_asks_for_its_passphrase() {
    let net = Net::new();
    net.run(async {
        let keys_only = "PasswordAuthentication no\nKbdInteractiveAuthentication no";
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", keys_only).await;
        let (_, technician) = session(&prs, &gateway).await;
        let phrase = "an open sésame";
        let locked = sshd.user_key("ed25519", phrase);
        let open = sshd.user_key("rsa", "");
        let kept = |key: &str, passphrase: &str| Start {
            account: None,
            credential: stored(
                &gateway,
                &Contents::PrivateKey {
                    key: Secret::new(key.as_bytes()),
                    passphrase: Secret::new(passphrase.as_bytes()),
                },
                |_| {},
            ),
            ..start()
        };
        // The host is seen for the first time: by hand.
        let mut person = Person::begin(&technician, start()).await;
        let question = person.question().await;
        person.judge(&question, Verdict::Remember).await;
        let prompt = person.prompt().await;
        assert_eq!(prompt.kind, PromptKind::Key);
        person.key(&prompt, &locked, phrase).await;
        assert!(matches!(person.next().await, ToPage::Ready(_)));

        for (key, passphrase) in [(&locked, phrase), (&open, "")] {
            let mut person = Person::begin(&technician, kept(key, passphrase)).await;
            let first = person.next().await;
            assert!(matches!(first, ToPage::Ready(_)), "{first:?}");
        }
        let mut person = Person::begin(&technician, kept(&locked, "")).await;
        let prompt = person.prompt().await;
        assert_eq!(prompt.kind, PromptKind::Passphrase);
        person.answer(&prompt, &[phrase]).await;
        assert!(matches!(person.next().await, ToPage::Ready(_)));

        // A wrong one is said, and the technician may use another.
        let mut person = Person::begin(&technician, kept(&locked, "wrong")).await;
        assert!(matches!(person.next().await, ToPage::Notice(_)));
        assert!(matches!(person.next().await, ToPage::Notice(_)));
        assert_eq!(person.prompt().await.kind, PromptKind::Key);
        let line = locked.lines().nth(1).unwrap();
        assert!(!gateway.log().contains(line) && !gateway.log().contains(phrase));
        assert_eq!(sshd.log().matches("Accepted publickey").count(), 4);
    });
}
