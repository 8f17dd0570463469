//! Two customers' sites with the very same addresses on one server, kept apart
//! by permission (S2, S11, S20, S21, S24, S6).

use std::process::Stdio;

use anyhow::Context as _;
use culvert_e2e::world::{self, must_work};
use culvert_lab::{Ns, Site, SiteOptions};

#[test]
fn two_sites_with_the_same_addresses_are_reached_each_by_its_own_name() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let other = Site::start(SiteOptions {
            cloud: world.site.cloud(),
            ..SiteOptions::default()
        })?;
        let admin = |args: &[&str]| world.stack.admin(args);
        admin(&["customer", "add", "Bakery"])?;
        admin(&["site", "add", "--customer", "Bakery", "Oven hall"])?;
        let place = "Bakery/Oven hall";
        admin(&[
            "host",
            "add",
            "--site",
            place,
            "server",
            "--address",
            culvert_lab::SERVER_IP,
            "--service",
            "ssh",
        ])?;
        let code = admin(&["gateway", "code", "--site", place])?;
        let _gateway = second_gateway(&other, &code)?;

        let technician = world.stack.technician(Ns::Host, "technician")?;
        let stranger = technician.culvert(&["test", "Oven hall/server"]).output()?;
        let missing = technician.culvert(&["test", "Owen hall/server"]).output()?;
        anyhow::ensure!(!stranger.status.success(), "reached without permission");
        let said = |output: &std::process::Output| {
            String::from_utf8_lossy(&output.stderr).replace("Owen hall", "Oven hall")
        };
        anyhow::ensure!(
            said(&stranger) == said(&missing),
            "a foreign host differs from a missing one: {} / {}",
            said(&stranger),
            said(&missing)
        );

        admin(&[
            "permission",
            "grant",
            "--user",
            "tess",
            "--customer",
            "Bakery",
        ])?;
        world::eventually(
            "the second site is online",
            std::time::Duration::from_secs(60),
            || {
                let tried = technician.run(&["test", "Oven hall/server"]);
                if let Err(error) = &tried {
                    println!("{error}");
                }
                Ok(tried.is_ok())
            },
        )?;
        for (place, site) in [("Pump station", world.site), ("Oven hall", &other)] {
            let word = culvert_lab::random_word(12)?;
            let who = site.credentials();
            let mut ssh = technician.in_her_place("sshpass");
            ssh.args(["-p", &who.password, "ssh"]);
            let proxy = format!(
                "ProxyCommand={} proxy '{place}/server' %p",
                technician.program().display()
            );
            for option in [
                proxy.as_str(),
                "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null",
            ] {
                ssh.args(["-o", option]);
            }
            ssh.arg(format!("{}@server", who.user));
            ssh.arg(format!("echo {word} > which"));
            must_work(ssh.stdin(Stdio::null()))?;
            let held = std::fs::read_to_string(site.home(Ns::Server).join("which"))?;
            anyhow::ensure!(held.trim() == word, "{place}: {held}");
        }
        Ok(())
    })
    .unwrap();
}

/// The same program with nothing but another code.
fn second_gateway(site: &Site, code: &str) -> anyhow::Result<culvert_lab::Running> {
    let programs = culvert_lab::Programs::beside_this_one()?;
    let program = programs.folder().join("culvert-gateway");
    let data = site.temp_dir().join("gateway");
    let settings = site.temp_dir().join("gateway.toml");
    let file = site.temp_dir().join("claim.txt");
    std::fs::write(&settings, format!("data_dir = \"{}\"\n", data.display()))?;
    std::fs::write(&file, code)?;
    let mut claim = site.command(Ns::Gateway, &program);
    claim.arg("claim").arg("--config").arg(&settings);
    must_work(claim.arg("--file").arg(&file)).context("claiming")?;
    let mut run = site.command(Ns::Gateway, &program);
    run.arg("run").arg("--config").arg(&settings);
    Ok(site.spawn("culvert-gateway", &mut run)?)
}
