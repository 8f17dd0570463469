//! STUN Binding (RFC 8489): which address does the world see?
//!
//! Both sides: the server's answer and the client's request. A request is
//! padded so that the answer is never longer: no server of ours can be used to
//! amplify an attack. Pure: bytes in, bytes out; transaction ids are
//! arguments. Driven by the cloud server's UDP port and by `doctor`.

use std::net::SocketAddr;

use bytecodec::{DecodeExt as _, EncodeExt as _};
use stun_codec::rfc5389::attributes::{MappedAddress, Software, XorMappedAddress};
use stun_codec::rfc5389::methods::BINDING;
use stun_codec::{
    Message, MessageClass, MessageDecoder, MessageEncoder, TransactionId, define_attribute_enums,
};

define_attribute_enums!(
    Attribute,
    AttributeDecoder,
    AttributeEncoder,
    [MappedAddress, XorMappedAddress, Software]
);

/// Length of a message's head, in bytes.
const HEAD: usize = 20;
/// RFC 8489 §5: what bytes 4 to 8 of every message are.
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Makes a request as long as an answer with an IPv6 address.
const PADDING: &str = "culvert";
/// Longest message looked at, in bytes.
const MAX_MESSAGE: usize = 548;

/// Why an answer says no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// It is no STUN message.
    #[error("the answer is not STUN")]
    Malformed,
    /// It answers somebody else's request.
    #[error("the answer is for another request")]
    OtherRequest,
    /// The server refused or gave no address.
    #[error("the STUN server gave no address")]
    NoAddress,
}

/// A Binding request, padded.
pub fn request(transaction: [u8; 12]) -> Vec<u8> {
    let id = TransactionId::new(transaction);
    let mut message = Message::new(MessageClass::Request, BINDING, id);
    let padding = PADDING.repeat(3);
    let software = Software::new(padding).expect("shorter than 128 characters");
    message.add_attribute(Attribute::Software(software));
    encode(message)
}

/// The answer to a Binding request; none to anything else, nor to a request
/// that is shorter than the answer.
pub fn answer(request: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let asked = decode(request)?;
    if asked.class() != MessageClass::Request || asked.method() != BINDING {
        return None;
    }
    let id = asked.transaction_id();
    let mut message = Message::new(MessageClass::SuccessResponse, BINDING, id);
    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
    message.add_attribute(Attribute::XorMappedAddress(XorMappedAddress::new(from)));
    let answer = encode(message);
    (answer.len() <= request.len()).then_some(answer)
}

/// The address in an answer.
///
/// # Errors
/// [`StunError`].
pub fn mapped(answer: &[u8], transaction: [u8; 12]) -> Result<SocketAddr, StunError> {
    let message = decode(answer).ok_or(StunError::Malformed)?;
    if message.transaction_id() != TransactionId::new(transaction) {
        return Err(StunError::OtherRequest);
    }
    if message.class() != MessageClass::SuccessResponse || message.method() != BINDING {
        return Err(StunError::NoAddress);
    }
    let xored = message.get_attribute::<XorMappedAddress>();
    let plain = message.get_attribute::<MappedAddress>();
    xored
        .map(XorMappedAddress::address)
        .or_else(|| plain.map(MappedAddress::address))
        .ok_or(StunError::NoAddress)
}

fn encode(message: Message<Attribute>) -> Vec<u8> {
    MessageEncoder::new()
        .encode_into_bytes(message)
        .expect("known attributes of bounded length encode")
}

fn decode(bytes: &[u8]) -> Option<Message<Attribute>> {
    // Judged before the codec sees it: kind, magic and length.
    let whole = bytes.len() >= HEAD && bytes.len() <= MAX_MESSAGE;
    if !whole || bytes[0] & 0xc0 != 0 || bytes[4..8] != MAGIC {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    if length != bytes.len() - HEAD || !length.is_multiple_of(4) {
        return None;
    }
    let decoded = MessageDecoder::<Attribute>::new().decode_from_bytes(bytes);
    decoded.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 12] = [7; 12];

    #[test]
    fn the_client_reads_its_own_address_from_the_answer() {
        for from in ["192.0.2.1:32853", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:9"] {
            let from: SocketAddr = from.parse().unwrap();
            let asked = request(ID);

            let answer = answer(&asked, from).unwrap();

            assert!(answer.len() <= asked.len());
            let seen = SocketAddr::new(from.ip().to_canonical(), from.port());
            assert_eq!(mapped(&answer, ID), Ok(seen));
            assert_eq!(mapped(&answer, [8; 12]), Err(StunError::OtherRequest));
        }
    }

    /// T16, RFC 5769 §2.2: sample IPv4 response of the XOR-MAPPED-ADDRESS part.
    #[test]
    fn the_rfcs_address_is_read() {
        let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let sample = [
            b"\x01\x01\x00\x0c\x21\x12\xa4\x42".as_slice(),
            &id,
            b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43",
        ]
        .concat();
        assert_eq!(mapped(&sample, id), Ok("192.0.2.1:32853".parse().unwrap()));
    }

    #[test]
    fn nothing_is_answered_with_more_bytes_than_it_had() {
        let from = "192.0.2.1:1".parse().unwrap();
        let bare = [b"\x00\x01\x00\x00\x21\x12\xa4\x42".as_slice(), &ID].concat();
        assert_eq!(answer(&bare, from), None);
        let own = answer(&request(ID), from).unwrap();
        assert_eq!(answer(&own, from), None, "an answer is no request");
        for cut in 0..request(ID).len() {
            assert_eq!(answer(&request(ID)[..cut], from), None);
        }
    }

    #[test]
    fn arbitrary_bytes_give_no_panic() {
        // Small linear generator: enough to mangle every field of a real one.
        let mut seed = 0x2545_f491_u32;
        let mut random = || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed
        };
        let from = "192.0.2.1:1".parse().unwrap();
        for _ in 0..200_000 {
            let mut bytes = request(ID);
            for _ in 0..=random() % 4 {
                let at = random() as usize % bytes.len();
                bytes[at] = random().to_le_bytes()[0];
            }
            let _ = answer(&bytes, from);
            bytes[0] = 1;
            bytes[1] = 1;
            let _ = mapped(&bytes, ID);
        }
    }
}
