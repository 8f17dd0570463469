//! `culvert-prs init`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use culvert_config::prs::{FILE_NAME, Prs};

use super::{DataArg, out, systemd};
use crate::app::Clock;
use crate::certificate;
use crate::keys::{Keys, PROVIDER_KEY};
use crate::serve::{self, certificate_names};

/// Make keys, settings, certificate and database in an empty folder
#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    data: DataArg,
    /// IP:PORT to serve on: TCP for links and the API, UDP for STUN
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:443")]
    listen: SocketAddr,
    /// HOST:PORT under which boxes and technicians reach this server
    #[arg(long, value_name = "HOST:PORT", required = true)]
    public_address: Vec<String>,
    /// IP:PORT for /healthz, /readyz and /metrics
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
    /// File that holds a postgres:// address, instead of SQLite
    #[arg(long, value_name = "FILE")]
    database_address_file: Option<PathBuf>,
    /// Certificate chain of your own, PEM
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// Write a systemd unit, to /etc/systemd/system unless a folder is given
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "/etc/systemd/system")]
    systemd: Option<PathBuf>,
}

impl Init {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let data = self.data.data();
        if data.has(FILE_NAME) || data.has(PROVIDER_KEY) || data.has("keys/node.key") {
            bail!(
                "{} holds a server already: nothing was changed",
                data.dir().display()
            );
        }
        let text = self.settings()?;
        let settings = Prs::parse(&text).context("the settings do not hold")?;
        data.make()?;
        let now = Clock::System.now();
        let keys = Keys::make(&data, now)?;
        if settings.certificate.is_none() {
            certificate::make(&data, &certificate_names(&settings), now)?;
        }
        data.write(FILE_NAME, &text)?;
        let (_, _, app) = serve::open(&data).await?;
        app.store().close().await;
        let mut start = format!("culvert-prs serve --data {}", data.dir().display());
        if let Some(dir) = &self.systemd {
            let unit = systemd::write(dir, data.dir())?;
            out::line(&format!("systemd unit: {}", unit.display()))?;
            "systemctl daemon-reload && systemctl enable --now culvert-prs".clone_into(&mut start);
        }
        let dir = data.dir().display();
        out::line(&format!("provider key: {}", keys.provider().fingerprint()))?;
        out::line(&format!("data folder:  {dir}"))?;
        out::line("")?;
        out::line("Next:")?;
        out::line(&format!(
            "  culvert-prs admin --data {dir} user add NAME --role owner"
        ))?;
        out::line(&format!("  {start}"))?;
        out::line("")?;
        out::line(&format!(
            "{} signs statements only: keep a copy offline, and move it away if you like.",
            data.path(PROVIDER_KEY).display()
        ))
    }

    /// The settings file's text.
    fn settings(&self) -> anyhow::Result<String> {
        let quoted = |text: &str| toml_text(text);
        let path = |path: &PathBuf| -> anyhow::Result<String> {
            let whole = std::path::absolute(path)?;
            Ok(toml_text(&whole.display().to_string()))
        };
        let addresses: Vec<String> = self.public_address.iter().map(|a| quoted(a)).collect();
        let mut text = format!(
            "# Settings of culvert-prs; all of them are in config/examples/prs.toml.\n\
             listen = {}\npublic_addresses = [{}]\n",
            quoted(&self.listen.to_string()),
            addresses.join(", ")
        );
        if let Some(address) = self.metrics {
            text += &format!("metrics = {}\n", quoted(&address.to_string()));
        }
        if let Some(file) = &self.database_address_file {
            text += &format!("database_address_file = {}\n", path(file)?);
        }
        if let Some((chain, key)) = self.certificate.as_ref().zip(self.certificate_key.as_ref()) {
            text += &format!(
                "certificate = {}\ncertificate_key = {}\n",
                path(chain)?,
                path(key)?
            );
        }
        Ok(text)
    }
}

/// A TOML basic string; JSON's escapes are a subset of its own.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
