//! What a box says of its system, and what the server offers it: nothing that
//! a box must obey, and nothing that it does not judge itself.

use crate::codec::within;
use crate::update::MAX_BOARD;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest sentence of a [`Progress`], in bytes.
const MAX_SENTENCE: usize = 512;
/// Bytes of the right to fetch a bundle.
pub const FETCH_LEN: usize = 16;

/// The system of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The board, as releases name it.
    pub board: String,
    /// Version of the release that runs.
    pub version: u64,
    /// It was not healthy yet: the box may go back to the one before.
    pub trial: bool,
    /// How far the latest other release came.
    pub progress: Progress,
}

/// How far a release came on a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// None came.
    None,
    /// It is being taken.
    Taking {
        /// Its version, as offered.
        version: u64,
    },
    /// It is verified and written, and boots next.
    Installed {
        /// Its version.
        version: u64,
    },
    /// It was not taken, for now or for good.
    Refused {
        /// Its version, as offered.
        version: u64,
        /// Why, in a sentence.
        why: String,
    },
    /// It booted, was not healthy, and is left.
    Failed {
        /// Its version.
        version: u64,
    },
}

/// A release that a box may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its version.
    pub version: u64,
    /// Bytes of its bundle.
    pub size: u64,
    /// Sessions may be cut for it.
    pub forced: bool,
    /// The right to fetch it, for this box and a while.
    pub fetch: [u8; FETCH_LEN],
}

impl Encode for System {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.board, MAX_BOARD);
        out.u64(self.version);
        out.flag(self.trial);
        let (code, version, why) = match &self.progress {
            Progress::None => (0, 0, ""),
            Progress::Taking { version } => (1, *version, ""),
            Progress::Installed { version } => (2, *version, ""),
            Progress::Refused { version, why } => (3, *version, why.as_str()),
            Progress::Failed { version } => (4, *version, ""),
        };
        out.u8(code);
        out.u64(version);
        out.text(why, MAX_SENTENCE);
    }
}

impl Decode for System {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let board = input.text("board", MAX_BOARD)?.to_owned();
        let system = input.u64()?;
        let trial = input.flag("trial")?;
        let code = input.u8()?;
        let version = input.u64()?;
        let why = input.text("why", MAX_SENTENCE)?.to_owned();
        // One layout for each meaning.
        let bare = |progress| match why.is_empty() {
            true => Ok(progress),
            false => within("why", why.len(), 0).map(|()| progress),
        };
        let progress = match code {
            0 if version == 0 => bare(Progress::None)?,
            1 => bare(Progress::Taking { version })?,
            2 => bare(Progress::Installed { version })?,
            3 => Progress::Refused { version, why },
            4 => bare(Progress::Failed { version })?,
            other => {
                return Err(DecodeError::value("progress", other));
            }
        };
        Ok(Self {
            board,
            version: system,
            trial,
            progress,
        })
    }
}

impl Encode for Offer {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.version);
        out.u64(self.size);
        out.flag(self.forced);
        out.put(&self.fetch);
    }
}

impl Decode for Offer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: input.u64()?,
            size: input.u64()?,
            forced: input.flag("forced")?,
            fetch: input.array()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_progress_survives_the_wire_in_one_layout() {
        let why = "a session runs".to_owned();
        for progress in [
            Progress::None,
            Progress::Taking { version: 2 },
            Progress::Installed { version: 2 },
            Progress::Refused { version: 2, why },
            Progress::Failed { version: 2 },
        ] {
            let system = System {
                board: "qemu-virt".into(),
                version: 1,
                trial: true,
                progress,
            };
            assert_eq!(System::from_bytes(&system.to_bytes()), Ok(system));
        }
    }

    #[test]
    fn a_sentence_where_none_belongs_is_refused() {
        let why = "x".to_owned();
        let system = System {
            board: "b".into(),
            version: 1,
            trial: false,
            progress: Progress::Refused { version: 2, why },
        };
        let mut bytes = system.to_bytes().to_vec();
        let code = bytes.len() - 1 - 2 - 8 - 1;
        assert_eq!(bytes[code], 3);
        bytes[code] = 4;

        assert!(System::from_bytes(&bytes).is_err());
    }
}
