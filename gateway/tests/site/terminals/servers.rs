//! What SSH servers do: another program than OpenSSH, and new keys in the middle.

use culvert_wire::terminal::Exit;

use super::{PASSWORDS, session, ssh_site};
use crate::dropbear::Dropbear;
use crate::net::Net;
use crate::person::{Person, start};
use crate::program::Gateway;

/// Whatever key a Dropbear has, and however it wants to be convinced.
#[test]
fn a_shell_on_dropbear_is_typed_in_and_read_and_its_exit_is_told() {
    for key_type in ["ed25519", "ecdsa", "rsa"] {
        let net = Net::new();
        net.run(async {
            let dropbear = Dropbear::start(&net, key_type, "-T 3").await;
            let (prs, gateway) = Gateway::linked(&net, "").await;
            let (_, technician) = session(&prs, &gateway).await;
            let mut person = Person::begin(&technician, start()).await;
            person.remember_new_key(&dropbear.fingerprint()).await;
            // A wrong password is asked for again.
            let prompt = person.prompt().await;
            person.answer(&prompt, &["wrong"]).await;
            person.sign_in().await;
            person.use_terminal("$TERM", "xterm-256color").await;
            // More than its window of 24 KiB, both ways.
            person
                .type_line("stty -echo; PS1=; seq 1 60000; echo all-$((40 + 2))")
                .await;
            person.until("all-42").await;
            assert!(person.sees(&lines(60_000)), "output is lost or doubled");
            person.type_line("exit 7").await;
            assert_eq!(person.exit().await, Exit::Status(7));

            // The same key from the next time on: no question.
            let mut person = Person::begin(&technician, start()).await;
            let prompt = person.prompt().await;
            assert!(!prompt.questions[0].echo);
        });
    }
}

/// RFC 4253 §9: the host wants new keys while output flows and keys are typed.
#[test]
fn new_keys_in_the_middle_of_a_session_lose_nothing() {
    let net = Net::new();
    net.run(async {
        let settings = format!("{PASSWORDS}\nRekeyLimit 1M\nLogLevel DEBUG1");
        let (prs, gateway, sshd) = ssh_site(&net, "ed25519", &settings).await;
        let (_, technician) = session(&prs, &gateway).await;
        let mut person = Person::begin(&technician, start()).await;
        person.sign_in().await;
        person.type_line("stty -echo; PS1=; echo begin").await;
        person.until("begin\r\n").await;

        person
            .type_line("seq 1 400000; read line; echo got-$line")
            .await;
        // Typed while the host is in the middle of it.
        person.until("100000\r\n").await;
        person.type_line("typed-amid").await;
        person.until("got-typed-amid").await;

        assert!(person.sees(&lines(400_000)), "output is lost or doubled");
        let renewed = sshd.log().matches("rekeying").count();
        assert!(
            renewed >= 2,
            "only {renewed} times new keys: {}",
            sshd.log()
        );
        person.type_line("exit 7").await;
        assert_eq!(person.exit().await, Exit::Status(7));
    });
}

/// What `seq 1 last` shows in a terminal.
fn lines(last: u32) -> String {
    (1..=last).map(|line| format!("{line}\r\n")).collect()
}
