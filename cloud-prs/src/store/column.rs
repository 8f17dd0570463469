//! Reading typed values out of a row.

use std::str::FromStr;

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::StoreError;

/// Typed columns of a row.
pub(super) trait Columns {
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn int(&self, column: &str) -> Result<i64, StoreError>;
    fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError>;

    fn parsed<T: FromStr>(&self, column: &str) -> Result<T, StoreError> {
        parse(column, &self.text(column)?)
    }

    fn maybe_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>, StoreError> {
        self.maybe_text(column)?
            .map(|text| parse(column, &text))
            .transpose()
    }

    /// What an id and a name stand for.
    fn named<T: FromStr>(&self, id: &str, name: &str) -> Result<Named<T>, StoreError> {
        Ok(Named {
            id: self.parsed(id)?,
            name: self.text(name)?,
        })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| unknown(column))
    }

    fn count(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| unknown(column))
    }

    fn time(&self, column: &str) -> Result<UnixMs, StoreError> {
        self.count(column).map(UnixMs)
    }

    fn maybe_time(&self, column: &str) -> Result<Option<UnixMs>, StoreError> {
        let value = self.maybe_int(column)?;
        value
            .map(|value| {
                u64::try_from(value)
                    .map(UnixMs)
                    .map_err(|_| unknown(column))
            })
            .transpose()
    }

    fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

/// A time or a count as the databases hold it.
pub(super) fn big(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn parse<T: FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| unknown(column))
}

fn unknown(column: &str) -> StoreError {
    StoreError::Value {
        column: column.to_owned(),
    }
}
