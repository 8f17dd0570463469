//! `culvert login` and `culvert logout`.

use std::io::{self, BufRead as _};
use std::time::Duration;

use culvert_link::ConnectError;
use culvert_wire::UnixMs;
use culvert_wire::api::{Factor, SecondStep, Secret, SignIn as SignInBody, SignInAnswer, SignedIn};
use culvert_wire::hello::ProofError;
use culvert_wire::key::{PublicKey, SigningKey};
use culvert_wire::statement::StatementError;
use zeroize::Zeroizing;

use super::{hand_over, prompt};
use crate::account::{Account, SignIn, device_key};
use crate::api::Api;
use crate::cli::Login;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::reach::Server;
use crate::text::{note, plain};

/// The port of `https://`.
const HTTPS: u16 = 443;

/// Meets the server, pins its provider, signs in.
pub(super) async fn login(home: Home, login: Login) -> Result<(), Failure> {
    let address = server_address(&login.address)?;
    let old = Account::load(&home)?;
    let mut server = Server {
        device: device_key(&home, rand::random)?,
        account: fresh_account(old.as_ref(), &address),
        sign_in: None,
        home,
    };
    server.account.provider = provider(&server, old.as_ref(), &login).await?;
    // From here on the key is pinned: the server has to prove itself with it.
    let (link, _events) = server.dial().await.map_err(|source| Failure::Connect {
        server: address.clone(),
        source,
    })?;
    let typed = login.user.is_some() || login.password || login.password_stdin;
    let answer = if login.browser || (!typed && prompt::is_there()) {
        hand_over::sign_in(Api(&link), device_label()).await?
    } else {
        let user = user_name(login.user, old.as_ref())?;
        let password = password(login.password_stdin)?;
        let body = SignInBody {
            name: user,
            password,
            label: device_label(),
        };
        sign_in(Api(&link), body).await?
    };
    let token = answer.token.ok_or_else(|| Failure::Answer {
        what: "signing in".into(),
        status: 200,
    })?;
    server.learn(&link)?;
    server.account.user.clone_from(&answer.me.user.name);
    server.account.save(&server.home)?;
    let keep = Duration::from_millis(answer.expires.ms_since(link.link_time()));
    SignIn {
        token: token.reveal().to_owned(),
        expires: answer.expires,
    }
    .save(&server.home, keep)?;
    let hours = keep.as_secs().div_ceil(3600);
    note(&format!(
        "signed in at {address} as {} for {hours} hours",
        plain(&server.account.user)
    ));
    Ok(())
}

/// Signs in, with a second factor where the account has one.
async fn sign_in(api: Api<'_>, body: SignInBody) -> Result<SignedIn, Failure> {
    let needed = match api.sign_in(&body).await? {
        SignInAnswer::Done(signed) => return Ok(*signed),
        SignInAnswer::SecondFactor(needed) => needed,
    };
    if !needed
        .methods
        .iter()
        .any(|method| *method != Factor::Passkey)
    {
        let text = "this account signs in with a passkey only, which needs a browser: set up an \
                    authenticator program or recovery codes in the portal";
        return Err(Failure::Person(text.into(), Exit::SignIn));
    }
    let code = prompt::line("Code of the authenticator program, or a recovery code: ")?;
    let digits = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
    let code = Some(Secret::new(code));
    let (totp, recovery) = if digits { (code, None) } else { (None, code) };
    let step = SecondStep {
        challenge: needed.challenge,
        totp,
        recovery,
    };
    match api.second_step(&step).await? {
        SignInAnswer::Done(signed) => Ok(*signed),
        SignInAnswer::SecondFactor(_) => Err(Failure::Answer {
            what: "the second step of signing in".into(),
            status: 200,
        }),
    }
}

/// Ends the sign-in at the server and forgets it here, whatever the server says.
pub(super) async fn logout(home: Home) -> Result<(), Failure> {
    let mut server = Server::known(home)?;
    let told = match server.signed_in().await {
        Ok((link, _events)) => Api(&link).sign_out().await,
        Err(failure) => Err(failure),
    };
    SignIn::forget(&server.home)?;
    match told {
        Ok(()) => note("signed out"),
        Err(Failure::NoSignIn { .. }) => note("there was no sign-in"),
        Err(failure) => note(&format!(
            "the sign-in is forgotten here, but the server could not be told: {}",
            failure.sentence()
        )),
    }
    Ok(())
}

/// What is known of the server: all of it when it is the same one.
fn fresh_account(old: Option<&Account>, address: &str) -> Account {
    match old {
        Some(old) if old.servers.iter().any(|server| server == address) => old.clone(),
        old => Account {
            servers: vec![address.to_owned()],
            provider: stranger(),
            user: old.map(|old| old.user.clone()).unwrap_or_default(),
            epoch_floor: 0,
            clock_floor: UnixMs(0),
        },
    }
}

/// A key that no provider has: dialling with it makes a server show its own.
fn stranger() -> PublicKey {
    SigningKey::from_seed(&rand::random()).public()
}

/// The provider key to pin: the known one, or a new one that a person or an
/// option vouches for.
async fn provider(
    server: &Server,
    old: Option<&Account>,
    login: &Login,
) -> Result<PublicKey, Failure> {
    let pinned = old.filter(|old| old.servers == server.account.servers);
    if let (Some(old), None) = (pinned, &login.provider_key) {
        return Ok(old.provider);
    }
    let shown = meet(server).await?;
    let fingerprint = shown.fingerprint();
    if let Some(told) = &login.provider_key {
        if *told == fingerprint {
            return Ok(shown);
        }
        let text = format!(
            "the server shows the provider key {fingerprint}, not the one you gave: \
             it belongs to somebody else, or somebody stands between"
        );
        return Err(Failure::Person(text, Exit::Key));
    }
    if old.is_some_and(|old| old.provider == shown) || login.yes {
        note(&format!("provider key: {fingerprint}"));
        return Ok(shown);
    }
    confirm(&server.account.servers[0], shown)
}

fn confirm(address: &str, shown: PublicKey) -> Result<PublicKey, Failure> {
    let fingerprint = shown.fingerprint();
    if !prompt::is_there() {
        let text = format!(
            "first sign-in at {address}, and nobody to ask. It shows the provider key\n  \
             {fingerprint}\nCompare it with what the provider told you and run again with \
             --provider-key {fingerprint}"
        );
        return Err(Failure::Person(text, Exit::Key));
    }
    note(&format!(
        "first sign-in at {address}. Its provider key is\n  {fingerprint}"
    ));
    if prompt::yes("Is this what the provider told you?")? {
        return Ok(shown);
    }
    let text = "not signed in: ask the provider for the key's fingerprint".to_owned();
    Err(Failure::Person(text, Exit::Key))
}

/// Lets a server show its provider key; proves nothing yet.
async fn meet(server: &Server) -> Result<PublicKey, Failure> {
    let mut unknown = server.clone();
    unknown.account.provider = stranger();
    match unknown.dial().await {
        Err(ConnectError::Proof(ProofError::Statement(StatementError::OtherProvider {
            shown,
        }))) => Ok(shown),
        Err(source) => Err(Failure::Connect {
            server: server.name().to_owned(),
            source,
        }),
        // Nobody has the key that was drawn a moment ago.
        Ok(_) => Err(Failure::Answer {
            what: "the first meeting".into(),
            status: 0,
        }),
    }
}

/// `host:port` of what a person typed or copied from a browser.
fn server_address(text: &str) -> Result<String, Failure> {
    let wrong = || {
        let text = "a server is a name or address with an optional port: prs.example.com:443";
        Failure::Person(text.into(), Exit::Usage)
    };
    let bare = text.trim();
    let bare = bare.strip_prefix("https://").unwrap_or(bare);
    let bare = bare.split('/').next().unwrap_or_default();
    let (host, port) = match bare.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (host, port.strip_prefix(':'))
        }
        None => match bare.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (bare, None),
        },
    };
    let host: culvert_wire::grant::HostAddress = host.parse().map_err(|_| wrong())?;
    let port = match port {
        None => HTTPS,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?,
    };
    Ok(match host.ip() {
        Some(std::net::IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        Some(std::net::IpAddr::V4(_)) | None => format!("{host}:{port}"),
    })
}

fn user_name(given: Option<String>, old: Option<&Account>) -> Result<String, Failure> {
    if let Some(user) = given {
        return Ok(user);
    }
    let usual = old
        .map(|old| old.user.clone())
        .filter(|user| !user.is_empty());
    if !prompt::is_there() {
        let text = "say who signs in: --user NAME".to_owned();
        return usual.ok_or(Failure::Person(text, Exit::Usage));
    }
    let question = usual.as_ref().map_or_else(
        || "Account: ".to_owned(),
        |usual| format!("Account [{}]: ", plain(usual)),
    );
    let typed = prompt::line(&question)?;
    Ok(if typed.is_empty() {
        usual.unwrap_or_default()
    } else {
        typed
    })
}

fn password(from_stdin: bool) -> Result<Secret, Failure> {
    let broken = |source| Failure::Local {
        what: "no password could be read".into(),
        source,
    };
    if from_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line).map_err(broken)?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        return Ok(Secret::new(password));
    }
    if !prompt::is_there() {
        let text = "nobody to ask for the password: give it on standard input with \
                    --password-stdin";
        return Err(Failure::Person(text.into(), Exit::Usage));
    }
    let password = rpassword::prompt_password("Password: ").map_err(broken)?;
    Ok(Secret::new(password))
}

/// What the list of sign-ins shows for this computer.
fn device_label() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_default();
    let name: String = plain(name.trim()).chars().take(64).collect();
    if name.is_empty() {
        "culvert".into()
    } else {
        format!("culvert on {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_taken_as_typed_or_copied() {
        for (typed, server) in [
            ("prs.example.com", "prs.example.com:443"),
            ("https://PRS.example.com/", "prs.example.com:443"),
            (
                "https://prs.example.com:8443/portal",
                "prs.example.com:8443",
            ),
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("[::1]:8443", "[::1]:8443"),
            ("[::1]", "[::1]:443"),
        ] {
            assert_eq!(server_address(typed).unwrap(), server);
        }
        for wrong in ["", "http://x", "a b", "-x", "x:0", "x:y", "u@x", "[x]:1"] {
            assert!(server_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_server_starts_without_a_pin() {
        let old = Account {
            servers: vec!["a:443".into()],
            provider: stranger(),
            user: "eva".into(),
            epoch_floor: 7,
            clock_floor: UnixMs(9),
        };

        let same = fresh_account(Some(&old), "a:443");
        let other = fresh_account(Some(&old), "b:443");

        assert_eq!(same, old);
        assert_ne!(other.provider, old.provider);
        assert_eq!((other.epoch_floor, other.clock_floor), (0, UnixMs(0)));
        assert_eq!(other.user, "eva");
    }
}
