//! The lease rule over ten thousand flaps, seeded: a box whose links break, that
//! restarts, that is cut at each write of its own and of the server's, that has
//! two links at once, whose server is restored now and then, is never taken for
//! a copy; and a copy put in at a random moment always is (D7; threat 9).
//!
//! Both ends are the real ones: the box's stored state in a real folder, the
//! server's rule and what it keeps. Between them messages are delivered one by one
//! in an order that the seed draws; there is no clock and no socket. A hello comes
//! while its program lives, or not at all: it answers a question that the server
//! asked a moment before. What a box acknowledges may come after its restart.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use culvert_cloud_prs::app::lease::{self, Hello};
use culvert_cloud_prs::store::gateways::Leases;
use culvert_gateway::memory::Memory;
use culvert_wire::id::{BootId, Lease};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

const FLAPS: u32 = 10_000;
const COPIES: u64 = 300;

#[test]
fn ten_thousand_flaps_of_one_box_raise_no_alarm() {
    for seed in 0..3 {
        let mut world = World::new(seed);
        while world.flaps < FLAPS {
            if let Some(alarm) = world.step(Restores::Now) {
                panic!("seed {seed}, flap {}: {alarm:?} is put aside", world.flaps);
            }
        }
        let Counts {
            box_cuts,
            server_cuts,
            restarts,
            restores,
            doubles,
        } = world.counts;
        for (count, least) in [
            (box_cuts[0], 100),
            (box_cuts[1], 100),
            (box_cuts[2], 100),
            (server_cuts[0], 100),
            (server_cuts[1], 50),
            (restarts, 1_000),
            (restores, 20),
            (doubles, 1_000),
        ] {
            assert!(count >= least, "too few of something: {:?}", world.counts);
        }
    }
}

/// The same world with a copy of the card in it: one of the two may be let in, then
/// the other; the first is not let in again.
#[test]
fn a_copy_put_in_at_any_moment_is_found() {
    let mut right_after_a_restore = 0;
    for seed in 0..COPIES {
        let mut world = World::new(1_000 + seed);
        for _ in 0..world.random.random_range(1..400) {
            assert_eq!(world.step(Restores::Now), None, "seed {seed}");
        }
        if seed % 4 == 0 {
            world.restore();
            right_after_a_restore += 1;
        }
        world.copy_the_box();
        let alarm = (0..100_000).find_map(|_| world.step(Restores::Never));
        assert!(alarm.is_some(), "seed {seed}: the copy is not found");
        assert!(world.turns <= 2, "seed {seed}: found late");
    }
    assert!(right_after_a_restore > 50);
}

/// Whether the server may be put back to a backup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restores {
    Now,
    Never,
}

/// A link between box and server, and what is under way on it.
struct Link {
    of: usize,
    boot: BootId,
    under_way: UnderWay,
}

#[derive(Clone, Copy)]
enum UnderWay {
    /// To the server.
    Hello(Option<Lease>),
    /// To the box.
    Welcome(Lease),
    /// To the server.
    Stored(Lease),
    Nothing,
}

struct Site {
    dir: TempDir,
    memory: Memory,
    boot: BootId,
}

impl Site {
    fn over(dir: TempDir, random: &mut StdRng) -> Self {
        Self {
            memory: Memory::load(dir.path()).unwrap(),
            dir,
            boot: BootId::from_random(random.random()),
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// Before, in the middle of and after the box's write.
    box_cuts: [u32; 3],
    /// Of a hello's write, and of an acknowledgement's.
    server_cuts: [u32; 2],
    restarts: u32,
    restores: u32,
    doubles: u32,
}

struct World {
    random: StdRng,
    /// What the server has committed.
    leases: Leases,
    boxes: Vec<Site>,
    links: Vec<Link>,
    /// Acknowledgements of boxes that are gone from their links.
    late: Vec<(usize, Lease)>,
    flaps: u32,
    /// The box whose newest lease the server has noted as stored, and how often
    /// that was another than before.
    holder: Option<usize>,
    turns: u32,
    counts: Counts,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let first = Site::over(folder(), &mut random);
        Self {
            random,
            leases: Leases::default(),
            boxes: vec![first],
            links: Vec::new(),
            late: Vec::new(),
            flaps: 0,
            holder: None,
            turns: 0,
            counts: Counts::default(),
        }
    }

    /// One thing happens; the box that is taken for a copy by it, if any.
    fn step(&mut self, restores: Restores) -> Option<BootId> {
        let of = self.random.random_range(0..self.boxes.len());
        match self.random.random_range(0..1_000) {
            0..300 => self.open(of),
            300..800 => return self.deliver(),
            800..900 => self.break_a_link(),
            900..960 => return self.restart(of),
            960..997 => self.server_falls(),
            _ if restores == Restores::Now => self.restore(),
            _ => {}
        }
        None
    }

    /// A box opens a link, beside one that it has.
    fn open(&mut self, of: usize) {
        let own = self.links.iter().filter(|link| link.of == of).count();
        if own >= 2 {
            return;
        }
        self.counts.doubles += u32::from(own == 1);
        self.links.push(Link {
            of,
            boot: self.boxes[of].boot,
            under_way: UnderWay::Hello(self.boxes[of].memory.read().lease),
        });
    }

    /// Something that is under way comes.
    fn deliver(&mut self) -> Option<BootId> {
        if !self.late.is_empty() && self.cut() {
            let at = self.random.random_range(0..self.late.len());
            let (of, lease) = self.late.swap_remove(at);
            self.note(of, lease);
            return None;
        }
        if self.links.is_empty() {
            return None;
        }
        let at = self.random.random_range(0..self.links.len());
        let link = &mut self.links[at];
        let (of, boot) = (link.of, link.boot);
        match std::mem::replace(&mut link.under_way, UnderWay::Nothing) {
            UnderWay::Hello(shown) => return self.judge(at, boot, shown),
            UnderWay::Welcome(lease) => self.welcome(at, of, lease),
            UnderWay::Stored(lease) => self.note(of, lease),
            UnderWay::Nothing => {}
        }
        None
    }

    fn judge(&mut self, at: usize, boot: BootId, shown: Option<Lease>) -> Option<BootId> {
        let fresh = Lease::from_random(self.random.random());
        let Hello::Known { lease, leases } = lease::judge(self.leases, boot, shown, fresh) else {
            return Some(boot);
        };
        if self.cut() {
            // Before the server has committed: nobody is answered.
            self.counts.server_cuts[0] += 1;
            self.server_falls();
            return None;
        }
        self.leases = leases;
        self.links[at].under_way = UnderWay::Welcome(lease);
        None
    }

    /// A box stores what it is given, and says so when it is on its disk. It
    /// listens to its newest link only.
    fn welcome(&mut self, at: usize, of: usize, lease: Lease) {
        if self.links[at + 1..].iter().any(|link| link.of == of) {
            return;
        }
        let own = &self.boxes[of];
        let when = self.random.random_range(0..20);
        if when == 1 {
            // Power fails in the middle of the file that is to replace the state.
            std::fs::write(own.dir.path().join("state.new"), "{\"version\":1,").unwrap();
        }
        if when > 1 {
            own.memory
                .change(|state| state.keep_lease(Some(lease)))
                .unwrap();
        }
        if when < 3 {
            self.counts.box_cuts[when] += 1;
            self.boot_anew(of);
            return;
        }
        self.links[at].under_way = UnderWay::Stored(lease);
    }

    /// The server notes that a lease is on a box's disk.
    fn note(&mut self, of: usize, lease: Lease) {
        let noted = lease::stored(self.leases, lease);
        if self.cut() {
            self.counts.server_cuts[1] += 1;
            self.server_falls();
            return;
        }
        self.leases = noted;
        let own = noted.boot == Some(self.boxes[of].boot) && noted.acknowledged == Some(lease);
        if own && self.holder != Some(of) {
            self.holder = Some(of);
            self.turns += 1;
        }
    }

    fn break_a_link(&mut self) {
        if !self.links.is_empty() {
            let at = self.random.random_range(0..self.links.len());
            self.end(at);
        }
    }

    /// A box's power fails. What it had sent may come still: a hello before the
    /// next one does, an acknowledgement at any time.
    fn restart(&mut self, of: usize) -> Option<BootId> {
        for at in 0..self.links.len() {
            let Link {
                of: whose,
                boot,
                under_way,
            } = self.links[at];
            if let UnderWay::Hello(shown) = under_way
                && whose == of
                && self.random.random()
            {
                let alarm = self.judge(at, boot, shown);
                if alarm.is_some() || self.links.is_empty() {
                    return alarm;
                }
            }
        }
        self.boot_anew(of);
        None
    }

    fn boot_anew(&mut self, of: usize) {
        self.counts.restarts += 1;
        while let Some(at) = self.links.iter().position(|link| link.of == of) {
            self.end(at);
        }
        let own = &mut self.boxes[of];
        own.memory = Memory::load(own.dir.path()).unwrap();
        own.boot = BootId::from_random(self.random.random());
    }

    fn end(&mut self, at: usize) {
        let link = self.links.remove(at);
        self.flaps += 1;
        if let UnderWay::Stored(lease) = link.under_way
            && self.random.random()
        {
            self.late.push((link.of, lease));
        }
    }

    /// The server ends, and with it all that was under way to it.
    fn server_falls(&mut self) {
        self.flaps += u32::try_from(self.links.len()).unwrap();
        self.links.clear();
        self.late.clear();
    }

    /// The server comes back as it was at some time before; `restore` forgets
    /// what it knew of leases then (`App::void_everything`).
    fn restore(&mut self) {
        self.counts.restores += 1;
        self.server_falls();
        self.leases = Leases::default();
    }

    /// A second box with all that the first one has on its disk.
    fn copy_the_box(&mut self) {
        let dir = folder();
        for file in std::fs::read_dir(self.boxes[0].dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        (self.holder, self.turns) = (None, 0);
        let copy = Site::over(dir, &mut self.random);
        self.boxes.push(copy);
    }

    fn cut(&mut self) -> bool {
        self.random.random_ratio(1, 20)
    }
}

/// In memory where the machine has such a place: every write is synced.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}
