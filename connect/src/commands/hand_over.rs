//! Signing in through the portal: a code is shown here and typed there.
//!
//! The browser may be on another computer. The program polls its own link; it
//! opens no port and puts nothing secret into an address.

use std::process::{Command, Stdio};
use std::time::Duration;

use culvert_wire::api::{HandOverCollected, NewHandOver, SignedIn};
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::failure::{Exit, Failure};
use crate::text::{note, plain};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(2);
/// A code is good for ten minutes; after that there is nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until somebody at the portal has signed this computer in.
pub(super) async fn sign_in(api: Api<'_>, label: String) -> Result<SignedIn, Failure> {
    let asked = api.hand_over(&NewHandOver { label }).await?;
    let url = plain(&asked.url).to_string();
    note(&format!(
        "sign in at {url} and type this code there:\n\n    {}\n\nwaiting (Ctrl-C ends it; \
         --password signs in here instead) ...",
        plain(&asked.code)
    ));
    open(&url);
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        sleep(EVERY).await;
        match api.collect(asked.id).await? {
            HandOverCollected::Done(signed) => return Ok(*signed),
            HandOverCollected::Pending => {}
        }
    }
    let text = "nobody typed the code in time: run culvert login again";
    Err(Failure::Person(text.into(), Exit::SignIn))
}

/// Shows the portal in the usual browser, where there is one. What does not
/// start is no fault: the address stands on the screen.
fn open(url: &str) {
    // Only what our own server said, and only an address of the web.
    if !url.starts_with("https://") && !url.starts_with("http://localhost") {
        return;
    }
    let mut command = if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else if cfg!(target_os = "macos") {
        Command::new("open")
    } else {
        let screen = ["DISPLAY", "WAYLAND_DISPLAY"];
        if screen.iter().all(|name| std::env::var_os(name).is_none()) {
            return;
        }
        Command::new("xdg-open")
    };
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Ok(mut child) = command.spawn() {
        // It ends at once; a zombie until then would do no harm either.
        std::thread::spawn(move || drop(child.wait()));
    }
}
