//! Cases 5: messages in fragments.

use super::*;

#[tokio::test(start_paused = true)]
async fn cases_5_fragments_become_one_message_with_control_frames_in_between() {
    let first = || frame(TEXT, b"fragment1");
    let last = || frame(FIN, b"fragment2");
    let whole = || text(b"fragment1fragment2");
    let ping = || frame(FIN | PING, b"ping");
    let pong = || (FIN | PONG, b"ping".to_vec());
    let single = |frames: Vec<Vec<u8>>| frames.concat().into_iter().map(|b| vec![b]).collect();
    let next = || frame(0, b"f");
    check(vec![
        case(
            "5.1",
            vec![frame(PING, b"a"), frame(FIN, b"b")],
            vec![],
            Some(1002),
        ),
        case(
            "5.2",
            vec![frame(PONG, b"a"), frame(FIN, b"b")],
            vec![],
            Some(1002),
        ),
        case("5.3", vec![first(), last()], vec![whole()], None),
        case("5.4", vec![[first(), last()].concat()], vec![whole()], None),
        case("5.5", single(vec![first(), last()]), vec![whole()], None),
        case(
            "5.6",
            vec![first(), ping(), last()],
            vec![pong(), whole()],
            None,
        ),
        case(
            "5.8",
            single(vec![first(), ping(), last()]),
            vec![pong(), whole()],
            None,
        ),
        case(
            "5.9",
            vec![last(), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.12",
            vec![frame(0, b"x"), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.15",
            vec![first(), last(), frame(0, b"x")],
            vec![whole()],
            Some(1002),
        ),
        case(
            "5.18",
            vec![first(), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1002),
        ),
        case(
            "5.19",
            vec![first(), next(), ping(), next(), ping(), last()],
            vec![pong(), pong(), text(b"fragment1fffragment2")],
            None,
        ),
        case(
            "empty fragments",
            vec![frame(BINARY, b""), frame(0, b""), frame(FIN, b"")],
            vec![(FIN | BINARY, vec![])],
            None,
        ),
        case(
            "binary inside",
            vec![frame(BINARY, b"a"), frame(BINARY, b"b")],
            vec![],
            Some(1002),
        ),
    ])
    .await;
}
