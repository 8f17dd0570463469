//! SIGTERM with sessions running: what ends meanwhile is in the books (P20, P23).

use culvert_link::Event;
use culvert_wire::frame::{Frame, SessionEnded};
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use tokio::time::timeout;

use crate::served::{PATIENCE, Prs, good, session};

/// The record comes on a link that is being ended, after the last session.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_comes_while_the_server_stops_is_kept() {
    let mut prs = Prs::new();
    let settings = prs.data().join("prs.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}\ndrain_seconds = 20\n")).unwrap();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, _) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    let (answer, _, near, _far) = session(&technician, &gateway, &mut events, &key).await;

    let mut child = prs.stop();
    while !matches!(
        timeout(PATIENCE, events.next()).await.unwrap(),
        Some(Event::Drain { .. })
    ) {}
    // She is done: the box's link has nothing more to carry, and is ended.
    near.leave(Reason::ClosedByTechnician, "");
    let ended = SessionEnded {
        session: answer.session,
        reason: Reason::ClosedByTechnician,
        from_hosts: 4711,
        to_hosts: 17,
        streams: 1,
    };
    gateway.send(Frame::SessionEnded(ended)).unwrap();

    assert!(child.wait().unwrap().success());
    let report = good(&prs.admin(&["report", "--csv"], ""));
    assert!(
        report.contains(",4711,17,closed_by_technician,"),
        "{report}"
    );
}
