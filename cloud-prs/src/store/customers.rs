//! The provider's customers.

use culvert_wire::UnixMs;
use culvert_wire::api::NodeRef;
use culvert_wire::id::CustomerId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::Columns as _;
use super::statement::query;
use super::{StoreError, assignments, name_key};

/// One customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Which.
    pub id: CustomerId,
    /// The name, unique.
    pub name: String,
    /// When it was added.
    pub created: UnixMs,
}

fn read(row: &AnyRow) -> Result<Customer, StoreError> {
    Ok(Customer {
        id: row.parsed("id")?,
        name: row.text("name")?,
        created: row.time("created")?,
    })
}

/// Adds a customer.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn add(db: &mut AnyConnection, customer: &Customer) -> Result<(), StoreError> {
    query("INSERT INTO customers (id, name, name_key, created) VALUES ($1, $2, $3, $4)")
        .id(customer.id)
        .bind(&customer.name)
        .bind(name_key(&customer.name))
        .time(customer.created)
        .run(db)
        .await
}

/// Gives a customer another name.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn rename(db: &mut AnyConnection, id: CustomerId, name: &str) -> Result<(), StoreError> {
    query("UPDATE customers SET name = $2, name_key = $3 WHERE id = $1")
        .id(id)
        .bind(name)
        .bind(name_key(name))
        .run(db)
        .await
}

/// Removes a customer without sites.
///
/// # Errors
/// [`StoreError::InUse`] while it has some.
pub async fn delete(db: &mut AnyConnection, id: CustomerId) -> Result<(), StoreError> {
    assignments::forget_node(db, NodeRef::Customer(id)).await?;
    query("DELETE FROM customers WHERE id = $1")
        .id(id)
        .run(db)
        .await
}

/// The customer of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: CustomerId) -> Result<Option<Customer>, StoreError> {
    query("SELECT * FROM customers WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// The customer of a name, case ignored.
///
/// # Errors
/// [`StoreError`].
pub async fn by_name(db: &mut AnyConnection, name: &str) -> Result<Option<Customer>, StoreError> {
    query("SELECT * FROM customers WHERE name_key = $1")
        .bind(name_key(name))
        .one(db, read)
        .await
}

/// All customers, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Customer>, StoreError> {
    query("SELECT * FROM customers ORDER BY name_key")
        .all(db, read)
        .await
}
