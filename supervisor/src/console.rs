//! The screen: the serial console shows what the box does. Nobody can log in.

use std::io::Write as _;

/// One line for whoever looks; a console that is gone is no reason to stop.
pub fn line(text: &str) {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(std::io::stdout().lock(), "culvert: {clean}");
}
