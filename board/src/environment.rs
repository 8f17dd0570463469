//! U-Boot's environment format: a CRC-32, then `name=value` ended by zero
//! bytes, an empty one last. `env import -c` reads it, `env export -c` writes
//! it.

use std::collections::BTreeMap;

/// Bytes of one environment here, checksum included.
pub const LEN: usize = 4096;
/// Bytes of the checksum.
const CRC_LEN: usize = 4;

/// Names and values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    vars: BTreeMap<String, String>,
}

impl Environment {
    /// Reads an environment; none if its checksum or its form is wrong.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, body) = bytes.get(..LEN)?.split_first_chunk::<CRC_LEN>()?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
            return None;
        }
        let mut vars = BTreeMap::new();
        for line in body.split(|&byte| byte == 0) {
            if line.is_empty() {
                break;
            }
            let (name, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
            vars.insert(name.to_owned(), value.to_owned());
        }
        Some(Self { vars })
    }

    /// The bytes; none when the names and values do not fit.
    pub fn encode(&self) -> Option<[u8; LEN]> {
        let mut body = Vec::new();
        for (name, value) in &self.vars {
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            body.extend_from_slice(value.as_bytes());
            body.push(0);
        }
        // Two zero bytes end the list.
        if body.len() + CRC_LEN + 2 > LEN {
            return None;
        }
        let mut out = [0; LEN];
        out[CRC_LEN..CRC_LEN + body.len()].copy_from_slice(&body);
        let crc = crc32fast::hash(&out[CRC_LEN..]);
        out[..CRC_LEN].copy_from_slice(&crc.to_le_bytes());
        Some(out)
    }

    /// A value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }

    /// A value as a number as U-Boot reads it: hexadecimal.
    pub fn number(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.value(name)?, 16).ok()
    }

    /// Puts a value; zero bytes and `=` in a name cannot be written.
    pub fn put(&mut self, name: &str, value: &str) {
        debug_assert!(!name.contains(['=', '\0']) && !value.contains('\0'));
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Puts a number.
    pub fn put_number(&mut self, name: &str, number: u64) {
        self.put(name, &format!("{number:x}"));
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_is_the_one_of_u_boot() {
        let mut env = Environment::default();
        env.put("a", "1");
        env.put_number("seq", 255);

        let bytes = env.encode().unwrap();

        // `mkenvimage -s 4096` over "a=1\nseq=ff\n" begins with these bytes.
        assert_eq!(&bytes[4..15], b"a=1\0seq=ff\0");
        assert_eq!(bytes[15..], [0; LEN - 15]);
        assert_eq!(&bytes[..4], &crc32fast::hash(&bytes[4..]).to_le_bytes());
        assert_eq!(Environment::decode(&bytes), Some(env));
    }

    #[test]
    fn whatever_bit_is_flipped_the_environment_is_refused() {
        let mut env = Environment::default();
        env.put("want", "a");
        let whole = env.encode().unwrap();
        for bit in 0..LEN * 8 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Environment::decode(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn too_much_is_said_and_not_cut() {
        let mut env = Environment::default();
        env.put("long", &"x".repeat(LEN));

        assert_eq!(env.encode(), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..LEN + 9)) {
            let _ = Environment::decode(&bytes);
        }
    }
}
