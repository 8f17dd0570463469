//! One SQL statement with its values, and what comes of it.
//!
//! Values go in the order of `$1`, `$2` and so on. The counterpart of
//! [`super::column`], which reads a row. Never makes up SQL: the text is
//! whole where it is used.

use culvert_wire::UnixMs;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Encode, SqlSafeStr, Type};

use super::StoreError;
use super::column::big;

/// A statement without its values.
pub(super) fn query(text: impl SqlSafeStr) -> Statement {
    Statement(sqlx::query(text))
}

/// A statement with some of its values.
pub(super) struct Statement(Query<'static, Any, AnyArguments>);

impl Statement {
    /// Text or a number as it is.
    pub(super) fn bind<'t>(self, value: impl Encode<'t, Any> + Type<Any>) -> Self {
        Self(self.0.bind(value))
    }

    /// An id, a key or a hash, as its text.
    pub(super) fn id(self, id: impl ToString) -> Self {
        self.bind(id.to_string())
    }

    /// An id that may be absent.
    pub(super) fn maybe_id(self, id: Option<impl ToString>) -> Self {
        self.bind(id.map(|id| id.to_string()))
    }

    /// An id to look for; none is the empty text, which stands for all.
    pub(super) fn id_or_all(self, id: Option<impl ToString>) -> Self {
        self.bind(id.map(|id| id.to_string()).unwrap_or_default())
    }

    /// Yes or no.
    pub(super) fn flag(self, yes: bool) -> Self {
        self.bind(i64::from(yes))
    }

    /// A count.
    pub(super) fn count(self, count: u64) -> Self {
        self.bind(big(count))
    }

    /// A time.
    pub(super) fn time(self, time: UnixMs) -> Self {
        self.count(time.0)
    }

    /// A time that may be absent.
    pub(super) fn maybe_time(self, time: Option<UnixMs>) -> Self {
        self.bind(time.map(|time| big(time.0)))
    }

    /// Plain data as JSON.
    pub(super) fn json(self, data: &impl serde::Serialize) -> Self {
        self.bind(serde_json::to_string(data).expect("plain data becomes JSON"))
    }

    /// Carries it out.
    pub(super) async fn run(self, db: &mut AnyConnection) -> Result<(), StoreError> {
        self.changes(db).await?;
        Ok(())
    }

    /// Carries it out and says how many rows it changed.
    pub(super) async fn changes(self, db: &mut AnyConnection) -> Result<u64, StoreError> {
        Ok(self.0.execute(db).await?.rows_affected())
    }

    /// Carries it out and says whether it changed one row.
    pub(super) async fn changed(self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        Ok(self.changes(db).await? == 1)
    }

    /// The first row of the answer, if there is one.
    pub(super) async fn one<T>(
        self,
        db: &mut AnyConnection,
        read: impl FnOnce(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.0.fetch_optional(db).await?;
        row.as_ref().map(read).transpose()
    }

    /// The row of an answer that always has one, such as a count.
    pub(super) async fn only<T>(
        self,
        db: &mut AnyConnection,
        read: impl FnOnce(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read(&self.0.fetch_one(db).await?)
    }

    /// All rows of the answer.
    pub(super) async fn all<T>(
        self,
        db: &mut AnyConnection,
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.0.fetch_all(db).await?;
        rows.iter().map(read).collect()
    }
}
