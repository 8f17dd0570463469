//! Rings, a few at a time, and a release that stops by itself (P8).

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

#[test]
fn a_box_in_a_session_is_asked_again_later_and_is_not_lost() {
    let releases = [release(2, Ring::All)];
    let mut members = vec![member(1, Ring::All)];
    members[0].offered = Some((2, NOW));
    members[0].system.progress = Progress::Refused {
        version: 2,
        why: "a session runs".into(),
    };
    members[0].at = NOW.plus_ms(1000);

    assert_eq!(plan(&releases, &members, NOW.plus_ms(2000)), []);
    let steps = plan(&releases, &members, NOW.plus_ms(2000 + AGAIN_MS));
    assert_eq!(
        steps,
        [Step::Offer {
            member: 0,
            release: 0
        }]
    );
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
