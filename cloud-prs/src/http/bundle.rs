//! `GET /boxes/release`: a bundle for the box that was offered it, at a
//! bounded rate, so that a hundred boxes leave room for people's sessions.
//!
//! Not part of the API: a box asks, with the right it got over its link.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use culvert_wire::frame::FETCH_LEN;
use data_encoding::HEXLOWER;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::app::App;

/// The header with the right to fetch.
const HEADER: &str = "culvert-fetch";
/// Bytes of one piece.
const PIECE: usize = 32 * 1024;
/// Time for one piece: 1 MiB in a second, for each box.
const EACH: Duration = Duration::from_micros(1_000_000 / 32);

/// Answers with the bundle, or 404, or 503 while too many fetch.
pub(super) async fn bundle(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let right = headers.get(HEADER).and_then(|value| {
        let right = HEXLOWER.decode(value.as_bytes()).ok()?;
        (right.len() == FETCH_LEN).then_some(right)
    });
    let Some((path, turn)) = right.and_then(|right| app.bundle_for(&right)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(turn) = turn else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let opened = async {
        let file = File::open(&path).await?;
        let length = file.metadata().await?.len();
        Ok::<_, io::Error>((file, length))
    };
    match opened.await {
        Ok((file, length)) => {
            let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
            let length = (header::CONTENT_LENGTH, length.to_string());
            ([kind, length], paced(file, turn)).into_response()
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "A bundle cannot be read");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

fn paced(file: File, turn: OwnedSemaphorePermit) -> Body {
    let pieces = stream::unfold(
        (file, Instant::now(), turn),
        |(mut file, due, turn)| async move {
            sleep_until(due).await;
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    // A box that was slow does not catch up in a burst.
                    let next = due.max(Instant::now()) + EACH;
                    Some((Ok(Bytes::from(piece)), (file, next, turn)))
                }
                Err(error) => Some((Err(error), (file, due, turn))),
            }
        },
    );
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    /// P8: 1 MiB in a second and no more, in the clock's own time.
    #[tokio::test(start_paused = true)]
    async fn a_box_gets_a_mebibyte_in_a_second() {
        let mut bundle = tempfile::tempfile().unwrap();
        bundle.write_all(&vec![7; 4 << 20]).unwrap();
        io::Seek::rewind(&mut bundle).unwrap();
        let turn = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let begun = Instant::now();

        let body = paced(File::from_std(bundle), turn);
        let all = body.collect().await.unwrap().to_bytes();

        assert_eq!(all.len(), 4 << 20);
        let took = begun.elapsed();
        let seconds = Duration::from_secs;
        assert!(seconds(4) <= took && took < seconds(5), "{took:?}");
    }
}
