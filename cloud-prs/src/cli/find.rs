//! What a person types for a thing: its id, or its name.

use anyhow::{Context as _, bail};
use culvert_wire::id::{CustomerId, GatewayId, HostId, SiteId, TeamId, UserId};

use crate::app::{App, Call};
use crate::store::{customers, name_key, teams, users};

/// A customer by id or name.
pub(super) async fn customer(app: &App, text: &str) -> anyhow::Result<CustomerId> {
    let mut db = app.store().read().await?;
    let found = match text.parse() {
        Ok(id) => customers::by_id(&mut db, id).await?,
        Err(_) => customers::by_name(&mut db, text).await?,
    };
    let found = found.with_context(|| format!("there is no customer \"{text}\""))?;
    Ok(found.id)
}

/// A person by id or name.
pub(super) async fn user(app: &App, text: &str) -> anyhow::Result<UserId> {
    let mut db = app.store().read().await?;
    let found = match text.parse() {
        Ok(id) => users::by_id(&mut db, id).await?,
        Err(_) => users::by_name(&mut db, text).await?,
    };
    let found = found.with_context(|| format!("there is no account \"{text}\""))?;
    Ok(found.id)
}

/// A team by id or name.
pub(super) async fn team(app: &App, text: &str) -> anyhow::Result<TeamId> {
    let mut db = app.store().read().await?;
    let found = match text.parse() {
        Ok(id) => teams::by_id(&mut db, id).await?,
        Err(_) => teams::by_name(&mut db, text).await?,
    };
    let found = found.with_context(|| format!("there is no team \"{text}\""))?;
    Ok(found.id)
}

/// A site by id, by `Customer/Site`, or by a name that only one site has.
pub(super) async fn site(app: &App, call: &Call, text: &str) -> anyhow::Result<SiteId> {
    let key = name_key(text);
    let mut named = app.sites(call, None).await?;
    named.retain(|site| {
        let path = format!("{}/{}", site.customer_name, site.name);
        site.id.to_string() == key || name_key(&site.name) == key || name_key(&path) == key
    });
    match named.as_slice() {
        [one] => Ok(one.id),
        [] => bail!("there is no site \"{text}\""),
        _ => bail!("more than one site is called \"{text}\": write CUSTOMER/SITE"),
    }
}

/// A host by id, by `Customer/Site/Host`, or by a name that only one has.
pub(super) async fn host(app: &App, call: &Call, text: &str) -> anyhow::Result<HostId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let last = text.rsplit('/').next().unwrap_or(text);
    let key = name_key(text);
    let mut found = app.hosts(call, last, None, usize::MAX).await?.hosts;
    found.retain(|host| {
        let path = format!("{}/{}/{}", host.customer.name, host.site.name, host.name);
        name_key(&host.name) == key || name_key(&path) == key
    });
    match found.as_slice() {
        [one] => Ok(one.id),
        [] => bail!("there is no host \"{text}\""),
        _ => bail!("more than one host is called \"{text}\": write CUSTOMER/SITE/HOST"),
    }
}

/// A gateway by id, or by what [`site`] takes.
pub(super) async fn gateway(app: &App, call: &Call, text: &str) -> anyhow::Result<GatewayId> {
    let all = app.gateways(call).await?;
    if let Some(found) = all.iter().find(|gateway| gateway.id.to_string() == text) {
        return Ok(found.id);
    }
    let site = site(app, call, text).await.ok();
    let standing = |at: &crate::app::gateways::GatewayInfo| {
        at.site.as_ref().map(|at| at.id) == site && site.is_some()
    };
    all.iter()
        .find(|gateway| standing(gateway))
        .map(|gateway| gateway.id)
        .with_context(|| format!("there is no gateway \"{text}\": give its id or its site"))
}
