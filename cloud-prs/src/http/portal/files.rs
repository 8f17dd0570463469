//! The built portal's files, as `build.rs` found them; none in a server that
//! was built without its portal.

/// One file.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// The path of its URL.
    pub(super) path: &'static str,
    /// Its media type.
    pub(super) kind: &'static str,
    /// Its entity tag.
    pub(super) tag: &'static str,
    /// Whether its name changes with its contents.
    pub(super) lasting: bool,
    /// The bytes.
    pub(super) plain: &'static [u8],
    /// The same, compressed, if that makes it shorter.
    pub(super) brotli: Option<&'static [u8]>,
    /// The same, compressed, if that makes it shorter.
    pub(super) gzip: Option<&'static [u8]>,
}

/// All of them, by path.
pub(super) static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/portal.rs"));
