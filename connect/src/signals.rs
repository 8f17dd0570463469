//! The ways in which a system asks a program to end.
//!
//! A program that just dies leaves its session to the gateway's timer; asked
//! politely (Ctrl-C, a closed terminal, ssh's farewell to its `ProxyCommand`,
//! a shutdown) it says goodbye first.

/// Waits until somebody asks this program to end.
#[cfg(unix)]
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        // Then the system's own handling stays: the program just dies.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Waits until somebody asks this program to end.
#[cfg(windows)]
pub async fn asked_to_end() {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
    let kinds = (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_shutdown());
    let (Ok(mut key), Ok(mut stop), Ok(mut window), Ok(mut system)) = kinds else {
        // Then the system's own handling stays: the program just dies.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = key.recv() => {}
        _ = stop.recv() => {}
        _ = window.recv() => {}
        _ = system.recv() => {}
    }
}
