//! From the start of `culvert proxy HOST 22` to the first byte of the SSH
//! server, with everything that a technician waits for in between: the link to
//! the server, the request, the gateway's verdict, the handshake, the dial
//! (K12, K20).
//!
//! The shipped programs, OpenSSH at a site of network namespaces, 15 ms each
//! way between the server and either end: 60 ms from end to end and back.

use std::path::Path;
use std::time::Duration;

use crate::report::Figure;
use crate::rig::percentile;
use crate::rig::site::Rig;

const LEG: Duration = Duration::from_millis(15);
const RUNS: usize = 25;

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    let took = Rig::start(programs, LEG, |rig| {
        let mut took = Vec::new();
        for _ in 0..RUNS {
            let (session, first_byte) = rig.ssh_banner()?;
            took.push(first_byte.as_secs_f64() * 1e3);
            drop(session);
        }
        Ok(took)
    })?;
    let mut sorted = took;
    sorted.sort_by(f64::total_cmp);
    let about = format!(
        "median of {RUNS}; fastest {:.0}, p95 {:.0} ms; cold link of the technician included",
        sorted[0],
        percentile(&sorted, 0.95)
    );
    let median = percentile(&sorted, 0.5);
    Ok(vec![Figure::new("first_ssh_byte", median, "ms", about)])
}
