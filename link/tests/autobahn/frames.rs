//! Cases 1 to 4: lengths, pings, reserved bits and opcodes.

use super::*;

#[tokio::test(start_paused = true)]
async fn cases_1_messages_of_every_length_form_are_echoed() {
    let mut cases = Vec::new();
    for (kind, letter) in [(TEXT, b'*'), (BINARY, 0xfe)] {
        for (number, size) in [0, 125, 126, 127, 128, 65_535, 65_536]
            .into_iter()
            .enumerate()
        {
            let payload = vec![letter; size];
            let send = vec![frame(FIN | kind, &payload)];
            let back = vec![(FIN | kind, payload)];
            cases.push(case(format!("1.{kind}.{}", number + 1), send, back, None));
        }
        // 1.x.8: in chops of 997 bytes.
        let payload = vec![letter; 65_536];
        let chops = frame(FIN | kind, &payload)
            .chunks(997)
            .map(<[u8]>::to_vec)
            .collect();
        cases.push(case(
            format!("1.{kind}.8"),
            chops,
            vec![(FIN | kind, payload)],
            None,
        ));
    }
    check(cases).await;
}

#[tokio::test(start_paused = true)]
async fn cases_2_pings_are_answered_with_their_payload_and_pongs_ignored() {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let pong = |payload: &[u8]| (FIN | PONG, payload.to_vec());
    let odd = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff];
    let many: Vec<Vec<u8>> = (0..10_u8).map(|number| vec![number; 3]).collect();
    let one_by_one = |bytes: Vec<u8>| bytes.into_iter().map(|byte| vec![byte]).collect();
    check(vec![
        case("2.1", vec![ping(b"")], vec![pong(b"")], None),
        case("2.2", vec![ping(b"Hello")], vec![pong(b"Hello")], None),
        case("2.3", vec![ping(&odd)], vec![pong(&odd)], None),
        case(
            "2.4",
            vec![ping(&[0xfe; 125])],
            vec![pong(&[0xfe; 125])],
            None,
        ),
        case("2.5", vec![ping(&[0xfe; 126])], vec![], Some(1002)),
        case(
            "2.6",
            one_by_one(ping(&[0xfe; 125])),
            vec![pong(&[0xfe; 125])],
            None,
        ),
        case("2.7", vec![frame(FIN | PONG, b"")], vec![], None),
        case("2.8", vec![frame(FIN | PONG, b"unsolicited")], vec![], None),
        case(
            "2.9",
            vec![frame(FIN | PONG, b"unsolicited"), ping(b"payload")],
            vec![pong(b"payload")],
            None,
        ),
        case(
            "2.10",
            many.iter().map(|payload| ping(payload)).collect(),
            many.iter().map(|payload| pong(payload)).collect(),
            None,
        ),
        case(
            "2.11",
            one_by_one(many.iter().flat_map(|payload| ping(payload)).collect()),
            many.iter().map(|payload| pong(payload)).collect(),
            None,
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn cases_3_reserved_bits_fail_the_connection() {
    let mut cases = Vec::new();
    for bits in 1..8_u8 {
        for (kind, payload) in [
            (TEXT, &b"Hello"[..]),
            (BINARY, b"x"),
            (PING, b"x"),
            (CLOSE, b""),
        ] {
            let bad = frame(FIN | bits << 4 | kind, payload);
            let send = vec![frame(FIN | TEXT, b"first"), bad, frame(FIN | PING, b"")];
            cases.push(case(
                format!("3.{bits} kind {kind}"),
                send,
                vec![text(b"first")],
                Some(1002),
            ));
        }
    }
    check(cases).await;
}

#[tokio::test(start_paused = true)]
async fn cases_4_reserved_opcodes_fail_the_connection() {
    let mut cases = Vec::new();
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"payload"] {
            let bad = frame(FIN | opcode, payload);
            let send = vec![frame(FIN | TEXT, b"first"), bad, frame(FIN | PING, b"")];
            cases.push(case(
                format!("4 opcode {opcode}"),
                send,
                vec![text(b"first")],
                Some(1002),
            ));
        }
    }
    check(cases).await;
}
