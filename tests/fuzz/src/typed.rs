//! Decoders of what people, files and LAN hosts say.

use culvert_connect::word::{HostWord, Numbers};
use culvert_connect::{known, launch};
use culvert_screen::telnet::{Agreed, Charset, Talk, Telnet};

/// A settings file.
pub(crate) fn gateway_toml(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = culvert_config::gateway::Gateway::from_toml(text);
    }
}

/// The file on a card, which anybody may have written: settings or one sentence.
pub(crate) fn box_toml(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input)
        && let Err(error) = culvert_config::boxfile::BoxFile::from_toml(text)
    {
        assert!(!error.to_string().trim().is_empty());
    }
}

/// A server's settings.
pub(crate) fn prs_toml(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = culvert_config::prs::Prs::parse(text);
    }
}

/// A telnet host's bytes: what goes back is bounded by what came.
pub(crate) fn telnet(input: &[u8]) {
    let mut telnet = Telnet::new("xterm", (80, 24));
    let mut shown = Vec::new();
    let greeting = telnet.take_out().len();
    telnet.handle_host(input, &mut shown);
    assert!(shown.len() <= input.len(), "more shown than came");
    let sent = telnet.take_out().len();
    assert!(sent <= greeting + 64 * (input.len() + 1), "an amplifier");
    talk(input);
    agreed(input);
}

/// What another end of ours is said to have agreed on: one layout, and what is
/// shown again is never answered.
fn agreed(input: &[u8]) {
    let (kept, replayed) = input.split_at(input.len().min(18));
    let Some(agreed) = Agreed::from_bytes(kept) else {
        return;
    };
    assert_eq!(agreed.to_bytes(), kept, "two layouts for one value");
    let mut talk = Talk::new("xterm", (80, 24), Charset::Utf8);
    talk.handle_agreed(agreed);
    talk.take_out();
    talk.handle_replayed(replayed);
    assert!(talk.take_out().is_empty(), "answered twice");
    assert!(
        talk.take_shown().len() <= 3 * replayed.len(),
        "more shown than came"
    );
}

/// The same for a terminal that takes UTF-8, and what is typed in any pieces.
fn talk(input: &[u8]) {
    for charset in [Charset::Utf8, Charset::Latin1, Charset::Cp437] {
        let mut talk = Talk::new("xterm", (80, 24), charset);
        let (host, typed) = input.split_at(input.len() / 2);
        talk.handle_host(host);
        let shown = talk.take_shown();
        assert!(shown.len() <= 3 * host.len(), "more shown than came");
        talk.handle_typed(typed);
        talk.take_out();
        talk.take_shown();
    }
}

/// Host words, `culvert://` addresses, fingerprints as typed.
pub(crate) fn words(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    for numbers in [Numbers::Port, Numbers::Vnc] {
        if let Ok(word) = HostWord::parse(text, numbers) {
            assert!(!word.name.chars().any(char::is_control), "{word:?}");
        }
    }
    let _ = launch::parse(text);
    let _ = known::squeeze(text);
}
