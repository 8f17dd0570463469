//! What a release of the box's system is, and who may say so.
//!
//! A root key, kept offline, signs the list of release keys; a release key
//! signs manifests. Each list counts up, is signed by the root before it and,
//! when the root changes, by the new one too: a stolen release key is revoked
//! by the next list, a stolen root by the next root. The box verifies all of
//! it itself; who carries the bytes can delay a release and never forge one.
//!
//! No clock, no storage. Driven by the supervisor, the image builder and the
//! early part of the boot.

mod bundle;
mod keys;

pub use bundle::{BUNDLE_MAGIC, Landing, Payload};
pub use keys::{KeyList, MAX_CHAIN, MAX_RELEASE_KEYS, SignedKeyList};

use crate::codec::within;
use crate::key::{Context, PublicKey, Signature, SigningKey};
use crate::{Decode, DecodeError, Encode, Reader, UnixMs, Writer};

/// Layout version.
const VERSION: u8 = 1;
/// Longest board name, in bytes.
pub const MAX_BOARD: usize = 32;
/// Longest release name, in bytes.
pub const MAX_NAME: usize = 64;
/// Parts of one release.
pub const MAX_PARTS: usize = 8;
/// Longest signed manifest, in bytes.
pub const MAX_MANIFEST: usize = 16 * 1024;
/// Where the first part may lie in a slot; before it are header and manifest.
pub const FIRST_PART: u64 = 128 * 1024;
/// The end of the largest slot, in bytes.
pub const MAX_SLOT: u64 = 256 * 1024 * 1024;
/// Parts lie on blocks of this size.
pub const BLOCK: u64 = 4096;
/// Length of a SHA-256 hash.
pub const HASH_LEN: usize = 32;

/// What a part of a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// The kernel as the boot loader takes it.
    Kernel,
    /// The initial file system.
    Initramfs,
    /// The device tree; none where the boot loader has it.
    DeviceTree,
    /// The root file system, read-only.
    Root,
    /// The hash tree over the root.
    HashTree,
}

impl PartKind {
    /// All kinds, in the order of their codes, which begin at 1.
    pub const ALL: [Self; 5] = [
        Self::Kernel,
        Self::Initramfs,
        Self::DeviceTree,
        Self::Root,
        Self::HashTree,
    ];

    /// The name in a slot's header and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Initramfs => "initramfs",
            Self::DeviceTree => "dtb",
            Self::Root => "root",
            Self::HashTree => "hashes",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Kernel => 1,
            Self::Initramfs => 2,
            Self::DeviceTree => 3,
            Self::Root => 4,
            Self::HashTree => 5,
        }
    }
}

/// One part: where it lies in the slot, and what its bytes must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// First byte in the slot, a multiple of [`BLOCK`].
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub hash: [u8; HASH_LEN],
}

/// How the kernel checks each block of the root as it reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verity {
    /// The hash over the top of the tree.
    pub root_hash: [u8; HASH_LEN],
    /// Goes before every hashed block.
    pub salt: [u8; HASH_LEN],
}

/// The highest version: U-Boot compares numbers as signed ones of 32 bits (`itest`).
pub const MAX_VERSION: u64 = 0x7fff_ffff;

/// A release for one board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The board it is for.
    pub board: String,
    /// Counts up with every release, from 1 to [`MAX_VERSION`].
    pub version: u64,
    /// What people call it.
    pub name: String,
    /// When it was signed.
    pub issued: UnixMs,
    /// From when on it may not be installed any more.
    pub expires: UnixMs,
    /// Each kind at most once, in ascending order of offset, not overlapping.
    pub parts: Vec<Part>,
    /// The check over the root.
    pub verity: Verity,
}

impl Manifest {
    /// The part of a kind.
    pub fn part(&self, kind: PartKind) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    /// Bytes of all parts.
    pub fn payload_len(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// The first byte behind the last part.
    pub fn end(&self) -> u64 {
        self.parts.last().map_or(FIRST_PART, |p| p.offset + p.size)
    }
}

impl Encode for Manifest {
    fn encode(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.text(&self.board, MAX_BOARD);
        out.u64(self.version);
        out.text(&self.name, MAX_NAME);
        self.issued.encode(out);
        self.expires.encode(out);
        let parts = &self.parts[..self.parts.len().min(MAX_PARTS)];
        out.u8(u8::try_from(parts.len()).expect("at most MAX_PARTS"));
        for part in parts {
            out.u8(part.kind.code());
            out.u64(part.offset);
            out.u64(part.size);
            out.put(&part.hash);
        }
        out.put(&self.verity.root_hash);
        out.put(&self.verity.salt);
    }
}

impl Decode for Manifest {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version("manifest version", input)?;
        let board = input.text("board", MAX_BOARD)?.to_owned();
        let version = input.u64()?;
        let name = input.text("release name", MAX_NAME)?.to_owned();
        let issued = UnixMs::decode(input)?;
        let expires = UnixMs::decode(input)?;
        let count = usize::from(input.u8()?);
        within("parts", count, MAX_PARTS)?;
        let mut parts: Vec<Part> = Vec::with_capacity(count);
        for _ in 0..count {
            let end = parts.last().map_or(FIRST_PART, |p| p.offset + p.size);
            let part = Part::decode(input, end)?;
            if parts.iter().any(|other| other.kind == part.kind) {
                return Err(DecodeError::value("part kind", part.kind.code()));
            }
            parts.push(part);
        }
        Ok(Self {
            board,
            version,
            name,
            issued,
            expires,
            parts,
            verity: Verity {
                root_hash: input.array()?,
                salt: input.array()?,
            },
        })
    }
}

impl Part {
    /// INVARIANT: an accepted part lies behind the one before it and inside
    /// the largest slot, so that no sum of offset and size overflows.
    fn decode(input: &mut Reader<'_>, after: u64) -> Result<Self, DecodeError> {
        let kind = input.one_of("part kind", &PartKind::ALL, PartKind::code)?;
        let offset = input.u64()?;
        if offset < after || offset > MAX_SLOT || !offset.is_multiple_of(BLOCK) {
            return Err(DecodeError::value("part offset", offset));
        }
        let size = input.u64()?;
        if size == 0 || size > MAX_SLOT - offset {
            return Err(DecodeError::value("part size", size));
        }
        Ok(Self {
            kind,
            offset,
            size,
            hash: input.array()?,
        })
    }
}

/// A manifest with its signature and the lists that lead to the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    chain: Vec<SignedKeyList>,
    manifest: Manifest,
    key: PublicKey,
    signature: Signature,
}

/// What a manifest is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It lies in a slot and shall be booted: floors and expiry say nothing,
    /// else a wrong clock or a withdrawn release would stop the box.
    Boot,
    /// It shall be written to the idle slot.
    Install {
        /// Lower versions are refused.
        version_floor: u64,
        /// Chains that end below are refused.
        generation_floor: u32,
        /// The authenticated time, at least the build's.
        now: UnixMs,
    },
}

impl SignedManifest {
    /// Signs a manifest with a release key. No box reads more than [`MAX_CHAIN`]
    /// lists.
    pub fn sign(manifest: Manifest, chain: Vec<SignedKeyList>, release: &SigningKey) -> Self {
        let signature = release.sign(Context::UpdateManifest, &manifest.to_bytes());
        Self {
            chain,
            manifest,
            key: release.public(),
            signature,
        }
    }

    /// The manifest, once it is known to come from a key that `trusted` or a
    /// later list names, and to fit this box.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub fn verify(
        &self,
        trusted: &KeyList,
        board: &str,
        purpose: Purpose,
    ) -> Result<(&Manifest, KeyList), UpdateError> {
        let keys = keys::follow(trusted, &self.chain)?;
        if !keys.release.contains(&self.key) {
            return Err(UpdateError::Key);
        }
        self.key
            .verify(
                Context::UpdateManifest,
                &self.manifest.to_bytes(),
                &self.signature,
            )
            .map_err(|_| UpdateError::Signature)?;
        if self.manifest.board != board {
            return Err(UpdateError::Board {
                release: self.manifest.board.clone(),
                box_is: board.to_owned(),
            });
        }
        if let Purpose::Install {
            version_floor,
            generation_floor,
            now,
        } = purpose
        {
            if keys.generation < generation_floor {
                return Err(UpdateError::OldKeys);
            }
            if self.manifest.version < version_floor {
                return Err(UpdateError::Older {
                    release: self.manifest.version,
                    floor: version_floor,
                });
            }
            if self.manifest.expires <= now {
                return Err(UpdateError::Expired);
            }
        }
        if !(1..=MAX_VERSION).contains(&self.manifest.version) {
            return Err(UpdateError::Version(self.manifest.version));
        }
        Ok((&self.manifest, keys))
    }

    /// The manifest as it claims to be, for people to look at.
    pub fn unverified(&self) -> &Manifest {
        &self.manifest
    }
}

impl Encode for SignedManifest {
    fn encode(&self, out: &mut Writer) {
        // Never cut: only boxes that are behind would notice. One that is too long
        // can be read by nobody.
        out.u8(u8::try_from(self.chain.len()).unwrap_or(u8::MAX));
        for list in &self.chain {
            list.encode(out);
        }
        self.manifest.encode(out);
        self.key.encode(out);
        self.signature.encode(out);
    }
}

impl Decode for SignedManifest {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = usize::from(input.u8()?);
        within("key lists", count, MAX_CHAIN)?;
        Ok(Self {
            chain: (0..count)
                .map(|_| SignedKeyList::decode(input))
                .collect::<Result<_, _>>()?,
            manifest: Manifest::decode(input)?,
            key: PublicKey::decode(input)?,
            signature: Signature::decode(input)?,
        })
    }
}

/// Why a release is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The bytes are no bundle.
    #[error("this is no update bundle: {0}")]
    Layout(#[from] DecodeError),
    /// A list of keys is not signed by the root before it.
    #[error("the list of release keys, generation {generation}, is not signed by the root key")]
    Chain {
        /// Which list.
        generation: u32,
    },
    /// The signing key is in no list, or not any more.
    #[error("the release is signed by a key that is not, or no longer, a release key")]
    Key,
    /// The signature does not fit.
    #[error("the release's signature is wrong")]
    Signature,
    /// Another board.
    #[error("the release is for the board {release}, this box is a {box_is}")]
    Board {
        /// What the release is for.
        release: String,
        /// What the box is.
        box_is: String,
    },
    /// A boot loader counts no further.
    #[error("the release has version {0}: versions are numbers from 1 to {MAX_VERSION}")]
    Version(u64),
    /// The chain of keys ends before what this box has seen.
    #[error("the release comes with an older list of keys than this box already knows")]
    OldKeys,
    /// A lower version than one marked good here.
    #[error("the release has version {release}, this box takes none below {floor}")]
    Older {
        /// Version offered.
        release: u64,
        /// Lowest accepted.
        floor: u64,
    },
    /// Its time is over.
    #[error("the release has expired: publish it anew")]
    Expired,
    /// A part's bytes are not the signed ones.
    #[error("the release's {} is damaged", .0.name())]
    Part(PartKind),
    /// It ends too early.
    #[error("the release ends before its last part is whole")]
    Truncated,
    /// It goes on behind its end.
    #[error("the release goes on behind its end")]
    Endless,
    /// The slot is smaller.
    #[error("the release needs {need} bytes, a slot of this box has {slot}")]
    TooLarge {
        /// Bytes needed.
        need: u64,
        /// Bytes of a slot.
        slot: u64,
    },
}

fn version(field: &'static str, input: &mut Reader<'_>) -> Result<(), DecodeError> {
    match input.u8()? {
        VERSION => Ok(()),
        other => Err(DecodeError::value(field, other)),
    }
}

#[cfg(test)]
mod tests;
