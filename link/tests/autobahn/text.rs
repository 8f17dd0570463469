//! Cases 6: text is UTF-8.

use super::*;

#[tokio::test(start_paused = true)]
async fn cases_6_text_is_utf8_or_the_connection_fails_at_once() {
    let mut cases = Vec::new();
    let valid: &[&[u8]] = &[
        b"",
        "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
        "κόσμε".as_bytes(),
        "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\u{d7ff}\u{e000}\u{fffd}\u{0}".as_bytes(),
    ];
    for (number, payload) in valid.iter().enumerate() {
        let send = vec![frame(FIN | TEXT, payload)];
        cases.push(case(
            format!("6 valid {number}"),
            send,
            vec![text(payload)],
            None,
        ));
        let mut bytes: Vec<Vec<u8>> = payload.iter().map(|byte| frame(0, &[*byte])).collect();
        bytes.insert(0, frame(TEXT, b""));
        bytes.push(frame(FIN, b""));
        cases.push(case(
            format!("6 byte frames {number}"),
            bytes,
            vec![text(payload)],
            None,
        ));
    }
    // From Markus Kuhn's test file, as the suite takes them.
    let invalid: &[&[u8]] = &[
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc0 \xc1 ",
        b"\xe0 \xe1 ",
        b"\xf0 ",
        b"\xc0",
        b"\xdf",
        b"\xe0\x80",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf5\x80\x80\x80",
    ];
    for (number, payload) in invalid.iter().enumerate() {
        let send = vec![frame(FIN | TEXT, payload)];
        cases.push(case(
            format!("6 invalid {number}"),
            send,
            vec![],
            Some(1007),
        ));
    }
    // 6.4: fails before the message is whole.
    let send = vec![frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xf4"), frame(0, b"\x90")];
    cases.push(case("6.4.1", send, vec![], Some(1007)));
    let send = vec![frame(TEXT, b"\xce"), frame(FIN, b"")];
    cases.push(case("6 cut off at the end", send, vec![], Some(1007)));
    check(cases).await;
}
