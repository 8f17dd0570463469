//! Telnet (RFC 854) at the technician's end.
//!
//! The gateway passes bytes through unparsed, so the options are negotiated
//! here: window size (RFC 1073), terminal type (RFC 1091), echo (RFC 857),
//! suppress go-ahead (RFC 858), binary (RFC 856) and charset (RFC 2066).
//! Everything else is refused. An option is answered only when its state changes, so that two
//! ends can never answer each other for ever. Pure; driven by
//! `culvert telnet` and by the browser's endpoint.

mod agreed;
mod charset;
mod line;
mod parse;
mod talk;

pub use agreed::Agreed;
pub use charset::Charset;
use parse::{Event, Parser};
pub use talk::Talk;

/// Interpret as command.
pub(crate) const IAC: u8 = 255;
pub(crate) const DONT: u8 = 254;
pub(crate) const DO: u8 = 253;
pub(crate) const WONT: u8 = 252;
pub(crate) const WILL: u8 = 251;
pub(crate) const SB: u8 = 250;
pub(crate) const SE: u8 = 240;

const BINARY: u8 = 0;
const ECHO: u8 = 1;
const SUPPRESS_GO_AHEAD: u8 = 3;
const TERMINAL_TYPE: u8 = 24;
const WINDOW_SIZE: u8 = 31;
const CHARSET: u8 = 42;

/// RFC 1091: the host asks for the type, the client tells it.
const SEND: u8 = 1;
const IS: u8 = 0;

/// RFC 2066: the host asks for one of a list, the client picks or refuses.
const REQUEST: u8 = 1;
const ACCEPTED: u8 = 2;
const REJECTED: u8 = 3;

/// What we agree to do when asked.
const OURS: [u8; 5] = [
    BINARY,
    SUPPRESS_GO_AHEAD,
    TERMINAL_TYPE,
    WINDOW_SIZE,
    CHARSET,
];
/// What the host may do.
const THEIRS: [u8; 4] = [BINARY, ECHO, SUPPRESS_GO_AHEAD, CHARSET];

/// One conversation.
#[derive(Debug)]
pub struct Telnet {
    parser: Parser,
    ours: Options,
    theirs: Options,
    terminal: String,
    size: (u16, u16),
    /// The host sent CR and the byte after it decides.
    after_cr: bool,
    /// What the host said that it writes.
    charset: Option<Charset>,
    out: Vec<u8>,
}

/// Options that are on.
#[derive(Debug, Default)]
struct Options(u64);

impl Options {
    /// Those of a set that we know.
    fn of(known: &[u8], set: u64) -> Self {
        Self(known.iter().fold(0, |all, option| all | 1 << option) & set)
    }

    fn has(&self, option: u8) -> bool {
        option < 64 && self.0 & (1 << option) != 0
    }

    /// Sets an option below 64; true if that changed it.
    fn set(&mut self, option: u8, on: bool) -> bool {
        let before = self.0;
        if on {
            self.0 |= 1 << option;
        } else {
            self.0 &= !(1 << option);
        }
        self.0 != before
    }
}

impl Telnet {
    /// Starts with what the terminal is, such as `xterm-256color`, and its
    /// columns and rows.
    pub fn new(terminal: &str, size: (u16, u16)) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        // RFC 1091: at most 40 characters.
        Self {
            parser: Parser::default(),
            ours: Options::default(),
            theirs: Options::default(),
            terminal: terminal.chars().filter(plain).take(40).collect(),
            size,
            after_cr: false,
            charset: None,
            out: Vec::new(),
        }
    }

    /// Takes bytes of the host; what is to be shown is appended to `shown`.
    pub fn handle_host(&mut self, bytes: &[u8], shown: &mut Vec<u8>) {
        for &byte in bytes {
            match self.parser.feed(byte) {
                None => {}
                Some(Event::Data(byte)) => self.show(byte, shown),
                Some(Event::Negotiate { verb, option }) => self.negotiate(verb, option),
                Some(Event::Sub { option, body }) => self.subnegotiate(option, &body),
            }
        }
    }

    /// Takes bytes of the host that were taken before, by another end of ours:
    /// they are shown again, and nothing is answered.
    pub fn handle_replayed(&mut self, bytes: &[u8], shown: &mut Vec<u8>) {
        for &byte in bytes {
            if let Some(Event::Data(byte)) = self.parser.feed(byte) {
                self.show(byte, shown);
            }
        }
    }

    /// What both ends have agreed on so far.
    pub fn agreed(&self) -> Agreed {
        Agreed {
            ours: self.ours.0,
            theirs: self.theirs.0,
            charset: self.charset,
        }
    }

    /// Goes on where another end of ours had come to; a host that wants the
    /// window's size is told this one's.
    pub fn handle_agreed(&mut self, agreed: Agreed) {
        self.ours = Options::of(&OURS, agreed.ours);
        self.theirs = Options::of(&THEIRS, agreed.theirs);
        self.charset = agreed.charset;
        if self.ours.has(WINDOW_SIZE) {
            self.tell_size();
        }
    }

    /// Takes what a person typed; Enter is CR from a raw terminal and LF from
    /// a line-wise one.
    pub fn handle_typed(&mut self, bytes: &[u8]) {
        let binary = self.ours.has(BINARY);
        for &byte in bytes {
            match byte {
                IAC => self.out.extend([IAC, IAC]),
                // RFC 854: a bare CR is CR NUL.
                b'\r' if !binary => self.out.extend(*b"\r\0"),
                b'\n' if !binary => self.out.extend(*b"\r\n"),
                byte => self.out.push(byte),
            }
        }
    }

    /// Takes a new size of the window, in columns and rows.
    pub fn handle_resize(&mut self, size: (u16, u16)) {
        if size != self.size {
            self.size = size;
            if self.ours.has(WINDOW_SIZE) {
                self.tell_size();
            }
        }
    }

    /// What has to be sent to the host.
    pub fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether the host echoes: then keys go one by one, else line by line.
    pub fn host_echoes(&self) -> bool {
        self.theirs.has(ECHO)
    }

    /// What the host said that it writes, if it said so.
    pub const fn charset(&self) -> Option<Charset> {
        self.charset
    }

    fn show(&mut self, byte: u8, shown: &mut Vec<u8>) {
        let padding = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == 0;
        if !padding {
            shown.push(byte);
        }
    }

    fn negotiate(&mut self, verb: u8, option: u8) {
        match verb {
            DO if !OURS.contains(&option) => self.say(WONT, option),
            WILL if !THEIRS.contains(&option) => self.say(DONT, option),
            DO if self.ours.set(option, true) => {
                self.say(WILL, option);
                if option == WINDOW_SIZE {
                    self.tell_size();
                }
            }
            DONT if OURS.contains(&option) && self.ours.set(option, false) => {
                self.say(WONT, option);
            }
            WILL if self.theirs.set(option, true) => self.say(DO, option),
            WONT if THEIRS.contains(&option) && self.theirs.set(option, false) => {
                self.say(DONT, option);
            }
            // Already so: an answer would be answered again.
            _ => {}
        }
    }

    fn subnegotiate(&mut self, option: u8, body: &[u8]) {
        if option == TERMINAL_TYPE && body == [SEND] && self.ours.has(TERMINAL_TYPE) {
            let name = self.terminal.clone();
            self.out.extend([IAC, SB, TERMINAL_TYPE, IS]);
            self.out.extend(name.bytes());
            self.out.extend([IAC, SE]);
        }
        if option == CHARSET && body.first() == Some(&REQUEST) {
            self.pick_charset(&body[1..]);
        }
    }

    /// A separator, then names between separators, best first.
    fn pick_charset(&mut self, list: &[u8]) {
        let asked = self.ours.has(CHARSET) || self.theirs.has(CHARSET);
        let Some((separator, names)) = list.split_first().filter(|_| asked) else {
            return;
        };
        let picked = names.split(|byte| byte == separator).find_map(|name| {
            let charset = Charset::named(std::str::from_utf8(name).ok()?)?;
            Some((name, charset))
        });
        self.out.extend([IAC, SB, CHARSET]);
        match picked {
            Some((name, charset)) => {
                self.charset = Some(charset);
                self.out.push(ACCEPTED);
                self.out.extend_from_slice(name);
            }
            None => self.out.push(REJECTED),
        }
        self.out.extend([IAC, SE]);
    }

    fn tell_size(&mut self) {
        let (columns, rows) = self.size;
        self.out.extend([IAC, SB, WINDOW_SIZE]);
        for byte in [columns.to_be_bytes(), rows.to_be_bytes()].concat() {
            self.out.push(byte);
            if byte == IAC {
                self.out.push(IAC);
            }
        }
        self.out.extend([IAC, SE]);
    }

    fn say(&mut self, verb: u8, option: u8) {
        self.out.extend([IAC, verb, option]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telnet() -> Telnet {
        Telnet::new("xterm", (80, 24))
    }

    fn shown(telnet: &mut Telnet, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        telnet.handle_host(bytes, &mut shown);
        shown
    }

    /// S31, with the first bytes of a GNU inetutils telnetd.
    #[test]
    fn a_real_servers_greeting_is_answered() {
        let mut telnet = telnet();
        let greeting = [
            IAC, DO, 24, IAC, DO, 32, IAC, DO, 35, IAC, DO, 39, IAC, WILL, 3, IAC, DO, 31,
        ];

        assert_eq!(shown(&mut telnet, &greeting), b"");

        let mut answers = vec![IAC, WILL, 24, IAC, WONT, 32, IAC, WONT, 35, IAC, WONT, 39];
        answers.extend([IAC, DO, 3, IAC, WILL, 31]);
        answers.extend([IAC, SB, 31, 0, 80, 0, 24, IAC, SE]);
        assert_eq!(telnet.take_out(), answers);
        shown(&mut telnet, &[IAC, SB, 24, 1, IAC, SE]);
        assert_eq!(telnet.take_out(), b"\xff\xfa\x18\x00xterm\xff\xf0");
    }

    #[test]
    fn an_option_is_answered_once_and_never_loops() {
        let mut telnet = telnet();
        shown(&mut telnet, &[IAC, WILL, ECHO]);
        assert!(telnet.host_echoes());
        assert_eq!(telnet.take_out(), [IAC, DO, ECHO]);

        shown(&mut telnet, &[IAC, WILL, ECHO, IAC, WILL, ECHO]);
        assert!(telnet.take_out().is_empty());
        shown(&mut telnet, &[IAC, WONT, ECHO, IAC, WONT, ECHO]);
        assert_eq!(telnet.take_out(), [IAC, DONT, ECHO]);
        assert!(!telnet.host_echoes());
        shown(&mut telnet, &[IAC, WONT, 200, IAC, DONT, 200]);
        assert!(telnet.take_out().is_empty());
    }

    #[test]
    fn every_byte_reaches_the_screen_whatever_the_cuts() {
        let bytes = [
            b'a', IAC, IAC, b'\r', 0, b'\r', b'\n', IAC, DO, 31, b'z', IAC, 241,
        ];
        let whole = shown(&mut telnet(), &bytes);
        assert_eq!(whole, [b'a', 255, b'\r', b'\r', b'\n', b'z']);
        for cut in 0..bytes.len() {
            let mut telnet = telnet();
            let mut got = shown(&mut telnet, &bytes[..cut]);
            got.extend(shown(&mut telnet, &bytes[cut..]));
            assert_eq!(got, whole, "{cut}");
        }
    }

    #[test]
    fn typed_lines_keys_and_high_bytes_are_coded() {
        let mut telnet = telnet();
        telnet.handle_typed(b"ls\n");
        telnet.handle_typed(b"x\r");
        telnet.handle_typed(&[255]);
        assert_eq!(telnet.take_out(), b"ls\r\nx\r\0\xff\xff");

        shown(&mut telnet, &[IAC, DO, BINARY]);
        telnet.take_out();
        telnet.handle_typed(b"x\r");
        assert_eq!(telnet.take_out(), b"x\r");
    }

    /// P12: another end goes on with the conversation.
    #[test]
    fn another_end_goes_on_shows_again_and_answers_nothing_twice() {
        let mut first = telnet();
        let before = [
            &[IAC, WILL, ECHO, IAC, DO, 31, b'a'][..],
            &[IAC, SB, 24, 1, IAC, SE, IAC, DO, 200, b'b'],
        ]
        .concat();
        assert_eq!(shown(&mut first, &before), b"ab");

        let mut next = Telnet::new("xterm", (100, 30));
        next.handle_agreed(first.agreed());
        assert_eq!(next.take_out(), [IAC, SB, 31, 0, 100, 0, 30, IAC, SE]);
        let mut again = Vec::new();
        next.handle_replayed(&before, &mut again);
        assert_eq!(again, b"ab");
        assert!(next.take_out().is_empty());
        assert!(next.host_echoes());
        shown(&mut next, &[IAC, WONT, ECHO]);
        assert_eq!(next.take_out(), [IAC, DONT, ECHO]);

        // Options that nobody knows are not on.
        let odd = Agreed {
            ours: u64::MAX,
            theirs: u64::MAX,
            ..Agreed::default()
        };
        next.handle_agreed(odd);
        assert_eq!(next.agreed().theirs, 1 | 1 << 1 | 1 << 3 | 1 << 42);
    }

    #[test]
    fn a_new_size_is_told_only_when_the_host_asked_for_it() {
        let mut telnet = telnet();
        telnet.handle_resize((255, 50));
        assert!(telnet.take_out().is_empty());

        shown(&mut telnet, &[IAC, DO, WINDOW_SIZE]);
        let sizes = [IAC, SB, 31, 0, 255, 255, 0, 50, IAC, SE];
        assert_eq!(telnet.take_out()[3..], sizes);
        telnet.handle_resize((255, 50));
        assert!(telnet.take_out().is_empty());
    }

    #[test]
    fn hostile_bytes_cost_bounded_memory() {
        let mut telnet = telnet();
        let endless: Vec<u8> = [IAC, SB, 24].into_iter().chain(vec![7; 1 << 20]).collect();

        assert_eq!(shown(&mut telnet, &endless), b"");
        shown(&mut telnet, &[IAC, SE]);

        assert!(telnet.take_out().is_empty());
        assert_eq!(shown(&mut telnet, b"on"), b"on");
        for first in 0..=255 {
            for second in 0..=255 {
                shown(&mut telnet, &[IAC, first, second]);
                telnet.take_out();
            }
        }
    }
}
