//! Whether the network shows a sign-in page: asks the server's name for plain
//! HTTP, as phones do, and looks whether somebody else sends the asker away.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::udp::split;

/// For the whole question.
const LIMIT: Duration = Duration::from_secs(5);
/// As much of the answer as is looked at, in bytes.
const HEAD: u64 = 8 * 1024;

/// Where the sign-in page is, if there is one.
pub(super) async fn portal(server: &str) -> Option<String> {
    let (host, _) = split(server)?;
    let head = timeout(LIMIT, ask(&host)).await.ok()??;
    judge(&host, &head)
}

async fn ask(host: &str) -> Option<String> {
    let mut tcp = TcpStream::connect((host, 80)).await.ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    let mut limited = tcp.take(HEAD);
    // A portal that breaks the connection has usually said enough.
    let _ = limited.read_to_end(&mut head).await;
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// RFC 6585 §6 and the custom before it: 511, or a redirect to another host.
fn judge(host: &str, head: &str) -> Option<String> {
    let mut lines = head.lines();
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let location = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("location"))
        .map(|(_, value)| printable(value.trim()));
    match (status, location) {
        (511, location) => Some(location.unwrap_or_else(|| "a sign-in page".to_owned())),
        (300..=399, Some(location)) if !own(host, &location) => Some(location),
        _ => None,
    }
}

/// A redirect to TLS or another path of the same server is no portal.
fn own(host: &str, location: &str) -> bool {
    let Some((_, rest)) = location.split_once("://") else {
        return true;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    split(authority).is_some_and(|(to, _)| to.eq_ignore_ascii_case(host))
}

/// Foreign text for a terminal: nothing but visible characters, not too many.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_being_sent_elsewhere_is_a_portal() {
        for (head, portal) in [
            (
                "HTTP/1.1 302 Found\r\nLocation: http://login.hotel/x\r\n\r\n",
                Some("http://login.hotel/x"),
            ),
            (
                "HTTP/1.1 511 Network Authentication Required\r\n\r\n",
                Some("a sign-in page"),
            ),
            (
                "HTTP/1.1 301 Moved\r\nlocation: https://prs.example.com/\r\n\r\n",
                None,
            ),
            (
                "HTTP/1.1 301 Moved\r\nLocation: https://PRS.example.com:443/\r\n\r\n",
                None,
            ),
            ("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\nLocation: http://x/\r\n", None),
            (
                "HTTP/1.1 302 Found\r\nLocation: http://evil/\x1b[31m\r\n\r\n",
                Some("http://evil/[31m"),
            ),
            ("SSH-2.0-OpenSSH", None),
            ("", None),
        ] {
            assert_eq!(judge("prs.example.com", head).as_deref(), portal, "{head}");
        }
    }
}
