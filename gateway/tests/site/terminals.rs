//! Terminals on real OpenSSH: S19, S23 (who did what), issue's host keys,
//! stored credentials, resumption; P22 (one bad host).

use culvert_gateway::identity::Identity;
use culvert_wire::Encode as _;
use culvert_wire::frame::{Frame, HostKeyEvent};
use culvert_wire::grant::{Grant, Protocol, Rights, Target};
use culvert_wire::id::{CustomerId, HostId, UserId};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use culvert_wire::sealed::{Contents, Purpose};
use culvert_wire::secret::Secret;
use culvert_wire::stream::{Answer, Service};
use culvert_wire::terminal::{
    Credential, Exit, FromPage, KeyState, PromptKind, Size, Start, ToPage, Verdict,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;

use crate::host::Host;
use crate::net::{HOST, Net, OTHER};
use crate::person::{Person, start};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::{Prs, TECHNICIAN, target};
use crate::sshd::{ACCOUNT, PASSWORD, Sshd};

const PASSWORDS: &str = "PasswordAuthentication yes\nKbdInteractiveAuthentication no";
const QUESTIONS: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication yes";

fn ssh() -> Target {
    Target {
        protocol: Protocol::Ssh,
        ..target(HOST, 22)
    }
}

/// A new session on the host.
async fn session(prs: &Prs, gateway: &Gateway) -> (Grant, Technician) {
    // A grant of the very millisecond of the hello would be older than it.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let grant = prs.grant(gateway.key(), vec![ssh()]);
    assert_eq!(prs.invite(grant.clone()).await.refused, None);
    let technician = Technician::join(&grant).await;
    (grant, technician)
}

/// A terminal for somebody else's answers.
async fn refusal(prs: &Prs, gateway: &Gateway, start: Start) -> (Reason, String) {
    let (_, technician) = session(prs, gateway).await;
    let mut person = Person::begin(&technician, start).await;
    loop {
        match person.next().await {
            ToPage::Refused { reason, text } => return (reason, text),
            ToPage::Notice(_) => {}
            other => panic!("not refused: {other:?}"),
        }
    }
}

async fn host_key_event(prs: &Prs, event: HostKeyEvent) -> (String, Option<String>) {
    prs.hear(|frame| match frame {
        Frame::HostKey(told) if told.event == event => {
            assert_eq!(told.target, ssh());
            Some((told.fingerprint.clone(), told.old.clone()))
        }
        _ => None,
    })
    .await
}

#[test]
fn a_shell_is_typed_in_and_read_and_its_exit_is_told() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(
            &net,
            "ed25519",
            &format!("{PASSWORDS}\nBanner /etc/hostname"),
        )
        .await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (grant, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;

        // The key is shown before anything else, as OpenSSH itself shows it.
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
        assert_eq!(question.state, KeyState::New);
        assert_eq!(question.fingerprint, sshd.fingerprint());
        person.judge(&question, Verdict::Remember).await;
        let ready = person.sign_in().await;
        assert_eq!(
            (ready.account.as_str(), ready.fingerprint),
            (ACCOUNT, sshd.fingerprint())
        );
        person
            .type_line("stty size; echo $TERM $LANG; printf '\\303\\244\\n'")
            .await;
        person.until("37 101").await;
        person.until("xterm-256color C.UTF-8").await;
        person.until("ä").await;
        let size = Size {
            columns: 90,
            rows: 20,
        };
        person.say(FromPage::Resize(size)).await;
        person.type_line("stty size").await;
        person.until("20 90").await;
        person.type_line("exit 7").await;

        assert_eq!(person.exit().await, Exit::Status(7));
        assert_eq!(person.maybe_next().await, None);
        let (fingerprint, _) = host_key_event(&prs, HostKeyEvent::Pinned).await;
        assert_eq!(fingerprint, sshd.fingerprint());
        technician.session.close(Reason::ClosedByTechnician, "");
        let ended = crate::ends::ended(&prs, &grant).await;
        assert!(ended.from_hosts > 50 && ended.to_hosts > 50, "{ended:?}");
    });
}

/// Every way of OpenSSH to be convinced.
#[test]
fn passwords_questions_and_keys_are_accepted() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ecdsa", QUESTIONS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        person.type_line("echo by-$((40 + 2))").await;
        person.until("by-42").await;

        // A wrong answer is asked again; then a key in its place.
        for (kind, passphrase) in [("ed25519", ""), ("rsa", "öffne"), ("ecdsa", "")] {
            let key = sshd.user_key(kind, passphrase);
            let mut person = Person::begin(&technician, start()).await;
            let prompt = person.prompt().await;
            assert_eq!(prompt.kind, PromptKind::Interactive);
            assert!(!prompt.questions[0].echo);
            person.answer(&prompt, &["wrong"]).await;
            let again = person.prompt().await;
            person.key(&again, &key, "").await;
            if !passphrase.is_empty() {
                let prompt = person.prompt().await;
                assert_eq!(prompt.kind, PromptKind::Passphrase);
                person.answer(&prompt, &[passphrase]).await;
            }
            person.sign_in().await;
            person.type_line("echo by-$((40 + 3))").await;
            person.until("by-43").await;
        }
    });
}

#[test]
fn an_account_is_asked_for_and_a_wrong_password_stays_wrong() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let _sshd = Sshd::start(&net, "rsa", &format!("{PASSWORDS}\nMaxAuthTries 3")).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let account = None;
        let mut person = Person::begin(&technician, Start { account, ..start() }).await;
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
        person.judge(&question, Verdict::Once).await;
        let prompt = person.prompt().await;
        assert_eq!(prompt.kind, PromptKind::Account);
        person.answer(&prompt, &["nobody-here"]).await;
        let end = loop {
            match person.next().await {
                ToPage::Prompt(prompt) => person.answer(&prompt, &[PASSWORD]).await,
                other => break other,
            }
        };

        let ToPage::Refused { reason, .. } = end else {
            panic!("not refused: {end:?}");
        };
        assert_eq!(reason, Reason::HostSignIn);
        // Accepted once means asked again.
        let mut person = Person::begin(&technician, start()).await;
        let asked = person.next().await;
        assert!(matches!(asked, ToPage::HostKeyQuestion(_)), "{asked:?}");
    });
}

/// A changed key is a blocking question, told to the server; refused for good
/// it cannot be accepted any more.
#[test]
fn a_changed_host_key_is_asked_about_and_told() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let old = sshd.fingerprint();
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        Person::begin(&technician, start()).await.sign_in().await;
        let sshd = sshd.reinstalled(&net, PASSWORDS).await;

        for (verdict, state) in [
            (Verdict::Refuse, KeyState::Changed),
            (Verdict::Remember, KeyState::Changed),
        ] {
            let mut person = Person::begin(&technician, start()).await;
            let ToPage::HostKeyQuestion(question) = person.next().await else {
                panic!("no question");
            };
            assert_eq!(question.state, state);
            assert_eq!(question.fingerprint, sshd.fingerprint());
            assert_eq!(question.old_fingerprint.as_deref(), Some(&old[..]));
            assert!(question.since.is_some());
            person.judge(&question, verdict).await;
            match verdict {
                Verdict::Refuse | Verdict::Never => {
                    let end = person.next().await;
                    let reason = Reason::HostKeyRefused;
                    assert!(matches!(end, ToPage::Refused { reason: got, .. } if got == reason));
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

/// What one technician refuses for good no other can accept, also not one who
/// is being asked at the same time; told to the server with the key.
#[test]
fn a_key_refused_for_good_is_refused_to_everybody_until_the_box_forgets_it() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let old = sshd.fingerprint();
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        Person::begin(&technician, start()).await.sign_in().await;
        let sshd = sshd.reinstalled(&net, PASSWORDS).await;
        let mut asked = Vec::new();
        for _ in 0..2 {
            let mut person = Person::begin(&technician, start()).await;
            let ToPage::HostKeyQuestion(question) = person.next().await else {
                panic!("no question");
            };
            asked.push((person, question));
        }

        for verdict in [Verdict::Never, Verdict::Remember] {
            let (mut person, question) = asked.remove(0);
            person.judge(&question, verdict).await;
            let end = person.next().await;
            let reason = Reason::HostKeyRefused;
            assert!(
                matches!(end, ToPage::Refused { reason: got, .. } if got == reason),
                "{end:?}"
            );
        }
        let revoked = host_key_event(&prs, HostKeyEvent::Revoked).await;
        assert_eq!(revoked, (sshd.fingerprint(), Some(old.clone())));
        // After a restart, too, and nothing but the box itself lifts it.
        gateway.stop();
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
        assert_eq!(question.state, KeyState::Revoked);
        assert_eq!(question.old_fingerprint, Some(old));
        person.judge(&question, Verdict::Once).await;
        let end = person.next().await;
        assert!(matches!(end, ToPage::Refused { .. }), "{end:?}");
        host_key_event(&prs, HostKeyEvent::RevokedSeen).await;
        let pins = culvert_gateway::pins::Pins::of(&gateway.data());
        assert!(pins.forget(&format!("{HOST} 22")).unwrap());
        let mut person = Person::begin(&technician, start()).await;
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
        assert_eq!(question.state, KeyState::New);
    });
}

/// "Narrowing a role narrows live sessions": a renewal without the right to
/// control ends what is typed into at once, and leaves the rest.
#[test]
fn a_renewal_that_takes_control_away_ends_terminals_and_streams() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (grant, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ready = person.sign_in().await;
        let (mut stream, answer) = technician.open(Service::Target(0)).await;
        assert_eq!(answer, Answer::Accepted);
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await.unwrap();
        // What is renewed as it was goes on.
        let renewal = |serial, rights| {
            let again = prs.grant(gateway.key(), vec![ssh()]);
            Grant {
                session: grant.session,
                serial,
                rights,
                technician_end: grant.technician_end,
                ..again
            }
        };
        assert_eq!(prs.invite(renewal(1, Rights::ALL)).await.refused, None);
        person.type_line("echo still-$((40 + 2))").await;
        person.until("still-42").await;

        let narrowed = std::time::Instant::now();
        assert_eq!(prs.invite(renewal(2, Rights::CONNECT)).await.refused, None);

        let Exit::Lost { reason, .. } = person.exit().await else {
            panic!("the shell ended by itself");
        };
        assert_eq!(reason, Reason::AccessRevoked);
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).await.is_err(), "{rest:?}");
        println!("ended after {:?}", narrowed.elapsed());
        eventually("the worker ends", || workers(&gateway).is_empty()).await;
        eventually("the host sees the end", || sshd.log().contains("logout")).await;
        for service in [Service::Terminal(0), Service::Target(0)] {
            let (_, answer) = technician.open(service).await;
            let reason = Reason::NotAllowed;
            assert!(
                matches!(answer, Answer::Refused { reason: got, .. } if got == reason),
                "{answer:?}"
            );
        }
        let (_, answer) = technician.open(Service::Test(0)).await;
        assert_eq!(answer, Answer::Accepted);
        // Nor does it come back by another session without the right.
        let mut viewer = prs.grant(gateway.key(), vec![ssh()]);
        viewer.rights = Rights::CONNECT;
        assert_eq!(prs.invite(viewer.clone()).await.refused, None);
        let technician = Technician::join(&viewer).await;
        let (_, answer) = technician.open(Service::Terminal(0)).await;
        assert!(
            matches!(answer, Answer::Refused { .. }),
            "{answer:?} {ready:?}"
        );
    });
}

/// P12: reload, crash, another session: nothing lost, nothing doubled.
#[test]
fn a_terminal_outlives_its_session_and_goes_on_without_loss() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let _sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ready = person.sign_in().await;
        person.type_line("stty -echo; PS1=; echo begin").await;
        person.until("begin\r\n").await;
        let counting = "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); [ $((i % 500)) = 0 ] && sleep 0.2; done; echo finis";
        person.type_line(counting).await;
        person.until("line-700").await;
        let mut screen = person.screen.clone();
        technician.session.close(Reason::ClosedByTechnician, "");
        drop(person);

        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::resume(&technician, &ready, screen.len() as u64).await;
        assert_eq!(person.next().await, ToPage::Ready(ready.clone()));
        let ToPage::Replayed { from, input } = person.next().await else {
            panic!("no replay");
        };
        assert_eq!(from, screen.len() as u64);
        assert_eq!(input, 29 + counting.len() as u64 + 1);
        person.until("finis\r\n").await;
        screen.extend_from_slice(&person.screen);
        let text = String::from_utf8(screen).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("line-")).collect();
        let expected: Vec<_> = (0..3000).map(|n| format!("line-{n}")).collect();
        assert_eq!(lines, expected);

        // A newer stream takes over; the older one is told.
        let mut newer = Person::resume(&technician, &ready, 0).await;
        assert_eq!(newer.next().await, ToPage::Ready(ready.clone()));
        assert!(matches!(newer.next().await, ToPage::Replayed { from: 0, .. }));
        newer.until("finis\r\n").await;
        newer.type_line("exit").await;
        assert_eq!(newer.exit().await, Exit::Status(0));
    });
}

/// Same user and same target only; a revocation ends what is kept at once.
#[test]
fn a_kept_terminal_is_for_its_user_alone_and_ends_with_her_access() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        let ready = person.sign_in().await;
        technician.session.close(Reason::ClosedByTechnician, "");

        let mut other = prs.grant(gateway.key(), vec![ssh()]);
        other.technician = UserId::from_random([9; 16]);
        let mut elsewhere = prs.grant(gateway.key(), vec![ssh()]);
        elsewhere.targets[0].port = 2222;
        for grant in [other, elsewhere] {
            assert_eq!(prs.invite(grant.clone()).await.refused, None);
            let technician = Technician::join(&grant).await;
            let mut stranger = Person::resume(&technician, &ready, 0).await;
            let end = stranger.next().await;
            let gone = Reason::TerminalGone;
            assert!(
                matches!(end, ToPage::Refused { reason, .. } if reason == gone),
                "{end:?}"
            );
        }
        assert_eq!(workers(&gateway).len(), 1);

        prs.revoke(
            gateway.key(),
            1,
            Scope::Technician(UserId::from_random(TECHNICIAN)),
        );

        eventually("the worker ends", || workers(&gateway).is_empty()).await;
        eventually("the host sees the end", || sshd.log().contains("logout")).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut late = Person::resume(&technician, &ready, 0).await;
        let end = late.next().await;
        let gone = Reason::TerminalGone;
        assert!(
            matches!(end, ToPage::Refused { reason, .. } if reason == gone),
            "{end:?}"
        );
    });
}

#[test]
fn closing_a_terminal_keeps_nothing() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let _sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;

        person.say(FromPage::Close).await;

        let Exit::Lost { reason, .. } = person.exit().await else {
            panic!("the shell ended by itself");
        };
        assert_eq!(reason, Reason::ClosedByTechnician);
        eventually("the worker ends", || workers(&gateway).is_empty()).await;
    });
}

/// The gateway enforces what the grant says, whatever the server thinks.
#[test]
fn a_terminal_needs_ssh_and_the_right_to_control() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let mut plain = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        plain.targets[0].protocol = Protocol::Telnet;
        let mut viewer = prs.grant(gateway.key(), vec![ssh()]);
        viewer.rights = Rights::CONNECT;
        let elsewhere = prs.grant(gateway.key(), vec![ssh()]);
        for (grant, index, wanted) in [
            (plain, 0, Reason::TargetUnknown),
            (viewer, 0, Reason::NotAllowed),
            (elsewhere, 1, Reason::TargetUnknown),
        ] {
            assert_eq!(prs.invite(grant.clone()).await.refused, None);
            let technician = Technician::join(&grant).await;
            let (_, answer) = technician.open(Service::Terminal(index)).await;
            assert!(
                matches!(answer, Answer::Refused { reason, .. } if reason == wanted),
                "{answer:?}"
            );
        }
        // Nothing listens there: said inside the stream.
        let (reason, _) = refusal(&prs, &gateway, start()).await;
        assert_eq!(reason, Reason::HostRefused);
    });
}

fn sealed(gateway: &Gateway, change: impl FnOnce(&mut Purpose)) -> Credential {
    let identity = Identity::load_or_make(&gateway.data()).unwrap();
    let mut purpose = Purpose {
        gateway: gateway.key(),
        customer: CustomerId::from_random([1; 16]),
        host: HostId::from_random([2; 16]),
        target: ssh(),
        account: ACCOUNT.into(),
    };
    change(&mut purpose);
    let password = Contents::Password(Secret::new(PASSWORD.as_bytes()));
    let key = identity.sealing_public();
    let sealed = culvert_session::sealed::seal(&purpose, &password, &key, rand::random()).unwrap();
    Credential::Sealed(sealed.to_bytes())
}

/// Threats 10 and 26: used for exactly its target, account and gateway, and
/// only with the pinned host; never logged.
#[test]
fn a_stored_credential_is_used_for_its_own_host_only() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let sshd = Sshd::start(&net, "ed25519", QUESTIONS).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let stored = || Start {
            account: None,
            credential: sealed(&gateway, |_| {}),
            ..start()
        };

        // The first time: the host is not known, so the technician is asked.
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, stored()).await;
        assert!(matches!(person.next().await, ToPage::Notice(_)));
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
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
            let (reason, _) = refusal(&prs, &gateway, moved).await;
            assert_eq!(reason, Reason::CredentialRefused);
        }

        // Another machine at that address gets nothing of it.
        let sshd = sshd.reinstalled(&net, QUESTIONS).await;
        let mut person = Person::begin(&technician, stored()).await;
        let ToPage::HostKeyQuestion(question) = person.next().await else {
            panic!("no question");
        };
        person.judge(&question, Verdict::Once).await;
        assert_eq!(person.prompt().await.kind, PromptKind::Interactive);
        assert!(!gateway.log().contains(PASSWORD));
        assert!(!sshd.log().contains("Accepted"), "{}", sshd.log());
    });
}

/// Old devices: only after a question, and then as before.
#[test]
fn old_algorithms_are_used_only_when_somebody_says_so() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let old = "KexAlgorithms diffie-hellman-group14-sha1\nHostKeyAlgorithms ssh-rsa\n\
                   Ciphers aes128-cbc\nMACs hmac-sha1";
        let _sshd = Sshd::start(&net, "rsa", &format!("{PASSWORDS}\n{old}")).await;
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        for verdict in [Verdict::Refuse, Verdict::Remember] {
            let mut person = Person::begin(&technician, start()).await;
            let ToPage::Legacy(text) = person.next().await else {
                panic!("no question");
            };
            assert!(text.contains("group14-sha1"), "{text}");
            person.say(FromPage::Legacy(verdict)).await;
            if verdict == Verdict::Refuse {
                let end = person.next().await;
                assert!(matches!(end, ToPage::Refused { .. }), "{end:?}");
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

/// P22, threat 14: a hostile host ends its own terminal, and the worker that
/// met it has nothing to take.
#[test]
fn hostile_hosts_end_only_their_own_terminal() {
    let net = Net::new();
    net.run(async {
        let prs = Prs::start().await;
        let _sshd = Sshd::start(&net, "ed25519", PASSWORDS).await;
        let _raving = Host::raving(&net, "192.168.77.20:22");
        let _chatty = Host::chatty(&net, "192.168.77.20:23");
        let _mute = Host::mute(&net, "192.168.77.20:24");
        let mut gateway = Gateway::claimed(&net, "");
        gateway.up(&prs).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        let [worker] = workers(&gateway)[..] else {
            panic!("not one worker");
        };
        confined(worker);

        let bad = [22, 23, 24].map(|port| Target {
            protocol: Protocol::Ssh,
            ..target(OTHER, port)
        });
        let grant = prs.grant(gateway.key(), bad.to_vec());
        assert_eq!(prs.invite(grant.clone()).await.refused, None);
        let victim = Technician::join(&grant).await;
        for index in 0..3 {
            let mut person = Person::begin_at(&victim, index, start()).await;
            let end = person.next().await;
            let ToPage::Refused { reason, .. } = end else {
                panic!("target {index}: {end:?}");
            };
            let expected = [
                Reason::HostProtocol,
                Reason::HostProtocol,
                Reason::HostTimedOut,
            ];
            let close = [reason, Reason::ClosedByHost];
            assert!(
                close.contains(&expected[usize::from(index)]),
                "target {index}: {reason:?}"
            );
        }

        // Also when the worker itself dies.
        let mut second = Person::begin(&technician, start()).await;
        second.sign_in().await;
        let other = workers(&gateway).into_iter().find(|pid| *pid != worker);
        let other = Pid::from_raw(i32::try_from(other.unwrap()).unwrap());
        kill(other, Signal::SIGKILL).unwrap();
        let Exit::Lost { reason, text } = second.exit().await else {
            panic!("the shell ended");
        };
        assert_eq!(
            (reason, text.as_str()),
            (Reason::BridgeEnded, "signal 9 ended it")
        );
        person.type_line("echo still-$((1 + 1))").await;
        person.until("still-2").await;
    });
}

/// What the system says of a worker: filter, no privileges, one thread, no
/// environment, no files.
fn confined(pid: u32) {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = read("status");
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "Threads:\t1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert_eq!(read("environ"), "");
    let memory = status.lines().find(|line| line.starts_with("VmRSS"));
    println!("one worker in a terminal: {memory:?}");
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let files: Vec<String> = files
        .map(|file| std::fs::read_link(file.unwrap().path()).unwrap())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let allowed = ["socket:", "anon_inode:[event"];
    let odd = |link: &&String| !allowed.iter().any(|start| link.starts_with(start));
    assert_eq!(files.iter().find(odd), None, "{files:?}");
}

/// The processes that the gateway started.
fn workers(gateway: &Gateway) -> Vec<u32> {
    let pid = gateway.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let mut found: Vec<u32> = children
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    // Threads of the runtime start them: every thread has children of its own.
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
    {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    found.sort_unstable();
    found.dedup();
    found
}
