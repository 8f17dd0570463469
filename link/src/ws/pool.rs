//! Buffers of long messages, used again.
//!
//! A relayed message is as long as a batch of packets; without this the
//! allocator gives such a buffer back to the system after every message and
//! faults it in again for the next (measured: a third of the relay's time).
//! One short list for the process, newest first, so that a buffer is still in
//! the processor's cache. Holds [`KEPT`] buffers at most.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use bytes::{Bytes, BytesMut};

/// Room of a pooled buffer: the longest batch and its header.
const ROOM: usize = 65 * 1024;
/// Shorter messages get a buffer of their own size.
const SHORT: usize = 8 * 1024;
/// Buffers kept, 1 MiB together.
const KEPT: usize = 16;

static POOL: Mutex<Vec<BytesMut>> = Mutex::new(Vec::new());

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
    let kept = lock().pop();
    kept.unwrap_or_else(|| BytesMut::with_capacity(ROOM))
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
    if !buffer.try_reclaim(ROOM) || buffer.capacity() > 2 * ROOM {
        return;
    }
    let mut pool = lock();
    if pool.len() < KEPT {
        pool.push(buffer);
    }
}

fn lock() -> MutexGuard<'static, Vec<BytesMut>> {
    // No code panics while holding it.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
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

        assert!(again.capacity() >= ROOM && again.is_empty());
        assert_eq!(take(100).capacity(), 100);
    }
}
