//! The asker's whole tree in one answer: the portal searches it by itself.
//!
//! Short on purpose: ten thousand hosts travel in it. What has its usual value
//! is left out, and nothing in it changes by time alone, so that an unchanged
//! tree has an unchanged entity tag.

use std::collections::HashSet;

use culvert_wire::UnixMs;
use culvert_wire::api::HostService;
use culvert_wire::grant::HostAddress;
use culvert_wire::id::{CustomerId, GatewayId, HostId, SiteId};

use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::health::Health;
use crate::store::marks;
use crate::store::whole::{self, Leaf, Place, SiteBox};

/// Everything that the asker may reach.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Tree {
    /// By name.
    pub customers: Vec<TreeCustomer>,
}

/// One customer.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TreeCustomer {
    /// Which.
    pub id: CustomerId,
    /// Its name.
    pub name: String,
    /// A hue of its own, in degrees, the same at every server.
    pub colour: u16,
    /// By name.
    pub sites: Vec<TreeSite>,
}

/// One site.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TreeSite {
    /// Which.
    pub id: SiteId,
    /// Its name.
    pub name: String,
    /// Its box, if it has one.
    pub gateway: Option<TreeGateway>,
    /// By name.
    pub hosts: Vec<TreeHost>,
}

/// A site's box.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TreeGateway {
    /// Which.
    pub id: GatewayId,
    /// `active`, `quarantined` or `revoked`.
    pub state: String,
    /// Whether it is connected.
    pub online: bool,
    /// When it was last heard of; left out while it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<UnixMs>,
    /// Its program and version.
    pub version: String,
    /// What it says of its way to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What a box says of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Verdict {
    /// The cause's name, `ok` when all is well.
    pub code: String,
    /// One sentence.
    pub text: String,
}

impl From<Health> for Verdict {
    fn from(health: Health) -> Self {
        Self {
            code: health.code,
            text: health.text,
        }
    }
}

/// One host.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TreeHost {
    /// Which.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// As the gateway dials it.
    pub address: HostAddress,
    /// What may be spoken to it.
    pub services: Vec<HostService>,
    /// Whether any other TCP port may be asked for, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub any_port: bool,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub tags: Vec<String>,
    /// Whether the asker marked it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub favourite: bool,
}

impl App {
    /// The asker's whole tree.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn tree(&self, call: &Call) -> Result<Tree, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let mut places = whole::places(&mut db).await?;
        places.retain(|place| call.actor.sees(&place.node()));
        let mut leaves = whole::leaves(&mut db).await?;
        let favourites: HashSet<HostId> = match call.actor.user() {
            Some(user) => marks::favourites(&mut db, user)
                .await?
                .into_iter()
                .collect(),
            None => HashSet::new(),
        };
        drop(db);
        let mut customers: Vec<TreeCustomer> = Vec::new();
        for place in places {
            let Place {
                customer,
                site,
                gateway,
            } = place;
            if customers.last().is_none_or(|last| last.id != customer.id) {
                customers.push(TreeCustomer {
                    id: customer.id,
                    colour: hue(customer.id),
                    name: customer.name,
                    sites: Vec::new(),
                });
            }
            let (Some(site), Some(last)) = (site, customers.last_mut()) else {
                continue;
            };
            let node = |host| Node::Host {
                customer: last.id,
                site: site.id,
                host,
            };
            let mut hosts = leaves.remove(&site.id).unwrap_or_default();
            hosts.retain(|leaf| call.actor.may_at(Action::TreeSee, &node(leaf.id)));
            last.sites.push(TreeSite {
                id: site.id,
                name: site.name,
                gateway: gateway.map(|gateway| self.tree_gateway(gateway)),
                hosts: hosts
                    .into_iter()
                    .map(|leaf| tree_host(leaf, &favourites))
                    .collect(),
            });
        }
        Ok(Tree { customers })
    }

    fn tree_gateway(&self, gateway: SiteBox) -> TreeGateway {
        let online = self.links().map_or(gateway.online, |links| {
            links.gateway_online(&gateway.identity)
        });
        TreeGateway {
            id: gateway.id,
            state: gateway.state.name().to_owned(),
            online,
            last_seen: gateway.last_seen.filter(|_| !online),
            version: gateway.version,
            verdict: gateway.health.map(Verdict::from),
        }
    }
}

fn tree_host(leaf: Leaf, favourites: &HashSet<HostId>) -> TreeHost {
    TreeHost {
        favourite: favourites.contains(&leaf.id),
        id: leaf.id,
        name: leaf.name,
        address: leaf.address,
        services: leaf.services,
        any_port: leaf.any_port,
        tags: leaf.tags,
    }
}

/// A hue from a random id: customers side by side differ.
fn hue(id: CustomerId) -> u16 {
    let bytes = id.as_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]]) % 360
}
