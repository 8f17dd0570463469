//! Getting a shell: every way to be convinced of, and what the grant must say.

use culvert_wire::frame::HostKeyEvent;
use culvert_wire::grant::{Grant, Protocol, Rights};
use culvert_wire::reason::Reason;
use culvert_wire::stream::{Answer, Service};
use culvert_wire::terminal::{Exit, PromptKind, Start, ToPage, Verdict};
use tokio::io::AsyncReadExt as _;

use super::{PASSWORDS, QUESTIONS, host_key_event, refusal, session, ssh, ssh_site};
use crate::net::{HOST, Net};
use crate::person::{Person, start};
use crate::program::{Gateway, Technician, eventually};
use crate::prs::target;
use crate::sshd::{ACCOUNT, PASSWORD};

#[test]
fn a_shell_is_typed_in_and_read_and_its_exit_is_told() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, sshd) = ssh_site(
            &net,
            "ed25519",
            &format!("{PASSWORDS}\nBanner /etc/hostname"),
        )
        .await;
        let (grant, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;

        // The key is shown before anything else, as OpenSSH itself shows it.
        person.remember_new_key(&sshd.fingerprint()).await;
        let ready = person.sign_in().await;
        assert_eq!(
            (ready.account.as_str(), ready.fingerprint),
            (ACCOUNT, sshd.fingerprint())
        );
        let words = "xterm-256color C.UTF-8";
        person.use_terminal("$TERM $LANG", words).await;
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
        let (prs, gateway, sshd) = ssh_site(&net, "ecdsa", QUESTIONS).await;
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
        let (prs, gateway, _sshd) =
            ssh_site(&net, "rsa", &format!("{PASSWORDS}\nMaxAuthTries 3")).await;
        let (_, technician) = session(&prs, &gateway).await;
        let account = None;
        let mut person = Person::begin(&technician, Start { account, ..start() }).await;
        let question = person.question().await;
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

/// The gateway enforces what the grant says, whatever the server thinks.
#[test]
fn a_terminal_needs_ssh_or_telnet_and_the_right_to_control() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway) = Gateway::linked(&net, "").await;
        let mut plain = prs.grant(gateway.key(), vec![target(HOST, 22)]);
        plain.targets[0].protocol = Protocol::Vnc;
        let mut viewer = prs.grant(gateway.key(), vec![ssh()]);
        viewer.rights = Rights::CONNECT;
        let elsewhere = prs.grant(gateway.key(), vec![ssh()]);
        for (grant, index, wanted) in [
            (plain, 0, Reason::TargetUnknown),
            (viewer, 0, Reason::NotAllowed),
            (elsewhere, 1, Reason::TargetUnknown),
        ] {
            let technician = Technician::admitted(&prs, &grant).await;
            let (_, answer) = technician.open(Service::Terminal(index)).await;
            assert!(
                matches!(answer, Answer::Refused { reason, .. } if reason == wanted),
                "{answer:?}"
            );
        }
        // Nothing listens there: said inside the stream.
        let reason = refusal(&prs, &gateway, start()).await;
        assert_eq!(reason, Reason::HostRefused);
    });
}

/// "Narrowing a role narrows live sessions": a renewal without the right to
/// control ends what is typed into at once, and leaves the rest.
#[test]
fn a_renewal_that_takes_control_away_ends_terminals_and_streams() {
    let net = Net::new();
    net.run(async {
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", PASSWORDS).await;
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
        eventually("the worker ends", || gateway.workers().is_empty()).await;
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
        let technician = Technician::admitted(&prs, &viewer).await;
        let (_, answer) = technician.open(Service::Terminal(0)).await;
        assert!(
            matches!(answer, Answer::Refused { .. }),
            "{answer:?} {ready:?}"
        );
    });
}
