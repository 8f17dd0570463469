//! Reads ahead of TLS: one system call for a whole batch of packets.
//!
//! rustls asks for 4 KiB at a time whenever it has caught up, which on a link
//! is after every batch. Here up to `AHEAD` bytes are taken at once and
//! handed on from memory. The buffer exists only while it holds something, so
//! an idle link costs nothing. Writes pass through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ws;

/// Bytes taken at once: what a link's peer may have on its way (D3).
const AHEAD: usize = 64 * 1024;

/// A stream with a buffer for what was read and not asked for yet.
#[derive(Debug)]
pub struct Ahead<S> {
    io: S,
    read: BytesMut,
    /// Whether the last read filled its room: only then more is expected.
    busy: bool,
}

impl<S> Ahead<S> {
    /// Puts a buffer before a stream.
    pub fn new(io: S) -> Self {
        Self {
            io,
            read: BytesMut::new(),
            busy: false,
        }
    }

    /// The stream itself.
    pub fn io(&self) -> &S {
        &self.io
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            if !this.busy {
                // The first bytes after a pause, straight through: no buffer
                // waits for a quiet peer.
                let before = room.remaining();
                ready!(Pin::new(&mut this.io).poll_read(cx, room))?;
                this.busy = room.remaining() == 0 && before > 0;
                return Poll::Ready(Ok(()));
            }
            this.busy = false;
            let mut own = ws::buffer(AHEAD);
            let read = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut this.io, &mut own));
            match read.poll(cx) {
                Poll::Ready(Ok(_)) => this.read = own,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ws::recycle_buffer(own);
                    return Poll::Pending;
                }
            }
        }
        let length = this.read.len().min(room.remaining());
        room.put_slice(&this.read[..length]);
        this.read.advance(length);
        if this.read.is_empty() {
            this.busy = true;
            ws::recycle_buffer(std::mem::take(&mut this.read));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn bytes_come_out_whole_in_any_pieces_and_no_buffer_stays() {
        let (mut near, far) = tokio::io::duplex(200_000);
        let sent: Vec<u8> = (0..=250).cycle().take(150_000).collect();
        let copy = sent.clone();
        let writer = tokio::spawn(async move {
            for piece in copy.chunks(37_000) {
                near.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            near
        });
        let mut ahead = Ahead::new(far);
        let mut got = Vec::new();
        let mut piece = [0; 4096];
        while got.len() < sent.len() {
            let length = ahead.read(&mut piece).await.unwrap();
            got.extend_from_slice(&piece[..length]);
        }
        assert!(got == sent);
        assert_eq!(ahead.read.capacity(), 0);
        drop(writer.await.unwrap());
        assert_eq!(ahead.read(&mut piece).await.unwrap(), 0, "the end");
    }
}
