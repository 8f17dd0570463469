//! Interfaces as they come and go, the one that has the site's fixed address, and
//! name servers of routers.

use std::time::{Duration, Instant};

use culvert_config::boxfile::Network;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Running;
use crate::health::has_link;
use crate::names::{Names, Source};
use crate::{console, network};

/// So long without a server, and the site may have become another one behind a cable
/// that stayed where it is: a new router, another VLAN.
const ANEW: Duration = Duration::from_secs(600);

/// An interface that was started.
#[derive(Debug)]
pub(super) struct Interface {
    /// As the kernel calls it.
    pub(super) name: String,
    /// Its DHCP client.
    pub(super) client: Option<Pid>,
    /// It had a cable in the turn before.
    cable: bool,
}

impl Interface {
    /// Its client ends, and the next one asks for an address anew.
    fn begin_anew(&self) {
        // One that has ended is no more.
        let _ = self.client.map(|pid| kill(pid, Signal::SIGTERM));
    }
}

impl Running {
    /// Starts what has appeared, or whose DHCP client has ended. An address that was
    /// given to another cable counts no more.
    pub(super) fn keep_interfaces(&mut self, now: Instant) {
        let there = network::interfaces("/".as_ref());
        self.interfaces.retain(|one| {
            let is_there = there.contains(&one.name);
            if !is_there {
                one.begin_anew();
            }
            is_there
        });
        if self
            .holder
            .as_ref()
            .is_some_and(|name| !there.contains(name))
        {
            self.holder = None;
        }
        for one in &mut self.interfaces {
            let cable = network::has_cable("/".as_ref(), &one.name);
            if std::mem::replace(&mut one.cable, cable) && !cable {
                one.begin_anew();
            }
        }
        let offline = !has_link(self.link.state) && !self.link.cause.is_empty();
        if self.offline.lasts(offline && self.sessions == 0, now) {
            self.interfaces.iter().for_each(Interface::begin_anew);
        }
        for name in there {
            if self.interfaces.iter().any(|one| one.name == name) {
                continue;
            }
            match network::start(&name, &self.network) {
                Ok(client) => {
                    let client = client.and_then(|id| i32::try_from(id).ok());
                    self.interfaces.push(Interface {
                        cable: network::has_cable("/".as_ref(), &name),
                        client: client.map(Pid::from_raw),
                        name,
                    });
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
            .map(|one| (one.name.as_str(), one.cable))
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

/// How long nothing has worked.
#[derive(Debug, Default)]
pub(super) struct Offline(Option<Instant>);

impl Offline {
    /// Whether it is time to ask for an address anew: each [`ANEW`].
    fn lasts(&mut self, offline: bool, now: Instant) -> bool {
        if !offline {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        let long = now.duration_since(since) >= ANEW;
        if long {
            self.0 = Some(now);
        }
        long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_for_anew_when_nothing_works_for_long() {
        let begun = Instant::now();
        let mut offline = Offline::default();
        let mut at = |seconds, state| offline.lasts(state, begun + Duration::from_secs(seconds));

        assert!(!at(0, true) && !at(599, true), "not at once");
        assert!(at(600, true));
        assert!(!at(601, true) && !at(1199, true), "not each turn");
        assert!(at(1200, true));
        assert!(!at(1500, false) && !at(1900, true), "it worked meanwhile");
        assert!(!at(2499, true) && at(2500, true));
    }
}
