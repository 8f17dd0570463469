//! Buffers of long messages, used again.
//!
//! A relayed message is as long as a batch of packets; without this the
//! allocator gives such a buffer back to the system after every message and
//! faults it in again for the next (measured: a third of the relay's time).
//! One short list for the process and each size, newest first, so that a buffer is
//! still in the processor's cache. A message waits in a buffer of hardly twice its
//! length, so that queues which count bytes bound memory, too.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use bytes::{Bytes, BytesMut};

/// Rooms of pooled buffers; the last takes the longest batch and its header.
const ROOMS: [usize; 3] = [16 * 1024, 32 * 1024, 65 * 1024];
/// Shorter messages get a buffer of their own size.
const SHORT: usize = 8 * 1024;
/// Buffers kept of each size, less than 2 MiB together.
const KEPT: usize = 16;

static POOLS: [Mutex<Vec<BytesMut>>; 3] = [const { Mutex::new(Vec::new()) }; 3];

/// Done once before the first long message.
static KEEP_TOP: Once = Once::new();

/// Tells the system's allocator to keep what it has.
///
/// glibc gives the top of a heap back whenever more than 128 KiB of it are
/// free, and TLS records come and go there: two page faults and a system call
/// for each (measured: half of the relay's time). It raises that limit to
/// twice the size of the first large block that it sees freed (`malloc(3)`,
/// `M_TRIM_THRESHOLD`); elsewhere this does nothing.
fn keep_top() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1024 * 1024)));
}

/// An empty buffer for a message of `length` bytes, which may be too small for
/// the longest ones.
pub(super) fn take(length: usize) -> BytesMut {
    if length <= SHORT {
        return BytesMut::with_capacity(length);
    }
    KEEP_TOP.call_once(keep_top);
    let size = ROOMS.iter().position(|room| *room >= length);
    let size = size.unwrap_or(ROOMS.len() - 1);
    let kept = lock(size).pop();
    kept.unwrap_or_else(|| BytesMut::with_capacity(ROOMS[size]))
}

/// Takes a message back that nobody needs any more.
pub(super) fn give(message: Bytes) {
    if message.len() <= SHORT {
        return;
    }
    if let Ok(buffer) = message.try_into_mut() {
        give_buffer(buffer);
    }
}

/// As [`give`], of a buffer that is nobody else's.
pub(super) fn give_buffer(mut buffer: BytesMut) {
    buffer.clear();
    // Gets the front back that was cut off (a header).
    let size = ROOMS.iter().rposition(|room| buffer.try_reclaim(*room));
    let Some(size) = size.filter(|size| buffer.capacity() < 2 * ROOMS[*size]) else {
        return;
    };
    let mut pool = lock(size);
    if pool.len() < KEPT {
        pool.push(buffer);
    }
}

fn lock(size: usize) -> MutexGuard<'static, Vec<BytesMut>> {
    // No code panics while holding it.
    POOLS[size].lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    #[test]
    fn a_buffer_comes_back_whole_although_its_header_was_cut_off() {
        let mut buffer = take(60_000);
        buffer.resize(60_000, 1);
        let mut message = buffer.freeze();
        message.advance(7);
        let shared = message.clone();
        give(message);
        give(shared);

        let again = take(60_000);

        assert!(again.capacity() >= ROOMS[2] && again.is_empty());
        assert_eq!(take(100).capacity(), 100);
    }

    /// Threat 22: a queue that counts a message's bytes counts about half, at least, of what
    /// it holds in memory, whatever went through the buffer before.
    #[test]
    fn a_message_waits_in_hardly_twice_its_length() {
        for _ in 0..2 {
            for length in [1, SHORT, SHORT + 1, 12_288, 16_385, 33_000, 65_000, 66_560] {
                let mut buffer = take(length);
                buffer.resize(length, 1);
                assert!(
                    buffer.capacity() <= 2 * length + 1024,
                    "{} for {length}",
                    buffer.capacity()
                );
                give(buffer.freeze());
            }
        }
    }
}
