//! How the box gets out: directly, through the environment's proxy or a named
//! one. The password stands in a file of its own, never here.

use std::path::PathBuf;

use culvert_wire::grant::HostAddress;
use serde::Deserialize;

use super::server;
use crate::ConfigError;

/// The way out to the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// Straight, whatever the environment says.
    None,
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// Through this HTTP proxy, by CONNECT.
    Explicit {
        /// `http://host:port`.
        url: String,
        /// The account, if the proxy wants one.
        user: Option<String>,
        /// The file whose first line is the password.
        password_file: Option<PathBuf>,
    },
}

/// The table `[proxy]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    mode: Option<Mode>,
    url: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    None,
    Environment,
    Explicit,
}

impl Proxy {
    pub(super) fn check(raw: Raw) -> Result<Self, ConfigError> {
        let given = raw.url.is_some() || raw.user.is_some() || raw.password_file.is_some();
        match (raw.mode, raw.url) {
            (None | Some(Mode::Explicit), Some(url)) => {
                if raw.password_file.is_some() && raw.user.is_none() {
                    return Err(ConfigError::value("proxy.user", "a password needs a user"));
                }
                Ok(Self::Explicit {
                    url: check_url(&url)?,
                    user: raw.user.as_deref().map(check_user).transpose()?,
                    password_file: raw.password_file,
                })
            }
            (Some(Mode::None), None) if !given => Ok(Self::None),
            (None | Some(Mode::Environment), None) if !given => Ok(Self::Environment),
            (None | Some(Mode::Explicit), None) => Err(ConfigError::value(
                "proxy.url",
                "missing: write http://host:port",
            )),
            (Some(Mode::None | Mode::Environment), _) => Err(ConfigError::value(
                "proxy.mode",
                "with this mode, url, user and password_file must go",
            )),
        }
    }
}

fn check_user(user: &str) -> Result<String, ConfigError> {
    // RFC 7617: a colon would end the name; control characters end headers.
    if user.is_empty() || user.len() > 128 || user.contains(':') || user.contains(char::is_control)
    {
        let problem = "1 to 128 characters without ':' and control characters";
        return Err(ConfigError::value("proxy.user", problem));
    }
    Ok(user.to_owned())
}

fn check_url(url: &str) -> Result<String, ConfigError> {
    let wrong = |problem: &str| ConfigError::value("proxy.url", problem);
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| wrong("write http://host:port (the session is encrypted inside)"))?;
    if rest.contains('@') {
        return Err(wrong("the account belongs into user and password_file"));
    }
    let bare = rest.strip_suffix('/').unwrap_or(rest);
    if !bare.rsplit(']').next().is_some_and(|end| end.contains(':')) {
        return Err(wrong("the port is missing: write http://host:port"));
    }
    let form = || wrong("write http://host:port, without a path");
    let (host, port) = server::split(bare).ok_or_else(form)?;
    let host: HostAddress = host.parse().map_err(|_| form())?;
    Ok(format!("http://{}", server::join(&host, port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::parse;

    fn read(text: &str) -> Result<Proxy, ConfigError> {
        Proxy::check(parse(text)?)
    }

    #[test]
    fn without_a_word_the_environment_decides() {
        assert_eq!(read("").unwrap(), Proxy::Environment);
        assert_eq!(read("mode = \"none\"").unwrap(), Proxy::None);
    }

    #[test]
    fn a_named_proxy_is_normalised() {
        let got = read("url = \"http://Proxy:3128/\"\nuser = \"box\"").unwrap();

        assert_eq!(
            got,
            Proxy::Explicit {
                url: "http://proxy:3128".into(),
                user: Some("box".into()),
                password_file: None
            }
        );
    }

    #[test]
    fn contradictions_and_half_settings_are_refused() {
        for text in [
            "mode = \"explicit\"",
            "user = \"box\"",
            "mode = \"none\"\nurl = \"http://p:1\"",
            "mode = \"environment\"\nuser = \"x\"",
            "url = \"http://p:1\"\npassword_file = \"/x\"",
            "url = \"https://p:1\"",
            "url = \"http://p\"",
            "url = \"http://[2001:db8::1]\"",
            "url = \"http://u:p@p:1\"",
            "url = \"http://p:1/path\"",
            "url = \"http://p:1\"\nuser = \"a:b\"",
            "url = \"http://p:1\"\nuser = \"a\\nb\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
