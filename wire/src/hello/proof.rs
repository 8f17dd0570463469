//! The server's first message: it proves itself for one connection.

use super::{Binding, NONCE_LEN};
use crate::codec::within;
use crate::key::{BadSignature, Context, PublicKey, Signature, SigningKey};
use crate::statement::{
    MAX_ROTATIONS, NodeStatement, ProviderRotation, SignedStatement, StatementError,
    follow_rotations,
};
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

/// The server's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProof {
    /// The provider's word on the node key.
    pub statement: SignedStatement,
    /// Newer provider keys, oldest rotation first, at most [`MAX_ROTATIONS`].
    pub rotations: Vec<ProviderRotation>,
    /// The server's clock.
    pub link_time: UnixMs,
    /// Fresh for this link.
    pub server_nonce: [u8; NONCE_LEN],
    signature: Signature,
}

/// What a proof that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The server's statement.
    pub statement: NodeStatement,
    /// The provider key to pin from now on (newer than the pin after a rotation).
    pub provider: PublicKey,
    /// The server's clock at the hello.
    pub link_time: UnixMs,
    /// What this link's other signatures cover.
    pub binding: Binding,
}

impl ServerProof {
    /// Makes the proof for one connection.
    pub fn sign(
        statement: SignedStatement,
        rotations: Vec<ProviderRotation>,
        link_time: UnixMs,
        binding: &Binding,
        node: &SigningKey,
    ) -> Self {
        let message = binding.message(&link_time.to_bytes());
        Self {
            statement,
            rotations,
            link_time,
            server_nonce: binding.server_nonce,
            signature: node.sign(Context::LinkProof, &message),
        }
    }

    /// Judges the proof for one connection.
    ///
    /// `pin` is the provider key the endpoint trusts, `epoch_floor` the highest
    /// statement epoch it has seen, `clock_floor` a time that has certainly
    /// passed (build or last saved link time).
    ///
    /// # Errors
    /// [`ProofError`]: the connection must be closed and nothing secret sent.
    pub fn verify(
        &self,
        pin: &PublicKey,
        exporter: &[u8; NONCE_LEN],
        client_nonce: &[u8; NONCE_LEN],
        epoch_floor: u32,
        clock_floor: UnixMs,
    ) -> Result<Proven, ProofError> {
        let provider = follow_rotations(*pin, &self.rotations);
        let now = self.link_time.max(clock_floor);
        let statement = *self.statement.verify(&provider, now, epoch_floor)?;
        let binding = Binding {
            exporter: *exporter,
            client_nonce: *client_nonce,
            server_nonce: self.server_nonce,
        };
        let message = binding.message(&self.link_time.to_bytes());
        statement
            .node
            .verify(Context::LinkProof, &message, &self.signature)
            .map_err(ProofError::Connection)?;
        Ok(Proven {
            statement,
            provider,
            link_time: self.link_time,
            binding,
        })
    }
}

impl Encode for ServerProof {
    fn encode(&self, out: &mut Writer) {
        self.statement.encode(out);
        let rotations = &self.rotations[..self.rotations.len().min(MAX_ROTATIONS)];
        out.u8(u8::try_from(rotations.len()).expect("at most MAX_ROTATIONS"));
        for rotation in rotations {
            rotation.encode(out);
        }
        self.link_time.encode(out);
        out.put(&self.server_nonce);
        self.signature.encode(out);
    }
}

impl Decode for ServerProof {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let statement = SignedStatement::decode(input)?;
        let count = usize::from(input.u8()?);
        within("rotations", count, MAX_ROTATIONS)?;
        Ok(Self {
            statement,
            rotations: (0..count)
                .map(|_| ProviderRotation::decode(input))
                .collect::<Result<_, _>>()?,
            link_time: UnixMs::decode(input)?,
            server_nonce: input.array()?,
            signature: Signature::decode(input)?,
        })
    }
}

/// Why a server's proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The server's statement does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The statement holds, but the node did not sign this connection:
    /// somebody in between opened TLS.
    #[error("the server's proof is not for this connection: TLS is opened on the way")]
    Connection(#[source] BadSignature),
}

#[cfg(test)]
mod tests {
    use super::super::rig::{binding, key};
    use super::*;
    use crate::statement::Roles;

    fn proof(rotations: Vec<ProviderRotation>, provider: &SigningKey) -> ServerProof {
        let statement = NodeStatement {
            provider: provider.public(),
            node: key(2).public(),
            roles: Roles {
                relay: true,
                broker: true,
            },
            issued: UnixMs(1000),
            not_after: UnixMs(2000),
            epoch: 1,
        };
        let statement = SignedStatement::sign(statement, provider);
        ServerProof::sign(statement, rotations, UnixMs(1500), &binding(), &key(2))
    }

    #[test]
    fn a_proof_holds_on_its_own_connection_only() {
        let got = ServerProof::from_bytes(&proof(vec![], &key(1)).to_bytes()).unwrap();
        let pin = key(1).public();

        let proven = got.verify(&pin, &[1; 32], &[2; 32], 1, UnixMs(0)).unwrap();

        assert_eq!(proven.binding, binding());
        assert_eq!(proven.link_time, UnixMs(1500));
        assert!(matches!(
            got.verify(&pin, &[9; 32], &[2; 32], 1, UnixMs(0)),
            Err(ProofError::Connection(_))
        ));
        assert!(matches!(
            got.verify(&pin, &[1; 32], &[9; 32], 1, UnixMs(0)),
            Err(ProofError::Connection(_))
        ));
    }

    #[test]
    fn a_rotated_provider_key_is_followed_from_the_old_pin() {
        let rotation = ProviderRotation::sign(&key(1), &key(7));
        let got = proof(vec![rotation], &key(7));

        let proven = got
            .verify(&key(1).public(), &[1; 32], &[2; 32], 1, UnixMs(0))
            .unwrap();

        assert_eq!(proven.provider, key(7).public());
    }

    #[test]
    fn an_expired_statement_is_refused_even_if_the_server_lies_about_the_time() {
        let got = proof(vec![], &key(1));

        assert_eq!(
            got.verify(&key(1).public(), &[1; 32], &[2; 32], 1, UnixMs(2001)),
            Err(ProofError::Statement(StatementError::NotValidNow))
        );
    }
}
