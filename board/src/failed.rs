//! The releases that failed on a box, so that none is tried a second time.
//!
//! A few of the latest are kept by their numbers. When there is no room for
//! more, the lowest is forgotten and whatever is lower than all that are kept
//! counts as failed too: else two bad releases, or five, from two sources would
//! take turns for ever. Versions only count up, so a release that is published
//! anew is always above them.
//!
//! No I/O. Driven by [`crate::slots`].

/// So many are kept.
const KEPT: usize = 4;

/// Versions, the latest failure first; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failed([u64; KEPT]);

/// What is known against a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// It failed here.
    Failed,
    /// It is older than all that are remembered of more than can be.
    Outdated,
}

impl Failed {
    /// These, the latest failure first; more than can be kept are forgotten.
    pub fn of(versions: impl IntoIterator<Item = u64>) -> Self {
        let mut out = Self::default();
        let all: Vec<u64> = versions.into_iter().take(KEPT).collect();
        for version in all.into_iter().rev() {
            out.add(version);
        }
        out
    }

    /// The one that failed last.
    pub fn last(&self) -> Option<u64> {
        self.versions().next()
    }

    /// All, the latest failure first.
    pub fn versions(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().filter(|&version| version != 0)
    }

    /// Another one failed.
    pub fn add(&mut self, version: u64) {
        if version == 0 {
            return;
        }
        let mut all: Vec<u64> = self.versions().filter(|&one| one != version).collect();
        if all.len() == KEPT {
            let lowest = all.iter().copied().min();
            all.retain(|&one| Some(one) != lowest);
        }
        all.insert(0, version);
        all.resize(KEPT, 0);
        self.0.copy_from_slice(&all);
    }

    /// Whether a version is taken once more.
    pub fn judge(&self, version: u64) -> Known {
        let lowest = self.0.into_iter().min().unwrap_or(0);
        if self.versions().any(|one| one == version) {
            Known::Failed
        } else if version < lowest {
            Known::Outdated
        } else {
            Known::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_told_and_every_one_is_refused() {
        let mut failed = Failed::default();
        assert_eq!((failed.last(), failed.judge(4)), (None, Known::Nothing));

        for version in [4, 5, 4] {
            failed.add(version);
        }

        assert_eq!(failed.last(), Some(4));
        assert_eq!(failed.versions().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(failed.judge(5), Known::Failed);
        // What was never tried here may be tried, whichever failed beside it.
        assert_eq!(failed.judge(3), Known::Nothing);
        assert_eq!(failed.judge(6), Known::Nothing);
    }

    /// P8: however many bad releases are offered in whatever turn, each is
    /// tried once.
    #[test]
    fn bad_releases_never_take_turns() {
        for sources in 2..12u64 {
            let mut failed = Failed::default();
            let mut tried = Vec::new();
            for round in 0..10 * sources {
                // One source after the other, from both ends of the numbers.
                let version = match round % 2 {
                    0 => 10 + round / 2 % sources,
                    _ => 10 + sources - 1 - round / 2 % sources,
                };
                if failed.judge(version) == Known::Nothing {
                    tried.push(version);
                    failed.add(version);
                }
            }
            let once = tried.len();
            tried.sort_unstable();
            tried.dedup();
            assert_eq!(tried.len(), once, "{sources} sources");
            assert_eq!(failed.judge(10 + sources), Known::Nothing, "published anew");
        }
    }

    #[test]
    fn what_was_written_is_read_in_its_order() {
        let failed = Failed::of([7, 9, 8, 0, 6]);

        assert_eq!(failed.versions().collect::<Vec<_>>(), [7, 9, 8]);
        assert_eq!(Failed::of(failed.versions()), failed);
    }
}
