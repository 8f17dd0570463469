//! Ties the application to the links: answers the plane's questions, passes
//! its reports on, and carries the application's wishes out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use culvert_wire::UnixMs;
use culvert_wire::api::ApiError;
use culvert_wire::frame::{ApiRequest, ApiResponse, Invite, MAX_BODY, Offer, Refused, Welcome};
use culvert_wire::hello::{Binding, BrowserHello, GatewayHello, LinkAuth, TechnicianHello};
use culvert_wire::id::{SessionId, UserId};
use culvert_wire::key::PublicKey;
use culvert_wire::reason::Reason;
use culvert_wire::revocation::SignedRevocation;
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::app::trail::Doer;
use crate::app::{self, App, Links, Sitting};
use crate::plane::{Caller, Control, Joining, Plane, PlaneEvent};
use crate::relay::{self, RelayEvent, RouteSpec};
use crate::store::sessions::End;

/// The application behind the plane.
pub struct Server {
    app: Arc<App>,
    router: Router,
    /// Records of closed routes that wait for the gateway's own.
    waiting: Mutex<JoinSet<()>>,
}

impl Server {
    /// Puts an application and its router behind a plane.
    pub fn new(app: Arc<App>, router: Router) -> Self {
        Self {
            app,
            router,
            waiting: Mutex::default(),
        }
    }

    /// Waits for records that are still to be written.
    pub async fn settle(&self) {
        let mut waiting = std::mem::take(&mut *self.lock());
        while waiting.join_next().await.is_some() {}
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route_closed(&self, session: SessionId, reason: Reason) {
        let app = Arc::clone(&self.app);
        let mut waiting = self.lock();
        while waiting.try_join_next().is_some() {}
        waiting.spawn(async move { app.route_closed(session, reason).await });
    }

    async fn call(&self, caller: Arc<app::Caller>, request: ApiRequest) -> ApiResponse {
        let id = request.id;
        let built = Request::builder()
            .method(request.method.name())
            .uri(&request.path)
            .header(header::CONTENT_TYPE, "application/json")
            .extension(caller)
            .body(Body::from(request.body));
        let Ok(built) = built else {
            return refuse(id, 400, Reason::Invalid, "the path is not one");
        };
        let Ok(response) = self.router.clone().oneshot(built).await;
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), MAX_BODY).collect().await {
            Ok(body) => ApiResponse {
                id,
                status,
                body: body.to_bytes(),
            },
            Err(_) => refuse(
                id,
                413,
                Reason::Invalid,
                "the answer is too long for a link: ask for less, or over HTTPS",
            ),
        }
    }
}

fn refuse(id: u32, status: u16, reason: Reason, message: &str) -> ApiResponse {
    let error = ApiError {
        reason,
        message: message.to_owned(),
    };
    let body = serde_json::to_vec(&error).expect("plain data");
    ApiResponse {
        id,
        status,
        body: Bytes::from(body),
    }
}

impl Control for Server {
    async fn admit_gateway(
        &self,
        hello: &GatewayHello,
        version: &str,
        from: SocketAddr,
    ) -> Result<Welcome, Refused> {
        self.app.admit_gateway(hello, version, from).await
    }

    async fn claim(
        &self,
        auth: &LinkAuth,
        binding: &Binding,
        from: SocketAddr,
    ) -> Result<Welcome, Refused> {
        self.app.admit_claim(auth, binding, from).await
    }

    async fn admit_technician(
        &self,
        hello: &TechnicianHello,
        _version: &str,
        from: SocketAddr,
    ) -> Result<Caller, Refused> {
        let caller = self.app.admit_technician(hello, from).await?;
        Ok(Caller::new(Arc::new(caller)))
    }

    async fn greet_browser(&self, asked: &http::request::Parts) -> Result<Caller, Reason> {
        let sitting = crate::http::greet(&self.app, asked).await?;
        Ok(Caller::new(Arc::new(sitting)))
    }

    async fn admit_browser(
        &self,
        hello: &BrowserHello,
        greeted: &Caller,
        from: SocketAddr,
    ) -> Result<Caller, Refused> {
        let Some(sitting) = greeted.get::<Sitting>() else {
            return Err(Refused {
                reason: Reason::NotAllowed,
                retry_after_ms: 0,
                text: String::new(),
            });
        };
        let caller = self.app.admit_browser(hello, *sitting, from).await?;
        Ok(Caller::new(Arc::new(caller)))
    }

    fn signed_in(&self, caller: &Caller) -> Option<UserId> {
        caller.get::<app::Caller>()?.user()
    }

    async fn api(&self, caller: &Caller, request: ApiRequest) -> ApiResponse {
        match caller.get::<app::Caller>() {
            Some(caller) => self.call(caller, request).await,
            None => refuse(request.id, 401, Reason::SignInNeeded, "sign in first"),
        }
    }

    async fn recover_route(&self, session: SessionId) -> Result<Option<RouteSpec>, Reason> {
        self.app.recover_route(session).await.map_err(|error| {
            tracing::error!(%error, "Route could not be looked up");
            self.app.note_outage(error.reason());
            error.reason()
        })
    }

    fn join_refused(&self, by: Joining<'_>, session: SessionId, why: Reason) {
        let by = match by {
            Joining::Gateway(key) => Doer::gateway(key, String::new()),
            Joining::Person(caller) => match caller.get::<app::Caller>() {
                Some(caller) => caller.doer(),
                None => return,
            },
        };
        self.app.join_refused(by, session, why);
    }

    fn fleet(&self) -> usize {
        self.app.fleet()
    }

    async fn event(&self, event: PlaneEvent) {
        match event {
            PlaneEvent::GatewayUp { key, .. } => self.app.gateway_up(&key).await,
            PlaneEvent::GatewayDown { key } => self.app.gateway_down(&key).await,
            PlaneEvent::InviteResult { key, result } => {
                self.app.invite_answered(&key, result).await;
            }
            PlaneEvent::SessionEnded { key, ended } => self.app.session_ended(&key, &ended).await,
            PlaneEvent::HostKey { key, event } => self.app.host_key_told(&key, &event).await,
            PlaneEvent::Revoked { key, counter } => self.app.revoked(&key, counter).await,
            PlaneEvent::LeaseStored { key, lease } => self.app.lease_stored(&key, lease).await,
            PlaneEvent::Health { key, health } => self.app.health_told(&key, health).await,
            PlaneEvent::System { key, system } => self.app.system_told(&key, system).await,
            PlaneEvent::Route(RelayEvent::Joined {
                session,
                end,
                first,
            }) => {
                if first {
                    let end = match end {
                        relay::End::Technician => End::Technician,
                        relay::End::Gateway => End::Gateway,
                    };
                    self.app.route_joined(session, end).await;
                }
            }
            PlaneEvent::Route(RelayEvent::Closed {
                session, reason, ..
            }) => self.route_closed(session, reason),
        }
    }
}

impl Links for Plane {
    fn open_route(&self, route: RouteSpec) -> bool {
        Self::open_route(self, route).is_ok()
    }

    fn extend_route(&self, session: SessionId, ends_at: UnixMs) {
        Self::extend_route(self, session, ends_at);
    }

    fn end_route(&self, session: SessionId, reason: Reason) {
        Self::end_route(self, session, reason);
    }

    fn refuse_route(&self, session: SessionId, reason: Reason, text: &str) {
        Self::refuse_route(self, session, reason, text);
    }

    fn invite(&self, gateway: &PublicKey, invite: Invite) -> bool {
        Self::invite(self, gateway, invite)
    }

    fn revoke(&self, gateway: &PublicKey, revocation: SignedRevocation) -> bool {
        Self::revoke(self, gateway, revocation)
    }

    fn offer(&self, gateway: &PublicKey, offer: Offer) -> bool {
        Self::offer(self, gateway, offer)
    }

    fn gateway_online(&self, gateway: &PublicKey) -> bool {
        Self::gateway_online(self, gateway)
    }

    fn close_gateway(&self, gateway: &PublicKey, reason: Reason) {
        Self::close_gateway(self, gateway, reason);
    }

    fn close_callers(&self, whose: &dyn Fn(&app::Caller) -> bool, reason: Reason) {
        let picked = |caller: &Caller| caller.get::<app::Caller>().is_some_and(|c| whose(&c));
        Self::close_callers(self, picked, reason);
    }
}
