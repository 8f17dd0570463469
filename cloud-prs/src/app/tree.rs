//! Customers, sites and hosts.

use culvert_wire::api::{HostEntry, HostList, HostService, Named};
use culvert_wire::grant::HostAddress;
use culvert_wire::id::{CustomerId, HostId, SiteId};
use culvert_wire::reason::Reason;
use serde_json::{Value, json};

use super::names::name;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::customers::Customer;
use crate::store::hosts::{Host, Search};
use crate::store::sessions::Filter;
use crate::store::sites::Site;
use crate::store::{customers, hosts, sessions, sites};

/// Services one host may have.
const MAX_SERVICES: usize = 32;
/// Hosts in one answer at most.
const MAX_HOSTS: usize = 1000;

/// A host as it shall be.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Its name.
    pub name: String,
    /// As the gateway dials it.
    pub address: HostAddress,
    /// What may be spoken to it.
    #[serde(default)]
    pub services: Vec<HostService>,
    /// Whether every TCP port may be asked for.
    #[serde(default)]
    pub any_port: bool,
}

impl App {
    /// The customers within reach.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn customers(&self, call: &Call) -> Result<Vec<Customer>, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let mut all = customers::all(&mut db).await?;
        all.retain(|customer| call.actor.sees(&Node::Customer(customer.id)));
        Ok(all)
    }

    /// Adds a customer.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_customer(&self, call: &Call, called: &str) -> Result<Customer, AppError> {
        call.needs(Action::CustomerAdd)?;
        let customer = Customer {
            id: CustomerId::from_random(rand::random()),
            name: name(called)?,
            created: self.now(),
        };
        let mut write = self.store.write().await?;
        customers::add(&mut write, &customer)
            .await
            .map_err(|e| AppError::from(e).naming("there is a customer of that name already"))?;
        let event = Event::done("customer.add", Some(customer.id), customer.id)
            .after(json!({ "name": customer.name }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(customer)
    }

    /// Gives a customer another name.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn rename_customer(
        &self,
        call: &Call,
        id: CustomerId,
        called: &str,
    ) -> Result<Customer, AppError> {
        call.needs(Action::CustomerChange)?;
        let mut write = self.store.write().await?;
        let found = customers::by_id(&mut write, id).await?;
        let mut customer = found
            .filter(|customer| call.actor.sees(&Node::Customer(customer.id)))
            .ok_or_else(AppError::not_found)?;
        call.needs_at(Action::CustomerChange, &Node::Customer(customer.id))?;
        let before = json!({ "name": customer.name });
        customer.name = name(called)?;
        customers::rename(&mut write, id, &customer.name)
            .await
            .map_err(|e| AppError::from(e).naming("there is a customer of that name already"))?;
        let event = Event::done("customer.change", Some(id), id)
            .before(before)
            .after(json!({ "name": customer.name }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(customer)
    }

    /// Removes a customer without sites.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_customer(&self, call: &Call, id: CustomerId) -> Result<(), AppError> {
        call.needs(Action::CustomerDelete)?;
        let mut write = self.store.write().await?;
        let found = customers::by_id(&mut write, id).await?;
        let customer = found
            .filter(|customer| call.actor.sees(&Node::Customer(customer.id)))
            .ok_or_else(AppError::not_found)?;
        call.needs_at(Action::CustomerDelete, &Node::Customer(customer.id))?;
        if !sites::list(&mut write, Some(id)).await?.is_empty() {
            return Err(AppError::conflict(
                "the customer still has sites: delete them first",
            ));
        }
        customers::delete(&mut write, id).await?;
        let event =
            Event::done("customer.delete", Some(id), id).before(json!({ "name": customer.name }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    /// The sites within reach.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn sites(
        &self,
        call: &Call,
        customer: Option<CustomerId>,
    ) -> Result<Vec<Site>, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let mut all = sites::list(&mut db, customer).await?;
        all.retain(|site| call.actor.sees(&site.node()));
        Ok(all)
    }

    /// Adds a site.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_site(
        &self,
        call: &Call,
        customer: CustomerId,
        called: &str,
    ) -> Result<Site, AppError> {
        call.needs(Action::SiteAdd)?;
        let mut write = self.store.write().await?;
        let found = customers::by_id(&mut write, customer).await?;
        let customer = found
            .filter(|customer| call.actor.sees(&Node::Customer(customer.id)))
            .ok_or_else(AppError::not_found)?;
        call.needs_at(Action::SiteAdd, &Node::Customer(customer.id))?;
        let site = Site {
            id: SiteId::from_random(rand::random()),
            customer: customer.id,
            customer_name: customer.name,
            name: name(called)?,
            created: self.now(),
        };
        sites::add(&mut write, &site).await.map_err(|e| {
            AppError::from(e).naming("the customer has a site of that name already")
        })?;
        let event = Event::done("site.add", Some(site.customer), site.id)
            .after(json!({ "name": site.name }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(site)
    }

    /// Gives a site another name.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn rename_site(
        &self,
        call: &Call,
        id: SiteId,
        called: &str,
    ) -> Result<Site, AppError> {
        call.needs(Action::SiteChange)?;
        let mut write = self.store.write().await?;
        let mut site = self
            .reachable_site(&mut write, call, Action::SiteChange, id)
            .await?;
        let before = json!({ "name": site.name });
        site.name = name(called)?;
        sites::rename(&mut write, id, &site.name)
            .await
            .map_err(|e| {
                AppError::from(e).naming("the customer has a site of that name already")
            })?;
        let event = Event::done("site.change", Some(site.customer), id)
            .before(before)
            .after(json!({ "name": site.name }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(site)
    }

    /// Removes a site without hosts; its box waits for another one.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_site(&self, call: &Call, id: SiteId) -> Result<(), AppError> {
        call.needs(Action::SiteDelete)?;
        let mut write = self.store.write().await?;
        let site = self
            .reachable_site(&mut write, call, Action::SiteDelete, id)
            .await?;
        sites::delete(&mut write, id)
            .await
            .map_err(|e| AppError::from(e).naming("the site still has hosts: delete them first"))?;
        let event = Event::done("site.delete", Some(site.customer), id)
            .before(json!({ "name": site.name }));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    pub(super) async fn reachable_site(
        &self,
        db: &mut sqlx::AnyConnection,
        call: &Call,
        action: Action,
        id: SiteId,
    ) -> Result<Site, AppError> {
        let found = sites::by_id(db, id).await?;
        let site = found.ok_or_else(AppError::not_found)?;
        call.needs_at(action, &site.node())?;
        Ok(site)
    }

    /// Looks for hosts within reach.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn hosts(
        &self,
        call: &Call,
        words: &str,
        name: Option<&str>,
        limit: usize,
    ) -> Result<HostList, AppError> {
        call.needs(Action::TreeSee)?;
        let limit = limit.clamp(1, MAX_HOSTS);
        let search = Search {
            words: words.split_whitespace().collect(),
            name,
            within: call.actor.reach(Action::TreeSee).limit(),
            limit: limit + 1,
        };
        let mut db = self.store.read().await?;
        let found = hosts::search(&mut db, &search).await?;
        let more = found.len() > limit;
        let entries = found.into_iter().take(limit).map(|host| self.entry(host));
        Ok(HostList {
            hosts: entries.collect(),
            more,
        })
    }

    /// One host.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn host(&self, call: &Call, id: HostId) -> Result<HostEntry, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::TreeSee, id).await?;
        Ok(self.entry(host))
    }

    /// Adds a host.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_host(
        &self,
        call: &Call,
        site: SiteId,
        spec: &HostSpec,
    ) -> Result<HostEntry, AppError> {
        call.needs(Action::HostAdd)?;
        let mut write = self.store.write().await?;
        let site = self
            .reachable_site(&mut write, call, Action::HostAdd, site)
            .await?;
        let host = Host {
            id: HostId::from_random(rand::random()),
            name: name(&spec.name)?,
            customer: Named {
                id: site.customer,
                name: site.customer_name,
            },
            site: Named {
                id: site.id,
                name: site.name,
            },
            address: spec.address.clone(),
            services: services(&spec.services)?,
            any_port: spec.any_port,
            created: self.now(),
            gateway: None,
        };
        hosts::add(&mut write, &host)
            .await
            .map_err(|e| AppError::from(e).naming("the site has a host of that name already"))?;
        let event = Event::done("host.add", Some(host.customer.id), host.id).after(state(&host));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(self.entry(host))
    }

    /// Changes a host; sessions to what it no longer has end.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn change_host(
        &self,
        call: &Call,
        id: HostId,
        spec: &HostSpec,
    ) -> Result<HostEntry, AppError> {
        call.needs(Action::HostChange)?;
        let mut write = self.store.write().await?;
        let before = reachable_host(&mut write, call, Action::HostChange, id).await?;
        let host = Host {
            name: name(&spec.name)?,
            address: spec.address.clone(),
            services: services(&spec.services)?,
            any_port: spec.any_port,
            ..before.clone()
        };
        hosts::update(&mut write, &host)
            .await
            .map_err(|e| AppError::from(e).naming("the site has a host of that name already"))?;
        let doer = Doer::from(call);
        let event = Event::done("host.change", Some(host.customer.id), id)
            .before(state(&before))
            .after(state(&host));
        self.record(&mut write, &doer, event).await?;
        let mut ending = self.to_end_on(&mut write, id).await?;
        ending.retain(|session| {
            let kept = |target: &culvert_wire::grant::Target| {
                target.address == host.address
                    && (host.any_port || host.services.iter().any(|s| s.port == target.port))
            };
            !session.targets.iter().all(kept)
        });
        self.end_sessions(&mut write, &doer, ending, Reason::AccessRevoked)
            .await?;
        self.commit(write).await?;
        Ok(self.entry(host))
    }

    /// Removes a host; its sessions end.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn delete_host(&self, call: &Call, id: HostId) -> Result<(), AppError> {
        call.needs(Action::HostDelete)?;
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::HostDelete, id).await?;
        hosts::delete(&mut write, id).await?;
        let doer = Doer::from(call);
        let event = Event::done("host.delete", Some(host.customer.id), id).before(state(&host));
        self.record(&mut write, &doer, event).await?;
        let ending = self.to_end_on(&mut write, id).await?;
        self.end_sessions(&mut write, &doer, ending, Reason::HostDeleted)
            .await?;
        Ok(self.commit(write).await?)
    }

    async fn to_end_on(
        &self,
        db: &mut sqlx::AnyConnection,
        host: HostId,
    ) -> Result<Vec<sessions::Session>, AppError> {
        let filter = Filter {
            host: Some(host),
            ..Default::default()
        };
        Ok(self.to_end(db, &filter).await?)
    }

    fn entry(&self, host: Host) -> HostEntry {
        let online = host.gateway.as_ref().is_some_and(|gateway| {
            self.links().map_or(gateway.online, |links| {
                links.gateway_online(&gateway.identity)
            })
        });
        HostEntry {
            id: host.id,
            name: host.name,
            customer: host.customer,
            site: host.site,
            address: host.address,
            services: host.services,
            any_port: host.any_port,
            online,
            last_seen: host.gateway.and_then(|gateway| gateway.last_seen),
        }
    }
}

/// A host to which the caller may do this.
pub(super) async fn reachable_host(
    db: &mut sqlx::AnyConnection,
    call: &Call,
    action: Action,
    id: HostId,
) -> Result<Host, AppError> {
    let found = hosts::by_id(db, id).await?;
    let host = found.ok_or_else(AppError::not_found)?;
    call.needs_at(action, &host.node())?;
    Ok(host)
}

pub(super) fn services(wanted: &[HostService]) -> Result<Vec<HostService>, AppError> {
    if wanted.len() > MAX_SERVICES || wanted.iter().any(|service| service.port == 0) {
        return Err(AppError::invalid(format!(
            "a host has at most {MAX_SERVICES} services, on ports 1 to 65535"
        )));
    }
    let mut out: Vec<HostService> = Vec::new();
    for service in wanted {
        if !out.contains(service) {
            out.push(*service);
        }
    }
    Ok(out)
}

pub(super) fn state(host: &Host) -> Value {
    let services: Vec<String> = host.services.iter().map(ToString::to_string).collect();
    json!({
        "name": host.name,
        "address": host.address.as_str(),
        "services": services,
        "any_port": host.any_port,
    })
}
