//! Names that people give to things: which characters they may hold.
//!
//! A name shall look like what it is. What is drawn as nothing, turns the
//! direction of writing or begins a line is refused, except where it changes
//! what is seen and the languages and pictures of the world need it: a
//! (non-)joiner behind a virama, a non-joiner between letters that would join
//! (RFC 5892, appendix A), a joiner within one picture, the choice between a
//! picture's two forms, and the three flags that are spelled in tags.
//!
//! The server refuses by this rule and the portal shows by it; both are held to
//! `golden/names.txt`.

mod tables;

use tables::{DUAL, EMOJI, IGNORED, MARKS, RIGHT, VIRAMAS};

/// Zero width non-joiner.
const ZWNJ: char = '\u{200c}';
/// Zero width joiner.
const ZWJ: char = '\u{200d}';
/// A flag, followed by the letters of a country's part as tags.
const FLAG: char = '\u{1f3f4}';
/// The parts of a country that have a flag in Unicode's list.
const FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
/// What ends the letters.
const END_OF_TAGS: char = '\u{e007f}';

/// The first character of a name that nobody would see, if there is one.
pub fn unseen(name: &str) -> Option<char> {
    let mut before = String::new();
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        let fits = match c {
            ZWNJ => after_virama(&before) || between_joining(&before, rest.as_str()),
            ZWJ => after_virama(&before) || within_picture(&before, rest.as_str()),
            '\u{fe0e}' | '\u{fe0f}' => has_two_forms(&before, rest.as_str()),
            '\u{e0020}'..=END_OF_TAGS => spells_flag(&before, c, rest.as_str()),
            _ => is_seen(c),
        };
        if !fits {
            return Some(c);
        }
        before.push(c);
    }
    None
}

fn is_seen(c: char) -> bool {
    // Line ends of Unicode's, and marks for notes between lines.
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}');
    !c.is_control() && !breaks && !within(IGNORED, c)
}

fn after_virama(before: &str) -> bool {
    before
        .chars()
        .next_back()
        .is_some_and(|c| within(VIRAMAS, c))
}

/// Letters whose forms differ with the non-joiner and without.
fn between_joining(before: &str, after: &str) -> bool {
    let letter = |c: &char| !within(MARKS, *c);
    let left = before.chars().rev().find(letter);
    let right = after.chars().find(letter);
    left.is_some_and(|c| within(DUAL, c))
        && right.is_some_and(|c| within(DUAL, c) || within(RIGHT, c))
}

/// Between two pictures; the first may have a form or a colour of skin.
fn within_picture(before: &str, after: &str) -> bool {
    let dress = |c: &char| !matches!(*c, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    let picture = |c| within(EMOJI, c);
    before.chars().rev().find(dress).is_some_and(picture)
        && after.chars().next().is_some_and(picture)
}

/// A picture that is also a sign, or the key of a telephone.
fn has_two_forms(before: &str, after: &str) -> bool {
    let key = |c: char| c.is_ascii_digit() || matches!(c, '#' | '*');
    before
        .chars()
        .next_back()
        .is_some_and(|c| within(EMOJI, c) || (key(c) && after.starts_with('\u{20e3}')))
}

/// Whether `tag` is a letter of one of the flags, which begins before it.
fn spells_flag(before: &str, tag: char, after: &str) -> bool {
    let Some(begin) = before.rfind(FLAG) else {
        return false;
    };
    let spelled = before[begin..]
        .chars()
        .skip(1)
        .chain([tag])
        .chain(after.chars());
    let tags = spelled.take_while(|c| ('\u{e0020}'..=END_OF_TAGS).contains(c));
    // A tag is a letter of ASCII, moved.
    let word: String = tags
        .filter_map(|c| char::from_u32(u32::from(c) - 0xe_0000))
        .collect();
    let only_tags = |c| ('\u{e0020}'..=END_OF_TAGS).contains(&c);
    before[begin..].chars().skip(1).all(only_tags)
        && word
            .strip_suffix('\u{7f}')
            .is_some_and(|word| FLAGS.contains(&word))
}

fn within(ranges: &[(char, char)], c: char) -> bool {
    let before = ranges.partition_point(|(_, last)| *last < c);
    ranges.get(before).is_some_and(|(first, _)| *first <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../golden/names.txt");

    /// Text with characters by their numbers.
    fn unescaped(text: &str) -> String {
        let mut out = String::new();
        let mut parts = text.split("\\u{");
        out.extend(parts.next());
        for part in parts {
            let (number, rest) = part.split_once('}').unwrap();
            let number = u32::from_str_radix(number, 16).unwrap();
            out.push(char::from_u32(number).unwrap());
            out += rest;
        }
        out
    }

    /// S34: names of every script, and none that only looks like another.
    #[test]
    fn names_are_judged_as_the_golden_file_says() {
        let lines = GOLDEN
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        for line in lines {
            let (expected, name) = match line.split_once(' ').unwrap() {
                ("taken", name) => (None, name),
                ("refused", rest) => {
                    let (number, name) = rest.split_once(' ').unwrap();
                    (Some(number.to_owned()), name)
                }
                other => panic!("{other:?}"),
            };
            let found = unseen(&unescaped(name.trim_start()));
            let found = found.map(|c| format!("U+{:04X}", u32::from(c)));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_table_is_in_order_so_that_it_can_be_searched() {
        for table in [DUAL, RIGHT, MARKS, VIRAMAS, EMOJI, IGNORED] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }

    #[test]
    fn what_is_drawn_as_nothing_is_never_taken_alone() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            if within(IGNORED, c) || c.is_control() {
                for name in [format!("{c}"), format!("a{c}b"), format!("{c}{c}")] {
                    assert_eq!(unseen(&name), Some(c), "{name:?}");
                }
            }
        }
    }
}
