//! What people are told of a rollout is what the rollout itself goes by (P8).

use super::super::tests::{NOW, member, release};
use super::super::{BACK_MS, Step, plan};
use super::*;

#[test]
fn a_ring_shows_the_newest_release_it_may_have_and_none_that_was_stopped() {
    let mut stopped = release(3, Ring::All);
    stopped.halted = "by hand".into();
    let releases = [release(1, Ring::All), release(2, Ring::First), stopped];
    let members = [
        member(1, Ring::First),
        member(2, Ring::All),
        member(3, Ring::All),
    ];

    let rings = rings(&releases, &members);

    let shown: Vec<_> = rings.iter().map(|r| (r.ring, r.boxes, r.version)).collect();
    let expected = [
        (Ring::First, 1, Some(2)),
        (Ring::Early, 0, Some(1)),
        (Ring::All, 2, Some(1)),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn every_box_of_a_ring_is_counted_once_and_those_behind_are_told_with_why() {
    let releases = [release(2, Ring::All)];
    let mut members: Vec<_> = (0..6).map(|n| member(n, Ring::All)).collect();
    members[0].system.version = 2;
    members[1].offered = Some((2, NOW));
    members[1].system.progress = Progress::Installed { version: 2 };
    members[2].system.progress = Progress::Failed { version: 2 };
    members[3].online = false;
    members[4].offered = Some((2, NOW));
    members[4].system.progress = Progress::Refused {
        version: 2,
        why: "the bundle is for another board".into(),
    };

    let [all] = <[Reach; 1]>::try_from(reach(&releases[0], &members, NOW).split_off(2)).unwrap();
    let behind = behind(&releases, &members, NOW);

    assert_eq!((all.boxes, all.have, all.coming, all.failed), (6, 1, 1, 1));
    let told: Vec<_> = behind.iter().map(|b| (b.member, b.lag)).collect();
    let expected = [
        (2, Lag::Failed),
        (4, Lag::Refused),
        (3, Lag::Offline),
        (1, Lag::Coming),
        (5, Lag::Waiting),
    ];
    assert_eq!(told, expected);
    assert!(
        behind[0].why.contains("went back to version 1"),
        "{behind:?}"
    );
    assert_eq!(behind[1].why, "the bundle is for another board");
}

#[test]
fn who_failed_with_a_stopped_release_stays_in_sight_and_nobody_else_owes_it() {
    let mut releases = [release(2, Ring::All)];
    let mut members = [member(1, Ring::All), member(2, Ring::All)];
    members[0].offered = Some((2, NOW));
    members[0].online = false;
    let later = NOW.plus_ms(BACK_MS + 1);
    let [Step::Halt { why, .. }] = &plan(&releases, &members, later)[..] else {
        panic!("it is not stopped");
    };
    releases[0].halted.clone_from(why);

    let behind = behind(&releases, &members, later);

    let told: Vec<_> = behind
        .iter()
        .map(|b| (b.member, b.version, b.lag))
        .collect();
    assert_eq!(told, [(0, 2, Lag::Failed)]);
    assert!(behind[0].why.contains("offline since"), "{behind:?}");
}

#[test]
fn who_took_a_release_and_went_is_not_said_to_have_refused_it() {
    let releases = [release(2, Ring::All)];
    let mut members = [member(1, Ring::All)];
    members[0].system.version = 2;
    members[0].offered = Some((2, NOW));
    members[0].online = false;

    let behind = behind(&releases, &members, NOW.plus_ms(BACK_MS + 1));

    let told: Vec<_> = behind.iter().map(|b| (b.lag, b.why.as_str())).collect();
    assert_eq!(
        told,
        [(Lag::Failed, "it took the release and is offline since")]
    );
}
