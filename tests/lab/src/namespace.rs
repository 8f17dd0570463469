//! The namespaces of one site and the way into them.
//!
//! The first process of the site's process-id namespace waits for the end of
//! a pipe that [`World`] holds. When the pipe closes, because the world was
//! dropped or its process died in whatever way, that process ends and the
//! kernel ends every other process of the site with it.
//!
//! Never names a namespace in the file system, so nothing can be left behind
//! and several sites live beside one another.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use crate::LabError;

/// A place in the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ns {
    /// The machine's own network, where the cloud server listens on loopback.
    Host,
    /// Where 203.0.113.10:443 is the cloud server.
    Internet,
    /// The site's router.
    Router,
    /// 192.168.77.2, where the gateway runs.
    Gateway,
    /// 192.168.77.10: sshd and telnetd.
    Server,
    /// 192.168.77.20: VNC and RDP.
    Desktop,
    /// 192.168.77.30: a device's web page.
    Device,
    /// The technician's own router.
    TechnicianRouter,
    /// The technician behind it.
    Technician,
}

impl Ns {
    /// The place's host name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Internet => "internet",
            Self::Router => "router",
            Self::Gateway => "gateway",
            Self::Server => "server",
            Self::Desktop => "desktop",
            Self::Device => "device",
            Self::TechnicianRouter => "home",
            Self::Technician => "technician",
        }
    }
}

/// All namespaces of one site.
pub(crate) struct World {
    lifeline: Option<ChildStdin>,
    first: Child,
    first_pid: u32,
    own_user: bool,
    spaces: BTreeMap<Ns, Space>,
}

struct Space {
    holder: Child,
    pid: u32,
    inner_pid: u32,
}

impl World {
    /// Makes the process-id namespace everything else lives in; `folder` is
    /// removed when that ends.
    pub(crate) fn new(folder: &Path) -> Result<Self, LabError> {
        let own_user = !nix::unistd::geteuid().is_root();
        let mut command = Command::new("unshare");
        if own_user {
            command.args(["--user", "--map-root-user", "--map-auto"]);
        }
        command
            .args(["--pid", "--fork", "--kill-child", "--mount", "--uts"])
            .args(["sh", "-ec", FIRST_PROCESS, "lab"])
            .arg(folder);
        let mut first = launch(&mut command, Stdio::piped())?;
        let lifeline = first.stdin.take();
        if let Err(said) = wait_for_ready(&mut first) {
            let _ = first.wait();
            return Err(LabError::NoNamespaces(said));
        }
        let first_pid = only_child(first.id())?;
        Ok(Self {
            lifeline,
            first,
            first_pid,
            own_user,
            spaces: BTreeMap::new(),
        })
    }

    /// Adds a place with a network, mounts and host name of its own, and runs
    /// `prepare` (shell) in it before anything else.
    pub(crate) fn add(&mut self, ns: Ns, prepare: &str) -> Result<(), LabError> {
        let script = format!(
            "hostname {name}\nip link set lo up\n\
             echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n\
             {prepare}\necho ready $$\nexec sleep infinity\n",
            name = ns.name()
        );
        let mut command = self.enter(self.first_pid, false);
        command
            .args(["unshare", "--net", "--mount", "--uts"])
            .args(["sh", "-ec", &script]);
        let mut holder = launch(&mut command, Stdio::null())?;
        let inner_pid = match wait_for_ready(&mut holder) {
            Ok(pid) => pid,
            Err(output) => {
                let _ = holder.wait();
                return Err(LabError::Failed {
                    what: format!("making the namespace {}", ns.name()),
                    output,
                });
            }
        };
        let pid = only_child(holder.id())?;
        let space = Space {
            holder,
            pid,
            inner_pid,
        };
        self.spaces.insert(ns, space);
        Ok(())
    }

    /// The number `ip link ... netns` takes for this place.
    ///
    /// # Panics
    /// When the place was never made.
    pub(crate) fn inner_pid(&self, ns: Ns) -> u32 {
        self.space(ns).inner_pid
    }

    /// A command that runs `program` in `ns`, with a plain environment.
    pub(crate) fn command(&self, ns: Ns, program: impl AsRef<Path>) -> Command {
        let mut command = match ns {
            Ns::Host => self.enter(self.first_pid, false),
            Ns::Internet
            | Ns::Router
            | Ns::Gateway
            | Ns::Server
            | Ns::Desktop
            | Ns::Device
            | Ns::TechnicianRouter
            | Ns::Technician => self.enter(self.space(ns).pid, true),
        };
        command.arg(program.as_ref());
        command
    }

    /// Runs a shell script in `ns` and says what it printed if it fails.
    pub(crate) fn shell(&self, ns: Ns, what: &str, script: &str) -> Result<String, LabError> {
        let output = finish(self.command(ns, "sh").args(["-ec", script]))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(LabError::Failed {
            what: what.to_owned(),
            output: said(&output),
        })
    }

    /// Whether the site runs in a user namespace of its own.
    pub(crate) fn has_own_user(&self) -> bool {
        self.own_user
    }

    fn space(&self, ns: Ns) -> &Space {
        self.spaces
            .get(&ns)
            .unwrap_or_else(|| panic!("this site has no {}", ns.name()))
    }

    fn enter(&self, pid: u32, network: bool) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={pid}"));
        if self.own_user {
            command.arg("--user");
        }
        command.args(["--pid", "--mount", "--uts"]);
        if network {
            command.arg("--net");
        }
        command.arg("--");
        plain_environment(&mut command);
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.first.wait();
        for space in self.spaces.values_mut() {
            let _ = space.holder.wait();
        }
    }
}

/// Starts a command in a process group of its own, so that Ctrl-C reaches
/// only the program that owns the lab and not the things it still needs.
fn launch(command: &mut Command, stdin: Stdio) -> Result<Child, LabError> {
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(started(command))
}

/// Runs a command to its end, its output caught.
pub(crate) fn finish(command: &mut Command) -> Result<Output, LabError> {
    command
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .map_err(started(command))
}

pub(crate) fn started(command: &Command) -> impl FnOnce(std::io::Error) -> LabError + use<> {
    let program = command.get_program().to_string_lossy().into_owned();
    move |source| LabError::Start { program, source }
}

/// Both outputs of a finished program, for an error.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{} {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Reads "ready N" from a fresh process; an error holds all it said instead.
fn wait_for_ready(child: &mut Child) -> Result<u32, String> {
    let mut line = String::new();
    if let Some(out) = child.stdout.as_mut() {
        // One line, and nothing is printed after it: the rest of the buffer is empty.
        let _ = BufReader::new(out).read_line(&mut line);
    }
    if let Some(pid) = line.trim().strip_prefix("ready ") {
        return pid.parse().map_err(|_| line.clone());
    }
    if let Some(err) = child.stderr.as_mut() {
        let _ = err.read_to_string(&mut line);
    }
    Err(line)
}

/// The one child of a process that forked to enter a process-id namespace.
pub(crate) fn only_child(pid: u32) -> Result<u32, LabError> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(&path).map_err(LabError::file(path))?;
    children
        .split_whitespace()
        .next()
        .and_then(|child| child.parse().ok())
        .ok_or_else(|| LabError::Failed {
            what: "finding a process of the lab".into(),
            output: format!("process {pid} has no child"),
        })
}

/// No proxy settings and no language of the caller: a lab behaves the same
/// everywhere.
fn plain_environment(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C.UTF-8")
        .env_remove("DISPLAY")
        .env_remove("XAUTHORITY");
}

/// Own `/proc` for the own process numbers, own terminals so that their
/// owners can be set in a user namespace, own shared memory (squid leaves
/// files in it), then wait for the pipe's end. The folder goes from in here,
/// where the files of the hosts' users can be removed.
const FIRST_PROCESS: &str = "
mount --make-rprivate /
mount -t proc proc /proc
mount -t devpts -o newinstance,ptmxmode=0666,gid=5,mode=620 devpts /dev/pts
mount --bind /dev/pts/ptmx /dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
echo ready $$
read -r _ || true
kill -KILL -1 || true
rm -rf -- \"$1\"
";
