//! A bundle: magic, signed manifest, then the bytes of all parts in order.
//!
//! [`Payload`] checks the parts while they stream to their place: it never
//! holds more than it was just given, and a body without end stops at the
//! signed size.

use sha2::{Digest as _, Sha256};

use super::{Manifest, Part, UpdateError};

/// What a bundle begins with; behind it a `u32` and the signed manifest.
pub const BUNDLE_MAGIC: &[u8; 16] = b"culvert-bundle-1";

/// Where some bytes of a payload belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landing<'a> {
    /// First byte in the slot.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// The state of a payload that streams in.
#[derive(Debug)]
pub struct Payload {
    parts: std::vec::IntoIter<Part>,
    now: Option<(Part, u64, Sha256)>,
}

impl Payload {
    /// Begins the payload of a verified manifest.
    ///
    /// # Errors
    /// [`UpdateError::TooLarge`] for a slot that cannot hold it.
    pub fn new(manifest: &Manifest, slot: u64) -> Result<Self, UpdateError> {
        let need = manifest.end();
        if need > slot {
            return Err(UpdateError::TooLarge { need, slot });
        }
        let mut parts = manifest.parts.clone().into_iter();
        let now = parts.next().map(begin);
        Ok(Self { parts, now })
    }

    /// Takes the next bytes and hands each run to `land`.
    ///
    /// # Errors
    /// [`UpdateError::Part`] when a part is not the signed one,
    /// [`UpdateError::Endless`] behind the last; else what `land` returns.
    pub fn feed<E: From<UpdateError>>(
        &mut self,
        mut bytes: &[u8],
        mut land: impl FnMut(Landing<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let Some((part, done, hash)) = &mut self.now else {
                return Err(UpdateError::Endless.into());
            };
            let left = usize::try_from(part.size - *done).unwrap_or(usize::MAX);
            let (run, rest) = bytes.split_at(bytes.len().min(left));
            hash.update(run);
            land(Landing {
                offset: part.offset + *done,
                bytes: run,
            })?;
            *done += run.len() as u64;
            bytes = rest;
            if *done == part.size {
                self.close_part()?;
            }
        }
        Ok(())
    }

    /// Confirms that all parts are whole.
    ///
    /// # Errors
    /// [`UpdateError::Truncated`].
    pub fn finish(self) -> Result<(), UpdateError> {
        match self.now {
            None => Ok(()),
            Some(_) => Err(UpdateError::Truncated),
        }
    }

    fn close_part(&mut self) -> Result<(), UpdateError> {
        if let Some((part, _, hash)) = self.now.take() {
            if hash.finalize()[..] != part.hash {
                return Err(UpdateError::Part(part.kind));
            }
            self.now = self.parts.next().map(begin);
        }
        Ok(())
    }
}

fn begin(part: Part) -> (Part, u64, Sha256) {
    (part, 0, Sha256::new())
}
