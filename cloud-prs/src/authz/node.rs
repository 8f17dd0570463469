//! Places of the tree customer › site › host, and sets of them.

use std::collections::HashSet;

use culvert_wire::api::NodeRef;
use culvert_wire::id::{CustomerId, HostId, SiteId};

/// A place of the tree, with all that is above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Node {
    /// Everything.
    All,
    /// A customer and what is below.
    Customer(CustomerId),
    /// A site and its hosts.
    Site {
        /// Whose it is.
        customer: CustomerId,
        /// Which.
        site: SiteId,
    },
    /// One host.
    Host {
        /// Whose it is.
        customer: CustomerId,
        /// Where it is.
        site: SiteId,
        /// Which.
        host: HostId,
    },
}

impl Node {
    /// Whether the other one is this or below it.
    pub fn covers(&self, other: &Self) -> bool {
        match self {
            Self::All => true,
            Self::Customer(customer) => other.customer() == Some(*customer),
            Self::Site { customer, site } => {
                other.customer() == Some(*customer) && other.site() == Some(*site)
            }
            Self::Host { .. } => self == other,
        }
    }

    /// The customer it belongs to.
    pub const fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::All => None,
            Self::Customer(customer)
            | Self::Site { customer, .. }
            | Self::Host { customer, .. } => Some(*customer),
        }
    }

    /// The site it is or is at.
    pub const fn site(&self) -> Option<SiteId> {
        match self {
            Self::All | Self::Customer(_) => None,
            Self::Site { site, .. } | Self::Host { site, .. } => Some(*site),
        }
    }

    /// Its kind and id, as the API and the store name it.
    pub const fn short(&self) -> NodeRef {
        match self {
            Self::All => NodeRef::All,
            Self::Customer(id) => NodeRef::Customer(*id),
            Self::Site { site, .. } => NodeRef::Site(*site),
            Self::Host { host, .. } => NodeRef::Host(*host),
        }
    }
}

/// The places where somebody may do something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    nodes: Vec<Node>,
    /// Limits them to these customers: what an API token is limited to.
    only: Option<HashSet<CustomerId>>,
}

impl Reach {
    pub(super) const fn new(nodes: Vec<Node>, only: Option<HashSet<CustomerId>>) -> Self {
        Self { nodes, only }
    }

    /// Whether a place is among them.
    pub fn covers(&self, node: &Node) -> bool {
        within(self.only.as_ref(), node) && self.nodes.iter().any(|own| own.covers(node))
    }

    /// Whether it is everything.
    pub fn is_all(&self) -> bool {
        self.covers(&Node::All)
    }

    /// The customers, sites and hosts to limit a search to; none means all.
    pub fn limit(&self) -> Option<Limit> {
        if self.is_all() {
            return None;
        }
        let mut limit = Limit::default();
        for node in &self.nodes {
            match node {
                // Everything, but of some customers only.
                Node::All => limit.customers.extend(self.only.iter().flatten()),
                node if !within(self.only.as_ref(), node) => {}
                Node::Customer(id) => limit.customers.push(*id),
                Node::Site { site, .. } => limit.sites.push(*site),
                Node::Host { host, .. } => limit.hosts.push(*host),
            }
        }
        Some(limit)
    }

    /// The places, as the API names them.
    pub fn places(&self) -> Vec<NodeRef> {
        let Some(limit) = self.limit() else {
            return vec![NodeRef::All];
        };
        let customers = limit.customers.into_iter().map(NodeRef::Customer);
        let sites = limit.sites.into_iter().map(NodeRef::Site);
        let hosts = limit.hosts.into_iter().map(NodeRef::Host);
        customers.chain(sites).chain(hosts).collect()
    }
}

/// What a search is limited to: things of these customers, at these sites, or
/// these hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limit {
    /// All of these customers.
    pub customers: Vec<CustomerId>,
    /// All of these sites.
    pub sites: Vec<SiteId>,
    /// These hosts.
    pub hosts: Vec<HostId>,
}

/// Whether a token's limit lets a place through.
pub(super) fn within(only: Option<&HashSet<CustomerId>>, node: &Node) -> bool {
    match (only, node.customer()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(only), Some(customer)) => only.contains(&customer),
    }
}
