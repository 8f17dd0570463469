//! Cases 9 and 10: large messages; and what is too large.

use super::*;

#[tokio::test(start_paused = true)]
async fn cases_9_and_10_large_messages_in_frames_and_chops() {
    let mut cases = Vec::new();
    for kind in [TEXT, BINARY] {
        for size in [64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024] {
            let payload = vec![b'*'; size];
            let back = vec![(FIN | kind, payload.clone())];
            let send = vec![frame(FIN | kind, &payload)];
            cases.push(case(format!("9.{kind} {size}"), send, back, None));
        }
        for fragment in [64, 256, 1024, 4096, 16_384, 65_536] {
            let payload = vec![b'*'; 256 * 1024];
            let mut send: Vec<Vec<u8>> = payload
                .chunks(fragment)
                .map(|part| frame(0, part))
                .collect();
            send[0][0] = kind;
            send.last_mut().unwrap()[0] |= FIN;
            cases.push(case(
                format!("9.{kind} of {fragment}"),
                send,
                vec![(FIN | kind, payload)],
                None,
            ));
        }
    }
    let payload = vec![b'*'; 65_536];
    let chops = frame(FIN | TEXT, &payload)
        .chunks(1300)
        .map(<[u8]>::to_vec)
        .collect();
    cases.push(case("10.1.1", chops, vec![text(&payload)], None));
    check(cases).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_longer_than_the_limit_is_refused_before_it_is_stored() {
    let head = [
        FIN | BINARY,
        0x80 | 127,
        0,
        0,
        0,
        0,
        0x40,
        0,
        0,
        0,
        1,
        2,
        3,
        4,
    ];
    let mut parts: Vec<Vec<u8>> = (0..22).map(|_| frame(0, &vec![0; 1024 * 1024])).collect();
    parts[0][0] = BINARY;
    let unmasked = vec![FIN | BINARY, 1, b'x'];
    check(vec![
        case("1 GiB announced", vec![head.to_vec()], vec![], Some(1009)),
        case("22 MiB in fragments", parts, vec![], Some(1009)),
        case(
            "a client that does not mask",
            vec![unmasked],
            vec![],
            Some(1002),
        ),
    ])
    .await;
}
