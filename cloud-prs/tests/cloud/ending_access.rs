//! Ending access (threat 24, P21): whatever takes a right away ends the
//! sessions at the gateway by a signed order, closes routes and links, and
//! voids tickets, tokens and sign-ins.

use culvert_cloud_prs::app::accounts::AccountChange;
use culvert_cloud_prs::app::tree::HostSpec;
use culvert_cloud_prs::store::assignments::Filter;
use culvert_wire::api::{NodeRef, Role, TokenScope};
use culvert_wire::frame::SessionEnded;
use culvert_wire::hello::GatewayHello;
use culvert_wire::id::{BootId, SessionId};
use culvert_wire::reason::Reason;
use culvert_wire::revocation::Scope;

use crate::world::{
    Branch, From, Person, World, ask, assign, console, from, grant, on_both, revoke,
};

/// No box keeps a terminal for so long.
const LONG: u64 = 10 * 60_000;

/// The route is closed, and the gateway has a signed order that names the
/// session and the reason.
async fn assert_ended(world: &World, branch: &Branch, session: SessionId, why: Reason) {
    world.app.carry_out().await.unwrap();
    assert!(
        world.wires.ended.lock().unwrap().contains(&(session, why)),
        "route"
    );
    let orders = world.wires.orders.lock().unwrap().clone();
    let named = orders.iter().any(|(key, signed)| {
        let order = signed.verify(&world.broker.public()).unwrap();
        *key == branch.box_key.public()
            && order.gateway == *key
            && order.reason == why
            && order.counter > 0
            && order.scope == Scope::Sessions(vec![session])
    });
    assert!(named, "order");
    let recorded = world
        .app
        .audit_rows(&console(), None, None, 50)
        .await
        .unwrap();
    let row = recorded
        .iter()
        .find(|row| row.action == "session.end" && row.object == session.to_string());
    assert!(row.unwrap().after.contains(why.slug()), "audit row");
}

/// A session whose page died, as the box tells it: it may keep its terminal.
async fn lost(world: &World, person: &Person, branch: &Branch) -> SessionId {
    let session = world.session(person, branch).await.session;
    let ended = SessionEnded {
        session,
        reason: Reason::PeerLost,
        streams: 1,
        from_hosts: 0,
        to_hosts: 0,
    };
    let key = branch.box_key.public();
    world.app.session_ended(&key, &ended).await;
    session
}

/// The sessions that orders to this box name for this reason.
async fn ordered(world: &World, branch: &Branch, why: Reason) -> Vec<SessionId> {
    world.app.carry_out().await.unwrap();
    let orders = world.wires.orders.lock().unwrap().clone();
    let mut named = Vec::new();
    for (key, signed) in orders {
        let order = signed.verify(&world.broker.public()).unwrap();
        if key == branch.box_key.public() && order.reason == why {
            let Scope::Sessions(sessions) = &order.scope else {
                panic!("{:?}", order.scope)
            };
            named.extend(sessions);
        }
    }
    named
}

on_both! {
    /// A box keeps the terminal of a page that died when the session is over already.
    whatever_takes_the_right_away_names_the_sessions_that_a_box_may_keep_terminals_of, world => {
        let (ann, bob, app) = (&world.ann, &world.bob, &world.app);
        let ended = lost(&world, ann, &world.a).await;
        app.end_session(&console(), ended).await.unwrap();
        assert_eq!(ordered(&world, &world.a, Reason::EndedByAdministrator).await, [ended]);

        world.pass(LONG);
        let signed_out = lost(&world, ann, &world.a).await;
        world.pass(2 * 60_000);
        app.revoke_token(&console(), ann.token).await.unwrap();
        assert_eq!(ordered(&world, &world.a, Reason::SignedOut).await, [signed_out]);

        world.pass(LONG);
        grant(app, bob.id, world.a.customer).await;
        let (here, there) = (lost(&world, bob, &world.a).await, lost(&world, bob, &world.b).await);
        revoke(app, bob.id, NodeRef::Customer(world.a.customer)).await;
        assert_eq!(ordered(&world, &world.a, Reason::AccessRevoked).await, [here]);
        assert_eq!(ordered(&world, &world.b, Reason::AccessRevoked).await, []);

        let disable = AccountChange { disabled: Some(true), ..Default::default() };
        app.change_account(&console(), bob.id, &disable).await.unwrap();
        assert_eq!(ordered(&world, &world.b, Reason::UserDisabled).await, [there]);

        world.pass(LONG);
        app.delete_host(&console(), world.b.host).await.unwrap();
        assert_eq!(ordered(&world, &world.b, Reason::HostDeleted).await, [], "long over");
    }
}

on_both! {
    deleting_a_host_names_the_sessions_that_a_box_may_keep_terminals_of, world => {
        let kept = lost(&world, &world.ann, &world.a).await;

        world.app.delete_host(&console(), world.a.host).await.unwrap();

        assert_eq!(ordered(&world, &world.a, Reason::HostDeleted).await, [kept]);
    }
}

on_both! {
    /// Off-boarding: everything she holds is dead.
    disabling_a_person_ends_all_she_has, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        let other = world.session(&world.bob, &world.b).await.session;
        let token = world.api_token(&world.ann, &[TokenScope::Connect, TokenScope::Read]).await;
        let before = world.send(&From::Web(&token), "GET", "/api/v1/me", "").await.0;
        let disable = AccountChange { disabled: Some(true), ..Default::default() };

        world.app.change_account(&console(), world.ann.id, &disable).await.unwrap();

        assert_ended(&world, &world.a, session, Reason::UserDisabled).await;
        assert!(world.wires.ended.lock().unwrap().iter().all(|(id, _)| *id != other));
        let closed = world.wires.closed_callers.lock().unwrap().clone();
        assert_eq!(closed, vec![(world.ann.link.device, Reason::UserDisabled)]);
        let link = From::Link(&world.ann.link);
        assert_eq!(before, 200);
        assert_eq!(world.send(&link, "GET", "/api/v1/me", "").await.0, 401);
        assert_eq!(world.send(&From::Web(&token), "GET", "/api/v1/me", "").await.0, 401);
        // Let in again, nothing of before is alive.
        let enable = AccountChange { disabled: Some(false), ..Default::default() };
        world.app.change_account(&console(), world.ann.id, &enable).await.unwrap();
        assert_eq!(world.send(&link, "GET", "/api/v1/me", "").await.0, 401);
    }
}

on_both! {
    taking_a_permission_ends_the_sessions_at_that_customer, world => {
        grant(&world.app, world.ann.id, world.b.customer).await;
        let gone = world.session(&world.ann, &world.a).await.session;
        let kept = world.session(&world.ann, &world.b).await.session;

        revoke(&world.app, world.ann.id, NodeRef::Customer(world.a.customer)).await;

        assert_ended(&world, &world.a, gone, Reason::AccessRevoked).await;
        assert!(world.wires.ended.lock().unwrap().iter().all(|(id, _)| *id != kept));
        let call = world.call(&world.ann).await;
        let refused = world.app.start_session(&call, &ask(&world.a)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::NotFound);
        let renewed = world.app.renew_session(&call, kept).await;
        assert!(renewed.is_ok());
    }
}

on_both! {
    narrowing_a_role_ends_what_is_out_of_reach, world => {
        assign(&world.app, world.bob.id, Role::Owner, NodeRef::All).await;
        assign(&world.app, world.olga.id, Role::Reader, NodeRef::All).await;
        assign(&world.app, world.olga.id, Role::Technician, NodeRef::Host(world.b.host)).await;
        let gone = world.session(&world.olga, &world.a).await.session;
        let kept = world.session(&world.olga, &world.b).await.session;
        let all = Filter { user: Some(world.olga.id), ..Default::default() };
        let held = world.app.assignments(&console(), all).await.unwrap();
        let owner = held.iter().find(|held| held.role == Role::Owner).unwrap();

        world.app.unassign(&console(), owner.id).await.unwrap();

        assert!(world.wires.ended.lock().unwrap().iter().all(|(id, _)| *id != kept));

        assert_ended(&world, &world.a, gone, Reason::AccessRevoked).await;
    }
}

on_both! {
    deleting_a_host_ends_its_sessions, world => {
        let session = world.session(&world.ann, &world.a).await.session;

        world.app.delete_host(&console(), world.a.host).await.unwrap();

        assert_ended(&world, &world.a, session, Reason::HostDeleted).await;
    }
}

on_both! {
    taking_a_service_or_moving_a_host_ends_the_sessions_that_use_it, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        let mut spec = HostSpec {
            name: "renamed".into(),
            address: "192.168.7.9".parse().unwrap(),
            services: vec!["ssh".parse().unwrap()],
            any_port: false,
        };
        world.app.change_host(&console(), world.a.host, &spec).await.unwrap();
        world.app.carry_out().await.unwrap();
        assert!(world.wires.ended.lock().unwrap().is_empty());

        spec.address = "192.168.7.10".parse().unwrap();
        world.app.change_host(&console(), world.a.host, &spec).await.unwrap();

        assert_ended(&world, &world.a, session, Reason::AccessRevoked).await;
    }
}

on_both! {
    revoking_a_box_ends_its_sessions_and_it_never_comes_back, world => {
        let session = world.session(&world.ann, &world.a).await.session;

        world.app.revoke_gateway(&console(), world.a.gateway).await.unwrap();

        assert_ended(&world, &world.a, session, Reason::GatewayRevoked).await;
        let key = world.a.box_key.public();
        let closed = world.wires.closed_gateways.lock().unwrap().clone();
        assert_eq!(closed, vec![(key, Reason::GatewayRevoked)]);
        let orders = world.wires.orders.lock().unwrap().clone();
        let last = orders.last().unwrap().1.verify(&world.broker.public()).unwrap();
        assert_eq!(last.scope, Scope::All);
        let hello = GatewayHello {
            identity: key,
            boot: BootId::from_random([9; 16]),
            lease: None,
            revocations: 0,
        };
        let refused = world.app.admit_gateway(&hello, "x", from()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::GatewayRevoked);
    }
}

on_both! {
    ending_a_session_or_the_sign_in_that_asked_for_it_ends_it, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        world.app.end_session(&console(), session).await.unwrap();
        assert_ended(&world, &world.a, session, Reason::EndedByAdministrator).await;

        world.pass(LONG);
        let session = world.session(&world.ann, &world.a).await.session;
        world.app.revoke_token(&console(), world.ann.token).await.unwrap();
        assert_ended(&world, &world.a, session, Reason::SignedOut).await;
        let closed = world.wires.closed_callers.lock().unwrap().clone();
        assert_eq!(closed, vec![(world.ann.link.device, Reason::SignedOut)]);
    }
}

on_both! {
    /// An order waits for a box that is away, and is kept until obeyed.
    orders_are_sent_again_until_the_gateway_acknowledges, world => {
        let session = world.session(&world.ann, &world.a).await.session;
        world.app.end_session(&console(), session).await.unwrap();
        world.app.carry_out().await.unwrap();
        let key = world.a.box_key.public();
        let sent = |world: &World| world.wires.orders.lock().unwrap().len();
        assert_eq!(sent(&world), 1);

        world.app.gateway_up(&key).await;
        assert_eq!(sent(&world), 2);
        world.app.revoked(&key, 1).await;
        world.app.gateway_up(&key).await;

        assert_eq!(sent(&world), 2);
    }
}

on_both! {
    /// A restored database has forgotten numbers that a box has obeyed: new
    /// orders must count above them.
    orders_count_above_what_the_box_has_obeyed, world => {
        let hello = having_obeyed(&world.a, 41);
        world.app.admit_gateway(&hello, "x 1", from()).await.unwrap();
        let session = world.session(&world.ann, &world.a).await.session;

        world.app.end_session(&console(), session).await.unwrap();
        world.app.carry_out().await.unwrap();

        let orders = world.wires.orders.lock().unwrap().clone();
        let order = orders[0].1.verify(&world.broker.public()).unwrap().clone();
        assert_eq!(order.counter, 42);
    }
}

/// A hello of a branch's box that claims to have obeyed so many orders.
fn having_obeyed(branch: &Branch, revocations: u64) -> GatewayHello {
    GatewayHello {
        identity: branch.box_key.public(),
        boot: BootId::from_random([1; 16]),
        lease: None,
        revocations,
    }
}

on_both! {
    /// Threat 24: a box that says it has obeyed every order there can be is put
    /// aside, and ends nobody's means to end access: not to itself, not to the
    /// person whose sessions end in the same transaction, not for others.
    a_box_that_claims_absurd_numbers_makes_nobody_irrevocable, world => {
        grant(&world.app, world.ann.id, world.b.customer).await;
        for absurd in [u64::MAX, i64::MAX as u64, 1 << 62] {
            let app = &world.app;
            world.pass(LONG);
            let at_liar = world.session(&world.ann, &world.a).await.session;
            let beside = world.session(&world.ann, &world.b).await.session;
            let (liar, honest) = (having_obeyed(&world.a, absurd), having_obeyed(&world.b, 0));

            // They say hello together, and are written together.
            let (liar, honest) = tokio::join!(
                app.admit_gateway(&liar, "x 1", from()),
                app.admit_gateway(&honest, "x 1", from()),
            );

            assert_eq!(liar.unwrap().lease, None, "put aside");
            assert!(honest.unwrap().lease.is_some(), "not for its neighbour's number");
            assert_ended(&world, &world.a, at_liar, Reason::Quarantined).await;
            revoke(app, world.ann.id, NodeRef::Customer(world.b.customer)).await;
            assert_ended(&world, &world.b, beside, Reason::AccessRevoked).await;
            grant(app, world.ann.id, world.b.customer).await;
            app.release_gateway(&console(), world.a.gateway).await.unwrap();
        }
        world.pass(LONG);
        let at_liar = world.session(&world.ann, &world.a).await.session;
        let overdue = world.session(&world.bob, &world.b).await.session;
        world.app.revoke_gateway(&console(), world.a.gateway).await.unwrap();
        assert_ended(&world, &world.a, at_liar, Reason::GatewayRevoked).await;
        world.pass(2 * crate::world::HOUR);
        world.app.end_overdue().await.unwrap();
        assert_ended(&world, &world.b, overdue, Reason::Expired).await;
    }
}

on_both! {
    /// Threat 24: a number that an earlier version believed stands in no way.
    an_absurd_number_in_the_database_stops_no_order, world => {
        use culvert_cloud_prs::store::gateways;
        grant(&world.app, world.ann.id, world.b.customer).await;
        for _ in 0..2 {
            let at_liar = world.session(&world.ann, &world.a).await.session;
            let beside = world.session(&world.ann, &world.b).await.session;
            let mut write = world.app.store().write().await.unwrap();
            gateways::set_counter(&mut write, world.a.gateway, u64::MAX).await.unwrap();
            write.commit().await.unwrap();
            world.pass(2 * crate::world::HOUR);

            world.app.end_overdue().await.unwrap();

            assert_ended(&world, &world.a, at_liar, Reason::Expired).await;
            assert_ended(&world, &world.b, beside, Reason::Expired).await;
            let acknowledged = u64::MAX;
            world.app.revoked(&world.a.box_key.public(), acknowledged).await;
        }
        world.pass(LONG);
        let session = world.session(&world.ann, &world.a).await.session;
        world.app.delete_host(&console(), world.a.host).await.unwrap();
        assert_ended(&world, &world.a, session, Reason::HostDeleted).await;
    }
}

on_both! {
    /// Whoever is shut out while she asks gets nothing, or something that the
    /// shutting out ends: never a session that stays.
    a_race_between_disabling_and_starting_leaves_nothing_running, world => {
        for _ in 0..5 {
            let enable = AccountChange { disabled: Some(false), ..Default::default() };
            world.app.change_account(&console(), world.bob.id, &enable).await.unwrap();
            let link = culvert_cloud_prs::app::Caller::new(world.bob.link.device, from(), None);
            let again = culvert_wire::api::SignIn {
                name: "bob".into(),
                password: culvert_wire::api::Secret::new(crate::world::PASSWORD.into()),
                label: String::new(),
            };
            world.app.sign_in(culvert_cloud_prs::app::Via::Link(&link), &again).await.unwrap();
            let actor = world.app.actor_by_id(link.token().unwrap()).await.unwrap().unwrap();
            let at = world.app.now();
            let call = culvert_cloud_prs::app::Call { actor, source: String::new(), at };
            let disable = AccountChange { disabled: Some(true), ..Default::default() };
            let (console, wanted) = (console(), ask(&world.b));

            let (_, disabled) = tokio::join!(
                world.app.start_session(&call, &wanted),
                world.app.change_account(&console, world.bob.id, &disable),
            );

            disabled.unwrap();
            let live = culvert_cloud_prs::store::sessions::Filter {
                live: Some(true),
                ..Default::default()
            };
            assert!(world.app.sessions(&console, live).await.unwrap().is_empty());
        }
    }
}
