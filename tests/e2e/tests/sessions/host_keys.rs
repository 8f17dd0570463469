//! A host's SSH key is remembered under one name, whatever starts ssh: learned
//! once, it is known to all, and a stranger's key is refused by all (S30, S33).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use culvert_e2e::World;
use culvert_e2e::signed_in::SignedIn;
use culvert_e2e::world::{self, eventually, must_work};
use culvert_lab::{Ns, SiteOptions, Technician};
use culvert_wire::grant::Protocol;

#[test]
fn a_host_key_learned_by_culvert_ssh_is_known_to_ssh_config_and_to_open() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let technician = world.stack.technician(Ns::Host, "technician")?;
        let known = world.stack.data("known_hosts");

        let mut learn = world.with_password(&technician);
        learn.arg(technician.program());
        learn.args([
            "ssh",
            &world.target(),
            "--",
            "-o",
            "StrictHostKeyChecking=accept-new",
        ]);
        learn.args(["-o", &file(&known), "echo learned > by-ssh"]);
        must_work(&mut learn)?;

        must_work(&mut by_config(world, &technician, &known)?)?;
        by_open(world, &technician, &known)?;

        // Another key under that name: the same name is looked up by both.
        let lines = fs::read_to_string(&known)?;
        ensure!(lines.lines().count() == 1, "more than one name: {lines}");
        let name = lines.split_whitespace().next().unwrap_or_default();
        let mut forge = Command::new("sh");
        forge.args(["-ec", "ssh-keygen -q -t ed25519 -N '' -f \"$1\"", "sh"]);
        let stranger = world.stack.data("stranger");
        must_work(forge.arg(&stranger))?;
        let key = fs::read_to_string(stranger.with_extension("pub"))?;
        fs::write(&known, format!("{name} {key}"))?;
        let refused = by_config(world, &technician, &known)?.output()?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success(), "a stranger's key was taken");
        ensure!(said.contains("HOST IDENTIFICATION HAS CHANGED"), "{said}");
        Ok(())
    })
    .unwrap();
}

fn file(known: &Path) -> String {
    format!("UserKnownHostsFile={}", known.display())
}

/// ssh with the lines that `culvert ssh-config` prints.
fn by_config(
    world: &World<'_>,
    technician: &Technician<'_>,
    known: &Path,
) -> anyhow::Result<Command> {
    let config = world.stack.data("ssh-config");
    fs::write(&config, technician.run(&["ssh-config"])?)?;
    let mut ssh = world.with_password(technician);
    ssh.args(["ssh", "-F"]).arg(&config);
    ssh.args(["-o", "StrictHostKeyChecking=yes", "-o", &file(known)]);
    ssh.args([&format!("{}.culvert", world.target()), "true"]);
    Ok(ssh)
}

/// `culvert open` with an ssh that takes no new key.
fn by_open(world: &World<'_>, technician: &Technician<'_>, known: &Path) -> anyhow::Result<()> {
    let who = world.site.credentials();
    let folder = world.stack.data("path");
    fs::create_dir(&folder)?;
    let stub = folder.join("ssh");
    let script = format!(
        "#!/bin/sh\nexec sshpass -p {} /usr/bin/ssh -o StrictHostKeyChecking=yes -o {} -l {} \
         \"$@\" 'echo opened > by-open'\n",
        who.password,
        file(known),
        who.user
    );
    fs::write(&stub, script)?;
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let address = runtime.block_on(async {
        let signed_in = SignedIn::at(technician.home(), "test 1").await?;
        signed_in.launch("server", Protocol::Ssh).await
    })?;
    let path = format!("{}:/usr/bin:/bin", folder.display());
    must_work(
        technician
            .culvert(&["open", "--yes", &address])
            .env("PATH", path),
    )?;
    let proof = world.site.home(Ns::Server).join("by-open");
    eventually("the proof of open", Duration::from_secs(60), || {
        Ok(proof.exists())
    })?;
    Ok(())
}
