//! `downloads`: `culvert` for people's own computers.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use culvert_wire::api::ApiError;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, Take};

use super::caller::Who;
use super::extract::Id;
use super::refusal::Refusal;
use crate::app::App;
use crate::app::downloads::Download;

/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

/// Programs that can be fetched.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct DownloadList {
    /// By system.
    downloads: Vec<Download>,
}

/// `culvert` for people's own computers, as far as this server has it.
#[utoipa::path(get, path = "/api/v1/downloads", tag = "downloads",
    responses((status = 200, body = DownloadList), (status = "4XX", body = ApiError)))]
pub(super) async fn downloads(
    State(app): State<Arc<App>>,
    Who(call): Who,
) -> Result<Json<DownloadList>, Refusal> {
    let downloads = app.downloads(&call).await?;
    Ok(Json(DownloadList { downloads }))
}

/// One of them, as it lies there.
#[utoipa::path(get, path = "/api/v1/downloads/{name}", tag = "downloads",
    params(("name" = String, Path)),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream"),
        (status = "4XX", body = ApiError)
    ))]
pub(super) async fn download(
    State(app): State<Arc<App>>,
    Who(call): Who,
    Id(name): Id<String>,
) -> Result<Response, Refusal> {
    let (file, length) = app.download(&call, &name).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
    ];
    Ok((headers, pieces(File::from_std(file).take(length))).into_response())
}

fn pieces(file: Take<File>) -> Body {
    Body::from_stream(stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}
