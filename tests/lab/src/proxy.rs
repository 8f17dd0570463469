//! The HTTP proxy of a locked-down site: tinyproxy, or squid for Digest.
//!
//! Runs on the router and connects to port 443 only. Reads nothing of the
//! machine's own configuration.

use std::fs;
use std::path::Path;

use crate::keys::Credentials;
use crate::namespace::Ns;
use crate::network::{PROXY_PORT, ROUTER_IP};
use crate::options::ProxyAuth;
use crate::servers::Start;
use crate::{LabError, Running};

pub(crate) fn start(
    start: &Start<'_>,
    auth: ProxyAuth,
    who: &Credentials,
) -> Result<Running, LabError> {
    match auth {
        ProxyAuth::None | ProxyAuth::Basic => tinyproxy(start, auth, who),
        ProxyAuth::Digest => squid(start, who),
    }
}

fn tinyproxy(start: &Start<'_>, auth: ProxyAuth, who: &Credentials) -> Result<Running, LabError> {
    let account = match auth {
        ProxyAuth::Basic => format!("BasicAuth {} {}\n", who.proxy_user, who.proxy_password),
        ProxyAuth::None | ProxyAuth::Digest => String::new(),
    };
    let settings = format!(
        "User root\nGroup root\nPort {PROXY_PORT}\nListen {ROUTER_IP}\nTimeout 600\n\
         MaxClients 200\nAllow 192.168.77.0/24\nConnectPort 443\nLogLevel Connect\n{account}"
    );
    let file = write(start.folder(), "tinyproxy.conf", &settings)?;
    start.run(Ns::Router, "tinyproxy", |command| {
        command.arg("-d").arg("-c").arg(&file);
    })
}

fn squid(start: &Start<'_>, who: &Credentials) -> Result<Running, LabError> {
    let line = format!("{}:{}\n", who.proxy_user, who.proxy_password);
    let accounts = write(start.folder(), "proxy-accounts", &line)?;
    let settings = format!(
        "auth_param digest program /usr/lib/squid/digest_file_auth {accounts}\n\
         auth_param digest children 1 startup=1 idle=1\n\
         auth_param digest realm site\n\
         acl known proxy_auth REQUIRED\nacl https port 443\n\
         http_access deny !https\nhttp_access allow known\nhttp_access deny all\n\
         http_port {ROUTER_IP}:{PROXY_PORT}\n\
         cache_effective_user proxy\npid_filename none\ncache deny all\n\
         access_log none\ncache_log /dev/null\ncoredump_dir /\n\
         pinger_enable off\nshutdown_lifetime 0 seconds\nvisible_hostname site\n\
         max_filedescriptors 4096\n",
        accounts = accounts.display(),
    );
    let file = write(start.folder(), "squid.conf", &settings)?;
    start.run(Ns::Router, "squid", |command| {
        command.args(["-N", "-d", "1", "-f"]).arg(&file);
    })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<std::path::PathBuf, LabError> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(LabError::file(&path))?;
    Ok(path)
}
