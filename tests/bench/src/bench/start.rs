//! From a session's request to the first byte of the SSH server: the server's
//! answer, the gateway's verdict, the handshake, the dial.
//!
//! The shipped programs and `culvert`'s own code, OpenSSH at a site of network
//! namespaces, 15 ms each way between the server and either end: 60 ms from
//! end to end and back. Both ends' links are up, as they are when somebody
//! works. Beside it the same from the start of `culvert proxy`, which has to
//! open its link first.
//!
//! The server lets one person start 30 sessions at once and then one a second:
//! after each start there is a pause, so that none is refused.
//!
//! The relay is quick to establish: K12, K20.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use culvert_connect::api::Api;
use culvert_connect::reach::Server;
use culvert_connect::tunnel::{Ask, Tunnel};
use culvert_connect::word::{HostWord, Numbers};
use culvert_wire::grant::Protocol;
use culvert_wire::id::HostId;
use tokio::io::AsyncReadExt as _;

use crate::report::Figure;
use crate::rig::percentile;
use crate::rig::site::Rig;

const LEG: Duration = Duration::from_millis(15);
const RUNS: usize = 25;
/// Between two starts: the server's pace, and a little more.
const PAUSE: Duration = Duration::from_millis(1_100);

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    Rig::start(programs, LEG, |rig| {
        let mut cold = Vec::new();
        for _ in 0..RUNS {
            let (session, first_byte) = rig.ssh_banner()?;
            cold.push(first_byte.as_secs_f64() * 1e3);
            drop(session);
            std::thread::sleep(PAUSE);
        }
        let runtime = tokio::runtime::Runtime::new()?;
        let warm = runtime.block_on(requests(rig))?;
        Ok(vec![
            figure("first_ssh_byte", warm, "request to first byte, links up"),
            figure("from_program_start", cold, "`culvert proxy` from its start"),
        ])
    })
}

fn figure(name: &'static str, mut took: Vec<f64>, what: &str) -> Figure {
    took.sort_by(f64::total_cmp);
    let about = format!(
        "{what}: median of {}; fastest {:.0}, p95 {:.0} ms",
        took.len(),
        took[0],
        percentile(&took, 0.95)
    );
    Figure::new(name, percentile(&took, 0.5), "ms", about)
}

async fn requests(rig: &Rig<'_>) -> anyhow::Result<Vec<f64>> {
    let word = HostWord::parse("server", Numbers::Port)?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let mut server = Server::known(rig.home())?;
        let link = server.signed_in().await?;
        let host = Api(&link.0).host(&word).await?.id;
        took.push(request(&server, link, host).await?);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(took)
}

async fn request(
    server: &Server,
    link: (culvert_link::Link, culvert_link::Events),
    host: HostId,
) -> anyhow::Result<f64> {
    let ask = Ask {
        host,
        protocol: Protocol::Ssh,
        ports: vec![22],
        test: false,
    };
    let began = Instant::now();
    let tunnel = Tunnel::open(server, link, ask).await?;
    let mut stream = tunnel.streams().open(0).await?;
    let mut first = [0; 4];
    stream.read_exact(&mut first).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    ensure!(&first == b"SSH-", "not an SSH server: {first:?}");
    tunnel.streams().finish().await;
    Ok(took)
}
