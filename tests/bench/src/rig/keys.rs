//! Fixed keys of the roles. They guard nothing: all ends are in this program.

use culvert_wire::key::SigningKey;

pub(crate) fn provider() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn node() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn gateway() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

pub(crate) fn technician_end() -> SigningKey {
    SigningKey::from_seed(&[4; 32])
}

pub(crate) fn device() -> SigningKey {
    SigningKey::from_seed(&[5; 32])
}

/// A key for the n-th of many.
pub(crate) fn nth(n: u32) -> SigningKey {
    let mut seed = [6; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_seed(&seed)
}
