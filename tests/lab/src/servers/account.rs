//! The one account of the site's hosts, and a file system in which it exists.
//!
//! Files are laid in the site's temporary folder and mounted over the
//! machine's own inside a host's mount namespace only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::LabError;
use crate::keys::Credentials;
use crate::namespace::{Ns, finish, said};
use crate::network::{DESKTOP_IP, DEVICE_IP, GATEWAY_IP, ROUTER_IP, SERVER_IP};

/// User and group number of the account.
pub(crate) const UID: u32 = 1000;

/// Lays the files of one host and returns the shell lines that mount them.
pub(crate) fn prepare(folder: &Path, ns: Ns, who: &Credentials) -> Result<String, LabError> {
    let root = folder.join("hosts").join(ns.name());
    let home = root.join("home");
    make_folder(&home)?;
    make_folder(&root.join("pam.d"))?;
    let hash = password_hash(&who.password)?;
    put(
        &root.join("passwd"),
        &with_account("/etc/passwd", &passwd_line(who))?,
    )?;
    put(
        &root.join("group"),
        &with_account("/etc/group", &group_line(who))?,
    )?;
    put(&root.join("shadow"), &shadow(&hash, who))?;
    put(&root.join("hosts"), &hosts_file())?;
    for service in ["sshd", "login", "remote", "xrdp-sesman", "other"] {
        put(&root.join("pam.d").join(service), PAM)?;
    }
    let resolv = folder.join("resolv.conf");
    Ok(mounts(&root, &resolv, who) + &private_tmp(folder, ns))
}

/// The account's home on the host, as seen from outside.
pub(crate) fn home(folder: &Path, ns: Ns) -> PathBuf {
    folder.join("hosts").join(ns.name()).join("home")
}

/// Makes a command run as the account, in its home, on screen `display`.
pub(crate) fn as_account(command: &mut Command, who: &Credentials, display: Option<u32>) {
    command
        .env("HOME", format!("/home/{}", who.user))
        .env("USER", &who.user)
        .env("LOGNAME", &who.user)
        .env("SHELL", "/bin/bash");
    if let Some(display) = display {
        command.env("DISPLAY", format!(":{display}"));
    }
    command.arg(format!("--reuid={UID}"));
    command.args([&format!("--regid={UID}"), "--clear-groups", "--"]);
}

fn mounts(root: &Path, resolv: &Path, who: &Credentials) -> String {
    let (root, resolv) = (root.display(), resolv.display());
    let user = &who.user;
    format!(
        "for file in passwd group shadow hosts pam.d; do\n\
           mount --bind {root}/$file /etc/$file\n\
         done\n\
         mount --bind {resolv} /etc/resolv.conf\n\
         mount -t tmpfs -o mode=755 tmpfs /run\n\
         mkdir -p /run/sshd /run/lock\n: > /run/utmp\n\
         mount -t tmpfs -o mode=755 tmpfs /home\n\
         mkdir /home/{user}\n\
         mount --bind {root}/home /home/{user}\n\
         chown {UID}:{UID} /home/{user}\n\
         mount -t tmpfs -o mode=755 tmpfs /var/log\n\
         : > /var/log/wtmp; : > /var/log/lastlog; : > /var/log/btmp\n"
    )
}

/// Shell lines that give a place a `/tmp` of its own (screens leave sockets
/// and lock files there), in which the site's folder and this program's own
/// are still found.
pub(crate) fn private_tmp(folder: &Path, ns: Ns) -> String {
    let space = folder.join(format!("tmp-{}", ns.name()));
    let space = space.display();
    let mut script = format!("mkdir {space}\nmount -t tmpfs -o mode=1777 tmpfs {space}\n");
    let own = std::env::current_exe().unwrap_or_default();
    // Tests run from a folder below that of the programs.
    let is_deps = |folder: &Path| folder.ends_with("deps");
    let own = own.parent().map(|own| match own.parent() {
        Some(above) if is_deps(own) => above,
        Some(_) | None => own,
    });
    for keep in [Some(folder), own].into_iter().flatten() {
        if let Ok(rest) = keep.strip_prefix("/tmp") {
            let (keep, rest) = (keep.display(), rest.display());
            script.push_str(&format!(
                "mkdir -p {space}/{rest}\nmount --bind {keep} {space}/{rest}\n"
            ));
        }
    }
    script.push_str(&format!(
        "mkdir -p {space}/.X11-unix\nchmod 1777 {space}/.X11-unix\n\
         mount --rbind {space} /tmp\n"
    ));
    script
}

fn passwd_line(who: &Credentials) -> String {
    format!("{0}:x:{UID}:{UID}::/home/{0}:/bin/bash\n", who.user)
}

fn group_line(who: &Credentials) -> String {
    format!("{}:x:{UID}:\n", who.user)
}

fn shadow(hash: &str, who: &Credentials) -> String {
    format!(
        "root:*:20000:0:99999:7:::\n{}:{hash}:20000:0:99999:7:::\n",
        who.user
    )
}

/// Every neighbour by name: a server that looks up who calls must not wait
/// for a name server.
fn hosts_file() -> String {
    format!(
        "127.0.0.1 localhost\n{ROUTER_IP} router\n{GATEWAY_IP} gateway\n\
         {SERVER_IP} server\n{DESKTOP_IP} desktop\n{DEVICE_IP} device\n"
    )
}

/// The machine's own file without any line that would clash, plus ours.
fn with_account(path: &str, line: &str) -> Result<String, LabError> {
    let own = fs::read_to_string(path).map_err(LabError::file(path))?;
    let number = UID.to_string();
    let name = line.split(':').next().unwrap_or_default();
    let mut text = String::new();
    for old in own.lines() {
        let mut fields = old.split(':');
        if fields.next() != Some(name) && fields.nth(1) != Some(&number) {
            text.push_str(old);
            text.push('\n');
        }
    }
    text.push_str(line);
    Ok(text)
}

fn password_hash(password: &str) -> Result<String, LabError> {
    let mut command = Command::new("openssl");
    command.args(["passwd", "-6", password]);
    let output = finish(&mut command)?;
    if !output.status.success() {
        return Err(LabError::Failed {
            what: "hashing a password".into(),
            output: said(&output),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn make_folder(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).map_err(LabError::file(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(LabError::file(path))
}

fn put(path: &Path, text: &str) -> Result<(), LabError> {
    fs::write(path, text).map_err(LabError::file(path))
}

/// One password rule for every service of the site's hosts.
const PAM: &str = "auth required pam_unix.so
account required pam_unix.so
password required pam_unix.so
session required pam_unix.so
";
