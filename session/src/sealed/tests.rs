//! Sealed credentials: the RFC's vectors, and that a moved ciphertext does not
//! open (threats 10 and 26).

use culvert_wire::grant::Protocol;
use culvert_wire::id::{CustomerId, HostId};
use culvert_wire::key::SigningKey;
use culvert_wire::sealed::MAX_SEALED;
use culvert_wire::secret::Secret;
use culvert_wire::terminal::{MAX_ANSWER, MAX_PRIVATE_KEY};
use culvert_wire::{Decode as _, Encode as _};

use super::*;

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let byte = |n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// RFC 9180, appendix A.2.1: base mode, sequence number 0.
#[test]
fn the_vectors_of_the_rfc_hold() {
    let public = hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
    let secret = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
    let seed = hex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b");
    let info: [u8; 20] = hex("4f6465206f6e2061204772656369616e2055726e");
    let plaintext = b"Beauty is truth, truth beauty";

    let (enc, ciphertext) = seal_base(&public, &info, b"Count-0", plaintext, seed).unwrap();

    assert_eq!(
        enc,
        hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    );
    assert_eq!(
        ciphertext,
        hex::<45>(
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db\
             21993c62ce81883d2dd1b51a28"
        )
    );
    let opened = open_base(&secret, &enc, &info, b"Count-0", &ciphertext).unwrap();
    assert_eq!(&opened[..], plaintext);
}

fn gateway(seed: u8) -> (PublicKey, [u8; KEY_LEN], [u8; KEY_LEN]) {
    let (secret, public) = X25519HkdfSha256::derive_keypair(&[seed; 32]);
    (
        SigningKey::from_seed(&[seed; 32]).public(),
        secret.to_bytes().into(),
        public.to_bytes().into(),
    )
}

fn purpose() -> Purpose {
    Purpose {
        gateway: gateway(1).0,
        customer: CustomerId::from_random([1; 16]),
        host: HostId::from_random([2; 16]),
        target: Target {
            address: "192.168.7.9".parse().unwrap(),
            port: 22,
            protocol: Protocol::Ssh,
        },
        account: "root".into(),
    }
}

fn password() -> Contents {
    Contents::Password(Secret::new(b"correct horse"))
}

fn sealed() -> Sealed {
    seal(&purpose(), &password(), &gateway(1).2, [9; 32]).unwrap()
}

#[test]
fn what_was_sealed_opens_at_its_gateway_for_its_target() {
    let (identity, secret, public) = gateway(1);
    let key = Contents::PrivateKey {
        key: Secret::new(&[b'k'; MAX_PRIVATE_KEY]),
        passphrase: Secret::new(b"open"),
    };
    for contents in [password(), key] {
        let sealed = seal(&purpose(), &contents, &public, [9; 32]).unwrap();
        let bytes = sealed.to_bytes();
        assert!(bytes.len() <= MAX_SEALED);
        let stored = Sealed::from_bytes(&bytes).unwrap();
        assert_eq!(stored.account(), "root");

        let opened = open(&stored, identity, &purpose().target, &secret);

        assert_eq!(opened, Ok(contents));
    }
}

#[test]
fn a_ciphertext_moved_anywhere_else_does_not_open() {
    let (identity, secret, _) = gateway(1);
    let (other, other_secret, _) = gateway(2);
    let here = purpose().target;
    let refused = Err(OpenError::NotForThis);

    // To another gateway, which may even have been given the first one's name.
    assert_eq!(open(&sealed(), other, &here, &other_secret), refused);
    assert_eq!(open(&sealed(), identity, &here, &other_secret), refused);
    assert_eq!(open(&sealed(), other, &here, &secret), refused);

    // To another address, port or protocol at the same gateway.
    let mut moved = vec![here.clone(), here.clone(), here.clone()];
    moved[0].address = "192.168.7.10".parse().unwrap();
    moved[1].port = 2222;
    moved[2].protocol = Protocol::Telnet;
    for target in moved {
        assert_eq!(open(&sealed(), identity, &target, &secret), refused);
    }

    // To another account, host or customer, by whoever stores the bytes.
    let mut labels = vec![purpose(), purpose(), purpose()];
    labels[0].account = "admin".into();
    labels[1].host = HostId::from_random([3; 16]);
    labels[2].customer = CustomerId::from_random([3; 16]);
    for label in labels {
        let bytes = sealed().ciphertext().to_vec().into();
        let sealed = Sealed::new(&label, *sealed().encapsulated(), bytes).unwrap();
        assert_eq!(open(&sealed, identity, &here, &secret), refused);
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let (identity, secret, _) = gateway(1);
    let bytes = sealed().to_bytes();
    for at in 0..bytes.len() {
        let mut forged = bytes.to_vec();
        forged[at] ^= 1;
        let opened = Sealed::from_bytes(&forged)
            .is_ok_and(|sealed| open(&sealed, identity, &purpose().target, &secret).is_ok());
        assert!(!opened, "byte {at}");
    }
}

#[test]
fn the_length_does_not_tell_the_password_s_length() {
    let lengths = [0, 1, 8, 20, 250].map(|length| {
        let contents = Contents::Password(Secret::new(&vec![b'x'; length]));
        let sealed = seal(&purpose(), &contents, &gateway(1).2, [9; 32]);
        sealed.unwrap().to_bytes().len()
    });

    assert!(lengths.iter().all(|length| *length == lengths[0]));
}

#[test]
fn what_is_too_long_is_said_and_not_cut() {
    let long = Contents::Password(Secret::new(&[b'x'; MAX_ANSWER + 1]));
    let mut account = purpose();
    account.account = "x".repeat(MAX_ACCOUNT + 1);
    let to = gateway(1).2;

    assert_eq!(
        seal(&purpose(), &long, &to, [9; 32]),
        Err(SealError::TooLong(TooLong))
    );
    assert_eq!(
        seal(&account, &password(), &to, [9; 32]),
        Err(SealError::Account)
    );
    // A key of small order would give everybody the same secret.
    assert_eq!(
        seal(&purpose(), &password(), &[0; 32], [9; 32]),
        Err(SealError::Key)
    );
}

#[test]
fn nothing_of_it_prints_the_secret() {
    let shown = format!("{:?} {:?}", password(), sealed());

    assert!(!shown.contains("correct"), "{shown}");
}
