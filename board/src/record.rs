//! The state record: two copies, each whole or worthless.
//!
//! A change is written over the older copy, with a higher `seq`, and synced;
//! the newer copy is not touched, so that a power cut leaves the old or the new
//! record. Names that this program does not know are kept.

use std::io;

use crate::environment::{Environment, LEN};

/// Two places that hold one copy each.
pub trait Places {
    /// Reads a copy's bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read(&mut self, place: Place) -> io::Result<Vec<u8>>;

    /// Writes a copy; on return it is on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, place: Place, bytes: &[u8; LEN]) -> io::Result<()>;
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Partition `record-1`.
    First,
    /// Partition `record-2`.
    Second,
}

impl Place {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// Counts the changes; the higher copy holds. Hexadecimal digits, the lowest
/// first, each a word of its own: a boot loader without arithmetic looks the
/// next digit up and carries.
const SEQ: &str = "seq";
/// So many digits; more changes than a card lives to see.
const DIGITS: usize = 8;
/// Names every name, so that the boot loader writes all of them back.
const KEYS: &str = "keys";

/// The record in force and where it lies; none if both copies are worthless.
///
/// # Errors
/// What the system says.
pub fn load(places: &mut impl Places) -> io::Result<Option<(Place, Environment)>> {
    let first = Environment::decode(&places.read(Place::First)?);
    let second = Environment::decode(&places.read(Place::Second)?);
    Ok(newest(first, second))
}

/// Which of two copies holds.
pub fn newest(
    first: Option<Environment>,
    second: Option<Environment>,
) -> Option<(Place, Environment)> {
    match (first, second) {
        (Some(first), Some(second)) if seq(&second) > seq(&first) => Some((Place::Second, second)),
        (Some(first), _) => Some((Place::First, first)),
        (None, Some(second)) => Some((Place::Second, second)),
        (None, None) => None,
    }
}

/// Changes the record, replacing the older copy.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidInput`] when the record
/// has become too long; the record in force is then still the old one.
pub fn change(
    places: &mut impl Places,
    edit: impl FnOnce(&mut Environment),
) -> io::Result<Environment> {
    let (place, before) = match load(places)? {
        Some((place, record)) => (place.other(), record),
        None => (Place::First, Environment::default()),
    };
    let mut record = before.clone();
    edit(&mut record);
    if record == before {
        return Ok(record);
    }
    let bytes = sealed(&mut record, seq(&before) + 1)?;
    places.write(place, &bytes)?;
    // Flash that answers "written" and is not would cost the next update.
    if places.read(place)?.get(..LEN) != Some(&bytes[..]) {
        return Err(io::Error::other("the state record did not stay as written"));
    }
    Ok(record)
}

/// The bytes of a record as number `seq`.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it is too long.
pub fn sealed(record: &mut Environment, seq: u64) -> io::Result<[u8; LEN]> {
    record.put(SEQ, &digits(seq));
    record.put(KEYS, "");
    let names: Vec<&str> = record.names().collect();
    let names = names.join(" ");
    record.put(KEYS, &names);
    record.encode().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the state record is too long for its place",
        )
    })
}

/// The number of a record; 0 if it carries none.
pub fn seq(record: &Environment) -> u64 {
    let digits = record.value(SEQ).unwrap_or_default().split_whitespace();
    let highest_first: String = digits.rev().collect();
    u64::from_str_radix(&highest_first, 16).unwrap_or(0)
}

/// A number as `seq` carries it.
pub fn digits(seq: u64) -> String {
    let highest_first = format!("{seq:0DIGITS$x}");
    let lowest: Vec<String> = highest_first
        .chars()
        .rev()
        .take(DIGITS)
        .map(String::from)
        .collect();
    lowest.join(" ")
}

#[cfg(test)]
mod tests;
