//! Rings, a few at a time, and a release that stops by itself (P8; threat 12).

use culvert_wire::key::SigningKey;

use super::*;

pub(super) const NOW: UnixMs = UnixMs(1_800_000_000_000);

pub(super) fn release(version: u64, ring: Ring) -> Release {
    Release {
        board: "rock64".into(),
        version,
        name: format!("0.{version}"),
        size: 14_000_000,
        published: NOW,
        ring: Some(ring),
        forced: false,
        halted: String::new(),
    }
}

pub(super) fn member(number: u8, ring: Ring) -> Member {
    Member {
        gateway: GatewayId::from_random([number; 16]),
        key: SigningKey::from_seed(&[number; 32]).public(),
        ring,
        online: true,
        seen: NOW,
        system: System {
            board: "rock64".into(),
            version: 1,
            trial: false,
            progress: Progress::None,
        },
        at: NOW,
        offered: None,
    }
}

/// Boxes that obey: they come back with what they were offered, but those that
/// `breaks` names never do.
fn obey(
    steps: &[Step],
    releases: &mut [Release],
    members: &mut [Member],
    breaks: &[usize],
    now: UnixMs,
) {
    for step in steps {
        match step {
            Step::Offer { member, release } => {
                let version = releases[*release].version;
                members[*member].offered = Some((version, now));
                if breaks.contains(member) {
                    members[*member].online = false;
                    members[*member].seen = now;
                } else {
                    members[*member].system.version = version;
                }
            }
            Step::Halt { release, why } => releases[*release].halted.clone_from(why),
        }
    }
}

#[test]
fn a_ring_gets_a_release_a_few_at_a_time_and_later_rings_wait_for_their_promotion() {
    let mut releases = vec![release(2, Ring::First)];
    let mut members: Vec<Member> = (0..60).map(|n| member(n, Ring::First)).collect();
    members.extend((60..100).map(|n| member(n, Ring::All)));

    let steps = plan(&releases, &members, NOW);
    assert_eq!(steps.len(), 3, "a twentieth of sixty");
    for _ in 0..40 {
        let steps = plan(&releases, &members, NOW);
        obey(&steps, &mut releases, &mut members, &[], NOW);
    }

    let done = |members: &[Member], ring| {
        let own = members.iter().filter(|m| m.ring == ring);
        own.filter(|m| m.system.version == 2).count()
    };
    assert_eq!(
        (done(&members, Ring::First), done(&members, Ring::All)),
        (60, 0)
    );
    releases[0].ring = Some(Ring::All);
    for _ in 0..40 {
        let steps = plan(&releases, &members, NOW);
        obey(&steps, &mut releases, &mut members, &[], NOW);
    }
    assert_eq!(done(&members, Ring::All), 40);
}

/// P8: more than one in a hundred not back within a quarter of an hour, and
/// nobody else gets it.
#[test]
fn a_release_that_loses_boxes_stops_by_itself() {
    let mut releases = vec![release(2, Ring::All)];
    let mut members: Vec<Member> = (0..200).map(|n| member(n, Ring::All)).collect();
    let breaks: Vec<usize> = (0..200).step_by(7).collect();
    let mut now = NOW;

    for _ in 0..200 {
        let steps = plan(&releases, &members, now);
        obey(&steps, &mut releases, &mut members, &breaks, now);
        now = now.plus_ms(BACK_MS / 4);
    }

    assert!(releases[0].halted.contains("of ring all did not come back"));
    let touched = members.iter().filter(|m| m.offered.is_some()).count();
    assert!(touched <= 60, "{touched} of 200 got a bad release");
    assert!(plan(&releases, &members, now).is_empty());
}

#[test]
fn one_lost_box_in_a_hundred_is_an_accident() {
    let mut members: Vec<Member> = (0..100).map(|n| member(n, Ring::All)).collect();
    members[3].offered = Some((2, NOW));
    members[3].online = false;
    let now = NOW.plus_ms(BACK_MS + 1);

    assert_eq!(
        lost_in(&release(2, Ring::All), &members, Ring::All, now),
        None
    );
    members[4].system.progress = Progress::Failed { version: 2 };
    assert!(lost_in(&release(2, Ring::All), &members, Ring::All, now).is_some());
}

const MINUTE: u64 = 60_000;

/// Rounds a minute apart, from `from` to `to`; who was offered it, in order.
fn rounds(
    releases: &mut [Release],
    members: &mut [Member],
    (from, to): (u64, u64),
    mut alive: impl FnMut(&mut [Member], UnixMs),
) -> Vec<usize> {
    let mut asked = Vec::new();
    for minute in from..to {
        let now = NOW.plus_ms(minute * MINUTE);
        alive(members, now);
        for step in plan(releases, members, now) {
            match step {
                Step::Offer { member, release } => {
                    members[member].offered = Some((releases[release].version, now));
                    asked.push(member);
                }
                Step::Halt { release, why } => releases[release].halted = why,
            }
        }
    }
    asked
}

fn linked(members: &mut [Member], now: UnixMs) {
    for member in members.iter_mut().filter(|member| member.online) {
        member.seen = now;
    }
}

/// What a gateway says while a session runs, and at each offer again.
#[test]
fn a_box_in_a_session_is_asked_again_later_is_not_lost_and_holds_nobody_up() {
    let mut releases = [release(2, Ring::All)];
    let mut members = vec![member(1, Ring::All), member(2, Ring::All)];
    let waits = |members: &mut [Member], now| {
        linked(members, now);
        if members[1].offered.is_some() {
            members[1].system.version = 2;
        }
        let offered = members[0].offered;
        if offered.is_some_and(|(_, at)| members[0].at < at.plus_ms(1)) {
            members[0].at = now;
            members[0].system.progress = Progress::Refused {
                version: 2,
                why: "a session runs there: the release is taken when it ends".into(),
            };
        }
    };

    let asked = rounds(&mut releases, &mut members, (0, 180), waits);

    assert_eq!(releases[0].halted, "");
    assert_eq!(asked[..3], [0, 1, 0], "the next one does not wait for it");
    let first = asked.iter().filter(|of| **of == 0).count();
    assert!((10..20).contains(&first), "asked {first} times in 3 hours");
}

/// A gateway of the version before says nothing while a session runs.
#[test]
fn a_linked_box_that_says_nothing_is_not_lost_and_takes_nobodys_turn() {
    let mut releases = [release(2, Ring::All)];
    let mut members: Vec<Member> = (0..3).map(|n| member(n, Ring::All)).collect();

    let asked = rounds(&mut releases, &mut members, (0, 12 * 60), linked);

    assert_eq!(releases[0].halted, "");
    assert_eq!(asked[..4], [0, 1, 2, 0], "each has its turn");
}

#[test]
fn a_box_on_a_slow_line_has_hours() {
    let mut releases = [release(2, Ring::All)];
    let mut members = vec![member(1, Ring::All)];
    members[0].system.progress = Progress::Taking { version: 2 };

    rounds(&mut releases, &mut members, (0, 5 * 60), linked);

    assert_eq!(releases[0].halted, "");
}

/// P8: "> 1 % not back": from when it went, with whatever word it went.
#[test]
fn a_box_that_went_and_is_not_back_in_a_quarter_of_an_hour_is_lost() {
    for last_word in [
        Progress::None,
        Progress::Taking { version: 2 },
        Progress::Installed { version: 2 },
    ] {
        let mut releases = [release(2, Ring::All)];
        let mut members = vec![member(1, Ring::All)];
        rounds(&mut releases, &mut members, (0, 50), linked);
        members[0].system.progress = last_word;
        members[0].at = NOW.plus_ms(49 * MINUTE);
        members[0].online = false;

        rounds(&mut releases, &mut members, (50, 64), linked);
        assert_eq!(releases[0].halted, "", "it has its time to come back");
        rounds(&mut releases, &mut members, (64, 66), linked);

        assert!(releases[0].halted.contains("did not come back with it"));
    }
}

#[test]
fn a_box_that_is_linked_and_never_healthy_with_it_is_lost() {
    for (trial, version, progress) in [
        (true, 2, Progress::None),
        (false, 1, Progress::Installed { version: 2 }),
    ] {
        let mut releases = [release(2, Ring::All)];
        let mut members = vec![member(1, Ring::All)];
        rounds(&mut releases, &mut members, (0, 1), linked);
        members[0].system = System {
            trial,
            version,
            progress,
            ..members[0].system.clone()
        };

        rounds(&mut releases, &mut members, (1, 15), linked);
        assert_eq!(releases[0].halted, "", "its trial takes five minutes");
        rounds(&mut releases, &mut members, (15, 17), linked);

        assert!(releases[0].halted.contains("did not come back with it"));
    }
}

/// Boxes are switched off, and lines break, every day.
#[test]
fn a_box_that_has_it_is_lost_only_when_it_goes_dark_soon_after() {
    let gone = |after: u64, minutes: u64| {
        let mut member = member(1, Ring::All);
        member.system.version = 2;
        member.offered = Some((2, NOW));
        member.online = false;
        member.seen = NOW.plus_ms(after);
        let now = member.seen.plus_ms(minutes * MINUTE);
        lost_in(&release(2, Ring::All), &[member], Ring::All, now).is_some()
    };
    let hour = 60 * MINUTE;

    assert!(!gone(hour, 14), "a line that breaks");
    assert!(gone(hour, 16), "the release may be why");
    assert!(gone(23 * hour, 16));
    assert!(!gone(25 * hour, 16), "it was switched off");
}

/// The program that said it boots the release next is gone, and the box runs
/// what it ran before: nobody was left there to say that it failed.
#[test]
fn a_box_that_came_back_without_what_it_had_installed_has_failed_there() {
    let ran = |version, trial, progress| System {
        board: "rock64".into(),
        version,
        trial,
        progress,
    };
    let failed = Progress::Failed { version: 2 };
    let told = |before: &System, after: System| {
        let mut after = after;
        remember(before, &mut after);
        after.progress
    };
    let installed = ran(1, false, Progress::Installed { version: 2 });

    assert_eq!(told(&installed, ran(1, false, Progress::None)), failed);
    let older = Progress::Failed { version: 1 };
    assert_eq!(told(&installed, ran(1, false, older)), failed);
    // It had a link there, hung, and was reset until it was back.
    let tried = ran(2, true, Progress::None);
    assert_eq!(told(&tried, ran(1, false, Progress::None)), failed);
    // Kept at each new link, until another release is under way.
    let back = ran(1, false, failed.clone());
    assert_eq!(told(&back, ran(1, false, Progress::None)), failed);
    let next = Progress::Taking { version: 3 };
    assert_eq!(told(&back, ran(1, false, next.clone())), next);
    // Nothing of it for a box that has it, or lost its power while it fetched.
    let none = Progress::None;
    assert_eq!(told(&installed, ran(2, true, none.clone())), none);
    assert_eq!(told(&tried, ran(2, false, none.clone())), none);
    let taking = ran(1, false, Progress::Taking { version: 2 });
    assert_eq!(told(&taking, ran(1, false, none.clone())), none);
}

#[test]
fn a_box_gets_the_newest_release_of_its_board_and_nothing_from_before() {
    let mut other = release(9, Ring::All);
    other.board = "qemu-virt".into();
    let releases = [release(2, Ring::All), release(3, Ring::All), other];
    let mut members = vec![member(1, Ring::All)];

    let steps = plan(&releases, &members, NOW);
    assert_eq!(
        steps,
        [Step::Offer {
            member: 0,
            release: 1
        }]
    );
    members[0].system.version = 3;
    assert_eq!(plan(&releases, &members, NOW), []);
    members[0].online = false;
    members[0].system.version = 1;
    assert_eq!(
        plan(&releases, &members, NOW),
        [],
        "a box that is off waits"
    );
}
