//! Roles as threads, and what CPU time each has used.

use std::fs;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use tokio::runtime::Builder;

/// A thread that plays one role on a runtime of its own.
pub(crate) struct RoleThread<T> {
    thread: JoinHandle<anyhow::Result<T>>,
    pub(crate) cpu: Cpu,
}

/// The CPU time of one thread.
#[derive(Debug, Clone)]
pub(crate) struct Cpu {
    /// The kernel's figures of the thread.
    path: String,
}

impl<T: Send + 'static> RoleThread<T> {
    /// Starts a role.
    pub(crate) fn start<F, Fut>(name: &str, play: F) -> anyhow::Result<Self>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<T>>,
    {
        let (tell, told) = mpsc::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            tell.send(Cpu::of_this_thread())?;
            Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(play())
        })?;
        let cpu = told.recv().context("the role's thread did not start")?;
        Ok(Self { thread, cpu })
    }

    /// Waits for its end.
    pub(crate) fn join(self) -> anyhow::Result<T> {
        match self.thread.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("a role panicked"),
        }
    }
}

impl Cpu {
    pub(crate) fn of_this_thread() -> Self {
        Self {
            path: format!("/proc/self/task/{}/schedstat", nix::unistd::gettid()),
        }
    }

    /// Seconds used so far.
    pub(crate) fn seconds(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(&self.path)?;
        let nanos: f64 = text
            .split_whitespace()
            .next()
            .context("an empty schedstat")?
            .parse()?;
        Ok(nanos / 1e9)
    }
}
