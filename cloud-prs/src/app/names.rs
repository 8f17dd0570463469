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
    if plain.is_empty() || plain.len() > MAX_NAME || plain.chars().any(hidden) {
        return Err(AppError::invalid(format!(
            "a name has 1 to {MAX_NAME} bytes and no control characters"
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
