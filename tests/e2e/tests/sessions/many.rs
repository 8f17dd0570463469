//! Ten sessions at once through one gateway, two technicians, one list, and a
//! report of who did what (S5, S6, S15, S20, S23, S27, T3).

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use culvert_e2e::world::{self, must_work};
use culvert_lab::{Ns, SiteOptions};

#[test]
fn ten_sessions_of_two_technicians_run_at_once_and_are_reported() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let people = [
            world.stack.technician(Ns::Host, "first")?,
            world.stack.technician(Ns::Host, "second")?,
        ];
        // Three hosts, four protocols.
        let mut others = Vec::new();
        for (number, (host, port)) in [("server", "23"), ("desktop", "5900"), ("device", "80")]
            .into_iter()
            .enumerate()
        {
            let child = people[number % 2]
                .culvert(&["proxy", host, port])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            others.push(child);
        }
        let mut running = Vec::new();
        for number in 0..7 {
            let script = format!("echo ready-{number}; cat > held-{number}");
            let child = world
                .ssh(&people[number % 2], &script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            running.push(child);
        }
        world::eventually("seven of SSH", Duration::from_secs(60), || {
            Ok(world.ssh_connections()? == 7)
        })?;
        // While those are open the others' hosts speak: two of them first.
        let hears = [
            b"\xff".as_slice(),
            b"RFB 003.".as_slice(),
            b"HTTP/1.".as_slice(),
        ];
        let mut open = Vec::new();
        for (mut child, expected) in others.into_iter().zip(hears) {
            let mut input = child.stdin.take().expect("piped");
            if expected.starts_with(b"HTTP") {
                input.write_all(b"GET / HTTP/1.1\r\nHost: device\r\n\r\n")?;
            }
            let mut heard = vec![0; expected.len()];
            child
                .stdout
                .as_mut()
                .expect("piped")
                .read_exact(&mut heard)?;
            anyhow::ensure!(heard == expected, "{}", String::from_utf8_lossy(&heard));
            open.push((child, input));
        }
        let live = world.stack.admin(&["session", "list"])?;
        anyhow::ensure!(
            live.lines().count() == 11,
            "a head and ten sessions:\n{live}"
        );
        for (number, child) in running.iter_mut().enumerate() {
            let mut input = child.stdin.take().expect("piped");
            writeln!(input, "word-{number}")?;
        }
        for (number, child) in running.into_iter().enumerate() {
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            anyhow::ensure!(said.contains(&format!("ready-{number}")), "{output:?}");
            let held = world.site.home(Ns::Server).join(format!("held-{number}"));
            anyhow::ensure!(std::fs::read_to_string(held)? == format!("word-{number}\n"));
        }
        for (mut child, input) in open {
            drop(input);
            drop(child.stdout.take());
            child.wait()?;
        }
        let report = world.stack.admin(&["report", "--csv"])?;
        let rows = report.lines().filter(|row| row.contains("Harbour")).count();
        anyhow::ensure!(rows >= 10, "{rows} rows:\n{report}");
        for row in report.lines().skip(1).filter(|row| row.contains("Harbour")) {
            anyhow::ensure!(row.contains("tess"), "{row}");
        }
        world.stack.admin(&["audit", "verify"])?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_dead_host_a_refused_port_and_an_unknown_name_each_have_a_sentence() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let site = "Harbour/Pump station";
        for (name, address, service) in [
            ("closed", culvert_lab::SERVER_IP, "tcp:4444"),
            ("nobody", "192.168.77.99", "ssh"),
            ("nameless", "no-such-name.invalid", "ssh"),
            ("forbidden", "127.0.0.1", "ssh"),
            ("metadata", "169.254.169.254", "ssh"),
            ("elsewhere", "10.99.0.1", "ssh"),
        ] {
            world.stack.admin(&[
                "host",
                "add",
                "--site",
                site,
                name,
                "--address",
                address,
                "--service",
                service,
            ])?;
        }
        let technician = world.stack.technician(Ns::Host, "technician")?;
        for (word, expected) in [
            ("closed:4444", "[host_refused]"),
            ("server:4444", "not among this host's services"),
            ("nobody", "[host_unreachable]"),
            ("nameless", "[name_not_resolved]"),
            ("forbidden", "never connects"),
            ("metadata", "never connects"),
            ("elsewhere", "allow-list"),
            ("nothing-of-the-kind", "host"),
        ] {
            let output = technician.culvert(&["test", word]).output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            println!("{word}: {}", said.trim());
            anyhow::ensure!(!output.status.success(), "{word} answered");
            anyhow::ensure!(said.contains(expected), "{word}: {said}");
            anyhow::ensure!(!said.contains("panicked"), "{word}: {said}");
        }
        must_work(&mut technician.culvert(&["test", "server"]))?;
        // Tests are nobody's work. Of sessions the report and the audit trail say why,
        // too, in words of the same list.
        let report = world.stack.admin(&["report", "--csv"])?;
        anyhow::ensure!(report.lines().count() == 1, "{report}");
        for (host, port, reason) in [
            ("closed", "4444", "host_refused"),
            ("nobody", "22", "host_unreachable"),
            ("nameless", "22", "name_not_resolved"),
        ] {
            let mut open = technician.culvert(&["proxy", host, port]);
            let output = open.stdin(Stdio::null()).output()?;
            anyhow::ensure!(!output.status.success(), "{host} answered");
            let what = format!("the report says {reason} of {host}");
            world::eventually(&what, Duration::from_secs(60), || {
                let report = world.stack.admin(&["report", "--csv"])?;
                let named = |line: &str| line.contains(host) && line.contains(reason);
                Ok(report.lines().any(named))
            })?;
        }
        Ok(())
    })
    .unwrap();
}
