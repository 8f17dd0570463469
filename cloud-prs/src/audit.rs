//! The audit trail's chain of hashes: what makes a changed, dropped or swapped
//! row show.
//!
//! Each customer has a chain; what belongs to none is in the provider's. A
//! row's hash covers the hash before it and every field. The head (number and
//! hash of the last row) is signed by the broker key: a dropped tail shows
//! against a head, and a head kept elsewhere shows a tail dropped together
//! with the database's own head.
//!
//! Pure: no clock, no database. Driven by `app::trail`.

use std::fmt;

use culvert_wire::UnixMs;
use culvert_wire::id::CustomerId;
use culvert_wire::key::{Context, PublicKey, Signature, SigningKey};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

/// Whose chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// People, customers' own existence, tokens, sign-ins.
    Provider,
    /// What concerns one customer.
    Customer(CustomerId),
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider => f.write_str("provider"),
            Self::Customer(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Chain {
    type Err = culvert_wire::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "provider" {
            Ok(Self::Provider)
        } else {
            text.parse().map(Self::Customer)
        }
    }
}

/// A hash of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands before the first row.
    pub const START: Self = Self([0; 32]);
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| ())?;
        bytes.try_into().map(Self).map_err(|_| ())
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose chain.
    pub chain: Chain,
    /// Its number, from 1.
    pub seq: u64,
    /// When.
    pub at: UnixMs,
    /// Who: a person's id, `box` and a key, `server`, or `console`.
    pub actor: String,
    /// The name at that time.
    pub actor_name: String,
    /// From where: an address, or the console.
    pub source: String,
    /// What was done: `session.start`.
    pub action: String,
    /// To what: its id, and its name at that time.
    pub object: String,
    /// `done`, or the reason code why not.
    pub outcome: String,
    /// JSON of what was, empty if nothing.
    pub before: String,
    /// JSON of what is, empty if nothing.
    pub after: String,
}

impl Entry {
    /// The row's hash, given the hash before it.
    pub fn hash(&self, previous: Hash) -> Hash {
        let mut digest = Sha256::new();
        digest.update(b"culvert audit row v1\0");
        digest.update(previous.0);
        digest.update(self.seq.to_be_bytes());
        digest.update(self.at.0.to_be_bytes());
        for field in [
            &self.chain.to_string(),
            &self.actor,
            &self.actor_name,
            &self.source,
            &self.action,
            &self.object,
            &self.outcome,
            &self.before,
            &self.after,
        ] {
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field.as_bytes());
        }
        Hash(digest.finalize().into())
    }
}

/// Number and hash of a chain's last row, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub chain: Chain,
    /// The last row's number.
    pub seq: u64,
    /// When it was signed.
    pub at: UnixMs,
    /// The last row's hash.
    pub hash: Hash,
    /// The broker key that signed.
    pub signer: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl Head {
    /// Signs the head of a chain.
    pub fn sign(chain: Chain, seq: u64, at: UnixMs, hash: Hash, broker: &SigningKey) -> Self {
        let message = message(chain, seq, at, hash);
        Self {
            chain,
            seq,
            at,
            hash,
            signer: broker.public(),
            signature: broker.sign(Context::AuditHead, &message),
        }
    }

    /// Whether its signer signed it.
    pub fn holds(&self) -> bool {
        let message = message(self.chain, self.seq, self.at, self.hash);
        self.signer
            .verify(Context::AuditHead, &message, &self.signature)
            .is_ok()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = BASE32_NOPAD.encode(&self.signature.0).to_ascii_lowercase();
        write!(
            f,
            "{} {} {} {} {} {signature}",
            self.chain, self.seq, self.at.0, self.hash, self.signer
        )
    }
}

impl std::str::FromStr for Head {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[chain, seq, at, hash, signer, signature] = fields.as_slice() else {
            return Err(ParseHeadError);
        };
        let signature = BASE32_NOPAD
            .decode(signature.to_ascii_uppercase().as_bytes())
            .map_err(|_| ParseHeadError)?;
        Ok(Self {
            chain: chain.parse().map_err(|_| ParseHeadError)?,
            seq: seq.parse().map_err(|_| ParseHeadError)?,
            at: UnixMs(at.parse().map_err(|_| ParseHeadError)?),
            hash: hash.parse().map_err(|()| ParseHeadError)?,
            signer: signer.parse().map_err(|_| ParseHeadError)?,
            signature: Signature(signature.try_into().map_err(|_| ParseHeadError)?),
        })
    }
}

/// Text that is no head of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a signed head of an audit chain")]
pub struct ParseHeadError;

fn message(chain: Chain, seq: u64, at: UnixMs, hash: Hash) -> Vec<u8> {
    let mut out = chain.to_string().into_bytes();
    out.push(0);
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&at.0.to_be_bytes());
    out.extend_from_slice(&hash.0);
    out
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A row is not there, or stands elsewhere.
    #[error("chain {chain}: row {seq} is missing or out of order")]
    Missing {
        /// Which chain.
        chain: Chain,
        /// The number that should come.
        seq: u64,
    },
    /// A row does not fit its hash.
    #[error("chain {chain}: row {seq} was changed after it was written")]
    Changed {
        /// Which chain.
        chain: Chain,
        /// The row.
        seq: u64,
    },
    /// The last rows are gone.
    #[error("chain {chain}: rows {from} to {to} were dropped from the end")]
    Dropped {
        /// Which chain.
        chain: Chain,
        /// The first missing one.
        from: u64,
        /// The last missing one.
        to: u64,
    },
    /// Rows behind the signed head.
    #[error("chain {chain}: row {seq} was added without a signature")]
    Unsigned {
        /// Which chain.
        chain: Chain,
        /// The first such row.
        seq: u64,
    },
    /// The head is no head of this server.
    #[error("chain {chain}: the signature over its head is wrong")]
    Head {
        /// Which chain.
        chain: Chain,
    },
    /// There are rows but no head.
    #[error("chain {chain}: its signed head is missing")]
    NoHead {
        /// Which chain.
        chain: Chain,
    },
}

/// Checks one chain row by row.
#[derive(Debug, Clone)]
pub struct Verifier {
    chain: Chain,
    seq: u64,
    hash: Hash,
    heads: Vec<Head>,
}

impl Verifier {
    /// Starts before the first row; `heads` are the database's and any kept
    /// elsewhere, all of this chain.
    pub fn new(chain: Chain, heads: Vec<Head>) -> Self {
        Self {
            chain,
            seq: 0,
            hash: Hash::START,
            heads,
        }
    }

    /// Takes the next row with the hash that stands beside it.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn row(&mut self, entry: &Entry, stored: Hash) -> Result<(), Fault> {
        let (chain, seq) = (self.chain, self.seq + 1);
        if entry.seq != seq || entry.chain != chain {
            return Err(Fault::Missing { chain, seq });
        }
        let hash = entry.hash(self.hash);
        let kept = |head: &Head| head.seq == seq && head.hash != hash;
        if hash != stored || self.heads.iter().any(kept) {
            return Err(Fault::Changed { chain, seq });
        }
        self.seq = seq;
        self.hash = hash;
        Ok(())
    }

    /// After the last row: the chain must end at its head, and no head may be
    /// beyond it. `signers` are the keys that were ever this server's.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn finish(self, signers: &[PublicKey]) -> Result<u64, Fault> {
        let chain = self.chain;
        for head in &self.heads {
            if head.chain != chain || !signers.contains(&head.signer) || !head.holds() {
                return Err(Fault::Head { chain });
            }
        }
        let newest = self.heads.iter().map(|head| head.seq).max();
        match newest {
            Some(last) if last > self.seq => Err(Fault::Dropped {
                chain,
                from: self.seq + 1,
                to: last,
            }),
            Some(last) if last < self.seq => Err(Fault::Unsigned {
                chain,
                seq: last + 1,
            }),
            None if self.seq > 0 => Err(Fault::NoHead { chain }),
            Some(_) | None => Ok(self.seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn rows(count: u64) -> (Vec<(Entry, Hash)>, Head) {
        let mut previous = Hash::START;
        let rows: Vec<_> = (1..=count)
            .map(|seq| {
                let entry = Entry {
                    chain: Chain::Provider,
                    seq,
                    at: UnixMs(seq * 10),
                    actor: "a".into(),
                    actor_name: "Ann".into(),
                    source: "192.0.2.1".into(),
                    action: "user.add".into(),
                    object: format!("user {seq}"),
                    outcome: "done".into(),
                    before: String::new(),
                    after: "{}".into(),
                };
                previous = entry.hash(previous);
                (entry, previous)
            })
            .collect();
        let head = Head::sign(Chain::Provider, count, UnixMs(1), previous, &broker());
        (rows, head)
    }

    fn verify(rows: &[(Entry, Hash)], heads: Vec<Head>) -> Result<u64, Fault> {
        let mut verifier = Verifier::new(Chain::Provider, heads);
        for (entry, hash) in rows {
            verifier.row(entry, *hash)?;
        }
        verifier.finish(&[broker().public()])
    }

    #[test]
    fn a_whole_chain_verifies() {
        let (rows, head) = rows(5);

        assert_eq!(verify(&rows, vec![head]), Ok(5));
        assert_eq!(verify(&[], vec![]), Ok(0));
    }

    #[test]
    fn a_head_comes_back_from_its_line() {
        let (_, head) = rows(3);

        assert_eq!(head.to_string().parse(), Ok(head));
    }

    #[test]
    fn an_altered_byte_in_any_field_names_its_row() {
        let (good, head) = rows(3);
        let alter: [fn(&mut Entry); 9] = [
            |e| e.at.0 += 1,
            |e| e.actor.push('x'),
            |e| e.actor_name = "Bob".into(),
            |e| e.source.clear(),
            |e| e.action = "user.del".into(),
            |e| e.object.push('0'),
            |e| e.outcome = "not_found".into(),
            |e| e.before = "{}".into(),
            |e| e.after.clear(),
        ];
        for alter in alter {
            let mut rows = good.clone();
            alter(&mut rows[1].0);

            let fault = verify(&rows, vec![head.clone()]).unwrap_err();

            let chain = Chain::Provider;
            assert_eq!(fault, Fault::Changed { chain, seq: 2 });
        }
    }

    #[test]
    fn a_row_altered_together_with_all_later_hashes_breaks_at_the_head() {
        let (mut rows, head) = rows(3);
        rows[1].0.object = "somebody else".into();
        let mut previous = rows[0].1;
        for (entry, hash) in &mut rows[1..] {
            previous = entry.hash(previous);
            *hash = previous;
        }

        let fault = verify(&rows, vec![head]).unwrap_err();

        let chain = Chain::Provider;
        assert_eq!(fault, Fault::Changed { chain, seq: 3 });
    }

    #[test]
    fn swapped_and_missing_rows_name_the_first_wrong_number() {
        let (good, head) = rows(4);
        let chain = Chain::Provider;
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        let mut gap = good.clone();
        gap.remove(2);

        assert_eq!(
            verify(&swapped, vec![head.clone()]).unwrap_err(),
            Fault::Missing { chain, seq: 2 }
        );
        assert_eq!(
            verify(&gap, vec![head]).unwrap_err(),
            Fault::Missing { chain, seq: 3 }
        );
    }

    #[test]
    fn a_dropped_tail_shows_against_a_head_kept_elsewhere() {
        let (whole, kept) = rows(5);
        let (short, own) = rows(3);
        let chain = Chain::Provider;

        assert_eq!(verify(&short, vec![own.clone()]), Ok(3));
        assert_eq!(
            verify(&short, vec![own, kept.clone()]).unwrap_err(),
            Fault::Dropped {
                chain,
                from: 4,
                to: 5
            }
        );
        assert_eq!(
            verify(&whole[..4], vec![kept]).unwrap_err(),
            Fault::Dropped {
                chain,
                from: 5,
                to: 5
            }
        );
    }

    #[test]
    fn rows_beyond_the_head_and_foreign_heads_are_found() {
        let (rows5, _) = rows(5);
        let (_, head3) = rows(3);
        let chain = Chain::Provider;
        let mut forged = rows(5).1;
        forged.signer = SigningKey::from_seed(&[2; 32]).public();

        assert_eq!(
            verify(&rows5, vec![head3]).unwrap_err(),
            Fault::Unsigned { chain, seq: 4 }
        );
        assert_eq!(
            verify(&rows5, vec![forged]).unwrap_err(),
            Fault::Head { chain }
        );
        assert_eq!(verify(&rows5, vec![]).unwrap_err(), Fault::NoHead { chain });
    }
}
