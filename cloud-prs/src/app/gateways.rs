//! Gateways: listing, assigning, revoking, releasing from quarantine.

use std::collections::HashMap;

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::claim::label;
use culvert_wire::id::{CustomerId, GatewayId, SiteId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;
use serde_json::json;

use super::fleet::BoxSystem;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::claims;
use crate::store::gateways::{self, Gateway, GatewayState, Leases};
use crate::store::health::{self, Health};
use crate::store::orders::{self, Order};
use crate::store::sessions::{self, Filter};

/// A gateway as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct GatewayInfo {
    /// Its place.
    pub id: GatewayId,
    /// Whose site; none while it waits for one.
    pub customer: Option<Named<CustomerId>>,
    /// The site.
    pub site: Option<Named<SiteId>>,
    /// The box's identity key.
    pub key: PublicKey,
    /// Its fingerprint, as `culvert-gateway status` shows it.
    pub fingerprint: String,
    /// What the box's label says, while it waits for a site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `active`, `quarantined` or `revoked`.
    pub state: String,
    /// Its program and version.
    pub version: String,
    /// When the box was claimed.
    pub claimed: UnixMs,
    /// Whether it is connected.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Option<UnixMs>,
    /// What it says of its way to the server; in the details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What the box's system is, when it is one of ours; in the details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<BoxSystem>,
}

impl App {
    /// The gateways within reach.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn gateways(&self, call: &Call) -> Result<Vec<GatewayInfo>, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let all = gateways::all(&mut db).await?;
        let labels = labels(&mut db).await?;
        let seen = all.into_iter().filter(|gateway| sees(call, gateway));
        let info = |gateway: Gateway| GatewayInfo {
            label: labels.get(&gateway.identity).cloned(),
            ..self.info(gateway)
        };
        Ok(seen.map(info).collect())
    }

    /// One gateway.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn gateway(&self, call: &Call, id: GatewayId) -> Result<GatewayInfo, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let gateway = self
            .reachable_gateway(&mut db, call, Action::TreeSee, id)
            .await?;
        let health = health::of(&mut db, gateway.id).await?;
        let system = self.system_of(&mut db, &gateway).await?;
        Ok(GatewayInfo {
            health,
            system,
            label: labels(&mut db).await?.remove(&gateway.identity),
            ..self.info(gateway)
        })
    }

    /// Gives a box a site, or takes it away.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn assign_gateway(
        &self,
        call: &Call,
        id: GatewayId,
        site: Option<SiteId>,
    ) -> Result<GatewayInfo, AppError> {
        call.needs(Action::GatewayAssign)?;
        let mut write = self.store.write().await?;
        let mut gateway = self
            .reachable_gateway(&mut write, call, Action::GatewayAssign, id)
            .await?;
        let target = match site {
            Some(site) => Some(
                self.reachable_site(&mut write, call, Action::GatewayAssign, site)
                    .await?,
            ),
            None => None,
        };
        if gateway.site == site {
            return Ok(self.info(gateway));
        }
        let doer = Doer::from(call);
        let at = |site: Option<SiteId>| json!({ "site": site.map(|id| id.to_string()) });
        let (before, after) = (at(gateway.site), at(site));
        // Its sessions were granted for the hosts of the other site.
        let ending = self.to_end_at(&mut write, id).await?;
        self.end_sessions(&mut write, &doer, ending, Reason::AccessRevoked)
            .await?;
        let left = gateway.customer;
        gateway.site = site;
        gateways::update(&mut write, &gateway)
            .await
            .map_err(|e| AppError::from(e).naming("the site has a gateway already"))?;
        let customer = target.as_ref().map(|site| site.customer).or(left);
        let event = |customer| Event::done("gateway.assign", customer, id);
        // Each customer's trail names that customer's sites only.
        match left.filter(|left| Some(*left) != customer) {
            Some(left) => {
                let leaves = event(Some(left)).before(before).after(at(None));
                self.record(&mut write, &doer, leaves).await?;
                let joins = event(customer).before(at(None)).after(after);
                self.record(&mut write, &doer, joins).await?;
            }
            None => {
                let moves = event(customer).before(before).after(after);
                self.record(&mut write, &doer, moves).await?;
            }
        }
        self.commit(write).await?;
        gateway.site_name = target.as_ref().map(|site| site.name.clone());
        gateway.customer = target.as_ref().map(|site| site.customer);
        gateway.customer_name = target.map(|site| site.customer_name);
        Ok(self.info(gateway))
    }

    /// Shuts a box out for good: its sessions end, its key never serves again.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn revoke_gateway(&self, call: &Call, id: GatewayId) -> Result<(), AppError> {
        call.needs(Action::GatewayRevoke)?;
        let mut write = self.store.write().await?;
        let mut gateway = self
            .reachable_gateway(&mut write, call, Action::GatewayRevoke, id)
            .await?;
        if gateway.state == GatewayState::Revoked {
            return Err(AppError::conflict("the gateway is revoked already"));
        }
        let doer = Doer::from(call);
        let ending = self.to_end_at(&mut write, id).await?;
        let why = Reason::GatewayRevoked;
        self.end_sessions(&mut write, &doer, ending, why).await?;
        self.order_end(&mut write, gateway.identity, Scope::All, why)
            .await?;
        let order = Order::CloseGateway(gateway.identity);
        orders::add(&mut write, order, why, self.now()).await?;
        gateways::retire_key(&mut write, &gateway.identity, id, self.now()).await?;
        let before = json!({ "state": gateway.state.name() });
        gateway.state = GatewayState::Revoked;
        gateways::update(&mut write, &gateway).await?;
        let event = Event::done("gateway.revoke", gateway.customer, id)
            .before(before)
            .after(json!({
                "state": gateway.state.name(),
                "fingerprint": gateway.identity.fingerprint().to_string(),
            }));
        self.record(&mut write, &doer, event).await?;
        Ok(self.commit(write).await?)
    }

    /// Ends a quarantine: the box that says hello next has the place. Whoever
    /// decides this has switched the other one off.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn release_gateway(&self, call: &Call, id: GatewayId) -> Result<(), AppError> {
        call.needs(Action::GatewayRelease)?;
        let mut write = self.store.write().await?;
        let mut gateway = self
            .reachable_gateway(&mut write, call, Action::GatewayRelease, id)
            .await?;
        if gateway.state != GatewayState::Quarantined {
            return Err(AppError::conflict("the gateway is not in quarantine"));
        }
        let before = json!({ "state": gateway.state.name() });
        gateway.state = GatewayState::Active;
        gateway.leases = Leases::default();
        gateways::update(&mut write, &gateway).await?;
        let order = Order::CloseGateway(gateway.identity);
        orders::add(&mut write, order, Reason::Replaced, self.now()).await?;
        let event = Event::done("gateway.release", gateway.customer, id)
            .before(before)
            .after(json!({ "state": gateway.state.name() }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    pub(super) async fn to_end_at(
        &self,
        db: &mut sqlx::AnyConnection,
        gateway: GatewayId,
    ) -> Result<Vec<sessions::Session>, AppError> {
        let filter = Filter {
            gateway: Some(gateway),
            ..Default::default()
        };
        Ok(self.to_end(db, &filter).await?)
    }

    pub(super) async fn reachable_gateway(
        &self,
        db: &mut sqlx::AnyConnection,
        call: &Call,
        action: Action,
        id: GatewayId,
    ) -> Result<Gateway, AppError> {
        let found = gateways::by_id(db, id).await?;
        let gateway = found
            .filter(|gateway| sees(call, gateway))
            .ok_or_else(AppError::not_found)?;
        if action != Action::TreeSee {
            call.needs_at(action, &gateway.node())?;
        }
        Ok(gateway)
    }

    fn info(&self, gateway: Gateway) -> GatewayInfo {
        let online = self.links().map_or(gateway.online, |links| {
            links.gateway_online(&gateway.identity)
        });
        let customer = gateway.customer.zip(gateway.customer_name);
        let site = gateway.site.zip(gateway.site_name);
        GatewayInfo {
            id: gateway.id,
            customer: customer.map(|(id, name)| Named { id, name }),
            site: site.map(|(id, name)| Named { id, name }),
            key: gateway.identity,
            fingerprint: gateway.identity.fingerprint().to_string(),
            label: None,
            state: gateway.state.name().to_owned(),
            version: gateway.version,
            claimed: gateway.claimed,
            online,
            last_seen: gateway.last_seen,
            health: None,
            system: None,
        }
    }
}

/// What the labels of the boxes say that wait for a site.
async fn labels(db: &mut sqlx::AnyConnection) -> Result<HashMap<PublicKey, String>, AppError> {
    let waiting = claims::of_waiting_boxes(db).await?;
    Ok(waiting
        .into_iter()
        .map(|(key, claim)| (key, label(claim)))
        .collect())
}

/// A box without a site is seen only by those who see everything; one at a
/// site also by those who reach a host there.
fn sees(call: &Call, gateway: &Gateway) -> bool {
    let node = gateway.node();
    call.actor.may_at(Action::TreeSee, &node) || (node != Node::All && call.actor.sees(&node))
}
