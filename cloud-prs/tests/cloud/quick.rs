//! People who are signed in without the work of a password: for tests that
//! need many of them. What signing in does is held elsewhere.

use std::sync::{Arc, OnceLock};

use culvert_cloud_prs::app::{App, Caller};
use culvert_cloud_prs::store::tokens::Token;
use culvert_cloud_prs::store::users::User;
use culvert_cloud_prs::store::{tokens, users};
use culvert_wire::api::{Secret, SessionAnswer, TokenKind};
use culvert_wire::claim::ClaimCode;
use culvert_wire::id::{GatewayId, HostId, InvitationId, SessionId, SiteId, TokenId, UserId};
use culvert_wire::key::{PublicKey, SigningKey};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::world::{Branch, HOUR, PASSWORD, Page, World, ask, binding, claim_auth, console, from};

/// Somebody with a browser and with `culvert`.
pub(crate) struct Quick {
    pub(crate) id: UserId,
    pub(crate) token: TokenId,
    pub(crate) link: Arc<Caller>,
    pub(crate) page: Page,
}

impl Quick {
    /// A person without any role, her password [`PASSWORD`].
    pub(crate) async fn new(world: &World) -> Self {
        let name = format!("quick {:016x}", rand::random::<u64>());
        let device = SigningKey::from_seed(&rand::random()).public();
        let signed_in = Known::new(&world.app, &name, device).await;
        let secret = secret();
        let browser = signed_in.token(&world.app, TokenKind::Browser, &secret);
        let mut write = world.app.store().write().await.unwrap();
        tokens::add(&mut write, &browser).await.unwrap();
        write.commit().await.unwrap();
        let cookie = format!("__Host-culvert={}", secret.reveal());
        let (id, token) = (signed_in.id, signed_in.token);
        Self {
            id,
            token,
            link: Arc::new(Caller::new(device, from(), Some((token, id)))),
            page: Page::default().but("cookie", Some(&cookie)),
        }
    }
}

/// An account and its sign-in on a device, as the store holds them.
pub(crate) struct Known {
    pub(crate) id: UserId,
    pub(crate) token: TokenId,
    pub(crate) secret: Secret,
    device: PublicKey,
}

impl Known {
    pub(crate) async fn new(app: &App, name: &str, device: PublicKey) -> Self {
        let user = User {
            id: UserId::from_random(rand::random()),
            name: name.into(),
            password: password(),
            disabled: false,
            created: app.now(),
        };
        let mut signed_in = Self {
            id: user.id,
            token: TokenId::from_random(rand::random()),
            secret: secret(),
            device,
        };
        let program = signed_in.token(app, TokenKind::SignIn, &signed_in.secret);
        signed_in.token = program.id;
        let mut write = app.store().write().await.unwrap();
        users::add(&mut write, &user).await.unwrap();
        tokens::add(&mut write, &program).await.unwrap();
        write.commit().await.unwrap();
        signed_in
    }

    fn token(&self, app: &App, kind: TokenKind, secret: &Secret) -> Token {
        let now = app.now();
        Token {
            id: TokenId::from_random(rand::random()),
            user: self.id,
            kind,
            hash: BASE32_NOPAD
                .encode(&Sha256::digest(secret.reveal().as_bytes()))
                .to_ascii_lowercase(),
            device: (kind == TokenKind::SignIn).then_some(self.device),
            label: "laptop".into(),
            scopes: vec![],
            customers: vec![],
            created: now,
            expires: now.plus_ms(12 * HOUR),
            last_used: None,
            revoked: None,
            source: String::new(),
            stepped_up: Some(now),
        }
    }
}

fn secret() -> Secret {
    Secret::new(format!("culvert_{:032x}", rand::random::<u128>()))
}

/// The hash of everybody's password, made once.
fn password() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    let make = || {
        use argon2::password_hash::PasswordHasher as _;
        let salt = [7; 16];
        let hash = argon2::Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), &salt);
        hash.unwrap().to_string()
    };
    HASH.get_or_init(make).clone()
}

impl World {
    /// A session of such a person.
    pub(crate) async fn session_of(&self, who: &Quick, branch: &Branch) -> SessionId {
        let actor = self.app.actor_by_id(who.token).await.unwrap().unwrap();
        let call = culvert_cloud_prs::app::Call {
            actor,
            source: "192.0.2.9".into(),
            at: self.app.now(),
        };
        let answer: SessionAnswer = self.app.start_session(&call, &ask(branch)).await.unwrap();
        answer.session
    }

    /// An invitation of such a person, to a site.
    pub(crate) async fn invitation_of(&self, who: &Quick, site: SiteId) -> InvitationId {
        let actor = self.app.actor_by_id(who.token).await.unwrap().unwrap();
        let call = culvert_cloud_prs::app::Call {
            actor,
            source: "192.0.2.9".into(),
            at: self.app.now(),
        };
        let promise = culvert_cloud_prs::app::invitations::Promise {
            role: culvert_wire::api::Role::Reader,
            node: culvert_wire::api::NodeRef::Site(site),
        };
        let name = format!("Invited {:016x}", rand::random::<u64>());
        let link = self.app.invite(&call, &name, &[promise], None).await;
        link.unwrap().id
    }

    /// A new site of a branch's customer, with a host and a box that is there.
    pub(crate) async fn fresh_site(
        &self,
        branch: &Branch,
    ) -> (SiteId, HostId, GatewayId, PublicKey) {
        let name = format!("Fresh {:016x}", rand::random::<u64>());
        let console = console();
        let site = self.app.add_site(&console, branch.customer, &name).await;
        let site = site.unwrap().id;
        let spec = culvert_cloud_prs::app::tree::HostSpec {
            name: "server".into(),
            address: "192.168.7.9".parse().unwrap(),
            services: vec!["ssh".parse().unwrap()],
            any_port: false,
        };
        let host = self.app.add_host(&console, site, &spec).await.unwrap().id;
        let what = culvert_cloud_prs::app::claims::ClaimFor::Site(site);
        let (_, code): (_, ClaimCode) = self.app.add_claim(&console, what).await.unwrap();
        let key = SigningKey::from_seed(&rand::random());
        let auth = claim_auth(&code, &key, &binding());
        let welcome = self.app.admit_claim(&auth, &binding(), from()).await;
        self.wires.online.lock().unwrap().insert(key.public());
        (site, host, welcome.unwrap().gateway.unwrap(), key.public())
    }
}
