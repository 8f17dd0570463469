//! Proofs that only a working session can leave on the desktop host.
//!
//! A *notepad* is a terminal on a remote screen whose typed lines go to a
//! file in the account's home; the test reads the file from outside.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::namespace::Ns;
use crate::servers::desktop;
use crate::{LabError, Site, ready};

impl Site {
    /// Opens a terminal on the desktop's screen `display` that keeps what is
    /// typed into it in the file `name`; returns when it has the keyboard.
    pub fn open_notepad(&self, display: u32, name: &str) -> Result<(), LabError> {
        let user = &self.credentials().user;
        let script = format!(
            "xterm -title {name}-notes -geometry 80x24+60+60 -e sh -c 'cat > {name}' &
             w=$(timeout 50 xdotool search --sync --onlyvisible --name {name}-notes | tail -1)
             xdotool windowraise $w windowfocus $w"
        );
        let mut command = self.command(Ns::Desktop, "setpriv");
        self.as_account(&mut command, Some(display));
        command
            .env("XAUTHORITY", format!("/home/{user}/.Xauthority"))
            .args(["sh", "-c", &format!("cd; {script}")]);
        let mut notepad = self.spawn(&format!("notepad-{name}"), &mut command)?;
        match notepad.wait(Duration::from_secs(60)) {
            Some(status) if status.success() => Ok(()),
            Some(_) | None => Err(LabError::Failed {
                what: "opening a notepad".into(),
                output: notepad.log(),
            }),
        }
    }

    /// Waits until the notepad `name` holds the line.
    pub fn wait_for_note(&self, name: &str, line: &str, limit: Duration) -> Result<(), LabError> {
        let path = self.home(Ns::Desktop).join(name);
        ready::until(&format!("{line} in {}", path.display()), limit, || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            if text.lines().any(|typed| typed == line) {
                return Ok(());
            }
            Err(format!("it holds {text:?}"))
        })
    }

    /// Waits until an RDP login has a screen of its own and returns its number.
    pub fn wait_for_rdp_screen(&self, limit: Duration) -> Result<u32, LabError> {
        let script = "ls /tmp/.X11-unix";
        ready::until("a screen for the RDP login", limit, || {
            let listing = self.shell(Ns::Desktop, script).map_err(|e| e.to_string())?;
            let numbers = listing.lines().filter_map(|name| name.strip_prefix('X'));
            let mut numbers = numbers.filter_map(|number| number.parse::<u32>().ok());
            let display = numbers
                .find(|number| *number >= 10)
                .ok_or_else(|| listing.clone())?;
            self.shell(Ns::Desktop, &desktop::is_up(self.credentials(), display))
                .map_err(|error| error.to_string())?;
            Ok(display)
        })
    }

    /// Waits until a browser has run the device's page and heard its
    /// WebSocket: only then does it know the address it asks for.
    pub fn wait_for_page_proof(&self, limit: Duration) -> Result<(), LabError> {
        let who = self.credentials();
        let backwards: String = who.page_word.chars().rev().collect();
        self.wait_for_request(&format!("/proof/{backwards}/{}", who.live_word), limit)
    }

    /// Waits until the device was asked for a page.
    pub fn wait_for_request(&self, page: &str, limit: Duration) -> Result<(), LabError> {
        let proof = format!("GET {page} ");
        let path = self.temp_dir().join("hosts/device/access.log");
        ready::until(&format!("{page} at the device"), limit, || {
            let log = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            if log.contains(&proof) {
                Ok(())
            } else {
                Err(log)
            }
        })
    }

    /// A file with the VNC password, in the form viewers read.
    pub fn vnc_password_file(&self) -> PathBuf {
        self.temp_dir().join("hosts").join("desktop").join("vnc")
    }
}
