//! How long a keystroke takes beside a bulk stream on a slow relay link.
//!
//! Gateway → shipped relay → a line of 20 Mbit/s and 60 ms → technician. The
//! gateway sends bulk as fast as the session allows; the technician sends 32
//! bytes every 20 ms on the input lane, the gateway sends them back.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use culvert_session::native::{Session, Stream};
use culvert_session::{Congestion, Options};
use culvert_wire::stream::{Answer, Lane, Open, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::report::Figure;
use crate::rig::cpu::RoleThread;
use crate::rig::line::{Line, carry};
use crate::rig::{ends, keys, percentile, plane};

const LINE: Line = Line {
    delay: Duration::from_millis(30),
    rate: Some(20e6),
};
/// Time between keystrokes.
const BEAT: Duration = Duration::from_millis(20);
/// Bulk runs this long before keystrokes are counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// Keystrokes on the idle line, and beside bulk.
const IDLE: u32 = 150;
const BUSY: u32 = 750;

/// All congestion controllers; the default one's figures carry the bar.
pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for congestion in Congestion::ALL {
        let measured = measure(congestion)?;
        let over = percentile(&measured.busy, 0.95) - percentile(&measured.idle, 0.5);
        let about = format!(
            "{}: idle p50 {:.0} p95 {:.0}, busy p50 {:.0} p95 {:.0} p99 {:.0} ms, bulk {:.1} Mbit/s",
            congestion.name(),
            percentile(&measured.idle, 0.5),
            percentile(&measured.idle, 0.95),
            percentile(&measured.busy, 0.5),
            percentile(&measured.busy, 0.95),
            percentile(&measured.busy, 0.99),
            measured.bulk_mbit,
        );
        let name = match congestion {
            default if default == Congestion::default() => "p95_over_idle",
            Congestion::Cubic => "p95_over_idle_cubic",
            Congestion::NewReno => "p95_over_idle_new_reno",
            Congestion::Bbr3 => "p95_over_idle_bbr3",
        };
        figures.push(Figure::new(name, over, "ms", about));
    }
    Ok(figures)
}

struct Measured {
    /// Sorted, in milliseconds.
    idle: Vec<f64>,
    busy: Vec<f64>,
    bulk_mbit: f64,
}

fn measure(congestion: Congestion) -> anyhow::Result<Measured> {
    let options = Options {
        congestion,
        ..Options::default()
    };
    let (tell, told) = mpsc::channel();
    let _relay = RoleThread::start("relay", move || async move {
        let listening = plane::listen().await?;
        let line = TcpListener::bind("127.0.0.1:0").await?;
        tell.send((
            listening.plane.clone(),
            listening.address,
            line.local_addr()?,
        ))?;
        // A thread of its own: the line's timers must not wait for the relay.
        let (line, to) = (line.into_std()?, listening.address);
        let _line = RoleThread::start("line", move || async move {
            carry(TcpListener::from_std(line)?, to, LINE).await
        })?;
        listening.serve().await;
        Ok(())
    })?;
    let (relay, address, slow) = told.recv().context("no relay")?;
    plane::open_route(
        &relay,
        1,
        keys::technician_end().public(),
        keys::gateway().public(),
    )?;
    let far_options = options.clone();
    let _gateway = RoleThread::start("gateway", move || async move {
        let linked = ends::gateway_link(address, keys::gateway()).await?;
        let session = ends::gateway(&linked, 1, far_options, |route| route).await?;
        serve(session).await
    })?;
    let technician = RoleThread::start("technician", move || async move {
        let linked = ends::technician_link(slow).await?;
        let session = ends::technician(&linked, 1, options).await?;
        watch(session).await
    })?;
    technician.join()
}

/// Input streams are echoed, bulk streams are flooded.
async fn serve(session: Session) -> anyhow::Result<()> {
    while let Ok((open, mut stream)) = session.accept().await {
        stream.reply(Answer::Accepted).await?;
        tokio::spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            if open.lane == Lane::Bulk {
                let block = vec![0x55; 64 * 1024];
                while writer.write_all(&block).await.is_ok() {}
            } else {
                // Ends with the session.
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            }
        });
    }
    Ok(())
}

async fn watch(session: Session) -> anyhow::Result<Measured> {
    let idle = keystrokes(open(&session, Lane::Input).await?, IDLE).await?;
    let mut bulk = open(&session, Lane::Bulk).await?;
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 256 * 1024];
        let mut total = 0;
        let began = Instant::now();
        loop {
            match bulk.read(&mut buffer).await {
                Ok(0) | Err(_) => return total,
                Ok(read) if began.elapsed() >= WARM_UP => total += read,
                Ok(_) => {}
            }
        }
    });
    sleep(WARM_UP).await;
    let began = Instant::now();
    let busy = keystrokes(open(&session, Lane::Input).await?, BUSY).await?;
    let took = began.elapsed().as_secs_f64();
    session.close(culvert_wire::reason::Reason::Finished, "");
    let bulk_bytes = reading.await?;
    Ok(Measured {
        idle,
        busy,
        bulk_mbit: bulk_bytes as f64 * 8.0 / took / 1e6,
    })
}

async fn open(session: &Session, lane: Lane) -> anyhow::Result<Stream> {
    let service = Service::Target(0);
    Ok(session.open(Open { service, lane }).await?)
}

/// Echo times of 32 bytes every [`BEAT`], counted from when they were due.
async fn keystrokes(stream: Stream, count: u32) -> anyhow::Result<Vec<f64>> {
    let (mut reader, mut writer) = stream.into_split();
    let began = tokio::time::Instant::now() + BEAT;
    let type_keys = async {
        for at in 0..count {
            tokio::time::sleep_until(began + BEAT * at).await;
            writer.write_all(&[1; 32]).await?;
        }
        anyhow::Ok(())
    };
    let see_echo = async {
        let mut took = Vec::new();
        for at in 0..count {
            reader.read_exact(&mut [0; 32]).await?;
            let seen = tokio::time::Instant::now() - (began + BEAT * at);
            took.push(seen.as_secs_f64() * 1e3);
        }
        anyhow::Ok(took)
    };
    let ((), mut took) = tokio::try_join!(type_keys, see_echo)?;
    took.sort_by(f64::total_cmp);
    Ok(took)
}
