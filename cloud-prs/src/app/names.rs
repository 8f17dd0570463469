//! Names that people give to things.

use super::AppError;

/// Longest name, in bytes.
const MAX_NAME: usize = 100;

/// Takes a name without control characters or spaces at its ends.
pub(super) fn name(text: &str) -> Result<String, AppError> {
    let plain = text.trim();
    // Direction marks and line separators can make one name look like another.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if plain.is_empty() {
        return Err(AppError::invalid("a name has at least one character"));
    }
    if plain.len() > MAX_NAME {
        return Err(AppError::invalid(format!(
            "the name is {} bytes long and at most {MAX_NAME} fit: shorten it",
            plain.len()
        )));
    }
    if let Some(found) = plain.chars().find(|&c| hidden(c)) {
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
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            "\u{1b}[31m",
            &"x".repeat(101),
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
