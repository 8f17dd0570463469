//! A whole telnet terminal: options, charset and, while the host does not
//! echo, a line of one's own. Pure; driven by the browser's endpoint.

use super::charset::{Charset, Typed};
use super::line::Line;
use super::{Agreed, Telnet};

/// One conversation with a screen that takes UTF-8 and keys one by one.
#[derive(Debug)]
pub struct Talk {
    telnet: Telnet,
    charset: Charset,
    typed: Typed,
    line: Line,
    shown: Vec<u8>,
    raw: Vec<u8>,
}

impl Talk {
    /// Starts with the terminal's type and size, and what the host writes
    /// unless it says otherwise (RFC 2066).
    pub fn new(terminal: &str, size: (u16, u16), charset: Charset) -> Self {
        Self {
            telnet: Telnet::new(terminal, size),
            charset,
            typed: Typed::default(),
            line: Line::default(),
            shown: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Takes bytes of the host.
    pub fn handle_host(&mut self, bytes: &[u8]) {
        let echoed = self.telnet.host_echoes();
        self.telnet.handle_host(bytes, &mut self.raw);
        if let Some(charset) = self.telnet.charset() {
            self.charset = charset;
        }
        self.show();
        self.echo_since(echoed);
    }

    /// Takes bytes of the host that another end of ours has taken before: they
    /// are shown again, and nothing is answered.
    pub fn handle_replayed(&mut self, bytes: &[u8]) {
        self.telnet.handle_replayed(bytes, &mut self.raw);
        self.show();
    }

    /// What both ends have agreed on so far.
    pub fn agreed(&self) -> Agreed {
        self.telnet.agreed()
    }

    /// Goes on where another end of ours had come to.
    pub fn handle_agreed(&mut self, agreed: Agreed) {
        let echoed = self.telnet.host_echoes();
        self.telnet.handle_agreed(agreed);
        if let Some(charset) = agreed.charset {
            self.charset = charset;
        }
        self.echo_since(echoed);
    }

    /// Takes what was typed, UTF-8 in any pieces.
    pub fn handle_typed(&mut self, bytes: &[u8]) {
        if self.telnet.host_echoes() {
            self.send(bytes);
        } else {
            let mut sent = Vec::new();
            self.line.take(bytes, &mut sent, &mut self.shown);
            self.send(&sent);
        }
    }

    /// The terminal has another size, in columns and rows.
    pub fn handle_resize(&mut self, size: (u16, u16)) {
        self.telnet.handle_resize(size);
    }

    /// What is to be shown.
    pub fn take_shown(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.shown)
    }

    /// What has to be sent to the host.
    pub fn take_out(&mut self) -> Vec<u8> {
        self.telnet.take_out()
    }

    /// A host that echoes gets what was typed of a line while it did not.
    fn echo_since(&mut self, echoed: bool) {
        if !echoed && self.telnet.host_echoes() {
            let mut sent = Vec::new();
            self.line.give_up(&mut sent);
            self.send(&sent);
        }
    }

    fn show(&mut self) {
        for byte in self.raw.drain(..) {
            self.charset.show(byte, &mut self.shown);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let bytes = self.typed.code(self.charset, bytes);
        self.telnet.handle_typed(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DO, IAC, SB, SE, WILL};
    use super::*;

    const ECHO: u8 = 1;
    const CHARSET: u8 = 42;

    #[test]
    fn until_the_host_echoes_lines_are_echoed_here() {
        let mut talk = Talk::new("xterm", (80, 24), Charset::Utf8);
        talk.handle_typed(b"ls");
        assert_eq!(
            (talk.take_shown(), talk.take_out()),
            (b"ls".to_vec(), vec![])
        );
        talk.handle_typed(b"\r");
        assert_eq!(talk.take_out(), b"ls\r\n");

        talk.handle_typed(b"half");
        talk.take_shown();
        talk.handle_host(&[IAC, WILL, ECHO]);
        assert_eq!(talk.take_out(), [&[IAC, DO, ECHO][..], b"half"].concat());
        talk.handle_typed(b"x");
        assert_eq!(
            (talk.take_shown(), talk.take_out()),
            (vec![], b"x".to_vec())
        );
    }

    #[test]
    fn an_old_hosts_letters_are_shown_and_typed_in_its_own_charset() {
        let mut talk = Talk::new("vt100", (80, 24), Charset::Cp437);
        talk.handle_host(&[IAC, WILL, ECHO, 0x81, IAC, IAC]);
        talk.take_out();
        assert_eq!(talk.take_shown(), "ü\u{a0}".as_bytes());
        talk.handle_typed("ü".as_bytes());
        assert_eq!(talk.take_out(), [0x81]);
    }

    #[test]
    fn another_end_goes_on_in_the_charset_that_was_agreed_on() {
        let mut first = Talk::new("vt100", (80, 24), Charset::Utf8);
        let before = [
            &[IAC, WILL, ECHO, IAC, WILL, CHARSET, IAC, SB, CHARSET, 1][..],
            b";CP437",
            &[IAC, SE, 0x81],
        ]
        .concat();
        first.handle_host(&before);
        let mut next = Talk::new("vt100", (80, 24), Charset::Utf8);
        next.handle_typed(b"ls");
        next.handle_agreed(first.agreed());
        assert_eq!(
            next.take_out(),
            b"ls",
            "typed before it was known who echoes"
        );
        assert_eq!(next.take_shown(), b"ls");
        next.handle_replayed(&before);
        assert_eq!(next.take_shown(), "ü".as_bytes());
        next.handle_typed("ü".as_bytes());
        assert_eq!(next.take_out(), [0x81]);
    }

    #[test]
    fn a_host_that_names_its_charset_is_believed() {
        let mut talk = Talk::new("vt100", (80, 24), Charset::Cp437);
        let ask = [
            &[IAC, WILL, CHARSET, IAC, SB, CHARSET, 1][..],
            b";X;UTF-8",
            &[IAC, SE],
        ];
        talk.handle_host(&ask.concat());
        let accepted = [
            &[IAC, DO, CHARSET, IAC, SB, CHARSET, 2][..],
            b"UTF-8",
            &[IAC, SE],
        ];
        assert_eq!(talk.take_out(), accepted.concat());
        talk.handle_host("ü".as_bytes());
        assert_eq!(talk.take_shown(), "ü".as_bytes());
    }
}
