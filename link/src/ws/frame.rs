//! One WebSocket frame's head (RFC 6455 §5.2) and its mask (§5.3).
//!
//! Refuses everything the RFC forbids and that needs no earlier frame to be
//! seen. Pure: bytes in, values out. Driven by [`super::inbound`] and
//! [`super::outbound`].

use super::Fault;

/// Longest head, in bytes: two, a 64-bit length, a mask.
pub(crate) const MAX_HEAD: usize = 14;
/// Longest payload of a control frame, in bytes (§5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// What a frame is (§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continue,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn code(self) -> u8 {
        match self {
            Self::Continue => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn from_code(code: u8) -> Result<Self, Fault> {
        Ok(match code {
            0 => Self::Continue,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            reserved => return Err(Fault::Opcode(reserved)),
        })
    }

    /// Whether it may stand between the fragments of a message (§5.4).
    pub(crate) const fn is_control(self) -> bool {
        match self {
            Self::Continue | Self::Text | Self::Binary => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) length: u64,
}

impl Head {
    /// Reads a head and says how many bytes it took; `None` asks for more.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Fault::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_code(first & 0x0f)?;
        let short = second & 0x7f;
        if opcode.is_control() && (!fin || usize::from(short) > MAX_CONTROL) {
            return Err(Fault::Control);
        }
        let Some((length, wide)) = length(short, rest)? else {
            return Ok(None);
        };
        let rest = &rest[wide..];
        let masked = second & 0x80 != 0;
        let mask = match (masked, rest.first_chunk::<4>()) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Ok(None),
        };
        let used = 2 + wide + if masked { 4 } else { 0 };
        let head = Self {
            fin,
            opcode,
            mask,
            length,
        };
        Ok(Some((head, used)))
    }

    /// Writes the head to the front of `out` and says how long it is.
    pub(crate) fn encode(&self, out: &mut [u8; MAX_HEAD]) -> usize {
        out[0] = u8::from(self.fin) << 7 | self.opcode.code();
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut used = match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(short @ 0..126), _) => {
                out[1] = masked | short;
                2
            }
            (_, Ok(length)) => {
                out[1] = masked | 126;
                out[2..4].copy_from_slice(&length.to_be_bytes());
                4
            }
            (_, Err(_)) => {
                out[1] = masked | 127;
                out[2..10].copy_from_slice(&self.length.to_be_bytes());
                10
            }
        };
        if let Some(mask) = self.mask {
            out[used..used + 4].copy_from_slice(&mask);
            used += 4;
        }
        used
    }
}

/// The payload's length and how many bytes it took after the short one.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Fault> {
    let (length, wide, least) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 0x1_0000),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    // §5.2: the shortest form, and the highest bit is never set.
    if length < least || length >> 63 != 0 {
        return Err(Fault::Length);
    }
    Ok(Some((length, wide)))
}

/// Masks or unmasks in place; `offset` is where in the payload `bytes` begin.
pub(crate) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut turned = mask;
    turned.rotate_left(offset % 4);
    let [a, b, c, d] = turned;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word: [u8; 8] = (&*chunk).try_into().expect("chunks of eight");
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (at, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= turned[at % 4];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_survives_in_its_shortest_form(
            fin: bool, mask: Option<[u8; 4]>, length in 0_u64..1 << 40, data: bool,
        ) {
            let head = Head {
                fin: fin || !data,
                opcode: if data { Opcode::Binary } else { Opcode::Ping },
                mask,
                length: if data { length } else { length % 126 },
            };
            let mut out = [0; MAX_HEAD];

            let used = head.encode(&mut out);

            prop_assert_eq!(Head::parse(&out[..used]), Ok(Some((head, used))));
            for short in 0..used {
                prop_assert_eq!(Head::parse(&out[..short]), Ok(None));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = Head::parse(&bytes);
        }

        #[test]
        fn a_mask_in_pieces_is_the_mask_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..99), mask: [u8; 4], cut in 0_usize..99,
        ) {
            let plain: Vec<u8> = bytes.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]).collect();
            let cut = cut.min(bytes.len());
            let mut pieces = bytes;

            let (front, back) = pieces.split_at_mut(cut);
            apply_mask(front, mask, 0);
            apply_mask(back, mask, cut);

            prop_assert_eq!(pieces, plain);
        }
    }

    #[test]
    fn lengths_in_a_longer_form_than_needed_are_refused() {
        for bytes in [
            &[0x82, 126, 0, 125][..],
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            &[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0],
        ] {
            assert_eq!(Head::parse(bytes), Err(Fault::Length), "{bytes:?}");
        }
    }
}
