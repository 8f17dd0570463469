//! Names that people give to things: their length here, their characters as
//! [`culvert_wire::name`] judges them.

use culvert_wire::name::unseen;

use super::AppError;

/// Longest name, in bytes.
const MAX_NAME: usize = 100;

/// Takes a name, without the spaces at its ends.
pub(super) fn name(text: &str) -> Result<String, AppError> {
    let plain = text.trim();
    if plain.is_empty() {
        return Err(AppError::invalid("a name has at least one character"));
    }
    if plain.len() > MAX_NAME {
        return Err(AppError::invalid(format!(
            "the name is {} bytes long and at most {MAX_NAME} fit: shorten it",
            plain.len()
        )));
    }
    if let Some(found) = unseen(plain) {
        return Err(AppError::invalid(format!(
            "the name holds an invisible character (U+{:04X}): leave it out",
            u32::from(found)
        )));
    }
    Ok(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_control_or_direction_characters_are_refused() {
        assert_eq!(name(" Ärzte GmbH ").unwrap(), "Ärzte GmbH");
        // Letters that do not join here, and one picture of several.
        for good in ["نرم\u{200c}افزار", "👨\u{200d}👩\u{200d}👧"] {
            assert_eq!(name(good).unwrap(), good);
        }
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            "ser\u{200d}ver",
            "\u{1b}[31m",
            &"x".repeat(101),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
