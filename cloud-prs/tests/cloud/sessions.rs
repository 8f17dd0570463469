//! Starting, renewing, ending and reporting sessions.

use culvert_cloud_prs::app::report;
use culvert_cloud_prs::store::sessions::{End, Filter};
use culvert_wire::api::{NewLaunch, NewSession, NodeRef, RedeemLaunch};
use culvert_wire::frame::SessionEnded;
use culvert_wire::grant::{JOIN_WITHIN_MS, Protocol, Rights};
use culvert_wire::id::HostId;
use culvert_wire::key::SigningKey;
use culvert_wire::reason::Reason;
use culvert_wire::ticket::Ticket;

use crate::world::{From, HOUR, Person, World, ask, console, on_both, revoke};

on_both! {
    /// The walk of one session, step 2.
    a_session_is_one_grant_two_tickets_and_a_durable_row, world => {
        let wanted = ask(&world.a);
        world.pass(1);
        let call = world.call(&world.ann).await;

        let answer = world.app.start_session(&call, &wanted).await.unwrap();

        let invite = world.wires.invites.lock().unwrap().remove(0);
        let route = world.wires.routes.lock().unwrap().remove(0);
        let grant = invite.grant.verify(&world.broker.public()).unwrap().clone();
        assert_eq!(grant.session, answer.session);
        assert_eq!(grant.serial, 0);
        assert_eq!(grant.gateway, world.a.box_key.public());
        assert_eq!(grant.technician, world.ann.id);
        assert_eq!(grant.technician_end, wanted.end_key);
        assert_eq!(grant.join_by, grant.issued.plus_ms(JOIN_WITHIN_MS));
        assert_eq!(grant.ends_at, grant.issued.plus_ms(HOUR));
        assert_eq!(grant.targets, answer.targets);
        assert_eq!(answer.targets[0].port, 22);
        assert_eq!(answer.site, "Acme / Office");
        assert_eq!(route.technician.ticket, Some(answer.ticket.hash()));
        assert_eq!(route.technician.end, wanted.end_key);
        assert_eq!(route.gateway.ticket, invite.ticket.map(|ticket| ticket.hash()));
        assert_eq!(route.gateway.end, world.a.box_key.public());
        let rows = world.app.audit_rows(&console(), None, None, 10).await.unwrap();
        assert_eq!(rows[0].action, "session.start");
        assert_eq!(rows[0].object, answer.session.to_string());
        assert_eq!(rows[0].actor, world.ann.id.to_string());
    }
}

on_both! {
    /// S39: nobody worked there, and the gateway lets nobody; the trail keeps it.
    a_test_of_a_connection_may_do_nothing_else_and_is_in_no_report, world => {
        world.pass(1);
        let call = world.call(&world.ann).await;
        let wanted = NewSession { test: true, ..ask(&world.a) };

        let answer = world.app.start_session(&call, &wanted).await.unwrap();

        let invite = world.wires.invites.lock().unwrap().remove(0);
        let grant = invite.grant.verify(&world.broker.public()).unwrap().clone();
        assert_eq!(grant.rights, Rights::CONNECT);
        assert!(world.app.sessions(&call, Filter::default()).await.unwrap().is_empty());
        assert!(world.app.report(&call, Filter::default()).await.unwrap().is_empty());
        assert!(world.app.history(&call, world.a.host).await.unwrap().is_empty());
        assert!(world.app.presence(&call, world.a.host).await.unwrap().is_empty());
        assert!(world.app.recent(&call).await.unwrap().is_empty());
        assert!(world.app.leaving(&console(), world.ann.id).await.unwrap().hosts.is_empty());
        let rows = world.app.audit_rows(&console(), None, None, 10).await.unwrap();
        assert_eq!((rows[0].action.as_str(), rows[0].object.clone()), ("session.start", answer.session.to_string()));
        assert!(rows[0].after.contains(r#""test":true"#), "{}", rows[0].after);
        // What ends with her rights ends all the same.
        revoke(&world.app, world.ann.id, NodeRef::Customer(world.a.customer)).await;
        assert!(world.app.recover_route(answer.session).await.unwrap().is_none());
    }
}

on_both! {
    /// Only hashes are stored, and after a restart a used ticket is worthless.
    a_route_comes_back_after_a_restart_without_its_used_tickets, world => {
        let answer = world.session(&world.ann, &world.a).await;
        let before = world.app.recover_route(answer.session).await.unwrap().unwrap();
        assert_eq!(before.technician.ticket, Some(answer.ticket.hash()));

        world.app.route_joined(answer.session, End::Technician).await;

        let after = world.app.recover_route(answer.session).await.unwrap().unwrap();
        assert_eq!(after.technician.ticket, None);
        assert!(after.gateway.ticket.is_some());
        world.pass(HOUR);
        assert!(world.app.recover_route(answer.session).await.unwrap().is_none());
    }
}

on_both! {
    an_offline_gateway_is_told_at_once_with_last_seen, world => {
        world.wires.online.lock().unwrap().clear();
        world.app.gateway_down(&world.a.box_key.public()).await;
        let call = world.call(&world.ann).await;

        let refused = world.app.start_session(&call, &ask(&world.a)).await.unwrap_err();

        assert_eq!(refused.reason, Reason::GatewayOffline);
        assert!(refused.message.contains("last seen 2027-01-15T"), "{}", refused.message);
        assert!(world.wires.routes.lock().unwrap().is_empty());
    }
}

on_both! {
    ports_beyond_the_hosts_services_are_refused, world => {
        let call = world.call(&world.ann).await;
        let start = async |protocol, ports: &[u16]| {
            let ask = NewSession { protocol, ports: ports.to_vec(), ..ask(&world.a) };
            world.app.start_session(&call, &ask).await.map(|answer| {
                answer.targets.iter().map(|target| target.port).collect::<Vec<_>>()
            })
        };
        assert_eq!(start(Protocol::Vnc, &[]).await.unwrap(), [5901]);
        assert_eq!(start(Protocol::Tcp, &[22]).await.unwrap(), [22]);
        assert_eq!(start(Protocol::Https, &[]).await.unwrap(), [443, 80]);
        for (protocol, ports) in [
            (Protocol::Ssh, &[2222][..]),
            (Protocol::Rdp, &[]),
            (Protocol::Tcp, &[22, 3389]),
        ] {
            let refused = start(protocol, ports).await.unwrap_err();
            assert_eq!(refused.reason, Reason::TargetUnknown, "{protocol}");
        }
        for ports in [&[0][..], &[22; 17]] {
            let refused = start(Protocol::Tcp, ports).await.unwrap_err();
            assert_eq!(refused.reason, Reason::Invalid);
        }
    }
}

on_both! {
    a_renewal_is_a_fresh_grant_for_the_same_session, world => {
        let answer = world.session(&world.ann, &world.a).await;
        world.pass(HOUR / 2);
        let call = world.call(&world.ann).await;

        let renewed = world.app.renew_session(&call, answer.session).await.unwrap();

        assert_eq!(renewed.ends_at, answer.ends_at.plus_ms(HOUR / 2));
        let invite = world.wires.invites.lock().unwrap().pop().unwrap();
        assert!(invite.ticket.is_none());
        let grant = invite.grant.verify(&world.broker.public()).unwrap();
        assert_eq!((grant.session, grant.serial), (answer.session, 1));
        assert_eq!(grant.ends_at, renewed.ends_at);
        let extended = world.wires.extended.lock().unwrap().clone();
        assert_eq!(extended, vec![(answer.session, renewed.ends_at)]);
    }
}

on_both! {
    a_renewal_that_the_gateway_refuses_leaves_the_old_end, world => {
        let answer = world.session(&world.ann, &world.a).await;
        let why = (Reason::NotInAllowList, "the box's own list".to_owned());
        *world.wires.refuses.lock().unwrap() = Some(why);
        world.pass(HOUR / 2);
        let call = world.call(&world.ann).await;

        let refused = world.app.renew_session(&call, answer.session).await.unwrap_err();

        assert_eq!(refused.reason, Reason::NotInAllowList);
        assert!(refused.message.contains("the box's own list"));
        assert!(world.wires.extended.lock().unwrap().is_empty());
        let route = world.app.recover_route(answer.session).await.unwrap().unwrap();
        assert_eq!(route.ends_at, answer.ends_at);
    }
}

on_both! {
    a_refused_invitation_ends_the_session_in_the_gateways_words, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        let why = (Reason::NotInAllowList, "192.168.7.9 is not listed".to_owned());
        let result = culvert_wire::frame::InviteResult {
            session,
            serial: 0,
            refused: Some(why.clone()),
        };
        // Another box has nothing to say about it.
        let foreign = world.b.box_key.public();
        world.app.invite_answered(&foreign, result.clone()).await;
        assert!(world.wires.refused.lock().unwrap().is_empty());

        world.app.invite_answered(&world.a.box_key.public(), result).await;

        let refused = world.wires.refused.lock().unwrap().clone();
        assert_eq!(refused, vec![(session, why.0, why.1)]);
        assert!(world.app.recover_route(session).await.unwrap().is_none());
    }
}

on_both! {
    /// Its old process is gone: technicians know at once.
    a_gateway_that_starts_anew_ends_the_sessions_of_before, world => {
        let answer = world.session(&world.ann, &world.a).await;
        let hello = culvert_wire::hello::GatewayHello {
            identity: world.a.box_key.public(),
            boot: culvert_wire::id::BootId::from_random([44; 16]),
            lease: None,
            revocations: 0,
        };

        world.app.admit_gateway(&hello, "x 1", crate::world::from()).await.unwrap();
        world.app.carry_out().await.unwrap();

        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(answer.session, Reason::PeerLost)]);
    }
}

#[tokio::test]
async fn more_sessions_than_a_person_needs_are_refused() {
    let world = World::new().await;
    let call = world.call(&world.ann).await;
    let mut started = 0;
    let refused = loop {
        match world.app.start_session(&call, &ask(&world.a)).await {
            Ok(_) => started += 1,
            Err(error) if error.reason == Reason::Throttled => world.pass(1000),
            Err(error) => break error,
        }
    };

    assert_eq!(started, 128);
    assert_eq!(refused.reason, Reason::TooManySessions);
}

/// A box takes 256 at most, whoever asks; one that ends makes room for one.
#[tokio::test]
async fn more_sessions_than_a_box_ever_carries_are_refused() {
    let world = World::new().await;
    let customer = world.a.customer;
    crate::world::grant(&world.app, world.bob.id, customer).await;
    let mut last = None;
    for person in [&world.ann, &world.olga] {
        let call = world.call(person).await;
        for _ in 0..128 {
            // No faster than one person may.
            world.pass(1000);
            last = Some(
                world
                    .app
                    .start_session(&call, &ask(&world.a))
                    .await
                    .unwrap(),
            );
        }
    }
    let bob = world.call(&world.bob).await;

    let refused = world
        .app
        .start_session(&bob, &ask(&world.a))
        .await
        .unwrap_err();

    assert_eq!(refused.reason, Reason::TooManySessions);
    let elsewhere = world.app.start_session(&bob, &ask(&world.b)).await;
    assert!(elsewhere.is_ok(), "another box has room");
    let ended = SessionEnded {
        session: last.unwrap().session,
        reason: Reason::ClosedByTechnician,
        from_hosts: 0,
        to_hosts: 0,
        streams: 0,
    };
    world
        .app
        .session_ended(&world.a.box_key.public(), &ended)
        .await;
    assert!(world.app.start_session(&bob, &ask(&world.a)).await.is_ok());
}

on_both! {
    a_session_that_is_not_renewed_ends_by_itself, world => {
        let answer = world.session(&world.ann, &world.a).await;
        world.pass(HOUR);

        world.app.end_overdue().await.unwrap();
        world.app.carry_out().await.unwrap();

        let ended = world.wires.ended.lock().unwrap().clone();
        assert_eq!(ended, vec![(answer.session, Reason::Expired)]);
    }
}

on_both! {
    /// S23: the report on users and sessions.
    the_report_has_who_host_when_how_long_bytes_and_why, world => {
        let answer = world.session(&world.ann, &world.a).await;
        world.pass(90_000);
        let ended = SessionEnded {
            session: answer.session,
            reason: Reason::ClosedByTechnician,
            from_hosts: 1234,
            to_hosts: 56,
            streams: 1,
        };
        // Somebody else's box has nothing to say about it.
        world.app.session_ended(&world.b.box_key.public(), &ended).await;
        let filter = Filter::default();
        let live = world.app.report(&console(), filter.clone()).await.unwrap();
        assert!(live[0].ended.is_none());

        // Told twice, by a box that does not know whether it was heard: one record.
        for _ in 0..2 {
            world.app.session_ended(&world.a.box_key.public(), &ended).await;
        }
        let told = world.app.audit_rows(&console(), None, None, 1000).await.unwrap();
        let id = answer.session.to_string();
        let told: Vec<&str> = told.iter().filter(|row| row.object == id).map(|row| &*row.action).collect();
        assert_eq!(told, ["session.end", "session.start"]);

        let rows = world.app.report(&console(), filter).await.unwrap();
        let csv = report::csv(&rows, false, world.app.now()).unwrap();
        let line = csv.lines().nth(1).unwrap();
        let expected = format!(
            "{},ann,Acme,Office,server,ssh,2027-01-15T08:00:00Z,2027-01-15T08:01:30Z,90,1234,56,\
             closed_by_technician,the technician's end closed the session",
            answer.session
        );
        assert_eq!(line, expected);
        let bobs = world.call(&world.bob).await;
        assert!(world.app.report(&bobs, Filter::default()).await.unwrap().is_empty());
    }
}

/// S23, threat 7: one host's report; a foreign host's is as empty as that of one
/// that is not there.
#[tokio::test]
async fn a_report_of_one_host_has_its_sessions_and_a_foreign_one_is_as_if_missing() {
    let world = World::new().await;
    let at_a = world.session(&world.ann, &world.a).await.session;
    world.session(&world.bob, &world.b).await;
    let missing = HostId::from_random([77; 16]);
    let report = async |who: &Person, host: HostId| {
        let path = format!("/api/v1/reports/sessions?host={host}");
        let (status, body) = world.send(&From::Link(&who.link), "GET", &path, "").await;
        assert_eq!(status, 200, "{body}");
        body
    };

    let olgas: serde_json::Value =
        serde_json::from_str(&report(&world.olga, world.a.host).await).unwrap();
    let found = olgas["sessions"].as_array().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["session"], at_a.to_string());
    assert!(
        report(&world.ann, world.a.host)
            .await
            .contains(&at_a.to_string())
    );

    let nothing = report(&world.ann, missing).await;
    assert_eq!(nothing, r#"{"sessions":[],"more":false}"#);
    assert_eq!(report(&world.ann, world.b.host).await, nothing);
    assert_eq!(report(&world.bob, world.a.host).await, nothing);
}

on_both! {
    /// D13: `culvert open` carries a one-time ticket and nothing else.
    a_launch_ticket_works_once_for_whoever_asked_for_it, world => {
        let call = world.call(&world.ann).await;
        let wanted = NewLaunch { host: world.a.host, protocol: Protocol::Vnc, ports: vec![] };
        let launch = world.app.add_launch(&call, &wanted).await.unwrap();
        let ticket: Ticket = launch.url.strip_prefix("culvert://open/").unwrap().parse().unwrap();
        let redeem = RedeemLaunch {
            launch: ticket,
            end_key: SigningKey::from_seed(&[77; 32]).public(),
        };
        let body = serde_json::to_string(&redeem).unwrap();
        let send = async |who: &From<'_>| {
            world.send(who, "POST", "/api/v1/launches/redeem", &body).await
        };
        crate::world::grant(&world.app, world.bob.id, world.a.customer).await;

        // Whoever else learns the address opens nothing, and does not use it up.
        let (stranger, _) = send(&From::Nobody).await;
        let (other, said) = send(&From::Link(&world.bob.link)).await;
        assert_eq!((stranger, other), (401, 403), "{said}");
        assert!(said.contains(Reason::TicketInvalid.slug()), "{said}");
        let (status, answer) = send(&From::Link(&world.ann.link)).await;
        let (again, _) = send(&From::Link(&world.ann.link)).await;

        assert_eq!((status, again), (201, 403), "{answer}");
        let invite = world.wires.invites.lock().unwrap().pop().unwrap();
        let grant = invite.grant.verify(&world.broker.public()).unwrap();
        assert_eq!(grant.technician, world.ann.id);
        assert_eq!(grant.technician_end, redeem.end_key);
    }
}

#[tokio::test]
async fn a_launch_ticket_dies_with_its_minute_and_with_its_owners_rights() {
    let world = World::new().await;
    let call = world.call(&world.ann).await;
    let wanted = NewLaunch {
        host: world.a.host,
        protocol: Protocol::Vnc,
        ports: vec![],
    };
    let redeem = async |url: &str| {
        let ask = RedeemLaunch {
            launch: url
                .strip_prefix("culvert://open/")
                .unwrap()
                .parse()
                .unwrap(),
            end_key: SigningKey::from_seed(&[77; 32]).public(),
        };
        let call = world.call(&world.ann).await;
        world.app.redeem_launch(&call, &ask).await.map(|_| ())
    };
    let late = world.app.add_launch(&call, &wanted).await.unwrap();
    world.pass(60_000);
    assert_eq!(
        redeem(&late.url).await.unwrap_err().reason,
        Reason::TicketInvalid
    );

    let narrowed = world.app.add_launch(&call, &wanted).await.unwrap();
    let (user, customer) = (world.ann.id, world.a.customer);
    revoke(&world.app, user, NodeRef::Customer(customer)).await;
    assert_eq!(
        redeem(&narrowed.url).await.unwrap_err().reason,
        Reason::NotAllowed
    );
}

#[tokio::test]
async fn the_search_finds_all_words_anywhere_and_takes_wildcards_literally() {
    let world = World::new().await;
    let called = async |words: &str, name: Option<&str>| {
        let list = world.app.hosts(&console(), words, name, 10).await.unwrap();
        list.hosts
            .into_iter()
            .map(|host| host.customer.name)
            .collect::<Vec<_>>()
    };
    let found = async |words: &str| called(words, None).await;
    assert_eq!(found("").await, ["Acme", "Bravo"]);
    // A whole name or address, and not a part of one.
    assert_eq!(called("acme", Some("SERVER")).await, ["Acme"]);
    let address = world.app.hosts(&console(), "", None, 1).await.unwrap();
    let address = address.hosts[0].address.as_str().to_owned();
    assert!(!called("", Some(&address)).await.is_empty());
    assert!(called("", Some("serve")).await.is_empty());
    assert!(called("bravo", Some("%")).await.is_empty());
    assert_eq!(found("SERVER acme office").await, ["Acme"]);
    assert_eq!(found("192.168.7 brav").await, ["Bravo"]);
    for nothing in ["%", "_erver", "acme bravo", "!", "' OR 1=1 --"] {
        assert!(found(nothing).await.is_empty(), "{nothing}");
    }
    let anns = world.call(&world.ann).await;
    assert_eq!(
        world
            .app
            .hosts(&anns, "", None, 10)
            .await
            .unwrap()
            .hosts
            .len(),
        1
    );
    assert!(world.app.hosts(&console(), "", None, 1).await.unwrap().more);
}
