//! Waiting for a server until it really answers.
//!
//! Asks again and again until a time limit; never sleeps and hopes.

use std::thread;
use std::time::{Duration, Instant};

use crate::LabError;
use crate::namespace::{Ns, World, finish, said};

/// Long enough for a loaded machine of two cores to start xrdp.
const LIMIT: Duration = Duration::from_secs(40);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(60);

/// Repeats `attempt` until it gives a value; an error is its last excuse.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, LabError> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(output) if Instant::now() > deadline => {
                return Err(LabError::NotReady {
                    what: what.to_owned(),
                    limit,
                    output,
                });
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Waits until a server sends `banner` (in bash's `$'..'` quoting) to someone
/// who connects from `from`, or, with an empty banner, until it accepts.
pub(crate) fn wait_for_banner(
    world: &World,
    from: Ns,
    address: &str,
    port: u16,
    banner: &str,
) -> Result<(), LabError> {
    let script = format!(
        "exec 3<>/dev/tcp/{address}/{port} || exit 1
         want=$'{banner}'
         [ -z \"$want\" ] && exit 0
         IFS= read -r -t 12 -N ${{#want}} got <&3
         [ \"$got\" = \"$want\" ] || {{ printf 'got %q' \"$got\"; exit 1; }}"
    );
    until(&format!("{address}:{port}"), LIMIT, || {
        let mut command = world.command(from, "timeout");
        command
            .env("LC_ALL", "C")
            .args(["15", "bash", "-c", &script]);
        match finish(&mut command) {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(said(&output)),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// Waits until something in `ns` listens on what the filter (of `ss`) names;
/// `kind` is 't' for TCP and 'u' for UDP.
pub(crate) fn wait_for_listener(
    world: &World,
    ns: Ns,
    kind: char,
    filter: &str,
) -> Result<(), LabError> {
    let script = format!("ss -Hln{kind} '{filter}' | grep -q .");
    let what = format!("a socket with {filter} in {}", ns.name());
    until(&what, LIMIT, || {
        let said = world.shell(ns, &what, &script);
        said.map_err(|error| error.to_string())
    })?;
    Ok(())
}
