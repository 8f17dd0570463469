//! Ending access ends it at the gateway, also for a client that ignores the
//! order (P21, S21; threat 24).

use std::time::Duration;

use culvert_e2e::stubborn::Stubborn;
use culvert_e2e::world::{self, eventually};
use culvert_lab::{Ns, SiteOptions};
use tokio::io::AsyncReadExt as _;

/// Generous: the promise of 2 seconds is a benchmark's, machines here are busy.
const LIMIT: Duration = Duration::from_secs(20);

/// Administrator's commands, word by word.
type Commands = &'static [&'static [&'static str]];

#[test]
fn each_way_to_take_access_away_ends_a_stubborn_clients_session_at_the_gateway() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let ways: [(&str, Commands, Commands); 3] = [
            (
                "an administrator disables the account",
                &[&["user", "disable", "tess"]],
                &[&["user", "enable", "tess"]],
            ),
            (
                "the permission is taken away",
                &[&[
                    "permission",
                    "revoke",
                    "--user",
                    "tess",
                    "--customer",
                    "Harbour",
                ]],
                &[&[
                    "permission",
                    "grant",
                    "--user",
                    "tess",
                    "--customer",
                    "Harbour",
                ]],
            ),
            (
                "the host is removed",
                &[&["host", "delete", "Harbour/Pump station/server"]],
                &[],
            ),
        ];
        for (number, (what, end, mend)) in ways.into_iter().enumerate() {
            let technician = world
                .stack
                .technician(Ns::Host, &format!("technician-{number}"))?;
            let home = technician.home().to_owned();
            let mut client = runtime.block_on(Stubborn::open(&home, "server"))?;
            let mut banner = [0; 7];
            runtime.block_on(client.stream.read_exact(&mut banner))?;
            anyhow::ensure!(&banner == b"SSH-2.0", "no SSH banner: {banner:?}");
            anyhow::ensure!(world.ssh_connections()? == 1, "not connected before");

            for command in end {
                world.stack.admin(command)?;
            }

            let took = eventually(what, LIMIT, || Ok(world.ssh_connections()? == 0))?;
            println!("{what}: gone at the host after {took:?}");
            let back = runtime.block_on(client.come_back())?;
            anyhow::ensure!(!back, "{what}: the client could rejoin");
            let again = runtime.block_on(Stubborn::open(&home, "server"));
            anyhow::ensure!(again.is_err(), "{what}: a new session was granted");
            for command in mend {
                world.stack.admin(command)?;
            }
        }
        Ok(())
    })
    .unwrap();
}
