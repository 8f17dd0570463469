//! Which technician may work for which customer.

use std::collections::HashSet;

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::id::{CustomerId, UserId};
use sqlx::AnyConnection;

use super::StoreError;
use super::column::{Columns as _, big};

/// Permits; says whether it was not so before.
///
/// # Errors
/// [`StoreError`].
pub async fn grant(
    db: &mut AnyConnection,
    user: UserId,
    customer: CustomerId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO permissions (user_id, customer, granted) VALUES ($1, $2, $3) \
               ON CONFLICT (user_id, customer) DO NOTHING";
    let done = sqlx::query(sql)
        .bind(user.to_string())
        .bind(customer.to_string())
        .bind(big(now.0))
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Permits no longer; says whether it was so before.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    db: &mut AnyConnection,
    user: UserId,
    customer: CustomerId,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM permissions WHERE user_id = $1 AND customer = $2")
        .bind(user.to_string())
        .bind(customer.to_string())
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The customers a person is permitted, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn of_user(
    db: &mut AnyConnection,
    user: UserId,
) -> Result<Vec<Named<CustomerId>>, StoreError> {
    let sql = "SELECT c.id AS id, c.name AS name FROM permissions p \
               JOIN customers c ON c.id = p.customer WHERE p.user_id = $1 ORDER BY c.name_key";
    let rows = sqlx::query(sql)
        .bind(user.to_string())
        .fetch_all(db)
        .await?;
    let named = |row: &sqlx::any::AnyRow| {
        Ok(Named {
            id: row.parsed("id")?,
            name: row.text("name")?,
        })
    };
    rows.iter().map(named).collect()
}

/// Their ids only.
///
/// # Errors
/// [`StoreError`].
pub async fn ids_of_user(
    db: &mut AnyConnection,
    user: UserId,
) -> Result<HashSet<CustomerId>, StoreError> {
    Ok(of_user(db, user).await?.into_iter().map(|c| c.id).collect())
}
