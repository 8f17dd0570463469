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
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::app::releases::NoBundle;

/// The header with the right to fetch.
const HEADER: &str = "culvert-fetch";
/// Bytes of one piece.
const PIECE: usize = 32 * 1024;
/// Time for one piece: 1 MiB in a second, for each box.
const EACH: Duration = Duration::from_micros(1_000_000 / 32);

/// Answers with the bundle; 404 without a right to one, 410 when the release was
/// stopped, 503 while too many fetch.
pub(super) async fn bundle(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let right = headers.get(HEADER).and_then(|value| {
        let right = HEXLOWER.decode(value.as_bytes()).ok()?;
        (right.len() == FETCH_LEN).then_some(right)
    });
    let asked = match right {
        Some(right) => app.bundle_for(&right).await,
        None => Err(NoBundle::Unknown),
    };
    let bundle = match asked {
        Ok(bundle) => bundle,
        Err(why) => return (status(&why), why.to_string()).into_response(),
    };
    let path = bundle.path.clone();
    let opened = async {
        let file = File::open(&path).await?;
        let length = file.metadata().await?.len();
        Ok::<_, io::Error>((file, length))
    };
    match opened.await {
        Ok((file, length)) => {
            let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
            let length = (header::CONTENT_LENGTH, length.to_string());
            ([kind, length], paced(file, bundle.goes_on())).into_response()
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "A bundle cannot be read");
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

fn status(why: &NoBundle) -> StatusCode {
    match why {
        NoBundle::Unknown => StatusCode::NOT_FOUND,
        NoBundle::Stopped(_) => StatusCode::GONE,
        NoBundle::Busy | NoBundle::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The file, a piece at a time, while `goes_on` says so.
fn paced(file: File, goes_on: impl Fn() -> bool + Send + 'static) -> Body {
    let pieces = stream::unfold(
        (file, Instant::now(), goes_on),
        |(mut file, due, goes_on)| async move {
            sleep_until(due).await;
            if !goes_on() {
                let stopped = io::Error::other("the release was stopped");
                return Some((Err(stopped), (file, due, goes_on)));
            }
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    // A box that was slow does not catch up in a burst.
                    let next = due.max(Instant::now()) + EACH;
                    Some((Ok(Bytes::from(piece)), (file, next, goes_on)))
                }
                Err(error) => Some((Err(error), (file, due, goes_on))),
            }
        },
    );
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;

    /// P8: 1 MiB in a second and no more, in the clock's own time.
    #[tokio::test(start_paused = true)]
    async fn a_box_gets_a_mebibyte_in_a_second() {
        let begun = Instant::now();

        let body = paced(four_mebibytes(), || true);
        let all = body.collect().await.unwrap().to_bytes();

        assert_eq!(all.len(), 4 << 20);
        let took = begun.elapsed();
        let seconds = Duration::from_secs;
        assert!(seconds(4) <= took && took < seconds(5), "{took:?}");
    }

    /// P8: the stop switch ends what is under way, at the next piece.
    #[tokio::test(start_paused = true)]
    async fn a_body_of_a_stopped_release_breaks_off() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);

        let mut body = paced(four_mebibytes(), move || {
            counted.fetch_add(1, Ordering::Relaxed) < 10
        });
        let mut came = 0;
        let broke = loop {
            match body.frame().await {
                Some(Ok(frame)) => came += frame.into_data().unwrap().len(),
                other => break other,
            }
        };

        assert!(matches!(broke, Some(Err(_))), "it ends as if it were whole");
        assert_eq!(came, 10 * PIECE);
    }

    fn four_mebibytes() -> File {
        let mut bundle = tempfile::tempfile().unwrap();
        bundle.write_all(&vec![7; 4 << 20]).unwrap();
        io::Seek::rewind(&mut bundle).unwrap();
        File::from_std(bundle)
    }
}
