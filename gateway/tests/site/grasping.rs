//! An SSH host that opens channels towards whoever signs in, as if an agent, ports
//! and windows had been forwarded to it, and says in its shell what became of them.

use std::sync::Arc;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, run_stream};
use russh::{Channel, ChannelId, Error, MethodKind, MethodSet, Pty};
use tokio::net::TcpStream;

/// Serves one connection.
pub(crate) async fn grasp(tcp: TcpStream) {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let config = Config {
        keys: vec![key],
        methods: MethodSet::from([MethodKind::Password].as_slice()),
        ..Config::default()
    };
    if let Ok(running) = run_stream(Arc::new(config), tcp, Grasping::default()).await {
        // A technician who goes away breaks it: no failure of the test.
        let _ = running.await;
    }
}

#[derive(Default)]
struct Grasping {
    shell: Option<Channel<Msg>>,
}

impl Handler for Grasping {
    type Error = Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.shell = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)?;
        let handle = session.handle();
        tokio::spawn(async move {
            let said = reach(&handle).await;
            let _ = handle.data(channel, said).await;
        });
        Ok(())
    }
}

/// A line for each kind of channel.
async fn reach(host: &Handle) -> String {
    let local = "127.0.0.1";
    let opened = [
        ("agent", host.channel_open_agent().await.is_ok()),
        ("x11", host.channel_open_x11(local, 6000).await.is_ok()),
        (
            "port",
            host.channel_open_forwarded_tcpip(local, 22, local, 22)
                .await
                .is_ok(),
        ),
        (
            "socket",
            host.channel_open_forwarded_streamlocal("/run/s")
                .await
                .is_ok(),
        ),
        (
            "dial",
            host.channel_open_direct_tcpip(local, 22, local, 22)
                .await
                .is_ok(),
        ),
        (
            "dial-socket",
            host.channel_open_direct_streamlocal("/run/s").await.is_ok(),
        ),
        ("session", host.channel_open_session().await.is_ok()),
    ];
    let line = |(what, taken): &(&str, bool)| {
        let how = if *taken { "taken" } else { "refused" };
        format!("{what} {how}\r\n")
    };
    opened.iter().map(line).collect::<String>() + "that was all\r\n"
}
