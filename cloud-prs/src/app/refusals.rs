//! How many rows of refusals the trail gets: a bounded number in a time for each
//! who is refused, and what is above that is counted in one row when the time is
//! over.
//!
//! Somebody known may be refused as often as she likes, and strangers all the
//! more: the trail tells that it happens and how often, and does not grow by
//! their will. Counts are kept in memory: a server that is killed takes those of
//! the running times with it. Driven by whatever refuses, by [`App::work`] and, when
//! the server stops, by [`App::record_rest`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use culvert_wire::UnixMs;
use culvert_wire::reason::Reason;
use serde_json::json;

use super::App;
use super::trail::{Doer, Event};
use crate::store::StoreError;

/// How long rows are counted together, in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// The same for boxes, which ask again as long as they have power, and strangers.
const LONG_WINDOW_MS: u64 = 60 * 60_000;
/// Whose rows are counted at a time: people, boxes and sessions that there are.
const MOST: usize = 100_000;

/// What is refused, for the bound that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Calls of somebody known.
    Call,
    /// Claims, which anybody can make: all of them share one bound.
    Claim,
    /// Links of a box that was somebody's.
    Hello,
    /// Links of boxes that nobody knows: all of them share one bound.
    UnknownHello,
    /// Links of browsers whose ticket is not good.
    Link,
    /// Sessions that an end may not join.
    Join,
    /// The same where nobody has signed in: all of them share one bound.
    UnknownJoin,
}

impl Kind {
    /// Rows in a window.
    const fn most(self) -> u32 {
        match self {
            // More than a person with a page that is out of date, or a program
            // that does not know her rights, comes to.
            Self::Call => 120,
            Self::Claim | Self::UnknownHello | Self::Link | Self::Join | Self::UnknownJoin => 10,
            Self::Hello => 1,
        }
    }

    const fn window_ms(self) -> u64 {
        match self {
            Self::Call | Self::Claim | Self::Link | Self::Join => WINDOW_MS,
            Self::Hello | Self::UnknownHello | Self::UnknownJoin => LONG_WINDOW_MS,
        }
    }

    /// Whose rows are counted together.
    fn whose(self, doer: &Doer) -> String {
        match self {
            Self::Call | Self::Hello | Self::Link | Self::Join => doer.id.clone(),
            Self::Claim | Self::UnknownHello | Self::UnknownJoin => String::new(),
        }
    }

    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Call => "api.refused",
            Self::Claim => "gateway.claim",
            Self::Hello | Self::UnknownHello => "gateway.hello",
            Self::Link => "link.open",
            Self::Join | Self::UnknownJoin => "session.join",
        }
    }
}

/// Refusals of the running windows.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<(Kind, String), Window>>);

#[derive(Debug, Clone)]
struct Window {
    since: UnixMs,
    rows: u32,
    /// Without a row, and who and why was the last of them.
    more: u64,
    last: (Doer, Reason),
}

impl Refusals {
    /// Whether this one gets a row; else it is counted.
    fn admit(&self, kind: Kind, doer: &Doer, why: Reason, now: UnixMs) -> bool {
        let whose = kind.whose(doer);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MOST && !windows.contains_key(&(kind, whose.clone())) {
            return false;
        }
        let window = windows.entry((kind, whose)).or_insert_with(|| Window {
            since: now,
            rows: 0,
            more: 0,
            last: (doer.clone(), why),
        });
        if window.more == 0 && now.ms_since(window.since) >= kind.window_ms() {
            (window.since, window.rows) = (now, 0);
        }
        if window.rows < kind.most() {
            window.rows += 1;
            return true;
        }
        window.more += 1;
        window.last = (doer.clone(), why);
        false
    }

    /// Takes the windows that are over: those that counted something.
    fn take_over(&self, now: UnixMs) -> Vec<(Kind, Window)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over = Vec::new();
        windows.retain(|(kind, _), window| {
            let runs = now.ms_since(window.since) < kind.window_ms();
            if !runs && window.more > 0 {
                over.push((*kind, window.clone()));
            }
            runs
        });
        over
    }

    /// They could not be recorded: counted with what comes next.
    fn put_back(&self, over: Vec<(Kind, Window)>) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, window) in over {
            let whose = kind.whose(&window.last.0);
            windows
                .entry((kind, whose))
                .and_modify(|now| now.more += window.more)
                .or_insert(window);
        }
    }
}

impl App {
    /// Whether a refusal gets a row of its own; else it is counted.
    pub(super) fn tells_refusal(&self, kind: Kind, doer: &Doer, why: Reason) -> bool {
        self.refusals.admit(kind, doer, why, self.now())
    }

    /// A link's word was refused: a row of it, soon, while it is one of a few.
    /// Nobody waits for the database.
    pub(super) fn note_refused(&self, kind: Kind, by: Doer, what: &str, why: Reason) {
        if self.tells_refusal(kind, &by, why) {
            let action = kind.action();
            tracing::info!(action, who = by.id, what, reason = why.slug(), "Refused");
            self.record_later(by, kind.action(), what, why);
        }
    }

    /// Records how many refusals have no row, of windows that are over.
    ///
    /// # Errors
    /// [`StoreError`]; they are tried again.
    pub async fn record_counted(&self) -> Result<(), StoreError> {
        self.record_windows_over_at(self.now()).await
    }

    /// Records all that has no row yet: the server stops.
    ///
    /// # Errors
    /// [`StoreError`]: the log has those that were to get a row of their own.
    pub async fn record_rest(&self) -> Result<(), StoreError> {
        self.record_late().await?;
        self.record_windows_over_at(UnixMs(u64::MAX)).await
    }

    async fn record_windows_over_at(&self, now: UnixMs) -> Result<(), StoreError> {
        let over = self.refusals.take_over(now);
        if over.is_empty() {
            return Ok(());
        }
        let recorded = self.record_windows(&over).await;
        if recorded.is_err() {
            self.refusals.put_back(over);
        }
        recorded
    }

    async fn record_windows(&self, over: &[(Kind, Window)]) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        for (kind, window) in over {
            let (doer, why) = &window.last;
            let after = json!({ "without_row": window.more, "since": window.since.0 });
            let event = Event::refused(kind.action(), None, "", *why).after(after);
            self.record(&mut write, doer, event).await?;
        }
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Doer {
        Doer {
            id: name.into(),
            name: name.into(),
            source: String::new(),
        }
    }

    fn rows(refusals: &Refusals, kind: Kind, who: &str, times: u32, at: u64) -> u32 {
        let admit = |_: &u32| refusals.admit(kind, &person(who), Reason::NotAllowed, UnixMs(at));
        u32::try_from((0..times).filter(admit).count()).unwrap()
    }

    #[test]
    fn each_person_has_rows_of_her_own_and_strangers_share_theirs() {
        let refusals = Refusals::default();
        assert_eq!(rows(&refusals, Kind::Call, "ann", 1000, 0), 120);
        assert_eq!(rows(&refusals, Kind::Call, "bob", 5, 1), 5);
        assert_eq!(rows(&refusals, Kind::Claim, "box 1", 8, 2), 8);
        assert_eq!(rows(&refusals, Kind::Claim, "box 2", 8, 2), 2);

        assert!(refusals.take_over(UnixMs(WINDOW_MS - 1)).is_empty());
        let over = refusals.take_over(UnixMs(WINDOW_MS + 2));

        let counted: Vec<(Kind, u64)> = over.iter().map(|(k, w)| (*k, w.more)).collect();
        assert_eq!(counted, [(Kind::Call, 880), (Kind::Claim, 6)]);
        assert_eq!(rows(&refusals, Kind::Call, "ann", 1000, WINDOW_MS + 2), 120);
    }

    /// P20: a box that was revoked asks for as long as it has power, and unknown ones
    /// come in any number.
    #[test]
    fn boxes_that_ask_again_and_again_are_told_of_once_an_hour() {
        let refusals = Refusals::default();
        for minute in 0..59 {
            let at = minute * WINDOW_MS;
            let first = u32::from(minute == 0);
            assert_eq!(rows(&refusals, Kind::Hello, "box 1", 3, at), first);
            assert!(refusals.take_over(UnixMs(at)).is_empty());
        }
        assert_eq!(rows(&refusals, Kind::Hello, "box 2", 3, 0), 1);
        assert_eq!(rows(&refusals, Kind::UnknownHello, "box 3", 8, 0), 8);
        assert_eq!(rows(&refusals, Kind::UnknownHello, "box 4", 8, 0), 2);
        let mut counted: Vec<u64> = refusals
            .take_over(UnixMs(LONG_WINDOW_MS))
            .iter()
            .map(|(_, window)| window.more)
            .collect();
        counted.sort_unstable();
        assert_eq!(counted, [2, 6, 59 * 3 - 1]);
    }

    #[test]
    fn what_could_not_be_recorded_is_counted_on() {
        let refusals = Refusals::default();
        rows(&refusals, Kind::Call, "ann", 121, 0);
        let over = refusals.take_over(UnixMs(WINDOW_MS));
        rows(&refusals, Kind::Call, "ann", 122, WINDOW_MS);

        refusals.put_back(over);

        let over = refusals.take_over(UnixMs(2 * WINDOW_MS));
        assert_eq!((over.len(), over[0].1.more), (1, 3));
        assert!(refusals.take_over(UnixMs(2 * WINDOW_MS)).is_empty());
    }
}
