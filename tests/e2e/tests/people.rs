//! People, boxes, kept passwords and the way to `culvert`, in a real browser on
//! real HTTPS under the private authority (S9, S12, S18, S19, S21, S30, S34, S39).
//!
//! What the browser does is in tests/portal/people.mjs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use culvert_e2e::portal::{self, World};
use culvert_e2e::supervised;
use culvert_e2e::world::{eventually, must_work};
use culvert_lab::{Programs, Running, Site};

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn people_sign_in_claim_boxes_keep_passwords_hand_over_and_leave() {
    Programs::beside_this_one()
        .map_err(Into::into)
        .and_then(|programs| portal::over_https(programs, run))
        .unwrap_or_else(|error| panic!("{error:?}"));
}

fn run(world: &mut World<'_>) -> anyhow::Result<()> {
    let World {
        site,
        stack,
        scripts,
        told,
    } = world;
    stack.start_gateway()?;
    let mut computers = Computers::new(site);
    scripts.run("people.mjs", told, |words| match words {
        ["claim" | "replace", code] => {
            stack.claim_another(code)?;
            Ok("null".to_owned())
        }
        ["claim-box", code, what] => {
            supervised::claim(stack, code, what)?;
            Ok("null".to_owned())
        }
        ["fall-back", version] => {
            supervised::fall_back(stack, version.parse()?)?;
            Ok("null".to_owned())
        }
        ["publish", version] => {
            let bundle = supervised::bundle(site.temp_dir(), version.parse()?)?;
            stack.admin(&["release", "publish", &bundle.display().to_string()])?;
            Ok("null".to_owned())
        }
        // As if ten minutes had passed since she proved herself.
        ["stale", name] => {
            let sql = format!(
                "UPDATE tokens SET stepped_up = 1 WHERE user_id = \
                 (SELECT id FROM users WHERE name = '{name}')"
            );
            sqlite(&stack.data("cloud").join("culvert.db"), &sql)?;
            Ok("null".to_owned())
        }
        // The provider puts `culvert` on the server.
        ["offer", name] => {
            let folder = stack.data("cloud").join("downloads");
            std::fs::create_dir_all(&folder)?;
            let bytes = std::fs::copy(
                Programs::beside_this_one()?.folder().join("culvert"),
                folder.join(name),
            )?;
            let mut sum = Command::new("sh");
            sum.args(["-ec", "sha256sum \"$0\" >\"$0.sha256\"", name]);
            must_work(sum.current_dir(&folder))?;
            Ok(bytes.to_string())
        }
        ["hooks"] => receiver(site, &stack.data("cloud").join("tls")),
        ["login", name] => computers.login(name, stack.provider_key()),
        ["logged-in", name] => computers.logged_in(name),
        ["open", name, url] => computers.open(name, url),
        ["web", name, url] => computers.web(name, url),
        // As if the minute had passed, for links to this program.
        ["expire-launches"] => {
            let sql = "UPDATE launches SET expires = 1 WHERE protocol = 'rdp'";
            sqlite(&stack.data("cloud").join("culvert.db"), sql)?;
            Ok("null".to_owned())
        }
        _ => bail!("an unknown question: {words:?}"),
    })
}

fn sqlite(database: &Path, sql: &str) -> anyhow::Result<()> {
    let mut sqlite = Command::new("sqlite3");
    sqlite.arg("-cmd").arg(".timeout 20000").arg(database);
    must_work(sqlite.arg(sql)).map(drop)
}

/// Key and certificate of a receiver on this machine, by the server's own
/// authority; the files' names.
fn receiver(site: &Site, authority: &Path) -> anyhow::Result<String> {
    let at = site.temp_dir().join("hooks");
    let script = "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout \"$0.key\" -out \"$0.csr\"
        printf 'subjectAltName=DNS:localhost' > \"$0.ext\"
        openssl x509 -req -in \"$0.csr\" -CA \"$1/ca.pem\" -CAkey \"$1/ca.key\" -CAserial \"$0.srl\" \\
            -CAcreateserial -days 30 -extfile \"$0.ext\" -out \"$0.pem\"";
    let mut openssl = Command::new("sh");
    must_work(openssl.args(["-ec", script]).arg(&at).arg(authority))?;
    Ok(json(&at.display().to_string()))
}

/// People's own computers, each with a home and `culvert`.
struct Computers<'a> {
    site: &'a Site,
    program: PathBuf,
    waiting: HashMap<String, Running>,
    /// Programs that run on, such as a proxy.
    open: Vec<Running>,
}

impl<'a> Computers<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            program: Programs::beside_this_one()
                .map(|programs| programs.folder().join("culvert"))
                .unwrap_or_default(),
            waiting: HashMap::new(),
            open: Vec::new(),
        }
    }

    fn culvert(&self, name: &str, args: &[&str]) -> anyhow::Result<Command> {
        let home = self.site.temp_dir().join("computers").join(name);
        std::fs::create_dir_all(&home)?;
        let mut command = Command::new(&self.program);
        command
            .env("HOME", &home)
            .env("CULVERT_HOME", home.join("culvert"));
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.args(args).stdin(Stdio::null());
        Ok(command)
    }

    /// `culvert login` begins; the code that it shows.
    fn login(&mut self, name: &str, key: &str) -> anyhow::Result<String> {
        let at = self.site.cloud().to_string();
        let args = ["login", &at, "--browser", "--provider-key", key];
        let mut command = self.culvert(name, &args)?;
        let running = self.site.spawn(&format!("login-{name}"), &mut command)?;
        let mut code = None;
        eventually("a code is shown", LIMIT, || {
            let log = running.log();
            let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-';
            code = log.split_whitespace().find(is_code).map(str::to_owned);
            Ok(code.is_some())
        })
        .with_context(|| running.log())?;
        self.waiting.insert(name.to_owned(), running);
        Ok(json(&code.unwrap_or_default()))
    }

    /// It ends by itself once it is approved; as whom, in its own words.
    fn logged_in(&mut self, name: &str) -> anyhow::Result<String> {
        let mut running = self.waiting.remove(name).context("nobody waits")?;
        let ended = running.wait(LIMIT);
        let status = ended.with_context(|| running.log())?;
        ensure!(status.success(), "{}", running.log());
        let log = running.log();
        let said = log.lines().find(|line| line.contains("signed in at"));
        Ok(json(said.context("it does not say as whom")?))
    }

    /// `culvert open`; where a viewer could connect.
    fn open(&mut self, name: &str, url: &str) -> anyhow::Result<String> {
        self.runs_on(name, url, |line| line.contains("127."))
    }

    /// The same of a web device: a proxy for a browser of its own, through which
    /// the device's page comes under its own address.
    fn web(&mut self, name: &str, url: &str) -> anyhow::Result<String> {
        let proxy = self.runs_on(name, url, |line| line.contains("socks5://"))?;
        let address = proxy.trim_matches('"').replace("socks5://", "");
        // The device sets a cookie and sends on to an absolute address.
        let curl = ["--silent", "--show-error", "--fail", "--max-time", "30"];
        let curl = curl.iter().chain(&["--location", "--cookie", ""]);
        let mut command = Command::new("curl");
        command.args(curl).args(["--socks5", &address]);
        let page = format!("http://{}/", culvert_lab::DEVICE_IP);
        let page = must_work(command.arg(&page))?;
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        let word = &self.site.credentials().page_word;
        ensure!(page.contains(word.as_str()), "another page: {page}");
        Ok(proxy)
    }

    /// Starts `culvert open` and waits for what it prints, or for its end.
    fn runs_on(
        &mut self,
        name: &str,
        url: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        let mut command = self.culvert(name, &["open", "--yes", "--print", url])?;
        let program = format!("open-{name}-{}", self.open.len());
        let mut running = self.site.spawn(&program, &mut command)?;
        let mut found = None;
        eventually("it says where", LIMIT, || {
            let log = running.log();
            found = log.lines().find(|line| wanted(line)).map(str::to_owned);
            Ok(found.is_some() || !running.is_running())
        })?;
        let log = running.log();
        self.open.push(running);
        found.map(|line| json(line.trim())).with_context(|| log)
    }
}

/// A text as JSON; what our programs print needs no more than this.
fn json(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}
