//! Slows down guessing: failed sign-ins for each account from each network,
//! and for each network over all accounts. And claims, for each network and in
//! all. And questions for a passkey, which anybody may ask, for each network.
//!
//! A stranger cannot lock somebody else's account where that has signed in
//! before: the tight limit holds for her own network only, and the limit over
//! all networks does not hold there. Unknown names count like known ones.
//! Bounded memory: the older half goes when a table is full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use culvert_wire::UnixMs;

/// Failures one network may have with one name within [`WINDOW_MS`].
const PER_NAME_AND_NET: u32 = 5;
/// Failures one network may have with all names.
const PER_NET: u32 = 30;
/// Failures one name may have from all networks.
const PER_NAME: u32 = 100;
/// Wrong second factors of one account from all networks within
/// [`SECOND_WINDOW_MS`]: of a million codes three are right at a time.
const PER_SECOND: u32 = 20;
/// Claims that one network may have refused: boxes whose code is no good ask
/// again after an hour.
const CLAIMS_PER_NET: u32 = 30;
/// Claims that all networks may have refused: as many as the database looks up
/// without anybody noticing, 60 a second.
const CLAIMS: u32 = 18_000;
/// Questions for a passkey from one network, answered or not: a few for each of a
/// hundred colleagues who come at once. Thirty networks and more fill the table of
/// those that wait, so that one cannot push all others' out.
const ASKS_PER_NET: u32 = 300;
/// How long a wrong second factor counts, in milliseconds.
const SECOND_WINDOW_MS: u64 = 60 * 60 * 1000;
/// How long a failure counts, in milliseconds.
const WINDOW_MS: u64 = 5 * 60 * 1000;
/// Entries kept.
const MAX_ENTRIES: usize = 20_000;

/// Counts failures.
#[derive(Default)]
pub(crate) struct Throttle {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    counts: HashMap<Key, Count>,
    /// From where each name has signed in: tries from there do not count
    /// against the tries of the whole world.
    good: HashMap<(String, Net), UnixMs>,
}

/// What to do with a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Look at it.
    Try,
    /// Refuse unseen; `first` in this window, so that the audit trail gets one
    /// row and not a flood.
    Wait {
        /// Whether it is the first refusal.
        first: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    NameAndNet(String, Net),
    Net(Net),
    Name(String),
    Second(String),
    ClaimsOf(Net),
    Claims,
    Asks(Net),
}

impl Key {
    /// How long a failure counts, in milliseconds.
    const fn window(&self) -> u64 {
        match self {
            Self::NameAndNet(..)
            | Self::Net(_)
            | Self::Name(_)
            | Self::ClaimsOf(_)
            | Self::Claims
            | Self::Asks(_) => WINDOW_MS,
            Self::Second(_) => SECOND_WINDOW_MS,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    told: bool,
    since: UnixMs,
}

/// A /24 or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Net(u64, bool);

impl Net {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits() >> 8), false),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                let high = [a, b, c, d]
                    .into_iter()
                    .fold(0, |n, part| n << 16 | u64::from(part));
                Self(high, true)
            }
        }
    }
}

impl Throttle {
    /// Counts the try as failed in advance, so that parallel ones count too.
    pub(crate) fn begin(&self, name: &str, from: IpAddr, now: UnixMs) -> Verdict {
        let table = &mut *self.lock();
        let (name, net) = (short(name), Net::of(from));
        // The network first: one that is over its limit adds no more entries.
        let wait = table.count(Key::Net(net), PER_NET, now);
        if let Some(first) = wait {
            return Verdict::Wait { first };
        }
        let known = table.good.contains_key(&(name.clone(), net));
        let pair = table.count(Key::NameAndNet(name.clone(), net), PER_NAME_AND_NET, now);
        let world = if known {
            None
        } else {
            table.count(Key::Name(name), PER_NAME, now)
        };
        match pair.or(world) {
            Some(first) => Verdict::Wait { first },
            None => Verdict::Try,
        }
    }

    /// The same for a second factor: whoever guesses one has the password, so
    /// all networks together get few tries.
    pub(crate) fn begin_second(&self, name: &str, from: IpAddr, now: UnixMs) -> Verdict {
        let table = &mut *self.lock();
        let (name, net) = (short(name), Net::of(from));
        let wait = table.count(Key::Net(net), PER_NET, now);
        let second = table.count(Key::Second(name), PER_SECOND, now);
        match wait.or(second) {
            Some(first) => Verdict::Wait { first },
            None => Verdict::Try,
        }
    }

    /// The same for a passkey alone, which names nobody before it is proved: the
    /// network's tries count.
    pub(crate) fn begin_alone(&self, from: IpAddr, now: UnixMs) -> Verdict {
        match self.lock().count(Key::Net(Net::of(from)), PER_NET, now) {
            Some(first) => Verdict::Wait { first },
            None => Verdict::Try,
        }
    }

    /// The same for a claim, whose code nobody can guess: what is bounded is the
    /// work.
    pub(crate) fn begin_claim(&self, from: IpAddr, now: UnixMs) -> Verdict {
        let table = &mut *self.lock();
        // The network first: one that is over its limit takes nothing of all.
        let net = table.count(Key::ClaimsOf(Net::of(from)), CLAIMS_PER_NET, now);
        let wait = match net {
            Some(first) => Some(first),
            None => table.count(Key::Claims, CLAIMS, now),
        };
        match wait {
            Some(first) => Verdict::Wait { first },
            None => Verdict::Try,
        }
    }

    /// The same for a question that a passkey alone is to answer. It says nothing and
    /// is never taken back: what is bounded is how many wait.
    pub(crate) fn begin_ask(&self, from: IpAddr, now: UnixMs) -> Verdict {
        match self
            .lock()
            .count(Key::Asks(Net::of(from)), ASKS_PER_NET, now)
        {
            Some(first) => Verdict::Wait { first },
            None => Verdict::Try,
        }
    }

    /// Takes a claim back that was not refused.
    pub(crate) fn claimed(&self, from: IpAddr) {
        let keys = [Key::ClaimsOf(Net::of(from)), Key::Claims];
        self.lock().take_back(keys);
    }

    /// Takes a try back that did not fail, where it was made.
    pub(crate) fn succeeded(&self, name: &str, from: IpAddr, now: UnixMs) {
        let table = &mut *self.lock();
        let (name, net) = (short(name), Net::of(from));
        table.take_back([Key::Net(net), Key::Name(name.clone())]);
        table.signed_in(name, net, now);
    }

    /// The same for a second factor. What is taken back is exactly what
    /// [`Self::begin_second`] counted: less, and colleagues behind one address lock
    /// each other out; more, and an own account gives tries at others.
    pub(crate) fn succeeded_second(&self, name: &str, from: IpAddr) {
        let keys = [Key::Net(Net::of(from)), Key::Second(short(name))];
        self.lock().take_back(keys);
    }

    /// The same for a passkey alone.
    pub(crate) fn succeeded_alone(&self, name: &str, from: IpAddr, now: UnixMs) {
        let table = &mut *self.lock();
        let net = Net::of(from);
        table.take_back([Key::Net(net)]);
        table.signed_in(short(name), net, now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Table {
    /// Counts one more; says, when it is over the limit, whether it is the
    /// first time in this window.
    fn count(&mut self, key: Key, limit: u32, now: UnixMs) -> Option<bool> {
        let window = key.window();
        if !self.counts.contains_key(&key) {
            make_room(&mut self.counts, |count| count.since);
        }
        let fresh = Count {
            failures: 0,
            told: false,
            since: now,
        };
        let count = self.counts.entry(key).or_insert(fresh);
        if now.ms_since(count.since) >= window {
            *count = fresh;
        }
        count.failures = count.failures.saturating_add(1);
        (count.failures > limit).then(|| !std::mem::replace(&mut count.told, true))
    }

    /// Takes one of each back.
    fn take_back<const N: usize>(&mut self, keys: [Key; N]) {
        for key in keys {
            if let Some(count) = self.counts.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    /// Notes from where somebody has signed in.
    fn signed_in(&mut self, name: String, net: Net, now: UnixMs) {
        self.counts.remove(&Key::NameAndNet(name.clone(), net));
        make_room(&mut self.good, |at| *at);
        self.good.insert((name, net), now);
    }
}

/// Drops the older half of a full table: the fresh counts, which guessing
/// somebody is about, stay.
fn make_room<K: Clone + Eq + std::hash::Hash, V>(
    table: &mut HashMap<K, V>,
    since: impl Fn(&V) -> UnixMs,
) {
    if table.len() < MAX_ENTRIES {
        return;
    }
    let mut times: Vec<UnixMs> = table.values().map(&since).collect();
    let middle = times.len() / 2;
    let (_, cut, _) = times.select_nth_unstable(middle);
    let cut = *cut;
    let mut spare = MAX_ENTRIES / 2;
    table.retain(|_, value| {
        // Of those of the very same time some must go as well.
        let keep = since(value) > cut || (since(value) == cut && spare > 0);
        spare = spare.saturating_sub(usize::from(keep));
        keep
    });
}

/// A name as it is compared, cut to what a key needs.
fn short(name: &str) -> String {
    crate::store::name_key(name).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn fail(throttle: &Throttle, name: &str, from: IpAddr, times: u32) {
        for _ in 0..times {
            throttle.begin(name, from, UnixMs(0));
        }
    }

    #[test]
    fn the_sixth_guess_from_one_network_has_to_wait_and_is_told_once() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);

        let first = throttle.begin("ANN", NEAR, UnixMs(1));
        let second = throttle.begin("ann", HERE, UnixMs(2));

        assert_eq!(first, Verdict::Wait { first: true });
        assert_eq!(second, Verdict::Wait { first: false });
    }

    #[test]
    fn a_stranger_cannot_lock_somebody_out_elsewhere() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 50);

        assert_eq!(throttle.begin("ann", AWAY, UnixMs(1)), Verdict::Try);
    }

    #[test]
    fn one_network_cannot_try_many_names() {
        let throttle = Throttle::default();
        for n in 0..30 {
            fail(&throttle, &format!("name {n}"), HERE, 1);
        }

        let verdict = throttle.begin("another", HERE, UnixMs(1));

        assert_eq!(verdict, Verdict::Wait { first: true });
    }

    #[test]
    fn passkeys_alone_count_for_their_network() {
        let throttle = Throttle::default();
        for _ in 0..PER_NET {
            assert_eq!(throttle.begin_alone(HERE, UnixMs(0)), Verdict::Try);
        }

        let verdict = throttle.begin_alone(NEAR, UnixMs(1));

        assert_eq!(verdict, Verdict::Wait { first: true });
        assert_eq!(throttle.begin_alone(AWAY, UnixMs(1)), Verdict::Try);
        let password = throttle.begin("ann", HERE, UnixMs(1));
        assert_eq!(password, Verdict::Wait { first: false });
    }

    #[test]
    fn claims_count_for_their_network_and_then_for_all() {
        let throttle = Throttle::default();
        let good = |from| {
            assert_eq!(throttle.begin_claim(from, UnixMs(0)), Verdict::Try);
            throttle.claimed(from);
        };
        (0..1000).for_each(|_| good(HERE));
        for _ in 0..CLAIMS_PER_NET {
            assert_eq!(throttle.begin_claim(HERE, UnixMs(0)), Verdict::Try);
        }
        let verdict = throttle.begin_claim(NEAR, UnixMs(1));
        assert_eq!(verdict, Verdict::Wait { first: true });
        for _ in 0..100_000 {
            let told = Verdict::Wait { first: false };
            assert_eq!(throttle.begin_claim(HERE, UnixMs(1)), told);
        }
        good(AWAY);
        // Nor does it cost anybody a sign-in.
        assert_eq!(throttle.begin("ann", HERE, UnixMs(1)), Verdict::Try);

        let everywhere = |n: u32| IpAddr::from((0x0a00_0000 + (n << 8)).to_be_bytes());
        let tried = (0..2 * CLAIMS)
            .map(everywhere)
            .take_while(|from| throttle.begin_claim(*from, UnixMs(1)) == Verdict::Try);
        assert_eq!(tried.count(), (CLAIMS - CLAIMS_PER_NET) as usize);
        assert_eq!(
            throttle.begin_claim(AWAY, UnixMs(WINDOW_MS + 1)),
            Verdict::Try
        );
    }

    #[test]
    fn questions_for_a_passkey_count_for_their_network_alone() {
        let throttle = Throttle::default();
        for _ in 0..ASKS_PER_NET {
            assert_eq!(throttle.begin_ask(HERE, UnixMs(0)), Verdict::Try);
        }
        let verdict = throttle.begin_ask(NEAR, UnixMs(1));
        assert_eq!(verdict, Verdict::Wait { first: true });
        assert_eq!(throttle.begin_ask(AWAY, UnixMs(1)), Verdict::Try);
        // Nor does it cost anybody a sign-in.
        assert_eq!(throttle.begin("ann", HERE, UnixMs(1)), Verdict::Try);
        assert_eq!(throttle.begin_ask(HERE, UnixMs(WINDOW_MS)), Verdict::Try);
    }

    #[test]
    fn second_factors_get_few_tries_from_everywhere_together() {
        let throttle = Throttle::default();
        for n in 0..20_u8 {
            let from = IpAddr::from([10, n, 0, 1]);
            assert_eq!(throttle.begin_second("ann", from, UnixMs(0)), Verdict::Try);
        }
        let verdict = throttle.begin_second("ann", HERE, UnixMs(WINDOW_MS));
        assert_eq!(verdict, Verdict::Wait { first: true });
        let later = UnixMs(SECOND_WINDOW_MS);
        assert_eq!(throttle.begin_second("ann", HERE, later), Verdict::Try);
    }

    #[test]
    fn a_hundred_colleagues_behind_one_address_sign_in_with_two_factors() {
        let throttle = Throttle::default();
        fail(&throttle, "guessed", HERE, 3);
        for n in 0..100 {
            let (name, now) = (format!("colleague {n}"), UnixMs(n * WINDOW_MS / 101));
            assert_eq!(throttle.begin(&name, HERE, now), Verdict::Try, "{n}");
            assert_eq!(throttle.begin_second(&name, HERE, now), Verdict::Try, "{n}");
            throttle.succeeded_second(&name, HERE);
            throttle.succeeded(&name, HERE, now);
        }
        // The guesses count as before.
        let failures = |key: Key| throttle.lock().counts[&key].failures;
        assert_eq!(failures(Key::Net(Net::of(HERE))), 3);
    }

    #[test]
    fn a_success_takes_back_no_try_of_another_kind() {
        let throttle = Throttle::default();
        let failures = |key: Key| throttle.lock().counts[&key].failures;
        throttle.begin("ann", HERE, UnixMs(0));
        throttle.begin_second("ann", HERE, UnixMs(0));
        throttle.begin_alone(HERE, UnixMs(0));
        throttle.succeeded_alone("ann", HERE, UnixMs(0));
        assert_eq!(failures(Key::Net(Net::of(HERE))), 2);
        assert_eq!(failures(Key::Name("ann".into())), 1);
        assert_eq!(failures(Key::Second("ann".into())), 1);
        throttle.succeeded("ann", HERE, UnixMs(0));
        assert_eq!(failures(Key::Second("ann".into())), 1);
        throttle.succeeded_second("ann", HERE);
        assert_eq!(failures(Key::Second("ann".into())), 0);
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_after_a_success() {
        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);
        assert_eq!(throttle.begin("ann", HERE, UnixMs(WINDOW_MS)), Verdict::Try);

        let throttle = Throttle::default();
        fail(&throttle, "ann", HERE, 5);
        throttle.succeeded("ann", HERE, UnixMs(0));
        assert_eq!(throttle.begin("ann", HERE, UnixMs(1)), Verdict::Try);
    }

    #[test]
    fn guessing_from_everywhere_does_not_lock_out_who_has_signed_in_here() {
        let throttle = Throttle::default();
        throttle.succeeded("ann", HERE, UnixMs(0));
        for n in 0..200_u8 {
            fail(&throttle, "ann", IpAddr::from([10, n, 0, 1]), 1);
        }

        assert_eq!(throttle.begin("ann", HERE, UnixMs(1)), Verdict::Try);
        let verdict = throttle.begin("ann", AWAY, UnixMs(1));
        assert!(matches!(verdict, Verdict::Wait { .. }));
    }

    #[test]
    fn a_flood_takes_bounded_memory_and_does_not_reset_the_counts() {
        let throttle = Throttle::default();
        for n in 0..100_u32 {
            throttle.begin(&format!("n{n}"), HERE, UnixMs(0));
        }
        let from_one = throttle.lock().counts.len();
        assert!(from_one <= 1 + 2 * PER_NET as usize, "{from_one}");

        for n in 0..u32::try_from(MAX_ENTRIES).unwrap() {
            let [_, a, b, c] = n.to_be_bytes();
            let time = UnixMs(u64::from(n / 1000));
            throttle.begin("x", IpAddr::from([10 + a, b, c, 1]), time);
        }
        assert!(throttle.lock().counts.len() <= MAX_ENTRIES);
        fail(&throttle, "ann", AWAY, 6);
        let verdict = throttle.begin("ann", AWAY, UnixMs(25));
        assert!(matches!(verdict, Verdict::Wait { .. }));
    }
}
