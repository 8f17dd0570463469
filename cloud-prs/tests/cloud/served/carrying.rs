//! Sessions through a server that really runs, and what a change at the console,
//! a killed server and a reader of its log make of them.

use super::*;

/// "A fresh VPS needs three commands."
#[tokio::test(flavor = "multi_thread")]
async fn three_commands_make_a_server_that_carries_a_session() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, signed) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    assert_eq!(signed.me.customers.len(), 1);

    let (answer, _, near, far) = session(&technician, &gateway, &mut events, &key).await;

    reaches(&far, &near, b"yes").await;
    let whole = good(&prs.admin(&["session", "list"], ""));
    assert!(whole.contains(&answer.session.to_string()) && whole.contains("pump"));
    let path = format!("/api/v1/sessions/{}/renew", answer.session);
    let judged = async {
        let invite = invited(&mut events).await;
        assert!(invite.ticket.is_none());
        let grant = invite
            .grant
            .verify(&gateway.proven().statement.node)
            .unwrap();
        let result = InviteResult {
            session: grant.session,
            serial: grant.serial,
            refused: None,
        };
        gateway.send(Frame::InviteResult(result)).unwrap();
    };
    let renewing = api::<RenewAnswer>(&technician, Method::Post, &path, &());
    let (renewed, ()) = tokio::join!(renewing, judged);
    assert!(renewed.unwrap().ends_at >= answer.ends_at);
}

/// Part 12, P21: a change at the console reaches the gateway of a running
/// server, the route and the person's link.
#[tokio::test(flavor = "multi_thread")]
async fn disabling_somebody_at_the_console_ends_her_session_at_the_gateway() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, _) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    let (answer, _, near, far) = session(&technician, &gateway, &mut events, &key).await;

    good(&prs.admin(&["user", "disable", "tech"], ""));

    let order = loop {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Some(Event::Revoke(order)) => break order,
            Some(_) => {}
            None => panic!("the link is over"),
        }
    };
    let order = order
        .verify(&gateway.proven().statement.node)
        .unwrap()
        .clone();
    assert_eq!(order.scope, Scope::Sessions(vec![answer.session]));
    assert_eq!(order.reason, Reason::UserDisabled);
    let (why, _) = timeout(PATIENCE, technician.closed()).await.unwrap();
    assert_eq!(why, Reason::UserDisabled);
    eventually(|| near.closed().is_some() && far.closed().is_some()).await;
    gateway.send(Frame::Revoked(order.counter)).unwrap();
    // Nothing of hers works any more.
    let me = Me::Technician {
        key: SigningKey::from_seed(&[1; 32]),
        token: None,
    };
    let (again, _events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    let ask = SignIn {
        name: "tech".into(),
        password: Secret::new(PASSWORD.into()),
        label: String::new(),
    };
    let refused = api::<SignInAnswer>(&again, Method::Post, "/api/v1/sign-in", &ask).await;
    assert_eq!(refused.unwrap_err(), 401);
    let report = good(&prs.admin(&["report", "--csv"], ""));
    assert!(report.contains("user_disabled"), "{report}");
    good(&prs.admin(&["audit", "verify"], ""));
}

/// P2: the relay is killed; a session goes on by its end keys, its used
/// tickets do not work again.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_killed_server() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, welcome) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (technician, signed) = prs.sign_in("tech", &device).await;
    let (answer, end, _near, _far) = session(&technician, &gateway, &mut events, &key).await;
    prs.joins_are_noted().await;

    prs.kill();
    prs.serve();

    let lease = welcome.lease.unwrap();
    let (gateway, _events, _) = prs.box_again(&key, 1, lease).await;
    let me = Me::Technician {
        key: device.clone(),
        token: Some(signed.token.as_ref().unwrap().reveal().to_owned().into()),
    };
    let (technician, _tech_events) = connect(&prs.dial(), me, "culvert 1").await.unwrap();
    // With the ticket of before the route is refused, with the key it is not.
    let replayed = technician
        .join(answer.session, Some(answer.ticket), &end)
        .unwrap();
    eventually(|| replayed.closed().is_some()).await;
    let far = gateway.join(answer.session, None, &key).unwrap();
    let near = technician.join(answer.session, None, &end).unwrap();
    eventually(|| near.joined() && far.joined()).await;
    reaches(&near, &far, b"again").await;
    // The token still holds, and the device key with it.
    let live: SessionList = api(&technician, Method::Get, "/api/v1/sessions?state=live", &())
        .await
        .unwrap();
    assert_eq!(live.sessions.len(), 1);
}

/// Part 12, P20: what is refused to a link is in the trail: a ticket used a second time, a box
/// that was revoked and one that nobody knows. Not each time: they may ask again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_at_a_link_is_in_the_trail() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, welcome) = prs.claim().await;
    let device = SigningKey::from_seed(&[1; 32]);
    let (technician, signed) = prs.sign_in("tech", &device).await;
    let (answer, end, _near, _far) = session(&technician, &gateway, &mut events, &key).await;
    for _ in 0..3 {
        let replayed = technician
            .join(answer.session, Some(answer.ticket.clone()), &end)
            .unwrap();
        eventually(|| replayed.closed().is_some()).await;
    }

    let id = welcome.gateway.unwrap().to_string();
    good(&prs.admin(&["gateway", "revoke", &id], ""));
    timeout(PATIENCE, gateway.closed()).await.unwrap();
    let stranger = SigningKey::from_seed(&[9; 32]);
    for key in [&key, &key, &stranger] {
        let hello = GatewayHello {
            identity: key.public(),
            boot: BootId::from_random([1; 16]),
            lease: welcome.lease,
            revocations: 0,
        };
        let key = key.clone();
        let me = Me::Gateway { key, hello };
        let (link, _events) = connect(&prs.dial(), me, "box 1").await.unwrap();
        timeout(PATIENCE, link.closed()).await.unwrap();
    }

    let trail = || good(&prs.admin(&["audit", "list", "--limit", "100"], ""));
    let rows = |what: &str, why: Reason| {
        let has = |line: &&str| line.contains(what) && line.contains(why.slug());
        trail().lines().filter(has).count()
    };
    // Each kind is written down by itself.
    eventually(|| rows("gateway.hello", Reason::Unclaimed) > 0).await;
    eventually(|| rows("gateway.hello", Reason::GatewayRevoked) > 0).await;
    eventually(|| rows("session.join", Reason::TicketInvalid) >= 3).await;
    assert_eq!(
        rows("session.join", Reason::TicketInvalid),
        3,
        "{}",
        trail()
    );
    let whole = trail();
    let join = whole.lines().find(|line| line.contains("session.join"));
    let join = join.unwrap();
    assert!(join.contains(&signed.me.user.id.to_string()), "{join}");
    assert!(join.contains(&answer.session.to_string()), "{join}");
    assert_eq!(rows("gateway.hello", Reason::GatewayRevoked), 1, "{whole}");
    let hello = whole.lines().find(|line| line.contains("gateway_revoked"));
    let fingerprint = key.public().fingerprint().to_string();
    assert!(hello.unwrap().contains(&fingerprint), "{whole}");

    // Ten a minute have a row; that there were more is one when the server stops.
    for _ in 0..20 {
        let replayed = technician
            .join(answer.session, Some(answer.ticket.clone()), &end)
            .unwrap();
        eventually(|| replayed.closed().is_some()).await;
    }
    prs.stop().wait().unwrap();
    let whole = good(&prs.admin(&["audit", "list", "--limit", "100"], ""));
    let joins = whole.lines().filter(|line| line.contains("session.join"));
    assert!(joins.count() > 10, "{whole}");
    good(&prs.admin(&["audit", "verify"], ""));
}

/// Invariant: no secret, no customer address above DEBUG in a log.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_no_secret_and_no_customer_address_above_debug() {
    let mut prs = Prs::new();
    prs.serve();
    let (key, gateway, mut events, _) = prs.claim().await;
    let (technician, signed) = prs.sign_in("tech", &SigningKey::from_seed(&[1; 32])).await;
    let (answer, _, _near, _far) = session(&technician, &gateway, &mut events, &key).await;
    good(&prs.admin(&["user", "disable", "tech"], ""));
    timeout(PATIENCE, technician.closed()).await.unwrap();
    prs.stop().wait().unwrap();

    let log = prs.whole_log();

    for secret in [
        PASSWORD,
        signed.token.as_ref().unwrap().reveal(),
        &answer.ticket.reveal(),
    ] {
        assert!(!log.contains(secret));
    }
    let loud = |line: &&str| {
        [" INFO ", " WARN ", "ERROR "]
            .iter()
            .any(|level| line.contains(level))
    };
    for line in log.lines().filter(loud) {
        assert!(!line.contains(ADDRESS), "{line}");
    }
    // The control: the log was there and is read.
    assert!(log.contains("Listening") && log.contains("Draining"));
}
