//! A telnet conversation on this terminal, or between pipes.
//!
//! With a terminal: keys go one by one while the host echoes, line by line
//! while it does not; the window's size is told; Ctrl-] ends. The terminal is
//! put back whatever happens.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use culvert_screen::telnet::Telnet;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Ctrl-]: what telnet programs have always used.
const ESCAPE: u8 = 0x1d;
/// How often the window's size is looked at; Windows has no signal for it.
const LOOK: Duration = Duration::from_millis(500);

/// Runs the conversation until the host or the person ends it.
///
/// # Errors
/// Errors of the host's stream or of the terminal.
pub async fn converse<R, W>(mut from_host: R, mut to_host: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut screen = Screen::new();
    let name = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
    let mut telnet = Telnet::new(&name, size());
    let (mut keys, mut out) = (tokio::io::stdin(), tokio::io::stdout());
    let mut typed = [0; 4096];
    let mut heard = vec![0; 32 * 1024];
    let mut shown = Vec::new();
    let mut typing = true;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            read = from_host.read(&mut heard) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                telnet.handle_host(&heard[..read], &mut shown);
                out.write_all(&shown).await?;
                out.flush().await?;
                shown.clear();
                screen.follow(telnet.host_echoes())?;
            }
            read = keys.read(&mut typed), if typing => {
                let typed = &typed[..read?];
                // The end of a pipe ends nothing: the host may still talk.
                typing = !typed.is_empty();
                if screen.raw && typed.contains(&ESCAPE) {
                    return Ok(());
                }
                telnet.handle_typed(typed);
            }
            _ = look.tick() => telnet.handle_resize(size()),
        }
        let bytes = telnet.take_out();
        if !bytes.is_empty() {
            to_host.write_all(&bytes).await?;
            to_host.flush().await?;
        }
    }
}

/// Columns and rows; a pipe counts as the classic screen.
fn size() -> (u16, u16) {
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
        Ok(_) | Err(_) => (80, 24),
    }
}

/// The terminal's mode; puts it back when dropped.
struct Screen {
    terminal: bool,
    raw: bool,
}

impl Screen {
    fn new() -> Self {
        Self {
            terminal: io::stdin().is_terminal() && io::stdout().is_terminal(),
            raw: false,
        }
    }

    /// Raw while the host echoes, else the system's own line editing.
    fn follow(&mut self, raw: bool) -> io::Result<()> {
        if !self.terminal || raw == self.raw {
            return Ok(());
        }
        self.raw = raw;
        if raw {
            crossterm::terminal::enable_raw_mode()
        } else {
            crossterm::terminal::disable_raw_mode()
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.raw {
            // Nothing more can be done for a terminal that is gone.
            let restored = crossterm::terminal::disable_raw_mode();
            drop(restored);
        }
    }
}
