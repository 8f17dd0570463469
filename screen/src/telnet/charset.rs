//! What a host writes, as UTF-8 for the screen, and back. Pure.
//!
//! Old devices know no UTF-8: their bytes are Latin-1 or the PC's code page
//! 437. Whatever comes, what is shown is valid UTF-8 and at most three times
//! as long.

/// How a host codes its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Bytes pass unchanged.
    #[default]
    Utf8,
    /// ISO 8859-1.
    Latin1,
    /// The PC's own code page, with its frames and blocks.
    Cp437,
}

impl Charset {
    /// The charset of a name as RFC 2066 hosts and pages write it.
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is(&["utf-8", "utf8"]) {
            Some(Self::Utf8)
        } else if is(&["iso-8859-1", "iso_8859-1", "latin1"]) {
            Some(Self::Latin1)
        } else if is(&["cp437", "ibm437"]) {
            Some(Self::Cp437)
        } else {
            None
        }
    }

    /// Appends a byte of the host as UTF-8.
    pub(super) fn show(self, byte: u8, shown: &mut Vec<u8>) {
        let letter = match (self, byte) {
            (Self::Utf8, _) | (_, ..=0x7f) => return shown.push(byte),
            (Self::Latin1, _) => char::from(byte),
            (Self::Cp437, _) => CP437[usize::from(byte) - 128],
        };
        shown.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// The host's byte for a letter that was typed; `?` when it has none.
    fn byte_of(self, letter: char) -> u8 {
        let high = match self {
            Self::Latin1 => u8::try_from(u32::from(letter)).ok(),
            Self::Utf8 | Self::Cp437 => CP437
                .iter()
                .position(|known| *known == letter)
                .and_then(|at| u8::try_from(at + 128).ok()),
        };
        match u8::try_from(letter) {
            Ok(plain) if plain.is_ascii() => plain,
            Ok(_) | Err(_) => high.unwrap_or(b'?'),
        }
    }
}

/// Turns what was typed, UTF-8 in any pieces, into the host's bytes.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// The beginning of a letter whose end has not come.
    part: Vec<u8>,
}

impl Typed {
    pub(super) fn code(&mut self, charset: Charset, bytes: &[u8]) -> Vec<u8> {
        if charset == Charset::Utf8 {
            return bytes.to_vec();
        }
        self.part.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.part);
        let mut out = Vec::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.extend(chunk.valid().chars().map(|letter| charset.byte_of(letter)));
            let invalid = chunk.invalid();
            let may_go_on = chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if may_go_on {
                self.part = invalid.to_vec();
            } else if !invalid.is_empty() {
                out.push(b'?');
            }
        }
        out
    }
}

/// Bytes 128 to 255 of code page 437.
#[rustfmt::skip]
const CP437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐',
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧',
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀',
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩',
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(charset: Charset, bytes: &[u8]) -> String {
        let mut shown = Vec::new();
        for byte in bytes {
            charset.show(*byte, &mut shown);
        }
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn every_byte_of_an_old_charset_is_shown_and_comes_back() {
        assert_eq!(shown(Charset::Latin1, b"Z\xfcrich"), "Zürich");
        assert_eq!(shown(Charset::Cp437, b"\xc9\xcd\xbb \x81"), "╔═╗ ü");
        for charset in [Charset::Latin1, Charset::Cp437] {
            for byte in 0..=255 {
                let text = shown(charset, &[byte]);
                assert_eq!(Typed::default().code(charset, text.as_bytes()), [byte]);
            }
        }
    }

    #[test]
    fn typed_letters_survive_any_cut_and_foreign_ones_become_question_marks() {
        let mut typed = Typed::default();
        let mut out = Vec::new();
        for byte in "ü€x".bytes() {
            out.extend(typed.code(Charset::Latin1, &[byte]));
        }
        assert_eq!(out, b"\xfc?x");
        assert_eq!(typed.code(Charset::Latin1, b"\xff\xc3("), b"??(");
        assert_eq!(typed.code(Charset::Utf8, "ü".as_bytes()), "ü".as_bytes());
    }

    #[test]
    fn names_are_known_however_they_are_written() {
        assert_eq!(Charset::named("UTF-8"), Some(Charset::Utf8));
        assert_eq!(Charset::named("ISO-8859-1"), Some(Charset::Latin1));
        assert_eq!(Charset::named("IBM437"), Some(Charset::Cp437));
        assert_eq!(Charset::named("EBCDIC"), None);
    }
}
