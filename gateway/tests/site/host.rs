//! Hosts of the customer's LAN: TCP services that say what happened to them.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::grasping::grasp;
use crate::net::{Net, within};
use crate::program::eventually;

/// A listening service; stops when dropped.
pub(crate) struct Host {
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Host {
    /// Sends back what it gets.
    pub(crate) fn echo(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, |mut tcp| async move {
            let (mut read, mut write) = tcp.split();
            // A technician who goes away breaks it: no failure of the test.
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
    }

    /// Reads all, then answers with how much it was: needs half-close.
    pub(crate) fn count(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, |mut tcp| async move {
            let mut sum = Vec::new();
            tcp.read_to_end(&mut sum).await.unwrap();
            let answer = format!("{}", sum.len());
            tcp.write_all(answer.as_bytes()).await.unwrap();
        })
    }

    /// Says what an SSH server says first, then nonsense without an end.
    pub(crate) fn raving(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, |mut tcp| async move {
            let _ = tcp.write_all(b"SSH-2.0-raving\r\n").await;
            loop {
                let nonsense: [u8; 4096] = rand::random();
                if tcp.write_all(&nonsense).await.is_err() {
                    return;
                }
            }
        })
    }

    /// Says lines without an end and never its name.
    pub(crate) fn chatty(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, |mut tcp| async move {
            while tcp
                .write_all(b"welcome, welcome, \x1b[2J welcome\r\n")
                .await
                .is_ok()
            {}
        })
    }

    /// Accepts, keeps the connection and says nothing.
    pub(crate) fn mute(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, |tcp| async move {
            let _kept = tcp;
            std::future::pending::<()>().await;
        })
    }

    /// Lets anybody sign in and opens channels towards her.
    pub(crate) fn grasping(net: &Net, address: &str) -> Self {
        Self::serve(&net.lan(), address, grasp)
    }

    /// Accepts and keeps silent.
    pub(crate) fn silent(ns: &str, address: &str) -> Self {
        Self::serve(ns, address, |_tcp| std::future::pending())
    }

    /// How many connections reached it.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many did, which are all: who connected may know it first.
    pub(crate) async fn accepts(&self, connections: usize) {
        eventually("the host accepts", || self.accepted() >= connections).await;
        assert_eq!(self.accepted(), connections);
    }

    fn serve<F: Future<Output = ()> + Send + 'static>(
        ns: &str,
        address: &str,
        each: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let bound = within(ns, || StdListener::bind(address));
        let listener = bound.unwrap_or_else(|error| panic!("{address}: {error}"));
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(each(tcp));
            }
        });
        Self { accepted, task }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}
