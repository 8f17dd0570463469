//! Ending access ends it at the gateway: for `forward`, `proxy` and `web` that
//! are open, and for a client that ignores the order (P21, S21; threat 24).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use culvert_e2e::World;
use culvert_e2e::programs::Open;
use culvert_e2e::stubborn::Stubborn;
use culvert_e2e::world::{self, eventually};
use culvert_lab::{Ns, SiteOptions, Stack};
use culvert_wire::grant::Protocol;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// Generous: the promise of 2 seconds is a benchmark's, machines here are busy.
const LIMIT: Duration = Duration::from_secs(60);

/// One way to take access away, in an administrator's words, and how it is
/// given back to the next technician.
struct Way {
    what: &'static str,
    end: fn(&Stack<'_>) -> anyhow::Result<()>,
    mend: &'static [&'static str],
}

const WAYS: [Way; 7] = [
    Way {
        what: "the account is disabled",
        end: |stack| commands(stack, &["user disable tess"]),
        mend: &["user enable tess"],
    },
    Way {
        what: "the permission is taken away",
        end: |stack| commands(stack, &["permission revoke --user tess --customer Harbour"]),
        mend: &["user role tess owner"],
    },
    Way {
        what: "the role is narrowed to reading",
        end: |stack| commands(stack, &["user role tess reader"]),
        mend: &[
            "user role tess none",
            "team add Crew",
            "team join --team Crew --user tess",
            "permission grant --team Crew --site Harbour/Pump_station",
        ],
    },
    Way {
        what: "she leaves the team that may",
        end: |stack| commands(stack, &["team leave --team Crew --user tess"]),
        mend: &["permission grant --user tess --customer Harbour"],
    },
    Way {
        what: "the sign-in is revoked",
        end: |stack| commands(stack, &[&format!("token revoke {}", token(stack)?)]),
        mend: &[],
    },
    Way {
        what: "the hosts are removed",
        end: |stack| {
            let (server, device) = ("Harbour/Pump_station/server", "Harbour/Pump_station/device");
            commands(
                stack,
                &[
                    &format!("host delete {server}"),
                    &format!("host delete {device}"),
                ],
            )
        },
        mend: &[
            "host add --site Harbour/Pump_station server --address 192.168.77.10 --service ssh",
            "host add --site Harbour/Pump_station device --address 192.168.77.30 --service http",
        ],
    },
    Way {
        what: "the box is revoked",
        end: |stack| commands(stack, &["gateway revoke Harbour/Pump_station"]),
        mend: &[],
    },
];

#[test]
fn each_way_to_take_access_away_ends_open_programs_and_a_stubborn_client_at_the_gateway() {
    world::with(SiteOptions::default(), |world| {
        world.stack.start_gateway()?;
        let runtime = Runtime::new()?;
        for (number, way) in WAYS.iter().enumerate() {
            one(world, &runtime, number, way).context(way.what)?;
            commands(&world.stack, way.mend).context(way.what)?;
        }
        Ok(())
    })
    .unwrap();
}

#[expect(clippy::print_stdout, reason = "how long it took, for people")]
fn one(world: &World<'_>, runtime: &Runtime, number: usize, way: &Way) -> anyhow::Result<()> {
    let name = format!("technician-{number}");
    let technician = world.stack.technician(Ns::Host, &name)?;
    let home = technician.home().to_owned();
    let open = Open::all(world.site, &technician, &name)?;
    let mut shell = runtime.block_on(Stubborn::open(&home, "server"))?;
    let mut banner = [0; 7];
    runtime.block_on(shell.stream.read_exact(&mut banner))?;
    ensure!(&banner == b"SSH-2.0", "no SSH banner: {banner:?}");
    let mut page = runtime.block_on(Stubborn::open_to(&home, "device", Protocol::Http))?;
    runtime.block_on(page.stream.write_all(b"GET / HTTP/1.1\r\n"))?;
    // forward, proxy and the shell; web and the page.
    eventually("all are connected", LIMIT, || {
        Ok(connections(world)? == (3, 2))
    })?;

    (way.end)(&world.stack)?;

    let took = eventually(way.what, LIMIT, || Ok(connections(world)? == (0, 0)))?;
    println!("{}: gone at the hosts after {took:?}", way.what);
    open.must_end()?;
    for client in [&mut shell, &mut page] {
        // No link at all is as good an answer as a refused rejoin.
        let back = runtime.block_on(client.come_back()).unwrap_or(false);
        ensure!(!back, "the client could rejoin");
    }
    let again = runtime.block_on(Stubborn::open(&home, "server"));
    ensure!(again.is_err(), "a new session was granted");
    Ok(())
}

fn connections(world: &World<'_>) -> anyhow::Result<(usize, usize)> {
    let shells = world.connections(Ns::Server, 22)?;
    Ok((shells, world.connections(Ns::Device, 80)?))
}

/// Runs commands; `_` stands for a blank inside a word.
fn commands(stack: &Stack<'_>, commands: &[&str]) -> anyhow::Result<()> {
    for command in commands {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| word.replace('_', " "))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        stack.admin(&words)?;
    }
    Ok(())
}

/// The newest sign-in: that of the technician who is at work now.
fn token(stack: &Stack<'_>) -> anyhow::Result<String> {
    let list = stack.admin(&["token", "list"])?;
    let newest = list.lines().find(|line| line.contains("sign-in"));
    let id = newest.and_then(|line| line.split_whitespace().next());
    Ok(id.context("no sign-in is listed")?.to_owned())
}
