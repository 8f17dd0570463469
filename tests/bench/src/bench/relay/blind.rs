//! One turn through the shipped relay.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use culvert_link::Route;
use culvert_session::native::PacketRoute;
use culvert_session::{Ending, Options};
use culvert_wire::frame::{PACKETS_HEADER, Packets};
use culvert_wire::stream::{Answer, Lane, Open, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::rig::cpu::{Cpu, RoleThread};
use crate::rig::{ends, keys, plane};

/// What turns have cost so far.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) relay_seconds: f64,
    pub(super) gateway_seconds: f64,
    pub(super) technician_seconds: f64,
    /// Bytes of messages both ways, as the relay saw them.
    pub(super) forwarded: u64,
    /// Bytes of the stream.
    pub(super) payload: u64,
    pub(super) wall: f64,
    pub(super) lost: u64,
    batches: u64,
}

impl Cost {
    pub(super) fn add(&mut self, turn: &Self) {
        self.relay_seconds += turn.relay_seconds;
        self.gateway_seconds += turn.gateway_seconds;
        self.technician_seconds += turn.technician_seconds;
        self.forwarded += turn.forwarded;
        self.payload += turn.payload;
        self.wall += turn.wall;
        self.lost += turn.lost;
        self.batches += turn.batches;
    }

    pub(super) fn mean_batch(&self) -> u64 {
        self.forwarded / self.batches.max(1)
    }
}

/// A message that passed the gateway's link.
#[derive(Debug, Clone, Copy)]
pub(super) enum Passed {
    /// Towards the technician, of this many bytes.
    Out(usize),
    /// From the technician.
    In(usize),
}

/// Sizes of messages in their order.
pub(super) type Sizes = Vec<Passed>;

/// Sends `bytes` from the gateway to the technician.
pub(super) fn turn(bytes: u64) -> anyhow::Result<(Cost, Sizes)> {
    let (tell, told) = mpsc::channel();
    let relay = RoleThread::start("relay", move || async move {
        let listening = plane::listen().await?;
        tell.send((listening.plane.clone(), listening.address))?;
        listening.serve().await;
        Ok(())
    })?;
    let (handle, address) = told.recv().context("no relay")?;
    plane::open_route(
        &handle,
        2,
        keys::technician_end().public(),
        keys::gateway().public(),
    )?;
    let passed = Arc::new(Mutex::new(Sizes::new()));
    let record = passed.clone();
    let gateway = RoleThread::start("gateway", move || async move {
        let linked = ends::gateway_link(address, keys::gateway()).await?;
        let wrap = |route| Recorded { route, record };
        let session = ends::gateway(&linked, 2, Options::default(), wrap).await?;
        let (_, mut stream) = session.accept().await?;
        stream.reply(Answer::Accepted).await?;
        let (_reader, mut writer) = stream.into_split();
        let block = vec![0x55; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let now = block.len().min(usize::try_from(left)?);
            writer.write_all(&block[..now]).await?;
            left -= now as u64;
        }
        writer.finish();
        let paths = session.stats().paths;
        let lost = paths.iter().map(|path| path.lost_packets).sum();
        session.closed().await;
        Ok(lost)
    })?;
    let watched = [relay.cpu.clone(), gateway.cpu.clone()];
    let technician = RoleThread::start("technician", move || receive(address, bytes, watched))?;
    let mut cost = technician.join()?;
    cost.lost = gateway.join()?;
    let sizes = std::mem::take(&mut *passed.lock().unwrap_or_else(PoisonError::into_inner));
    for message in &sizes {
        let (Passed::Out(length) | Passed::In(length)) = message;
        cost.forwarded += *length as u64;
    }
    cost.batches = sizes.len() as u64;
    Ok((cost, sizes))
}

/// The technician: reads all, and looks at everybody's clock around that.
async fn receive(
    address: std::net::SocketAddr,
    bytes: u64,
    [relay, gateway]: [Cpu; 2],
) -> anyhow::Result<Cost> {
    let own = Cpu::of_this_thread();
    let linked = ends::technician_link(address).await?;
    let session = ends::technician(&linked, 2, Options::default()).await?;
    let clocks = || anyhow::Ok([relay.seconds()?, gateway.seconds()?, own.seconds()?]);
    let (before, began) = (clocks()?, Instant::now());
    let service = Service::Target(0);
    let lane = Lane::Bulk;
    let mut stream = session.open(Open { service, lane }).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut got = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            read => got += read as u64,
        }
    }
    ensure!(got == bytes, "{got} of {bytes} bytes arrived");
    let (after, wall) = (clocks()?, began.elapsed().as_secs_f64());
    session.close(culvert_wire::reason::Reason::Finished, "");
    session.told().await;
    // The close has to leave through the link.
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(Cost {
        relay_seconds: after[0] - before[0],
        gateway_seconds: after[1] - before[1],
        technician_seconds: after[2] - before[2],
        payload: bytes,
        wall,
        ..Cost::default()
    })
}

/// A route that notes the sizes of what passes.
struct Recorded {
    route: Route,
    record: Arc<Mutex<Sizes>>,
}

impl Recorded {
    fn note(&self, passed: Passed) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.push(passed);
    }
}

impl PacketRoute for Recorded {
    fn try_send(&self, segment: u16, payload: &[u8]) -> bool {
        let taken = self.route.try_send(segment, payload);
        if taken {
            self.note(Passed::Out(payload.len() + PACKETS_HEADER));
        }
        taken
    }

    fn poll_recv(&self, cx: &mut TaskContext<'_>) -> Poll<Option<Packets>> {
        let packets = self.route.poll_recv(cx);
        if let Poll::Ready(Some(packets)) = &packets {
            self.note(Passed::In(packets.payload.len() + PACKETS_HEADER));
        }
        packets
    }

    fn ended(&self) -> Option<Ending> {
        PacketRoute::ended(&self.route)
    }

    fn farewell(&self, ending: &Ending) {
        PacketRoute::farewell(&self.route, ending);
    }
}
