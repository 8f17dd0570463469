//! JSON bodies of the HTTP API that programs of ours exchange.
//!
//! The same bodies travel over HTTPS and, for `culvert`, as
//! [`ApiRequest`](crate::frame::ApiRequest)s over a link. Unknown fields of
//! answers are ignored, unknown fields of requests refused.

//!
//! | module | what |
//! |---|---|
//! | [`account`] | signing in and out, who am I, tokens |
//! | [`hosts`] | customers, sites, hosts and their services |
//! | [`sessions`] | asking for, renewing, listing and ending sessions |

pub mod account;
pub mod hosts;
mod schema;
mod secret;
pub mod sessions;

use serde::{Deserialize, Serialize};

pub use account::*;
pub use hosts::*;
pub use secret::Secret;
pub use sessions::*;

use crate::reason::Reason;

/// What every refused request answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// The reason code.
    pub reason: Reason,
    /// One sentence: what failed, why, what to do.
    pub message: String,
}
