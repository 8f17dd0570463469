//! A line being typed while the host does not echo: shown here, corrected
//! here, sent with Enter. Pure; bounded.

/// Longest line, in bytes; what is typed beyond is not taken (a bell).
const MAX_LINE: usize = 4096;

const BELL: u8 = 7;
const BACKSPACE: u8 = 8;
const KILL: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// The line so far, UTF-8.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: Vec<u8>,
}

impl Line {
    /// Takes what was typed: whole lines go to `sent`, the echo to `shown`.
    pub(super) fn take(&mut self, typed: &[u8], sent: &mut Vec<u8>, shown: &mut Vec<u8>) {
        for &byte in typed {
            match byte {
                b'\r' | b'\n' => {
                    shown.extend(b"\r\n");
                    sent.append(&mut self.text);
                    sent.push(b'\n');
                }
                BACKSPACE | DELETE => self.rub_out(shown),
                KILL => {
                    while !self.text.is_empty() {
                        self.rub_out(shown);
                    }
                }
                // Escape sequences and interrupts are the host's business.
                ..0x20 if byte != b'\t' => {
                    sent.append(&mut self.text);
                    sent.push(byte);
                }
                byte if self.text.len() < MAX_LINE => {
                    self.text.push(byte);
                    shown.push(byte);
                }
                _ => shown.push(BELL),
            }
        }
    }

    /// The host echoes from now on: what was typed is its own.
    pub(super) fn give_up(&mut self, sent: &mut Vec<u8>) {
        sent.append(&mut self.text);
    }

    /// Takes the last letter back.
    fn rub_out(&mut self, shown: &mut Vec<u8>) {
        while let Some(byte) = self.text.pop() {
            // A letter's later bytes: its first one is still to come.
            if byte & 0xc0 != 0x80 {
                shown.extend(b"\x08 \x08");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut sent, mut shown) = (Vec::new(), Vec::new());
        line.take(bytes, &mut sent, &mut shown);
        (sent, shown)
    }

    #[test]
    fn a_line_is_shown_at_once_corrected_and_sent_with_enter() {
        let mut line = Line::default();
        assert_eq!(typed(&mut line, "roü".as_bytes()), (vec![], "roü".into()));
        assert_eq!(typed(&mut line, b"\x7f").1, b"\x08 \x08");
        assert_eq!(
            typed(&mut line, b"ot\r"),
            (b"root\n".to_vec(), b"ot\r\n".to_vec())
        );
        assert_eq!(typed(&mut line, b"\x7f").1, b"");
        typed(&mut line, b"abc\x15");
        assert_eq!(typed(&mut line, b"\r").0, b"\n");
    }

    #[test]
    fn keys_with_a_meaning_of_their_own_go_to_the_host_at_once() {
        let mut line = Line::default();
        typed(&mut line, b"ab");
        assert_eq!(typed(&mut line, b"\x03").0, b"ab\x03");
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut line = Line::default();
        let (sent, shown) = typed(&mut line, &vec![b'x'; 1 << 16]);
        assert!(sent.is_empty() && shown.ends_with(&[BELL]));
        assert_eq!(typed(&mut line, b"\r").0.len(), MAX_LINE + 1);
    }
}
