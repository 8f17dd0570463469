//! What both ends of a telnet conversation have agreed on, so that another
//! end of ours can go on with it: its bytes are kept by whoever keeps the
//! connection. Pure; what was kept is judged like a stranger's words.

use super::charset::Charset;

/// Layout version.
const VERSION: u8 = 1;
/// Version, two sets of options, charset.
const LEN: usize = 18;

/// Options that are on, and what the host writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Agreed {
    pub(super) ours: u64,
    pub(super) theirs: u64,
    pub(super) charset: Option<Charset>,
}

impl Agreed {
    const CHARSETS: [Option<Charset>; 4] = [
        None,
        Some(Charset::Utf8),
        Some(Charset::Latin1),
        Some(Charset::Cp437),
    ];

    /// As bytes to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.ours.to_be_bytes());
        out.extend(self.theirs.to_be_bytes());
        let known = (0..).zip(Self::CHARSETS);
        let code = known.filter(|(_, charset)| *charset == self.charset);
        out.extend(code.map(|(code, _): (u8, _)| code));
        out
    }

    /// From bytes that were kept; `None` when they are not of this version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let (head, charset) = bytes.split_at(LEN - 1);
        let (version, options) = head.split_first()?;
        let (ours, theirs) = options.split_at_checked(8)?;
        let charset = Self::CHARSETS.get(usize::from(*charset.first()?))?;
        (*version == VERSION).then_some(Self {
            ours: u64::from_be_bytes(ours.try_into().ok()?),
            theirs: u64::from_be_bytes(theirs.try_into().ok()?),
            charset: *charset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_comes_back_and_nothing_else_does() {
        for charset in Agreed::CHARSETS {
            let agreed = Agreed {
                ours: 0x8000_0001,
                theirs: 10,
                charset,
            };
            assert_eq!(Agreed::from_bytes(&agreed.to_bytes()), Some(agreed));
        }
        let bytes = Agreed::default().to_bytes();
        for (at, value) in [(0, 2), (LEN - 1, 4)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert_eq!(Agreed::from_bytes(&other), None, "byte {at}");
        }
        assert_eq!(Agreed::from_bytes(&bytes[1..]), None);
    }
}
