//! Checks a chain row by row, and says the first thing that is wrong.

use culvert_wire::key::PublicKey;

use super::{Chain, Entry, Hash, Head};

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
