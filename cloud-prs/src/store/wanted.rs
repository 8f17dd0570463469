//! What rows must fulfil: the conditions of a `WHERE` clause, and their values in
//! the order of `$1`, `$2` and so on.
//!
//! Only what limits something is written: behind `$1 = '' OR …` a database reads
//! every row there ever was. Values never become part of the text.

use culvert_wire::UnixMs;

use super::column::big;
use super::statement::{Statement, query};
use crate::authz::Limit;

/// Conditions, all of which must be fulfilled.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    conditions: Vec<String>,
    values: Vec<Value>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Number(i64),
}

impl Wanted {
    /// One more, in SQL.
    pub(super) fn that(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// A column holds this; nothing limits nothing.
    pub(super) fn is(&mut self, column: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            let mark = self.text(value);
            self.that(format!("{column} = {mark}"));
        }
    }

    /// The mark of a text, for a condition.
    pub(super) fn text(&mut self, value: impl ToString) -> String {
        self.value(Value::Text(value.to_string()))
    }

    /// The mark of a time.
    pub(super) fn time(&mut self, value: UnixMs) -> String {
        self.number(big(value.0))
    }

    /// The mark of a number.
    pub(super) fn number(&mut self, value: i64) -> String {
        self.value(Value::Number(value))
    }

    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// The condition that something lies within a limit; the columns hold its
    /// customer, site and host. A limit without parts lets nothing through.
    pub(super) fn within(&mut self, limit: &Limit, columns: [&str; 3]) -> String {
        let parts: [Vec<String>; 3] = [
            limit.customers.iter().map(ToString::to_string).collect(),
            limit.sites.iter().map(ToString::to_string).collect(),
            limit.hosts.iter().map(ToString::to_string).collect(),
        ];
        let mut any = Vec::new();
        for (column, ids) in columns.iter().zip(parts) {
            if !ids.is_empty() {
                let marks: Vec<String> = ids.into_iter().map(|id| self.text(id)).collect();
                any.push(format!("{column} IN ({})", marks.join(", ")));
            }
        }
        match any.is_empty() {
            true => "1 = 0".to_owned(),
            false => format!("({})", any.join(" OR ")),
        }
    }

    /// The statement: `from` with the clause behind it, then `rest`, which may hold
    /// marks that were made here.
    pub(super) fn statement(self, from: &str, rest: &str) -> Statement {
        let clause = match self.conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", self.conditions.join(" AND ")),
        };
        let statement = query(sqlx::AssertSqlSafe(format!("{from} {clause} {rest}")));
        self.values
            .into_iter()
            .fold(statement, |statement, value| match value {
                Value::Text(text) => statement.bind(text),
                Value::Number(number) => statement.bind(number),
            })
    }
}
