//! Cases 7: the end of a connection.

use super::*;

#[tokio::test(start_paused = true)]
async fn cases_7_closing_is_answered_and_nothing_follows() {
    let mut cases = vec![
        case(
            "7.1.1",
            vec![frame(FIN | TEXT, b"a"), frame(FIN | CLOSE, b"")],
            vec![text(b"a")],
            Some(1005),
        ),
        case(
            "7.1.2",
            vec![close(1000, b""), close(1000, b"")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.3",
            vec![close(1000, b""), frame(FIN | PING, b"")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.4",
            vec![close(1000, b""), frame(FIN | TEXT, b"x")],
            vec![],
            Some(1000),
        ),
        case(
            "7.1.5",
            vec![frame(TEXT, b"x"), close(1000, b""), frame(FIN, b"y")],
            vec![],
            Some(1000),
        ),
        case("7.3.2", vec![frame(FIN | CLOSE, b"a")], vec![], Some(1002)),
        case(
            "7.3.4",
            vec![close(1000, b"Hello World!")],
            vec![],
            Some(1000),
        ),
        case("7.3.5", vec![close(1000, &[b'*'; 123])], vec![], Some(1000)),
        case("7.3.6", vec![close(1000, &[b'*'; 124])], vec![], Some(1002)),
        case(
            "7.5.1",
            vec![close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80")],
            vec![],
            Some(1007),
        ),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        cases.push(case(
            format!("7.7 {code}"),
            vec![close(code, b"")],
            vec![],
            Some(code),
        ));
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        cases.push(case(
            format!("7.9 {code}"),
            vec![close(code, b"")],
            vec![],
            Some(1002),
        ));
    }
    check(cases).await;
}
