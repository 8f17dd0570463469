//! 5,000 gateways come back after the server was killed and started again.
//!
//! The shipped server with its database on disk, real TLS, the shipped link
//! code with a key for each gateway. All on one machine: the herd's own CPU is
//! in the way of the server's, so figures are upper bounds.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::report::Figure;
use crate::rig::herd::{self, Seen};
use crate::rig::percentile;
use crate::rig::server::Server;

const GATEWAYS: u32 = 5000;
/// Width of a bin of arrivals, in seconds.
const BIN: f64 = 0.1;

pub(crate) fn run(programs: &Path) -> anyhow::Result<Vec<Figure>> {
    herd::many_files(u64::from(GATEWAYS) + 500)?;
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut server = Server::init(programs, &folder.path().join("cloud"), address)?;
    let provider = server.populate()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        herd::enrol(&server.database(), GATEWAYS).await?;
        server.start()?;
        let before = server.resident_kib()?;
        let (tell, mut told) = mpsc::unbounded_channel();
        let herd = tokio::spawn(herd::run(address, provider, GATEWAYS, tell));
        arrivals(&mut told, Instant::now()).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = (server.resident_kib()? - before) / f64::from(GATEWAYS);
        server.kill();
        while told.try_recv().is_ok() {}
        let down = Instant::now();
        server.start()?;
        let up = down.elapsed().as_secs_f64();
        let mut back = arrivals(&mut told, down).await?;
        herd.abort();
        back.sort_by(f64::total_cmp);
        Ok(figures(&back, up, each))
    })
}

/// Waits until every gateway was welcomed; seconds since `began` of each.
async fn arrivals(
    told: &mut mpsc::UnboundedReceiver<(Instant, Seen)>,
    began: Instant,
) -> anyhow::Result<Vec<f64>> {
    let limit = began + Duration::from_secs(180);
    let (mut back, mut refused) = (Vec::new(), 0_u32);
    while back.len() < GATEWAYS as usize {
        let Ok(Some((at, seen))) = timeout_at(limit, told.recv()).await else {
            break;
        };
        match seen {
            Seen::Welcomed => back.push((at - began).as_secs_f64()),
            Seen::Refused => refused += 1,
        }
    }
    ensure!(
        back.len() == GATEWAYS as usize,
        "{} of {GATEWAYS} gateways came, {refused} were refused",
        back.len()
    );
    Ok(back)
}

fn figures(back: &[f64], up: f64, kib_each: f64) -> Vec<Figure> {
    let (first, last) = (back[0], back[back.len() - 1]);
    let (peak, mean) = bins(back);
    vec![
        Figure::new(
            "all_back",
            last,
            "s",
            format!(
                "{GATEWAYS} gateways, server up again after {up:.1} s, first back {first:.1} s"
            ),
        ),
        Figure::new("p99_back", percentile(back, 0.99), "s", ""),
        Figure::new(
            "peak_to_mean",
            peak / mean,
            "×",
            format!("most and mean welcomes in {BIN} s: {peak} and {mean:.1}"),
        ),
        Figure::new(
            "server_kib_per_link",
            kib_each,
            "KiB",
            "culvert-prs with its database, before the restart",
        ),
    ]
}

/// Most and mean arrivals in one bin, over the bins from first to last.
fn bins(back: &[f64]) -> (f64, f64) {
    let first = back[0];
    let mut counts: Vec<f64> = Vec::new();
    for at in back {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let bin = ((at - first) / BIN) as usize;
        if counts.len() <= bin {
            counts.resize(bin + 1, 0.0);
        }
        counts[bin] += 1.0;
    }
    let peak = counts.iter().copied().fold(0.0, f64::max);
    (peak, back.len() as f64 / counts.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_return_has_no_peak_and_a_herd_has_one() {
        let even: Vec<f64> = (0..1000).map(|n| f64::from(n) * 0.01 + 0.001).collect();
        let (peak, mean) = bins(&even);
        assert!(peak / mean < 1.2, "{peak} {mean}");
        let mut herd = even;
        herd.extend(vec![5.0; 100]);
        herd.sort_by(f64::total_cmp);
        let (peak, mean) = bins(&herd);
        assert!(peak / mean > 3.0, "{peak} {mean}");
    }
}
