//! Why the database did not do what it was asked.

use culvert_wire::reason::Reason;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something of that name is there already.
    #[error("something of that name is there already")]
    Taken(#[source] sqlx::Error),
    /// Other things still refer to it.
    #[error("other things still belong to it")]
    InUse(#[source] sqlx::Error),
    /// No room.
    #[error("the disk under the database is full")]
    Full(#[source] sqlx::Error),
    /// Anything else.
    #[error("the database does not answer as it should")]
    Down(#[source] sqlx::Error),
    /// A value that this version did not write.
    #[error("the database holds a value of {column} that this version does not know")]
    Value {
        /// Which column.
        column: String,
    },
    /// Made by a later version.
    #[error(
        "the database has schema {found}, made by a newer culvert-prs; this one knows {known}: \
         install the newer program, or restore the copy made before the update"
    )]
    Newer {
        /// What it has.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// A file beside the database.
    #[error("a file beside the database cannot be written")]
    File(#[source] std::io::Error),
    /// The copy before a migration could not be made.
    #[error("the copy of the database before its update could not be made at {path}")]
    Copy {
        /// Where it should have gone.
        path: String,
        /// Why not.
        source: Box<StoreError>,
    },
    /// Not a thing this database does.
    #[error("{what} is not made by culvert-prs: use {instead}")]
    NotHere {
        /// What was asked for.
        what: &'static str,
        /// What does it.
        instead: &'static str,
    },
}

impl StoreError {
    /// No room, or no database: nothing is written until that is over.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Down(_))
    }

    /// The reason code for a technician's end.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Taken(_) | Self::InUse(_) => Reason::Conflict,
            Self::Full(_) => Reason::StorageFull,
            Self::Down(_) => Reason::DatabaseDown,
            Self::File(_)
            | Self::Value { .. }
            | Self::Newer { .. }
            | Self::Copy { .. }
            | Self::NotHere { .. } => Reason::Internal,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return Self::Down(error);
        };
        if database.is_unique_violation() {
            return Self::Taken(error);
        }
        if database.is_foreign_key_violation() {
            return Self::InUse(error);
        }
        // SQLITE_FULL and PostgreSQL's disk_full.
        match database.code().as_deref() {
            Some("13" | "53100") => Self::Full(error),
            _ => Self::Down(error),
        }
    }
}
