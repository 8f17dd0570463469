//! `culvert://` addresses: what a web page may ask `culvert` to open.
//!
//! `culvert://open/TICKET` and nothing else: a one-time ticket. No part of an
//! address becomes an option, a path, a host or a shell word. The server is
//! the one this user signed in to; what is opened, the server says; with which
//! program, this user's own settings say. Pure.

use culvert_wire::ticket::Ticket;

/// The scheme.
pub const SCHEME: &str = "culvert://";
/// Longest address, in bytes: far above the only form there is.
pub const MAX_LAUNCH: usize = 256;

/// Takes the ticket out of an address.
///
/// # Errors
/// [`LaunchError`]: nothing of the address is used then.
pub fn parse(address: &str) -> Result<Ticket, LaunchError> {
    if address.len() > MAX_LAUNCH {
        return Err(LaunchError::TooLong);
    }
    let rest = address.strip_prefix(SCHEME).ok_or(LaunchError::Scheme)?;
    let ticket = rest.strip_prefix("open/").ok_or(LaunchError::Action)?;
    // Some desktops end every address with a slash.
    let ticket = ticket.strip_suffix('/').unwrap_or(ticket);
    ticket.parse().map_err(|_| LaunchError::Ticket)
}

/// Why an address opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Longer than any address of ours.
    #[error("the address is longer than {MAX_LAUNCH} bytes")]
    TooLong,
    /// Another scheme.
    #[error("the address does not begin with {SCHEME}")]
    Scheme,
    /// Another action than `open`.
    #[error("the address asks for something else than to open a session")]
    Action,
    /// The ticket is none.
    #[error("the address holds no whole ticket, or more than one: open the page again")]
    Ticket,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_taken() {
        let ticket = Ticket::from_random([5; 32]);
        for text in [
            format!("culvert://open/{}", ticket.reveal()),
            format!("culvert://open/{}/", ticket.reveal()),
            format!("culvert://open/{}", ticket.reveal().to_uppercase()),
        ] {
            assert_eq!(parse(&text), Ok(ticket.clone()), "{text}");
        }
    }

    /// Row 31: quotes, `--`, newlines and options of viewers.
    #[test]
    fn nothing_but_a_ticket_passes() {
        let good = Ticket::from_random([5; 32]).reveal();
        let open = |rest: &str| format!("culvert://open/{rest}");
        for (text, error) in [
            (String::new(), LaunchError::Scheme),
            ("--help".to_owned(), LaunchError::Scheme),
            (format!("http://open/{good}"), LaunchError::Scheme),
            (format!("culvert:open/{good}"), LaunchError::Scheme),
            (format!("CULVERT://open/{good}"), LaunchError::Scheme),
            (format!(" culvert://open/{good}"), LaunchError::Scheme),
            (format!("culvert://exec/{good}"), LaunchError::Action),
            (format!("culvert://open?ticket={good}"), LaunchError::Action),
            (format!("culvert://user@open/{good}"), LaunchError::Action),
            ("culvert://open".to_owned(), LaunchError::Action),
            (open(""), LaunchError::Ticket),
            (open("--help"), LaunchError::Ticket),
            (open("-oProxyCommand=id"), LaunchError::Ticket),
            (open(&format!("../{good}")), LaunchError::Ticket),
            (open(&format!("{good} -via x")), LaunchError::Ticket),
            (open(&format!("{good}\n-via x")), LaunchError::Ticket),
            (open(&format!("{good}\n")), LaunchError::Ticket),
            (open(&format!("'{good}'")), LaunchError::Ticket),
            (open(&format!("\"{good}\"")), LaunchError::Ticket),
            (open(&format!("{good}\"; id \"")), LaunchError::Ticket),
            (open(&format!("$({good})")), LaunchError::Ticket),
            (open(&format!("{good}?x=1")), LaunchError::Ticket),
            (open(&format!("{good}#x")), LaunchError::Ticket),
            (open(&format!("{good}//")), LaunchError::Ticket),
            (open(&format!("{good}/{good}")), LaunchError::Ticket),
            (open(&good[1..]), LaunchError::Ticket),
            (open(&good.replace('a', "%61")), LaunchError::Ticket),
            (open(&"x".repeat(64 * 1024)), LaunchError::TooLong),
        ] {
            assert_eq!(parse(&text), Err(error), "{text:?}");
        }
    }
}
