//! No secret and no customer address above DEBUG in a log (threats 6, 18, 36).

use anyhow::Context as _;
use culvert_e2e::world::{self, must_work};
use culvert_lab::{Ns, SiteOptions};

#[test]
fn the_logs_of_server_and_gateway_hold_neither_secrets_nor_customer_addresses() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let word = culvert_lab::random_word(20)?;
        let shown = must_work(&mut world.ssh(&technician, &format!("echo {word}")))?;
        let refused = technician.culvert(&["test", "server:4444"]).output()?;
        anyhow::ensure!(!refused.status.success(), "a port without service answered");
        let control =
            String::from_utf8_lossy(&shown.stdout).into_owned() + &technician.run(&["ls"])?;
        for sought in [word.as_str(), "192.168.77."] {
            anyhow::ensure!(
                control.contains(sought),
                "the control lacks {sought}: {control}"
            );
        }

        let code = std::fs::read_to_string(world.stack.data("claim.txt"))?;
        let token = sign_in_token(technician.home())?;
        let secrets = [
            ("the session's content", word.as_str()),
            ("a host's address", "192.168.77."),
            ("the technician's password", world.stack.password()),
            ("the host's password", &world.site.credentials().password),
            ("the claim code", code.trim()),
            ("the sign-in token", &token),
        ];
        for log in ["culvert-prs", "culvert-gateway"] {
            let text = std::fs::read_to_string(world.site.log_path(log))?;
            anyhow::ensure!(text.lines().count() > 2, "{log} logs nothing: {text}");
            for (what, secret) in secrets {
                anyhow::ensure!(
                    !text.contains(secret),
                    "{what} is in the log of {log}:\n{text}"
                );
            }
            let escapes = text.bytes().filter(|byte| *byte == 0x1b).count();
            anyhow::ensure!(escapes == 0, "{log} writes terminal escapes into a file");
        }
        Ok(())
    })
    .unwrap();
}

fn sign_in_token(home: &std::path::Path) -> anyhow::Result<String> {
    let home = culvert_connect::home::Home::at(home.join("culvert"));
    let sign_in = culvert_connect::account::SignIn::load(&home)?;
    Ok(sign_in.context("no sign-in")?.token)
}
