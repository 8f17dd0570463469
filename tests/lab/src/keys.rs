//! Fresh secrets for every run: passwords and random words.
//!
//! Never a fixed password, and never one that is printed in a log: the demo
//! prints them once, on purpose, for the person who is to type them.

use std::fs::File;
use std::io::Read;

use crate::LabError;

/// Who may log in where on the site's hosts.
#[derive(Clone)]
pub struct Credentials {
    /// Account on the server and the desktop (ssh, telnet, RDP).
    pub user: String,
    /// Its password.
    pub password: String,
    /// The VNC password (eight letters, as VNC has it).
    pub vnc_password: String,
    /// Account on the site's HTTP proxy, where it asks for one.
    pub proxy_user: String,
    /// Its password.
    pub proxy_password: String,
    /// A word only the device's page holds.
    pub page_word: String,
    /// A word only the device's WebSocket says.
    pub live_word: String,
}

impl Credentials {
    pub(crate) fn fresh() -> Result<Self, LabError> {
        Ok(Self {
            user: "alex".into(),
            password: random_word(16)?,
            vnc_password: random_word(8)?,
            proxy_user: "box".into(),
            proxy_password: random_word(16)?,
            page_word: random_word(20)?,
            live_word: random_word(20)?,
        })
    }
}

/// A random word of small letters, good for passwords and for marks that a
/// keyboard of any layout can type.
pub fn random_word(letters: usize) -> Result<String, LabError> {
    let path = "/dev/urandom";
    let mut source = File::open(path).map_err(LabError::file(path))?;
    let mut word = String::with_capacity(letters);
    let mut byte = [0_u8; 1];
    while word.len() < letters {
        source.read_exact(&mut byte).map_err(LabError::file(path))?;
        // 234 = 9 * 26: every letter equally likely.
        if byte[0] < 234 {
            word.push(char::from(b'a' + byte[0] % 26));
        }
    }
    Ok(word)
}
