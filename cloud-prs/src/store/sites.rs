//! Places of a customer with a LAN of their own.

use culvert_wire::UnixMs;
use culvert_wire::api::NodeRef;
use culvert_wire::id::{CustomerId, SiteId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::Columns as _;
use super::statement::query;
use super::{StoreError, assignments, name_key};
use crate::authz::Node;

/// One site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Which.
    pub id: SiteId,
    /// Whose.
    pub customer: CustomerId,
    /// The customer's name.
    pub customer_name: String,
    /// The name, unique for the customer.
    pub name: String,
    /// When it was added.
    pub created: UnixMs,
}

const SELECT: &str = "SELECT s.id AS id, s.customer AS customer, c.name AS customer_name, \
                      s.name AS name, s.created AS created \
                      FROM sites s JOIN customers c ON c.id = s.customer";

impl Site {
    /// Its place in the tree.
    pub const fn node(&self) -> Node {
        Node::Site {
            customer: self.customer,
            site: self.id,
        }
    }
}

fn read(row: &AnyRow) -> Result<Site, StoreError> {
    Ok(Site {
        id: row.parsed("id")?,
        customer: row.parsed("customer")?,
        customer_name: row.text("customer_name")?,
        name: row.text("name")?,
        created: row.time("created")?,
    })
}

/// Adds a site.
///
/// # Errors
/// [`StoreError::Taken`] when the customer has one of that name.
pub async fn add(db: &mut AnyConnection, site: &Site) -> Result<(), StoreError> {
    let sql = "INSERT INTO sites (id, customer, name, name_key, created) \
               VALUES ($1, $2, $3, $4, $5)";
    query(sql)
        .id(site.id)
        .id(site.customer)
        .bind(&site.name)
        .bind(name_key(&site.name))
        .time(site.created)
        .run(db)
        .await
}

/// Gives a site another name.
///
/// # Errors
/// [`StoreError::Taken`] when the customer has one of that name.
pub async fn rename(db: &mut AnyConnection, id: SiteId, name: &str) -> Result<(), StoreError> {
    query("UPDATE sites SET name = $2, name_key = $3 WHERE id = $1")
        .id(id)
        .bind(name)
        .bind(name_key(name))
        .run(db)
        .await
}

/// Removes a site without hosts; its gateway is without a site afterwards.
///
/// # Errors
/// [`StoreError::InUse`] while it has hosts.
pub async fn delete(db: &mut AnyConnection, id: SiteId) -> Result<(), StoreError> {
    assignments::forget_node(db, NodeRef::Site(id)).await?;
    for sql in [
        "UPDATE gateways SET site = NULL WHERE site = $1",
        "DELETE FROM claims WHERE site = $1",
        "DELETE FROM sites WHERE id = $1",
    ] {
        query(sql).id(id).run(db).await?;
    }
    Ok(())
}

/// The site of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: SiteId) -> Result<Option<Site>, StoreError> {
    query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE s.id = $1")))
        .id(id)
        .one(db, read)
        .await
}

/// All sites, or those of one customer, by customer and name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    db: &mut AnyConnection,
    customer: Option<CustomerId>,
) -> Result<Vec<Site>, StoreError> {
    let sql = format!("{SELECT} WHERE $1 = '' OR s.customer = $1 ORDER BY c.name_key, s.name_key");
    query(sqlx::AssertSqlSafe(sql))
        .id_or_all(customer)
        .all(db, read)
        .await
}
