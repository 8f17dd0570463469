//! Messages over the pair, asynchronously, either end.
//!
//! Reading is cancel-safe: a piece that was read is kept. Memory is bounded by
//! one message and one piece.

use std::io;

use bytes::{Bytes, BytesMut};
use culvert_wire::DecodeError;
use culvert_wire::terminal::Unframer;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// Reads messages from a stream.
#[derive(Debug)]
pub struct Messages<R> {
    from: R,
    piece: BytesMut,
    unframer: Unframer,
}

/// Why a stream of messages cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The other end broke it.
    #[error("the stream broke: {0}")]
    Broken(#[from] io::Error),
    /// The other end is not to be believed.
    #[error("a message is malformed: {0}")]
    Malformed(#[from] DecodeError),
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// Reads from this.
    pub fn new(from: R) -> Self {
        Self {
            from,
            piece: BytesMut::new(),
            unframer: Unframer::default(),
        }
    }

    /// What it reads from.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.from
    }

    /// The next message's type and body; `None` at a clean end. May be dropped
    /// and called again without losing a byte.
    ///
    /// # Errors
    /// [`PairError`].
    pub async fn next(&mut self) -> Result<Option<(u8, Bytes)>, PairError> {
        loop {
            if let Some(message) = self.unframer.next()? {
                return Ok(Some(message));
            }
            self.piece.reserve(PIECE);
            if self.from.read_buf(&mut self.piece).await? == 0 {
                let cut = self.unframer.is_mid_message();
                return match cut {
                    false => Ok(None),
                    true => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
            self.unframer.push(&self.piece.split());
        }
    }
}
