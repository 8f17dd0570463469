//! Replays every corpus, and seeded mutations of it, through its decoder.
//!
//! `CULVERT_LONG=1` (set by `./check --long`) multiplies the mutations by 100.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use culvert_fuzz::{TARGETS, Target};

/// Each target's mutations begin with it.
const SEED: u64 = 0x0063_756c_7665_7274;

#[test]
fn every_corpus_input_and_its_mutations_are_answered_without_a_panic() {
    let long = std::env::var_os("CULVERT_LONG").is_some();
    for target in TARGETS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "no corpus for {}", target.name);
        let mut runs = 0;
        let mut draw = Splitmix(SEED);
        for input in &inputs {
            (target.run)(input);
            for _ in 0..if long { 100_000 } else { 1000 } {
                (target.run)(&mutate(input, &inputs, &mut draw));
                runs += 1;
            }
        }
        // Past the capture: a run's log says what was sampled.
        let _ = writeln!(
            std::io::stderr(),
            "sample: fuzz target {}: {} inputs, {runs} mutations of the seed {SEED:#x}",
            target.name,
            inputs.len()
        );
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect()
}

/// One to four of: flip, cut, repeat, splice, overwrite with an extreme.
fn mutate(input: &[u8], others: &[Vec<u8>], draw: &mut Splitmix) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=draw.below(4) {
        let at = draw.below(out.len() + 1);
        match draw.below(6) {
            0 => out.truncate(at),
            1 => out.insert(at, draw.byte()),
            2 if at < out.len() => out[at] ^= 1 << draw.below(8),
            3 if at < out.len() => out[at] = [0, 1, 0x7f, 0x80, 0xff][draw.below(5)],
            4 => {
                let other = &others[draw.below(others.len())];
                out.truncate(at);
                out.extend_from_slice(&other[draw.below(other.len() + 1)..]);
            }
            _ => out.extend_from_within(at..(at + draw.below(16)).min(out.len())),
        }
    }
    out
}

/// Sebastiano Vigna's splitmix64: small, seeded, the same everywhere.
struct Splitmix(u64);

impl Splitmix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}
