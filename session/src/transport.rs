//! Windows, timers, packet sizes and congestion control of a session.
//!
//! The numbers are measured ones; change one only with better figures.

use std::sync::Arc;
use std::time::Duration;

use noq_proto::congestion::{Bbr3Config, ControllerFactory, CubicConfig, NewRenoConfig};
use noq_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use noq_proto::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};

use crate::options::{Congestion, Options};
use crate::role::Role;

/// Bytes one stream may have on the way. Over 1.4 MB one lost packet can end
/// the whole connection (the reassembly limit of the QUIC library).
pub const STREAM_WINDOW: u32 = 1_250_000;
/// Bytes all streams may have on the way, unless an end has less memory. With
/// less, a few streams that nobody reads (a paused download) would hold up
/// keys and screen: so many may stall before the others notice.
pub const SESSION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// Largest packet, in bytes, found by probing on each path. A relay path carries
/// a byte stream, so its packets may be longer than an Ethernet frame, and what a
/// packet costs at both ends is paid less often (decision 0012). A path that
/// carries less has to drop what is longer. Not longer than this, because QUIC
/// sends [`PACKETS_AT_ONCE`] without letting the link's task run, and those have
/// to fit the link's queue for one route.
pub const MAX_PACKET: u16 = 3000;
/// Packets that the QUIC library sends in one go (noq's
/// `MAX_TRANSMIT_DATAGRAMS`).
pub const PACKETS_AT_ONCE: usize = 20;
/// Packet that every path carries, in bytes (RFC 9000 §14).
pub const MIN_PACKET: u16 = 1200;
/// Largest batch of packets handed to a path at once, in bytes: a good part
/// below the relay's queue, which takes or drops a batch as a whole.
pub const MAX_BATCH: usize = 40 * 1024;
/// Paths a session may have at once.
pub const MAX_PATHS: u32 = 8;

/// Guess of a round trip before the first is measured. It only sets when a
/// lost first packet is sent again: after three times this.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Longest silence of the technician's end: what the peer's timers and the
/// path's figures live on. An end's link that gets no answer for 15 s is over;
/// with 5 s before that, she is back on another one before the gateway gives
/// her up after 25 s.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// The gateway speaks only when she says nothing for longer: it asks whether
/// she is there, and whether its own line still carries anything.
const ASK_AFTER: Duration = Duration::from_secs(6);
/// Datagrams a lazy receiver keeps, in bytes.
const DATAGRAM_BUFFER: usize = 256 * 1024;
/// Connection attempts that may wait at a gateway: the one that counts, and
/// what a relay invents.
const MAX_INCOMING: usize = 8;

/// Settings of the technician's end.
pub fn client(tls: QuicClientConfig, options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport(Role::Technician, options)));
    config
}

/// Settings of the gateway's end.
pub fn server(tls: QuicServerConfig, options: &Options) -> ServerConfig {
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(transport(Role::Gateway, options)))
        .validation_token_config(tokens)
        .migration(false)
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(u64::from(MAX_PACKET) * 4)
        .incoming_buffer_size_total(u64::from(MAX_PACKET) * 16);
    config
}

/// Settings of the socket's side.
pub fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(MAX_PACKET)
        .expect("MAX_PACKET is at least 1200");
    config
}

fn transport(role: Role, options: &Options) -> TransportConfig {
    // Zero would mean "never" to QUIC.
    let idle = IdleTimeout::try_from(options.idle.max(Duration::from_secs(1)))
        .unwrap_or_else(|_| IdleTimeout::from(VarInt::from_u32(u32::MAX)));
    let mut probing = MtuDiscoveryConfig::default();
    probing.upper_bound(MAX_PACKET);
    let mut config = TransportConfig::default();
    config
        .congestion_controller_factory(controller(options.congestion))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(options.session_window))
        .send_window(u64::from(options.session_window))
        .initial_rtt(INITIAL_RTT)
        .initial_mtu(MIN_PACKET)
        .mtu_discovery_config(Some(probing))
        .max_idle_timeout(Some(idle))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .max_concurrent_multipath_paths(MAX_PATHS)
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .allow_spin(false);
    match role {
        Role::Technician => config
            .keep_alive_interval(Some(KEEPALIVE.min(options.idle / 3)))
            .max_concurrent_bidi_streams(VarInt::from_u32(0)),
        Role::Gateway => config
            .keep_alive_interval(Some(ASK_AFTER.min(options.idle / 2)))
            .max_concurrent_bidi_streams(VarInt::from_u32(options.max_streams)),
    };
    config
}

fn controller(congestion: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match congestion {
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::NewReno => Arc::new(NewRenoConfig::default()),
        Congestion::Bbr3 => Arc::new(Bbr3Config::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Larger windows end connections on loss.
    #[test]
    fn a_streams_window_stays_below_the_reassembly_limit() {
        const { assert!(STREAM_WINDOW <= 1_400_000) };
    }

    #[test]
    fn a_batch_holds_many_packets_and_fits_a_link_message() {
        const { assert!(MAX_BATCH <= culvert_wire::frame::MAX_PACKETS) };
        // The library's own limit is ten.
        const { assert!(MAX_BATCH / MAX_PACKET as usize >= 10) };
    }

    /// Else the last ones of every burst are lost before they leave.
    #[cfg(feature = "native")]
    #[test]
    fn what_is_sent_in_one_go_fits_a_links_queue() {
        const MESSAGE: usize = 64;
        const BATCHES: usize = PACKETS_AT_ONCE.div_ceil(10);
        const BYTES: usize = PACKETS_AT_ONCE * MAX_PACKET as usize + BATCHES * MESSAGE;
        const { assert!(BYTES <= culvert_link::queue::ROUTE_BYTES) };
    }

    #[test]
    fn any_idle_time_gives_settings() {
        for idle in [Duration::ZERO, Duration::from_secs(30), Duration::MAX] {
            let options = Options {
                idle,
                ..Options::default()
            };
            for role in [Role::Technician, Role::Gateway] {
                drop(transport(role, &options));
            }
        }
    }
}
