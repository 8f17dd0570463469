//! A host's key is a question: new, changed, of old algorithms; what is
//! answered is pinned and told.

use culvert_wire::UnixMs;
use culvert_wire::frame::HostKeyEvent;
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{FromPage, KeyState, PromptKind, ToPage, Verdict};

use super::{PASSWORDS, host_key_event, session, ssh, ssh_site};
use crate::net::{HOST, Net};
use crate::person::{Person, start};
use crate::program::{Gateway, Technician};
use crate::prs::Prs;
use crate::sshd::Sshd;

/// A site whose SSH server somebody signed in to, and which was installed anew since.
struct Reinstalled {
    prs: Prs,
    gateway: Gateway,
    technician: Technician,
    sshd: Sshd,
    /// Fingerprint of the key it had.
    old: String,
}

impl Reinstalled {
    async fn new(net: &Net) -> Self {
        let (prs, gateway, sshd) = ssh_site(net, "ed25519", PASSWORDS).await;
        let old = sshd.fingerprint();
        let (_, technician) = session(&prs, &gateway).await;
        Person::begin(&technician, start()).await.sign_in().await;
        let sshd = sshd.reinstalled(net, PASSWORDS).await;
        Self {
            prs,
            gateway,
            technician,
            sshd,
            old,
        }
    }
}

/// A changed key is a blocking question, told to the server; refused for good
/// it cannot be accepted any more.
#[test]
fn a_changed_host_key_is_asked_about_and_told() {
    let net = Net::new();
    net.run(async {
        let Reinstalled {
            prs,
            mut gateway,
            technician,
            sshd,
            old,
        } = Reinstalled::new(&net).await;

        for (verdict, state) in [
            (Verdict::Refuse, KeyState::Changed),
            (Verdict::Remember, KeyState::Changed),
        ] {
            let mut person = Person::begin(&technician, start()).await;
            let question = person.question().await;
            assert_eq!(question.state, state);
            assert_eq!(question.fingerprint, sshd.fingerprint());
            assert_eq!(question.old_fingerprint.as_deref(), Some(&old[..]));
            assert!(question.since.is_some());
            person.judge(&question, verdict).await;
            match verdict {
                Verdict::Refuse | Verdict::Never => {
                    assert_eq!(person.refused().await, Reason::HostKeyRefused);
                }
                Verdict::Once | Verdict::Remember => drop(person.sign_in().await),
            }
        }

        let seen = host_key_event(&prs, HostKeyEvent::ChangeSeen).await;
        assert_eq!(seen, (sshd.fingerprint(), Some(old.clone())));
        let replaced = host_key_event(&prs, HostKeyEvent::Replaced).await;
        assert_eq!(replaced, (sshd.fingerprint(), Some(old)));
        // The new key is pinned now: no question, and after a restart neither.
        gateway.stop();
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        assert_eq!(person.prompt().await.kind, PromptKind::Password);
    });
}

/// A colleague pins another key while a question stands open: the answer counts for
/// nothing, the question is the blocking one, and what is told is what was done.
#[test]
fn a_key_pinned_meanwhile_is_not_replaced_by_an_answer_to_an_older_question() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut asked = Vec::new();
        for _ in 0..2 {
            let mut person = Person::begin(&technician, start()).await;
            let question = person.question().await;
            assert_eq!(question.state, KeyState::New);
            asked.push((person, question));
        }
        let pins = culvert_gateway::pins::Pins::of(&gateway.data());
        let theirs = "SHA256:theirs";
        let pinned = pins.accept(&ssh(), "ssh-ed25519", theirs, None, UnixMs(7));
        assert_eq!(pinned.unwrap(), None);

        for verdict in [Verdict::Once, Verdict::Remember] {
            let (mut person, question) = asked.remove(0);
            person.judge(&question, verdict).await;
            let question = person.question().await;
            assert_eq!(question.state, KeyState::Changed);
            assert_eq!(question.fingerprint, sshd.fingerprint());
            assert_eq!(question.old_fingerprint.as_deref(), Some(theirs));
            assert_eq!(question.since, Some(UnixMs(7)));
            let key = pins.read(&ssh()).unwrap().key.unwrap();
            assert_eq!(key.fingerprint, theirs);
            let event = if verdict == Verdict::Once {
                person.judge(&question, Verdict::Refuse).await;
                assert_eq!(person.refused().await, Reason::HostKeyRefused);
                HostKeyEvent::Refused
            } else {
                person.judge(&question, Verdict::Remember).await;
                person.sign_in().await;
                HostKeyEvent::Replaced
            };
            let told = (sshd.fingerprint(), Some(theirs.to_owned()));
            assert_eq!(host_key_event(&prs, HostKeyEvent::ChangeSeen).await, told);
            assert_eq!(host_key_event(&prs, event).await, told);
        }
    });
}

/// What one technician refuses for good no other can accept, also not one who
/// is being asked at the same time; told to the server with the key.
#[test]
fn a_key_refused_for_good_is_refused_to_everybody_until_the_box_forgets_it() {
    let net = Net::new();
    net.run(async {
        let Reinstalled {
            prs,
            mut gateway,
            technician,
            sshd,
            old,
        } = Reinstalled::new(&net).await;
        let mut asked = Vec::new();
        for _ in 0..2 {
            let mut person = Person::begin(&technician, start()).await;
            let question = person.question().await;
            asked.push((person, question));
        }

        for verdict in [Verdict::Never, Verdict::Remember] {
            let (mut person, question) = asked.remove(0);
            person.judge(&question, verdict).await;
            assert_eq!(person.refused().await, Reason::HostKeyRefused);
        }
        let revoked = host_key_event(&prs, HostKeyEvent::Revoked).await;
        assert_eq!(revoked, (sshd.fingerprint(), Some(old.clone())));
        // After a restart, too, and nothing but the box itself lifts it.
        gateway.stop();
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let question = person.question().await;
        assert_eq!(question.state, KeyState::Revoked);
        assert_eq!(question.old_fingerprint, Some(old));
        person.judge(&question, Verdict::Once).await;
        person.refused().await;
        host_key_event(&prs, HostKeyEvent::RevokedSeen).await;
        let pins = culvert_gateway::pins::Pins::of(&gateway.data());
        assert!(pins.forget(&format!("{HOST} 22")).unwrap());
        let mut person = Person::begin(&technician, start()).await;
        let question = person.question().await;
        assert_eq!(question.state, KeyState::New);
    });
}

/// Old devices: only after a question, and then as before.
#[test]
fn old_algorithms_are_used_only_when_somebody_says_so() {
    let net = Net::new();
    net.run(async {
        let old = "KexAlgorithms diffie-hellman-group14-sha1\nHostKeyAlgorithms ssh-rsa\n\
                   Ciphers aes128-cbc\nMACs hmac-sha1";
        let (prs, gateway, _sshd) = ssh_site(&net, "rsa", &format!("{PASSWORDS}\n{old}")).await;
        let (_, technician) = session(&prs, &gateway).await;
        for verdict in [Verdict::Refuse, Verdict::Remember] {
            let mut person = Person::begin(&technician, start()).await;
            let ToPage::Legacy(text) = person.next().await else {
                panic!("no question");
            };
            assert!(text.contains("group14-sha1"), "{text}");
            person.say(FromPage::Legacy(verdict)).await;
            if verdict == Verdict::Refuse {
                person.refused().await;
            } else {
                person.sign_in().await;
            }
        }
        // Remembered for this host.
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        person.type_line("echo old-$((1 + 1))").await;
        person.until("old-2").await;
    });
}
