//! Claim codes: making, listing, taking back, and the claim itself.

use std::net::IpAddr;

use culvert_wire::UnixMs;
use culvert_wire::claim::ClaimCode;
use culvert_wire::hello::{Binding, ClaimHello, LinkAuth, Who};
use culvert_wire::id::{ClaimId, CustomerId, GatewayId, Lease, SiteId};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};

use super::lease::{Hello, judge};
use super::refusals::Kind;
use super::throttle::Verdict;
use super::trail::{Doer, Event};
use super::{App, AppError, Call};
use crate::authz::{Action, Node};
use crate::store::claims::{self, Claim};
use crate::store::gateways::{self, Gateway, GatewayState, Leases};
use crate::store::orders::{self, Order};
use crate::store::sessions::Filter;
use crate::store::{StoreError, Write, credentials, releases, sites};

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum ClaimFor {
    /// A new box for this site.
    Site(SiteId),
    /// A new box in the place of this gateway's.
    Replace(GatewayId),
    /// A box that waits for a site.
    Nothing,
}

/// A claim taken apart: who claims, proved by what.
pub struct Claiming<'a> {
    /// The box's first message; its own key is proved already.
    pub auth: &'a LinkAuth,
    /// The link it came on.
    pub binding: &'a Binding,
    /// From where.
    pub from: IpAddr,
}

/// What the claimed box gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Its place.
    pub gateway: GatewayId,
    /// Its first lease.
    pub lease: Lease,
}

impl App {
    /// Makes a code. The secret is in the answer only.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn add_claim(
        &self,
        call: &Call,
        what: ClaimFor,
    ) -> Result<(Claim, ClaimCode), AppError> {
        call.needs(match what {
            ClaimFor::Replace(_) => Action::GatewayReplace,
            ClaimFor::Site(_) | ClaimFor::Nothing => Action::ClaimAdd,
        })?;
        let mut write = self.store.write().await?;
        let (site, replaces, customer) = self.claim_target(&mut write, call, what).await?;
        let seed = SigningKey::from_seed(&rand::random());
        let claim = Claim {
            id: ClaimId::from_random(rand::random()),
            seed: seed.public(),
            site,
            replaces,
            created: self.now(),
            expires: self.now().plus_ms(self.here.claim_ms),
            used: None,
            used_by: None,
            voided: None,
        };
        claims::add(&mut write, &claim).await?;
        let event = Event::done("claim.add", customer, claim.id).after(meant_for(&claim));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        let code = ClaimCode {
            servers: self.here.public_addresses.clone(),
            provider: self.here.provider,
            claim: claim.id,
            seed,
        };
        Ok((claim, code))
    }

    async fn claim_target(
        &self,
        db: &mut Write,
        call: &Call,
        what: ClaimFor,
    ) -> Result<(Option<SiteId>, Option<GatewayId>, Option<CustomerId>), AppError> {
        match what {
            ClaimFor::Site(id) => {
                let site = self.reachable_site(db, call, Action::ClaimAdd, id).await?;
                if gateways::by_site(db, id).await?.is_some() {
                    return Err(AppError::conflict(
                        "the site has a gateway already: replace that one, or give the box \
                         another site",
                    ));
                }
                Ok((Some(id), None, Some(site.customer)))
            }
            ClaimFor::Replace(id) => {
                let gateway = self
                    .reachable_gateway(db, call, Action::GatewayReplace, id)
                    .await?;
                Ok((gateway.site, Some(id), gateway.customer))
            }
            ClaimFor::Nothing if call.actor.may_at(Action::ClaimAdd, &Node::All) => {
                Ok((None, None, None))
            }
            ClaimFor::Nothing => Err(AppError::not_allowed()),
        }
    }

    /// Codes that may still be used.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn claims(&self, call: &Call) -> Result<Vec<Claim>, AppError> {
        call.needs(Action::ClaimList)?;
        let mut db = self.store.read().await?;
        let mut kept = Vec::new();
        for claim in claims::open(&mut db, self.now()).await? {
            if self
                .claim_in_reach(&mut db, call, Action::ClaimList, &claim)
                .await?
            {
                kept.push(claim);
            }
        }
        Ok(kept)
    }

    /// Takes a code back.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn void_claim(&self, call: &Call, id: ClaimId) -> Result<(), AppError> {
        call.needs(Action::ClaimVoid)?;
        let mut write = self.store.write().await?;
        let found = claims::by_id(&mut write, id).await?;
        let claim = found.ok_or_else(AppError::not_found)?;
        if !self
            .claim_in_reach(&mut write, call, Action::ClaimVoid, &claim)
            .await?
        {
            return Err(AppError::not_found());
        }
        if !claims::void(&mut write, id, self.now()).await? {
            return Err(AppError::conflict(
                "the code was used or taken back already",
            ));
        }
        let site = match claim.site {
            Some(site) => sites::by_id(&mut write, site).await?,
            None => None,
        };
        let customer = site.map(|site| site.customer);
        let event = Event::done("claim.void", customer, id).before(meant_for(&claim));
        self.record(&mut write, &call.into(), event).await?;
        Ok(self.commit(write).await?)
    }

    async fn claim_in_reach(
        &self,
        db: &mut sqlx::AnyConnection,
        call: &Call,
        action: Action,
        claim: &Claim,
    ) -> Result<bool, StoreError> {
        let site = match claim.site {
            Some(site) => sites::by_id(db, site).await?,
            None => None,
        };
        let node = site.map_or(Node::All, |site| site.node());
        Ok(call.actor.may_at(action, &node))
    }

    /// Binds a box to the provider: uses the code up, once, whatever happens
    /// at the same time. The same box may repeat a claim whose answer got
    /// lost; nobody else can.
    ///
    /// # Errors
    /// [`Reason::ClaimRefused`] for every bad code, or [`StoreError`]'s.
    pub async fn claim(&self, claiming: &Claiming<'_>) -> Result<Claimed, AppError> {
        let Who::Claim(hello) = &claiming.auth.who else {
            return Err(AppError::because(Reason::ProtocolError));
        };
        let doer = Doer::gateway(&hello.identity, claiming.from.to_string());
        // Before anything is asked of the database: anybody can claim.
        if let Verdict::Wait { first } = self.throttle.begin_claim(claiming.from, self.now()) {
            if first {
                self.note_bad_claim(&doer, hello, Reason::Throttled).await?;
            }
            return Err(AppError::because(Reason::Throttled));
        }
        let claimed = self.judge_claim(claiming, hello, &doer).await;
        match &claimed {
            Err(error) if error.source.is_none() => {
                self.note_bad_claim(&doer, hello, error.reason).await?;
            }
            // What the database cannot do is not the box's fault.
            Ok(_) | Err(_) => self.throttle.claimed(claiming.from),
        }
        claimed
    }

    /// Looks first: what is not worth a write gets none.
    async fn judge_claim(
        &self,
        claiming: &Claiming<'_>,
        hello: &ClaimHello,
        doer: &Doer,
    ) -> Result<Claimed, AppError> {
        let mut db = self.store.read().await?;
        let claim = self.proved_claim(&mut db, claiming, hello).await?;
        drop(db);
        let again = claim.used_by == Some(hello.identity);
        if !again && !claim.is_open(self.now()) {
            return Err(AppError::because(Reason::ClaimRefused));
        }
        let mut write = self.store.write().await?;
        let claimed = self.try_claim(&mut write, claiming, hello, doer).await?;
        self.commit(write).await?;
        Ok(claimed)
    }

    /// The code that a box has shown it holds.
    async fn proved_claim(
        &self,
        db: &mut sqlx::AnyConnection,
        claiming: &Claiming<'_>,
        hello: &ClaimHello,
    ) -> Result<Claim, AppError> {
        let refused = || AppError::because(Reason::ClaimRefused);
        let claim = claims::by_id(db, hello.claim).await?.ok_or_else(refused)?;
        let proved = claiming.auth.verify_claim(claiming.binding, &claim.seed);
        proved.map_err(|_| refused())?;
        Ok(claim)
    }

    /// A row of a claim that was refused, while it is one of a few.
    async fn note_bad_claim(
        &self,
        doer: &Doer,
        hello: &ClaimHello,
        why: Reason,
    ) -> Result<(), StoreError> {
        if !self.tells_refusal(Kind::Claim, doer, why) {
            return Ok(());
        }
        let event = Event::refused(Kind::Claim.action(), None, hello.claim, why);
        self.record_alone(doer, event).await
    }

    async fn try_claim(
        &self,
        write: &mut Write,
        claiming: &Claiming<'_>,
        hello: &ClaimHello,
        doer: &Doer,
    ) -> Result<Claimed, AppError> {
        let refused = || AppError::because(Reason::ClaimRefused);
        let claim = self.proved_claim(write, claiming, hello).await?;
        if gateways::is_retired(write, &hello.identity).await? {
            return Err(refused());
        }
        let bound = gateways::by_key(write, &hello.identity).await?;
        let now = self.now();
        if !claims::consume(write, claim.id, &hello.identity, now).await? {
            let again = claim.used_by == Some(hello.identity);
            let gateway = bound.filter(|_| again).ok_or_else(refused)?;
            return self.hand_lease(write, gateway, hello).await;
        }
        let gateway = match (claim.replaces, bound) {
            (Some(place), None) => self.swap_box(write, place, hello, doer).await?,
            (None, None) => self.new_box(write, claim.site, hello).await?,
            // A box that is somebody's already: the code is not for it.
            (_, Some(_)) => return Err(refused()),
        };
        let event = Event::done("gateway.claim", gateway.customer, gateway.id).after(json!({
            "fingerprint": gateway.identity.fingerprint().to_string(),
            "site": gateway.site_name,
            "claim": claim.id.to_string(),
        }));
        self.record(write, doer, event).await?;
        self.hand_lease(write, gateway, hello).await
    }

    async fn new_box(
        &self,
        write: &mut Write,
        site: Option<SiteId>,
        hello: &ClaimHello,
    ) -> Result<Gateway, AppError> {
        let site = match site {
            Some(id) => sites::by_id(write, id).await?,
            None => None,
        };
        let gateway = Gateway {
            id: GatewayId::from_random(rand::random()),
            site: site.as_ref().map(|site| site.id),
            site_name: site.as_ref().map(|site| site.name.clone()),
            customer: site.as_ref().map(|site| site.customer),
            customer_name: site.map(|site| site.customer_name),
            identity: hello.identity,
            sealing: sealing(hello),
            sealing_signature: signature(hello),
            state: GatewayState::Active,
            version: String::new(),
            claimed: self.now(),
            online: false,
            last_seen: None,
            leases: Leases::default(),
            counter: 0,
        };
        gateways::add(write, &gateway)
            .await
            .map_err(|e| AppError::from(e).naming("the site has a gateway already"))?;
        Ok(gateway)
    }

    /// Puts a new box in a gateway's place: site, permissions and history stay.
    async fn swap_box(
        &self,
        write: &mut Write,
        place: GatewayId,
        hello: &ClaimHello,
        doer: &Doer,
    ) -> Result<Gateway, AppError> {
        let found = gateways::by_id(write, place).await?;
        let mut gateway = found.ok_or_else(|| AppError::because(Reason::ClaimRefused))?;
        let filter = Filter {
            gateway: Some(place),
            ..Default::default()
        };
        let ending = self.to_end(write, &filter).await?;
        self.end_sessions(write, doer, ending, Reason::GatewayRevoked)
            .await?;
        gateways::retire_key(write, &gateway.identity, place, self.now()).await?;
        let order = Order::CloseGateway(gateway.identity);
        orders::add(write, order, Reason::GatewayRevoked, self.now()).await?;
        // What was sealed to the box that is gone is lost: "enter again".
        credentials::forget_sealed_to(write, &gateway.identity).await?;
        gateway.identity = hello.identity;
        gateway.sealing = sealing(hello);
        gateway.sealing_signature = signature(hello);
        gateway.state = GatewayState::Active;
        gateway.claimed = self.now();
        gateway.leases = Leases::default();
        gateways::update(write, &gateway).await?;
        gateways::set_counter(write, place, 0).await?;
        releases::forget_box(write, place).await?;
        Ok(gateway)
    }

    async fn hand_lease(
        &self,
        write: &mut Write,
        mut gateway: Gateway,
        hello: &ClaimHello,
    ) -> Result<Claimed, AppError> {
        let fresh = Lease::from_random(rand::random());
        let judged = judge(gateway.leases, hello.boot, None, fresh);
        let Hello::Known { lease, leases } = judged else {
            return Err(AppError::because(Reason::ClaimRefused));
        };
        gateway.leases = leases;
        gateways::update(write, &gateway).await?;
        Ok(Claimed {
            gateway: gateway.id,
            lease,
        })
    }
}

fn sealing(hello: &ClaimHello) -> String {
    BASE32_NOPAD.encode(&hello.sealing).to_ascii_lowercase()
}

fn signature(hello: &ClaimHello) -> String {
    let signature = BASE32_NOPAD.encode(&hello.sealing_signature.0);
    signature.to_ascii_lowercase()
}

impl Claim {
    /// Whether it may still be used.
    pub fn is_open(&self, now: UnixMs) -> bool {
        self.used.is_none() && self.voided.is_none() && now < self.expires
    }
}

/// What a code is for, as the trail tells it.
fn meant_for(claim: &Claim) -> Value {
    json!({
        "site": claim.site.map(|id| id.to_string()),
        "replaces": claim.replaces.map(|id| id.to_string()),
    })
}
