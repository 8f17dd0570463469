//! `admin gateway`: boxes and claim codes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use culvert_wire::UnixMs;
use culvert_wire::claim::{ClaimCode, label};
use culvert_wire::id::ClaimId;
use serde_json::json;

use super::{find, out};
use crate::app::claims::ClaimFor;
use crate::app::{App, Call, report};
use crate::data::write_private;
use crate::store::claims::Claim;

#[derive(Debug, Subcommand)]
pub(super) enum Gateway {
    /// List gateways
    List,
    /// Make a claim code; without a site the box waits for one
    Code {
        /// Id, CUSTOMER/SITE or name
        #[arg(long)]
        site: Option<String>,
        /// Write the code to a file that only you may read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// So many codes, as a CSV file for `culvert-image provision --batch`
        #[arg(long, value_name = "N", conflicts_with = "site", requires = "out",
              value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: Option<u16>,
    },
    /// List claim codes that may still be used
    Codes,
    /// Take a claim code back
    Void {
        /// The id that the list shows
        code: String,
    },
    /// Give a box that waits a site
    Assign {
        /// The gateway's id
        gateway: String,
        /// Id, CUSTOMER/SITE or name
        #[arg(long)]
        site: String,
    },
    /// Make a claim code for a new box in the place of a dead one
    Replace {
        /// The gateway's id, or its site
        gateway: String,
        /// Write the code to a file that only you may read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Shut a box out for good; its sessions end at once
    Revoke {
        /// The gateway's id, or its site
        gateway: String,
    },
    /// End a quarantine: the box that comes next has the place
    Release {
        /// The gateway's id, or its site
        gateway: String,
    },
}

impl Gateway {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::List => list(app, call, as_json).await,
            Self::Code {
                count: Some(count),
                out: Some(out),
                ..
            } => many(app, call, count, &out).await,
            Self::Code { site, out, .. } => {
                let what = match site {
                    Some(site) => ClaimFor::Site(find::site(app, call, &site).await?),
                    None => ClaimFor::Nothing,
                };
                show(app.add_claim(call, what).await?, out, as_json)
            }
            Self::Codes => codes(app, call, as_json).await,
            Self::Void { code } => {
                let id: ClaimId = code.parse().context("this is no claim code's id")?;
                Ok(app.void_claim(call, id).await?)
            }
            Self::Assign { gateway, site } => {
                let id = find::gateway(app, call, &gateway).await?;
                let site = find::site(app, call, &site).await?;
                app.assign_gateway(call, id, Some(site)).await?;
                Ok(())
            }
            Self::Replace { gateway, out } => {
                let id = find::gateway(app, call, &gateway).await?;
                show(
                    app.add_claim(call, ClaimFor::Replace(id)).await?,
                    out,
                    as_json,
                )
            }
            Self::Revoke { gateway } => {
                let id = find::gateway(app, call, &gateway).await?;
                Ok(app.revoke_gateway(call, id).await?)
            }
            Self::Release { gateway } => {
                let id = find::gateway(app, call, &gateway).await?;
                Ok(app.release_gateway(call, id).await?)
            }
        }
    }
}

/// The code alone on standard output, so that it can be piped; the rest aside.
fn show(
    (claim, code): (Claim, ClaimCode),
    file: Option<PathBuf>,
    as_json: bool,
) -> anyhow::Result<()> {
    let text = code.reveal();
    let until = report::date(claim.expires);
    if as_json {
        return out::json(&json!({ "id": claim.id, "code": *text, "expires": claim.expires }));
    }
    out::secret(&text, file.as_deref())?;
    out::complain(&format!("good once, until {until}"));
    Ok(())
}

/// Codes for a shelf of boxes that get their sites later.
async fn many(app: &App, call: &Call, count: u16, file: &Path) -> anyhow::Result<()> {
    // Before a code exists: there must be a place for it.
    anyhow::ensure!(!file.exists(), "{} is there already", file.display());
    let mut lines = String::from("label,claim\n");
    let mut until = UnixMs(0);
    for _ in 0..count {
        let (claim, code) = app.add_claim(call, ClaimFor::Nothing).await?;
        until = claim.expires;
        lines.push_str(&label(claim.id));
        lines.push(',');
        lines.push_str(&code.reveal());
        lines.push('\n');
    }
    write_private(file, &lines)?;
    out::complain(&format!(
        "{count} codes, each good once, until {}",
        report::date(until)
    ));
    Ok(())
}

async fn codes(app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
    let claims = app.claims(call).await?;
    if as_json {
        let rows: Vec<_> = claims
            .iter()
            .map(|c| json!({ "id": c.id, "label": label(c.id), "site": c.site, "replaces": c.replaces, "expires": c.expires }))
            .collect();
        return out::json(&rows);
    }
    let text = |id: Option<String>| id.unwrap_or_default();
    out::table(
        ["ID", "LABEL", "SITE", "REPLACES", "UNTIL"],
        claims.into_iter().map(|claim| {
            [
                claim.id.to_string(),
                label(claim.id),
                text(claim.site.map(|id| id.to_string())),
                text(claim.replaces.map(|id| id.to_string())),
                report::date(claim.expires),
            ]
        }),
    )
}

async fn list(app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
    let gateways = app.gateways(call).await?;
    if as_json {
        return out::json(&gateways);
    }
    out::table(
        [
            "ID",
            "LABEL",
            "CUSTOMER",
            "SITE",
            "STATE",
            "LINK",
            "LAST SEEN",
            "VERSION",
            "FINGERPRINT",
        ],
        gateways.into_iter().map(|gateway| {
            [
                gateway.id.to_string(),
                gateway.label.unwrap_or_default(),
                gateway.customer.map(|c| c.name).unwrap_or_default(),
                gateway.site.map(|s| s.name).unwrap_or_default(),
                gateway.state,
                if gateway.online { "online" } else { "offline" }.to_owned(),
                gateway.last_seen.map(report::date).unwrap_or_default(),
                gateway.version,
                gateway.fingerprint,
            ]
        }),
    )
}
