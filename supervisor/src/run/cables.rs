//! Interfaces as they appear, the one that has the site's fixed address, and
//! name servers of routers.

use std::time::Instant;

use culvert_config::boxfile::Network;
use nix::unistd::Pid;

use super::Running;
use crate::names::{Names, Source};
use crate::{console, network};

impl Running {
    /// Starts what has appeared, or whose DHCP client has ended.
    pub(super) fn start_interfaces(&mut self) {
        for name in network::interfaces("/".as_ref()) {
            if self.interfaces.iter().any(|(known, _)| *known == name) {
                continue;
            }
            match network::start(&name, &self.network) {
                Ok(client) => {
                    let client = client.and_then(|id| i32::try_from(id).ok());
                    self.interfaces.push((name, client.map(Pid::from_raw)));
                }
                Err(error) => console::line(&format!("{name}: {error}")),
            }
        }
        self.move_fixed_address();
    }

    /// The fixed address goes where the cable is.
    fn move_fixed_address(&mut self) {
        let Network::Static(fixed) = &self.network else {
            return;
        };
        let cables: Vec<(&str, bool)> = self
            .interfaces
            .iter()
            .map(|(name, _)| (name.as_str(), network::has_cable("/".as_ref(), name)))
            .collect();
        let Some(next) = network::holder(self.holder.as_deref(), &cables) else {
            return;
        };
        if self.holder.as_deref() == Some(next) {
            return;
        }
        if let Some(before) = &self.holder {
            network::withdraw(before, fixed);
        }
        match network::place(next, fixed) {
            Ok(()) => {
                console::line(&format!("{next}: static address"));
                self.holder = Some(next.to_owned());
            }
            // Tried again in the next turn.
            Err(error) => {
                console::line(&format!("{next}: {error}"));
                self.holder = None;
            }
        }
    }

    /// Name servers of routers come and go.
    pub(super) fn hear_routers(&mut self, now: Instant) {
        let changed = self.routers.as_mut().and_then(|all| all.changed(now));
        if let Some(servers) = changed
            && let Err(error) = Names::of_the_box().tell(Source::Routers, &servers, &[])
        {
            console::line(&format!("the name servers cannot be written: {error}"));
        }
    }
}
