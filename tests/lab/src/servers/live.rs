//! The WebSocket behind the device's page: sends one word to who connects.
//!
//! nginx on the device hands `/live` to a socket file that this process
//! answers, as a real device's web server does with its own programs.

use std::path::Path;

use futures_util::SinkExt as _;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;

use crate::LabError;

/// The socket file in the device's folder.
const SOCKET: &str = "live.sock";

/// The running answerer; ends with this value.
pub(crate) struct Live {
    runtime: Option<Runtime>,
}

impl Live {
    pub(crate) fn start(folder: &Path, word: String) -> Result<Self, LabError> {
        let path = folder.join(SOCKET);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lab-live")
            .enable_all()
            .build()
            .map_err(LabError::Forwarder)?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&path).map_err(LabError::file(&path))?
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let word = word.clone();
                tokio::spawn(async move {
                    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
                    socket.send(Message::text(word)).await.ok()?;
                    socket.close(None).await.ok()
                });
            }
        });
        Ok(Self {
            runtime: Some(runtime),
        })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
