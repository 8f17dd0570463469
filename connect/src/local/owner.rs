//! Whose program is at the other end of a loopback connection.
//!
//! Any user of a machine can connect to its loopback addresses. Linux lists
//! the owner of every TCP socket, so a connection of another user can be
//! refused there. Windows and macOS tell it only through calls that need
//! unsafe code: there the random port and the bounded number of connections
//! have to do.

use std::net::SocketAddr;

/// What the system says about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A program of the user who runs us.
    Same,
    /// A program of another user, or one that is gone already.
    Other,
    /// The system does not say.
    Unknown,
}

/// The owner of the connection that came from `peer` to our `local` address.
#[cfg(target_os = "linux")]
pub fn owner(peer: SocketAddr, local: SocketAddr) -> Owner {
    use std::os::unix::fs::MetadataExt as _;
    // The owner of /proc/self is the effective user.
    let Ok(me) = std::fs::metadata("/proc/self") else {
        return Owner::Unknown;
    };
    let table = if peer.is_ipv4() {
        "/proc/self/net/tcp"
    } else {
        "/proc/self/net/tcp6"
    };
    match std::fs::read_to_string(table) {
        Ok(table) if uid_of(&table, peer, local) == Some(me.uid()) => Owner::Same,
        Ok(_) => Owner::Other,
        Err(_) => Owner::Unknown,
    }
}

/// The owner of the connection that came from `peer` to our `local` address.
#[cfg(not(target_os = "linux"))]
pub fn owner(_peer: SocketAddr, _local: SocketAddr) -> Owner {
    Owner::Unknown
}

/// The user of the socket `from` → `to` in a table of proc(5).
#[cfg(target_os = "linux")]
fn uid_of(table: &str, from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let (from, to) = (in_table(from), in_table(to));
    table.lines().skip(1).find_map(|row| {
        let mut columns = row.split_whitespace().skip(1);
        let fits = columns.next()? == from && columns.next()? == to;
        // After the addresses: state, queues, timer, retransmits, then the user.
        fits.then(|| columns.nth(4)?.parse().ok())?
    })
}

/// An address as proc(5) writes it: words of the machine's own byte order.
#[cfg(target_os = "linux")]
fn in_table(address: SocketAddr) -> String {
    let bytes = match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    let words: String = bytes
        .chunks_exact(4)
        .map(|word| {
            let word: [u8; 4] = word.try_into().expect("chunks of four");
            format!("{:08X}", u32::from_ne_bytes(word))
        })
        .collect();
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn our_own_connections_are_recognised() {
        for address in ["127.0.0.1:0", "127.9.8.7:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let local = listener.local_addr().unwrap();
            let client = TcpStream::connect(local).unwrap();
            let peer = client.local_addr().unwrap();

            assert_eq!(owner(peer, local), Owner::Same, "{address}");
        }
    }

    #[test]
    fn a_connection_that_is_in_no_table_is_anothers() {
        let peer = "127.0.0.1:1".parse().unwrap();
        let local = "127.0.0.1:2".parse().unwrap();

        assert_eq!(owner(peer, local), Owner::Other);
    }

    /// Row 32, with a row of another user's socket.
    #[test]
    fn the_user_is_read_from_the_right_column() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n\
   1: 0100007F:C350 0708097F:1F91 01 00000000:00000000 00:00000000 00000000  1042        0 2 1 0 20 4 30 10 -1\n";
        let from = "127.0.0.1:50000".parse().unwrap();

        assert_eq!(
            uid_of(table, from, "127.9.8.7:8081".parse().unwrap()),
            Some(1042)
        );
        assert_eq!(uid_of(table, from, "127.9.8.7:8080".parse().unwrap()), None);
        assert_eq!(uid_of("", from, from), None);
        assert_eq!(uid_of("x\n0: a\n1:", from, from), None);
    }
}
