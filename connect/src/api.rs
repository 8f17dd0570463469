//! The server's HTTP API, asked over a link.
//!
//! Same routes and bodies as over HTTPS, but no second connection and no web
//! certificate to trust. Every refusal becomes a sentence.

use std::fmt::Write as _;
use std::time::Duration;

use culvert_link::Link;
use culvert_wire::api::{
    ApiError, HandOverAnswer, HandOverCollected, HostEntry, HostList, LaunchAnswer, Me,
    NewHandOver, NewLaunch, NewSession, RedeemAnswer, RedeemLaunch, RenewAnswer, SecondStep,
    SessionAnswer, SessionList, SignIn, SignInAnswer, TokenList,
};
use culvert_wire::frame::Method;
use culvert_wire::id::{HandOverId, SessionId, TokenId};
use culvert_wire::reason::Reason;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Exit, Failure};
use crate::pick::{PickError, pick, pick_exact};
use crate::word::HostWord;

/// An answer takes a round trip and a database write; more is a fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most hosts asked for at once: their answer has to fit one message of a link.
const MOST_HOSTS: usize = 300;

/// The API of one link.
#[derive(Debug, Clone, Copy)]
pub struct Api<'a>(pub &'a Link);

impl Api<'_> {
    /// Signs in; the link is signed in from then on.
    ///
    /// # Errors
    /// [`Failure`], as for every request.
    pub async fn sign_in(&self, body: &SignIn) -> Result<SignInAnswer, Failure> {
        self.send(Method::Post, "/api/v1/sign-in", Some(body)).await
    }

    /// Proves a second factor; the link is signed in from then on.
    ///
    /// # Errors
    /// [`Failure`], as for every request.
    pub async fn second_step(&self, body: &SecondStep) -> Result<SignInAnswer, Failure> {
        self.send(Method::Post, "/api/v1/sign-in/second", Some(body))
            .await
    }

    /// Asks to be signed in by somebody at the portal.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn hand_over(&self, body: &NewHandOver) -> Result<HandOverAnswer, Failure> {
        self.send(Method::Post, "/api/v1/hand-overs", Some(body))
            .await
    }

    /// Whether somebody has; the link is signed in from then on.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn collect(&self, id: HandOverId) -> Result<HandOverCollected, Failure> {
        let path = format!("/api/v1/hand-overs/{id}/collect");
        self.send(Method::Post, &path, None::<&()>).await
    }

    /// Ends the sign-in of this link.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sign_out(&self) -> Result<(), Failure> {
        self.act(Method::Post, "/api/v1/sign-out").await
    }

    /// The sign-ins and API tokens of who is signed in.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn tokens(&self) -> Result<TokenList, Failure> {
        self.read("/api/v1/tokens").await
    }

    /// Takes one of them back; its links and sessions end.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn revoke_token(&self, token: TokenId) -> Result<(), Failure> {
        self.act(Method::Delete, &format!("/api/v1/tokens/{token}"))
            .await
    }

    /// Who this link is signed in as.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn me(&self) -> Result<Me, Failure> {
        self.read("/api/v1/me").await
    }

    /// Hosts that contain every word.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn hosts(&self, words: &str) -> Result<HostList, Failure> {
        let path = format!("/api/v1/hosts?limit={MOST_HOSTS}&q={}", encoded(words));
        self.read(&path).await
    }

    /// The one host that a word means.
    ///
    /// # Errors
    /// [`Failure::Pick`] with candidates or the nearest names.
    pub async fn host(&self, word: &HostWord) -> Result<HostEntry, Failure> {
        if let Some(id) = word.id() {
            match self.read(&format!("/api/v1/hosts/{id}")).await {
                // A name may look like an id, too.
                Err(failure) if failure.exit() == Exit::NotFound as u8 => {}
                answer => return answer,
            }
        }
        let words = search_words(word);
        let found = self.hosts(&words).await?;
        if found.more {
            return Ok(pick_exact(word, &self.hosts_called(&words, word).await?)?.clone());
        }
        match pick(word, &found) {
            Ok(host) => Ok(host.clone()),
            // For names like it.
            Err(PickError::Unknown { .. }) if !words.is_empty() => {
                Ok(pick(word, &self.hosts("").await?)?.clone())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Hosts that contain every word and whose name or address is just that.
    async fn hosts_called(&self, words: &str, word: &HostWord) -> Result<HostList, Failure> {
        let path = format!(
            "/api/v1/hosts?limit={MOST_HOSTS}&q={}&name={}",
            encoded(words),
            encoded(&word.name)
        );
        self.read(&path).await
    }

    /// Asks for a session.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn new_session(&self, body: &NewSession) -> Result<SessionAnswer, Failure> {
        self.send(Method::Post, "/api/v1/sessions", Some(body))
            .await
    }

    /// Makes a launch ticket, as a page of the portal does.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn new_launch(&self, body: &NewLaunch) -> Result<LaunchAnswer, Failure> {
        self.send(Method::Post, "/api/v1/launches", Some(body))
            .await
    }

    /// Exchanges a launch ticket for a session.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn redeem(&self, body: &RedeemLaunch) -> Result<RedeemAnswer, Failure> {
        self.send(Method::Post, "/api/v1/launches/redeem", Some(body))
            .await
    }

    /// Asks for more time.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn renew(&self, session: SessionId) -> Result<RenewAnswer, Failure> {
        let path = format!("/api/v1/sessions/{session}/renew");
        self.send(Method::Post, &path, None::<&()>).await
    }

    /// Sessions that run, or that ended.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sessions(&self, ended: bool) -> Result<SessionList, Failure> {
        let state = if ended { "ended" } else { "live" };
        self.read(&format!("/api/v1/sessions?state={state}")).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn end_session(&self, session: SessionId) -> Result<(), Failure> {
        self.act(Method::Delete, &format!("/api/v1/sessions/{session}"))
            .await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(Method::Get, path, None::<&()>).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let answer = self.call(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|_| Failure::Answer {
            what: asked(method, path),
            status: 200,
        })
    }

    /// A request whose answer's body does not matter.
    async fn act(&self, method: Method, path: &str) -> Result<(), Failure> {
        self.call(method, path, None::<&()>).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<bytes::Bytes, Failure> {
        let body = match body {
            Some(body) => serde_json::to_vec(body).expect("plain fields always serialise"),
            None => Vec::new(),
        };
        let what = || asked(method, path);
        let answer = tokio::time::timeout(PATIENCE, self.0.api(method, path, body))
            .await
            .map_err(|_| Failure::NoAnswer { what: what() })??;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(match serde_json::from_slice::<ApiError>(&answer.body) {
            Ok(error) => Failure::Api {
                message: sentence(&error),
                reason: error.reason,
            },
            Err(_) => Failure::Answer {
                what: what(),
                status: answer.status,
            },
        })
    }
}

fn sentence(error: &ApiError) -> String {
    if !error.message.is_empty() {
        return error.message.clone();
    }
    if error.reason == Reason::SignInNeeded {
        return "the sign-in is over: run culvert login again".into();
    }
    error.reason.to_string()
}

/// The request without its query, for messages.
fn asked(method: Method, path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    format!("{} {path}", method.name())
}

/// Words that the list has to contain for a host's word to be in it.
fn search_words(word: &HostWord) -> String {
    let place = word.place();
    let mut words = String::new();
    for part in place.split(|c: char| !c.is_alphanumeric()) {
        if !part.is_empty() {
            words.push_str(part);
            words.push(' ');
        }
    }
    words.trim_end().to_owned()
}

/// A value of a query (RFC 3986 §2).
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::Numbers;

    #[test]
    fn words_of_a_person_cannot_leave_their_place_in_the_query() {
        assert_eq!(encoded("a b&limit=9#x"), "a%20b%26limit%3D9%23x");
        assert_eq!(encoded("Köln"), "K%C3%B6ln");
    }

    #[test]
    fn a_word_is_searched_by_its_parts() {
        for (word, words) in [
            ("front-desk", "front desk"),
            ("acme/berlin/nas.local", "acme berlin nas local"),
            ("10.0.0.4", "10 0 0 4"),
        ] {
            let word = HostWord::parse(word, Numbers::Port).unwrap();
            assert_eq!(search_words(&word), words);
        }
    }

    #[test]
    fn messages_name_the_request_without_its_query() {
        assert_eq!(
            asked(Method::Get, "/api/v1/hosts?q=secret"),
            "GET /api/v1/hosts"
        );
    }
}
