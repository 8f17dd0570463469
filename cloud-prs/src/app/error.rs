//! Why a call was refused or failed, with the reason code its answer carries.

use culvert_wire::reason::Reason;

use crate::store::StoreError;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// The reason code.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
    /// What went wrong inside, for the log only.
    pub source: Option<StoreError>,
}

impl AppError {
    /// A refusal with the sentence of its reason.
    pub fn because(reason: Reason) -> Self {
        Self::new(reason, reason.sentence())
    }

    /// A refusal with a sentence of its own.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            source: None,
        }
    }

    /// The thing is not there, or not for this caller: both read the same.
    pub fn not_found() -> Self {
        Self::new(
            Reason::NotFound,
            "there is no such thing, or you may not see it",
        )
    }

    /// The caller's role or token does not allow this.
    pub fn not_allowed() -> Self {
        Self::new(
            Reason::NotAllowed,
            "your role or your token does not allow this",
        )
    }

    /// Something about the request itself is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }

    /// It does not go together with what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Reason::Conflict, message)
    }

    /// Gives a conflict a sentence that names the thing.
    #[must_use]
    pub fn naming(mut self, message: &str) -> Self {
        if self.reason == Reason::Conflict {
            message.clone_into(&mut self.message);
        }
        self
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        let reason = error.reason();
        let message = match &error {
            StoreError::Taken(_) | StoreError::InUse(_) => error.to_string(),
            StoreError::Full(_)
            | StoreError::Down(_)
            | StoreError::Value { .. }
            | StoreError::Newer { .. }
            | StoreError::Copy { .. }
            | StoreError::File(_)
            | StoreError::NotHere { .. } => reason.sentence().to_owned(),
        };
        Self {
            reason,
            message,
            source: Some(error),
        }
    }
}
