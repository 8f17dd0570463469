//! The HTTP API over a link: a request, its answer.

use bytes::Bytes;

use crate::{Decode, DecodeError, Encode, Reader, Writer};

/// Longest API body, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest API path with its query, in bytes.
pub const MAX_PATH: usize = 2048;

/// A request to the HTTP API over a link: same routes, no second connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// Chosen by the asker, repeated in the answer.
    pub id: u32,
    /// The HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON, may be empty.
    pub body: Bytes,
}

/// The answer to an [`ApiRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResponse {
    /// The request's number.
    pub id: u32,
    /// The HTTP status.
    pub status: u16,
    /// JSON or CSV, may be empty.
    pub body: Bytes,
}

/// HTTP methods of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or acts.
    Post,
    /// Changes.
    Patch,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Patch, Self::Put, Self::Delete];

    /// The HTTP word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Get => 0,
            Self::Post => 1,
            Self::Patch => 2,
            Self::Put => 3,
            Self::Delete => 4,
        }
    }
}

impl Encode for Method {
    fn encode(&self, out: &mut Writer) {
        out.u8(self.code());
    }
}

impl Decode for Method {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.one_of("method", &Self::ALL, Self::code)
    }
}

impl Encode for ApiRequest {
    fn encode(&self, out: &mut Writer) {
        out.u32(self.id);
        self.method.encode(out);
        out.text(&self.path, MAX_PATH);
        out.bytes32(&self.body);
    }
}

impl Decode for ApiRequest {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: input.u32()?,
            method: Method::decode(input)?,
            path: input.text("path", MAX_PATH)?.to_owned(),
            body: Bytes::copy_from_slice(input.bytes32("body", MAX_BODY)?),
        })
    }
}

impl Encode for ApiResponse {
    fn encode(&self, out: &mut Writer) {
        out.u32(self.id);
        out.u16(self.status);
        out.bytes32(&self.body);
    }
}

impl Decode for ApiResponse {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: input.u32()?,
            status: input.u16()?,
            body: Bytes::copy_from_slice(input.bytes32("body", MAX_BODY)?),
        })
    }
}
