//! The whole tree in three questions: for the portal, which searches by itself.

use std::collections::HashMap;

use culvert_wire::UnixMs;
use culvert_wire::api::{HostService, Named};
use culvert_wire::grant::HostAddress;
use culvert_wire::id::{CustomerId, GatewayId, HostId, SiteId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::gateways::GatewayState;
use super::health::Health;
use super::statement::query;
use crate::authz::Node;

/// A site with its box; customers without sites have one row too.
#[derive(Debug, Clone)]
pub struct Place {
    /// Whose.
    pub customer: Named<CustomerId>,
    /// The site.
    pub site: Option<Named<SiteId>>,
    /// Its box.
    pub gateway: Option<SiteBox>,
}

impl Place {
    /// Where it is in the tree.
    pub fn node(&self) -> Node {
        match &self.site {
            Some(site) => Node::Site {
                customer: self.customer.id,
                site: site.id,
            },
            None => Node::Customer(self.customer.id),
        }
    }
}

/// A site's box.
#[derive(Debug, Clone)]
pub struct SiteBox {
    /// Which.
    pub id: GatewayId,
    /// Its key.
    pub identity: PublicKey,
    /// Whether it may serve.
    pub state: GatewayState,
    /// Its program and version.
    pub version: String,
    /// Whether it had a link when this was last written.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<UnixMs>,
    /// What it said of itself.
    pub health: Option<Health>,
}

/// A host, without its place.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Which.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// As the gateway dials it.
    pub address: HostAddress,
    /// What may be spoken to it.
    pub services: Vec<HostService>,
    /// Whether every TCP port may be asked for.
    pub any_port: bool,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// Customers and sites with their boxes, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn places(db: &mut AnyConnection) -> Result<Vec<Place>, StoreError> {
    let sql = "SELECT c.id AS customer, c.name AS customer_name, s.id AS site, \
               s.name AS site_name, g.id AS gateway, g.identity AS identity, g.state AS state, \
               g.version AS version, g.online AS online, g.last_seen AS last_seen, \
               h.code AS code, h.said AS said, h.uptime AS uptime, h.at AS at \
               FROM customers c LEFT JOIN sites s ON s.customer = c.id \
               LEFT JOIN gateways g ON g.site = s.id \
               LEFT JOIN gateway_health h ON h.gateway = g.id \
               ORDER BY c.name_key, s.name_key";
    query(sql).all(db, place).await
}

fn place(row: &AnyRow) -> Result<Place, StoreError> {
    let site = match row.maybe_text("site")? {
        Some(_) => Some(row.named("site", "site_name")?),
        None => None,
    };
    let health = match row.maybe_text("code")? {
        Some(code) => Some(Health {
            code,
            text: row.text("said")?,
            uptime_s: row.count("uptime")?,
            at: row.time("at")?,
        }),
        None => None,
    };
    let gateway = match row.maybe_parsed("gateway")? {
        Some(id) => Some(SiteBox {
            id,
            identity: row.parsed("identity")?,
            state: row.parsed("state")?,
            version: row.text("version")?,
            online: row.flag("online")?,
            last_seen: row.maybe_time("last_seen")?,
            health,
        }),
        None => None,
    };
    Ok(Place {
        customer: row.named("customer", "customer_name")?,
        site,
        gateway,
    })
}

/// Every site's hosts, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn leaves(db: &mut AnyConnection) -> Result<HashMap<SiteId, Vec<Leaf>>, StoreError> {
    let sql = "SELECT h.id AS id, h.site AS site, h.name AS name, h.address AS address, \
               h.services AS services, h.any_port AS any_port, n.tags AS tags \
               FROM hosts h LEFT JOIN host_notes n ON n.host = h.id ORDER BY h.name_key";
    let mut leaves: HashMap<SiteId, Vec<Leaf>> = HashMap::new();
    for (site, leaf) in query(sql).all(db, leaf).await? {
        leaves.entry(site).or_default().push(leaf);
    }
    Ok(leaves)
}

fn leaf(row: &AnyRow) -> Result<(SiteId, Leaf), StoreError> {
    let tags = match row.maybe_text("tags")? {
        Some(_) => row.json("tags")?,
        None => Vec::new(),
    };
    let leaf = Leaf {
        id: row.parsed("id")?,
        name: row.text("name")?,
        address: row.parsed("address")?,
        services: row.json("services")?,
        any_port: row.flag("any_port")?,
        tags,
    };
    Ok((row.parsed("site")?, leaf))
}
