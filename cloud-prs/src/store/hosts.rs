//! Devices on the sites' LANs, and the search over all of them.

use culvert_wire::UnixMs;
use culvert_wire::api::{HostService, Named, NodeRef};
use culvert_wire::grant::HostAddress;
use culvert_wire::id::{CustomerId, GatewayId, HostId, SiteId};
use culvert_wire::key::PublicKey;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::{Columns as _, big};
use super::statement::query;
use super::wanted::Wanted;
use super::{StoreError, assignments, name_key};
use crate::authz::{Limit, Node};

/// One host with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Which.
    pub id: HostId,
    /// Its name, unique for the site.
    pub name: String,
    /// Whose.
    pub customer: Named<CustomerId>,
    /// Where.
    pub site: Named<SiteId>,
    /// As the gateway dials it.
    pub address: HostAddress,
    /// What may be spoken to it.
    pub services: Vec<HostService>,
    /// Whether every TCP port may be asked for.
    pub any_port: bool,
    /// When it was added.
    pub created: UnixMs,
    /// The site's gateway.
    pub gateway: Option<HostGateway>,
}

/// The gateway through which a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGateway {
    /// Which.
    pub id: GatewayId,
    /// Its key.
    pub identity: PublicKey,
    /// Whether it had a link when this was last written.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<UnixMs>,
}

const SELECT: &str = "SELECT h.id AS id, h.name AS name, h.address AS address, \
     h.services AS services, h.any_port AS any_port, h.created AS created, \
     s.id AS site, s.name AS site_name, c.id AS customer, c.name AS customer_name, \
     g.id AS gateway, g.identity AS identity, g.online AS online, g.last_seen AS last_seen \
     FROM hosts h JOIN sites s ON s.id = h.site JOIN customers c ON c.id = s.customer \
     LEFT JOIN gateways g ON g.site = s.id";

impl Host {
    /// Its place in the tree.
    pub const fn node(&self) -> Node {
        Node::Host {
            customer: self.customer.id,
            site: self.site.id,
            host: self.id,
        }
    }
}

fn read(row: &AnyRow) -> Result<Host, StoreError> {
    let gateway = match (row.maybe_parsed("gateway")?, row.maybe_parsed("identity")?) {
        (Some(id), Some(identity)) => Some(HostGateway {
            id,
            identity,
            online: row.flag("online")?,
            last_seen: row.maybe_time("last_seen")?,
        }),
        _ => None,
    };
    Ok(Host {
        id: row.parsed("id")?,
        name: row.text("name")?,
        customer: row.named("customer", "customer_name")?,
        site: row.named("site", "site_name")?,
        address: row.parsed("address")?,
        services: row.json("services")?,
        any_port: row.flag("any_port")?,
        created: row.time("created")?,
        gateway,
    })
}

/// Adds a host.
///
/// # Errors
/// [`StoreError::Taken`] when the site has one of that name.
pub async fn add(db: &mut AnyConnection, host: &Host) -> Result<(), StoreError> {
    let sql = "INSERT INTO hosts (id, site, name, name_key, address, services, any_port, created) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    query(sql)
        .id(host.id)
        .id(host.site.id)
        .bind(&host.name)
        .bind(name_key(&host.name))
        .bind(host.address.as_str())
        .json(&host.services)
        .flag(host.any_port)
        .time(host.created)
        .run(db)
        .await
}

/// Writes name, address, services and ports.
///
/// # Errors
/// [`StoreError::Taken`] when the site has one of that name.
pub async fn update(db: &mut AnyConnection, host: &Host) -> Result<(), StoreError> {
    let sql = "UPDATE hosts SET name = $2, name_key = $3, address = $4, services = $5, \
               any_port = $6 WHERE id = $1";
    query(sql)
        .id(host.id)
        .bind(&host.name)
        .bind(name_key(&host.name))
        .bind(host.address.as_str())
        .json(&host.services)
        .flag(host.any_port)
        .run(db)
        .await
}

/// Removes a host; its sessions stay in the report.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(db: &mut AnyConnection, id: HostId) -> Result<(), StoreError> {
    assignments::forget_node(db, NodeRef::Host(id)).await?;
    query("DELETE FROM hosts WHERE id = $1")
        .id(id)
        .run(db)
        .await
}

/// The host of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: HostId) -> Result<Option<Host>, StoreError> {
    query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE h.id = $1")))
        .id(id)
        .one(db, read)
        .await
}

/// The names of a site's hosts, as they are compared.
///
/// # Errors
/// [`StoreError`].
pub async fn names_at(db: &mut AnyConnection, site: SiteId) -> Result<Vec<String>, StoreError> {
    query("SELECT name_key FROM hosts WHERE site = $1")
        .id(site)
        .all(db, |row| row.text("name_key"))
        .await
}

/// What to look for.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// Customer, site, name or address contain every one of these.
    pub words: Vec<&'a str>,
    /// The whole name or address.
    pub name: Option<&'a str>,
    /// Only what is within this; none means all.
    pub within: Option<Limit>,
    /// At most so many.
    pub limit: usize,
}

/// Words that one search may have; more are ignored.
const MAX_WORDS: usize = 8;

/// Looks for hosts, by customer, site and name.
///
/// # Errors
/// [`StoreError`].
pub async fn search(db: &mut AnyConnection, search: &Search<'_>) -> Result<Vec<Host>, StoreError> {
    let mut wanted = Wanted::default();
    for word in search.words.iter().take(MAX_WORDS) {
        let mark = wanted.text(pattern(word));
        wanted.that(format!(
            "(c.name_key || ' ' || s.name_key || ' ' || h.name_key || ' ' || h.address) \
             LIKE {mark} ESCAPE '!'"
        ));
    }
    if let Some(name) = search.name {
        let (key, address) = (wanted.text(name_key(name)), wanted.text(name));
        wanted.that(format!("(h.name_key = {key} OR h.address = {address})"));
    }
    if let Some(limit) = &search.within {
        let within = wanted.within(limit, ["c.id", "s.id", "h.id"]);
        wanted.that(within);
    }
    let most = wanted.number(big(search.limit as u64));
    let rest = format!("ORDER BY c.name_key, s.name_key, h.name_key LIMIT {most}");
    wanted.statement(SELECT, &rest).all(db, read).await
}

/// `%word%` with the wildcards of the word itself taken literally.
fn pattern(word: &str) -> String {
    let mut out = String::from("%");
    for c in name_key(word).chars() {
        if matches!(c, '%' | '_' | '!') {
            out.push('!');
        }
        out.push(c);
    }
    out.push('%');
    out
}
