//! Telnet for JavaScript: bytes of the host in, bytes for the screen out.

use culvert_screen::telnet::{self, Agreed, Charset};
use wasm_bindgen::prelude::*;

/// One telnet conversation.
#[wasm_bindgen]
pub struct Talk {
    talk: telnet::Talk,
}

#[wasm_bindgen]
impl Talk {
    /// Starts with the terminal's type and size, and what the host writes.
    #[wasm_bindgen(constructor)]
    pub fn new(terminal: &str, cols: u16, rows: u16, charset: &str) -> Talk {
        let charset = Charset::named(charset).unwrap_or_default();
        Self {
            talk: telnet::Talk::new(terminal, (cols, rows), charset),
        }
    }

    /// Takes bytes of the host; gives what is to be shown.
    pub fn host(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.talk.handle_host(bytes);
        self.talk.take_shown()
    }

    /// Takes bytes that another page has taken before; gives what is to be
    /// shown of them again.
    pub fn replayed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.talk.handle_replayed(bytes);
        self.talk.take_shown()
    }

    /// What was agreed on so far, for a page that goes on.
    pub fn agreed(&self) -> Vec<u8> {
        self.talk.agreed().to_bytes()
    }

    /// Goes on with what another page had agreed on; says whether it could be
    /// read.
    pub fn go_on(&mut self, agreed: &[u8]) -> bool {
        let agreed = Agreed::from_bytes(agreed);
        if let Some(agreed) = agreed {
            self.talk.handle_agreed(agreed);
        }
        agreed.is_some()
    }

    /// Takes what was typed; gives what is to be shown of it here.
    pub fn typed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.talk.handle_typed(bytes);
        self.talk.take_shown()
    }

    /// The terminal has another size.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.talk.handle_resize((cols, rows));
    }

    /// What has to be sent to the host.
    pub fn out(&mut self) -> Vec<u8> {
        self.talk.take_out()
    }
}
