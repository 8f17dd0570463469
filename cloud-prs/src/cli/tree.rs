//! `admin customer`, `admin site`, `admin host`.

use clap::Subcommand;
use culvert_wire::api::{HostEntry, HostService};
use culvert_wire::grant::HostAddress;
use serde_json::json;

use super::{find, out};
use crate::app::tree::HostSpec;
use crate::app::{App, Call, report};

#[derive(Debug, Subcommand)]
pub(super) enum Customer {
    /// Add a customer
    Add {
        /// Its name
        name: String,
    },
    /// List customers
    List,
    /// Give a customer another name
    Rename {
        /// Name or id
        customer: String,
        /// The new name
        name: String,
    },
    /// Remove a customer without sites
    Delete {
        /// Name or id
        customer: String,
    },
}

impl Customer {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add { name } => {
                let customer = app.add_customer(call, &name).await?;
                out::line(&customer.id.to_string())
            }
            Self::List => {
                let customers = app.customers(call).await?;
                if as_json {
                    let rows: Vec<_> = customers
                        .iter()
                        .map(|c| json!({ "id": c.id, "name": c.name }))
                        .collect();
                    return out::json(&rows);
                }
                out::table(
                    ["ID", "CUSTOMER"],
                    customers.into_iter().map(|c| [c.id.to_string(), c.name]),
                )
            }
            Self::Rename { customer, name } => {
                let id = find::customer(app, &customer).await?;
                app.rename_customer(call, id, &name).await?;
                Ok(())
            }
            Self::Delete { customer } => {
                let id = find::customer(app, &customer).await?;
                Ok(app.delete_customer(call, id).await?)
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Site {
    /// Add a site to a customer
    Add {
        /// The customer's name or id
        #[arg(long)]
        customer: String,
        /// The site's name
        name: String,
    },
    /// List sites
    List,
    /// Give a site another name
    Rename {
        /// Id, CUSTOMER/SITE or name
        site: String,
        /// The new name
        name: String,
    },
    /// Remove a site without hosts
    Delete {
        /// Id, CUSTOMER/SITE or name
        site: String,
    },
}

impl Site {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add { customer, name } => {
                let customer = find::customer(app, &customer).await?;
                let site = app.add_site(call, customer, &name).await?;
                out::line(&site.id.to_string())
            }
            Self::List => {
                let sites = app.sites(call, None).await?;
                if as_json {
                    let rows: Vec<_> = sites
                        .iter()
                        .map(|s| json!({ "id": s.id, "customer": s.customer_name, "name": s.name }))
                        .collect();
                    return out::json(&rows);
                }
                out::table(
                    ["ID", "CUSTOMER", "SITE"],
                    sites
                        .into_iter()
                        .map(|s| [s.id.to_string(), s.customer_name, s.name]),
                )
            }
            Self::Rename { site, name } => {
                let id = find::site(app, call, &site).await?;
                app.rename_site(call, id, &name).await?;
                Ok(())
            }
            Self::Delete { site } => {
                let id = find::site(app, call, &site).await?;
                Ok(app.delete_site(call, id).await?)
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Host {
    /// Add a host to a site
    Add {
        /// Id, CUSTOMER/SITE or name
        #[arg(long)]
        site: String,
        /// The host's name
        name: String,
        /// Its IP address or DNS name on the site's LAN
        #[arg(long)]
        address: HostAddress,
        /// What may be spoken to it: ssh, vnc:5901, tcp:8000; may be repeated
        #[arg(long = "service", value_name = "PROTOCOL[:PORT]")]
        services: Vec<HostService>,
        /// Let technicians ask for every TCP port
        #[arg(long)]
        any_port: bool,
    },
    /// List hosts that have all of these words in customer, site, name, address
    List {
        /// Words
        words: Vec<String>,
    },
    /// Change a host; what is not named stays. Sessions to what goes away end
    Change {
        /// Id, CUSTOMER/SITE/HOST or name
        host: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// A new address
        #[arg(long)]
        address: Option<HostAddress>,
        /// The new services, all of them
        #[arg(long = "service", value_name = "PROTOCOL[:PORT]")]
        services: Vec<HostService>,
        /// Whether technicians may ask for every TCP port
        #[arg(long)]
        any_port: Option<bool>,
    },
    /// Remove a host; its sessions end at once
    Delete {
        /// Id, CUSTOMER/SITE/HOST or name
        host: String,
    },
}

impl Host {
    pub(super) async fn run(self, app: &App, call: &Call, as_json: bool) -> anyhow::Result<()> {
        match self {
            Self::Add {
                site,
                name,
                address,
                services,
                any_port,
            } => {
                let site = find::site(app, call, &site).await?;
                let spec = HostSpec {
                    name,
                    address,
                    services,
                    any_port,
                };
                let host = app.add_host(call, site, &spec).await?;
                out::line(&host.id.to_string())
            }
            Self::List { words } => list(app, call, &words.join(" "), as_json).await,
            Self::Change {
                host,
                name,
                address,
                services,
                any_port,
            } => {
                let id = find::host(app, call, &host).await?;
                let now = app.host(call, id).await?;
                let spec = HostSpec {
                    name: name.unwrap_or(now.name),
                    address: address.unwrap_or(now.address),
                    services: if services.is_empty() {
                        now.services
                    } else {
                        services
                    },
                    any_port: any_port.unwrap_or(now.any_port),
                };
                app.change_host(call, id, &spec).await?;
                Ok(())
            }
            Self::Delete { host } => {
                let id = find::host(app, call, &host).await?;
                Ok(app.delete_host(call, id).await?)
            }
        }
    }
}

async fn list(app: &App, call: &Call, words: &str, as_json: bool) -> anyhow::Result<()> {
    let list = app.hosts(call, words, None, usize::MAX).await?;
    if as_json {
        return out::json(&list);
    }
    out::table(
        [
            "ID", "CUSTOMER", "SITE", "HOST", "ADDRESS", "SERVICES", "GATEWAY",
        ],
        list.hosts.into_iter().map(|host: HostEntry| {
            let mut services: Vec<String> = host.services.iter().map(ToString::to_string).collect();
            if host.any_port {
                services.push("any port".into());
            }
            let gateway = match (host.online, host.last_seen) {
                (true, _) => "online".to_owned(),
                (false, Some(at)) => format!("last seen {}", report::date(at)),
                (false, None) => "never seen".to_owned(),
            };
            [
                host.id.to_string(),
                host.customer.name,
                host.site.name,
                host.name,
                host.address.to_string(),
                services.join(" "),
                gateway,
            ]
        }),
    )
}
