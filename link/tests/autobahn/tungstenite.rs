//! The same rules, spoken with a library that others wrote.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as TheirRole;

use super::*;

/// Both roles against another implementation, sizes around every boundary.
#[tokio::test]
async fn tungstenite_understands_us_and_we_it() {
    let sizes = [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 300_000];
    let (near, far) = tokio::io::duplex(4096);
    let server = tokio::spawn(echo(far));
    let mut theirs = WebSocketStream::from_raw_socket(near, TheirRole::Client, None).await;
    for size in sizes {
        let sent = vec![7; size];
        theirs
            .send(Message::Binary(sent.clone().into()))
            .await
            .unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap().into_data(), sent);
    }
    theirs.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(
        theirs.next().await.unwrap().unwrap(),
        Message::Pong(vec![1].into())
    );
    theirs.close(None).await.unwrap();
    assert!(matches!(
        theirs.next().await,
        Some(Ok(Message::Close(None))) | None
    ));
    assert!(server.await.unwrap().is_none());

    let (near, far) = tokio::io::duplex(4096);
    let mut theirs = WebSocketStream::from_raw_socket(far, TheirRole::Server, None).await;
    let server = tokio::spawn(async move {
        while let Some(Ok(message)) = theirs.next().await {
            if message.is_binary() {
                theirs.send(message).await.unwrap();
            }
        }
    });
    let mut ours = Ws::new(near, Role::Client, LIMIT, &[]);
    for size in sizes {
        let sent = vec![7; size];
        ours.send(b"front", sent.clone().into());
        let got = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = ours.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            ours.poll_next(cx)
        });
        let Incoming::Binary(got) = got.await.unwrap() else {
            panic!("not binary");
        };
        assert!(got.starts_with(b"front") && got[5..] == sent);
    }
    ours.close(1000, "done");
    poll_fn(|cx| ours.poll_flush(cx)).await.unwrap();
    let got = poll_fn(|cx| ours.poll_next(cx)).await.unwrap();
    assert!(matches!(
        got,
        Incoming::Close {
            code: Some(1000),
            ..
        }
    ));
    server.await.unwrap();
}
