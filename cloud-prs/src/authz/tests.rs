//! The table and the rules around it.

use culvert_wire::id::{HostId, SiteId};
use proptest::prelude::*;

use super::*;

fn customer(n: u8) -> CustomerId {
    CustomerId::from_random([n; 16])
}

fn site(c: u8, n: u8) -> Node {
    Node::Site {
        customer: customer(c),
        site: SiteId::from_random([n; 16]),
    }
}

fn host(c: u8, s: u8, n: u8) -> Node {
    Node::Host {
        customer: customer(c),
        site: SiteId::from_random([s; 16]),
        host: HostId::from_random([n; 16]),
    }
}

fn holding(held: &[(Role, Node)]) -> Actor {
    Actor {
        identity: Identity::Person {
            user: UserId::from_random([1; 16]),
            name: "ann".into(),
            token: TokenId::from_random([2; 16]),
        },
        held: held
            .iter()
            .map(|&(role, node)| Held { role, node })
            .collect(),
        scopes: None,
        only: None,
        fresh_until: None,
    }
}

/// S21: different technicians, different customers, by permission.
#[test]
fn a_role_holds_at_its_place_and_below_and_nowhere_else() {
    let ann = holding(&[(Role::Technician, site(1, 1))]);
    let see = Action::TreeSee;

    assert!(ann.may_at(see, &site(1, 1)));
    assert!(ann.may_at(see, &host(1, 1, 9)));
    for foreign in [
        Node::All,
        Node::Customer(customer(1)),
        site(1, 2),
        host(1, 2, 9),
        // The same site's id under another customer is not the same site.
        site(2, 1),
    ] {
        assert!(!ann.may_at(see, &foreign), "{foreign:?}");
    }
}

#[test]
fn what_contains_her_place_exists_for_her_and_its_other_parts_do_not() {
    let ann = holding(&[(Role::Technician, host(1, 1, 1))]);

    assert!(ann.sees(&Node::Customer(customer(1))));
    assert!(ann.sees(&site(1, 1)));
    assert!(ann.sees(&host(1, 1, 1)));
    assert!(!ann.sees(&host(1, 1, 2)));
    assert!(!ann.sees(&site(1, 2)));
    assert!(!ann.sees(&Node::Customer(customer(2))));
}

#[test]
fn a_role_may_at_its_place_exactly_what_the_table_gives_it() {
    for role in Role::ALL {
        for place in [
            Node::All,
            Node::Customer(customer(1)),
            site(1, 1),
            host(1, 1, 1),
        ] {
            let ann = holding(&[(role, place)]);
            for &action in Action::ALL {
                let listed = action.roles().contains(&role);
                assert_eq!(ann.may_at(action, &place), listed, "{role:?} {action:?}");
                let anywhere = match action.place() {
                    Place::Own => true,
                    Place::Root => listed && place == Node::All,
                    Place::Customer => listed && place.site().is_none(),
                    Place::Node => listed,
                };
                assert_eq!(ann.may(action), anywhere, "{role:?} {action:?}");
            }
        }
    }
}

/// What pages offer by: each role with the places where it is held.
#[test]
fn the_places_of_a_role_are_those_where_it_is_held_within_a_tokens_limit() {
    let mut anna = holding(&[
        (Role::Administrator, Node::Customer(customer(1))),
        (Role::Administrator, host(2, 1, 9)),
        (Role::Technician, Node::All),
    ]);

    let anything = [
        NodeRef::Customer(customer(1)),
        NodeRef::Host(HostId::from_random([9; 16])),
    ];
    assert_eq!(anna.places(Role::Administrator), anything);
    assert_eq!(anna.places(Role::Technician), [NodeRef::All]);
    assert_eq!(anna.places(Role::Owner), []);

    anna.only = Some([customer(2)].into());
    assert_eq!(anna.places(Role::Administrator), anything[1..]);
    assert_eq!(
        anna.places(Role::Technician),
        [NodeRef::Customer(customer(2))]
    );
}

/// Deny by default: who holds nothing may only what concerns herself.
#[test]
fn without_a_role_there_is_only_ones_own_account() {
    let ann = holding(&[]);
    for &action in Action::ALL {
        assert_eq!(ann.may(action), action.place() == Place::Own, "{action:?}");
        assert!(
            ann.reach(action)
                .limit()
                .is_some_and(|limit| limit == Limit::default())
        );
    }
    assert!(!ann.sees(&Node::All));
}

/// S21: "reports only" for a customer's own person.
#[test]
fn a_reader_sees_reports_and_nothing_of_the_tree() {
    let rita = holding(&[(Role::Reader, Node::Customer(customer(1)))]);
    let here = Node::Customer(customer(1));

    let may: Vec<Action> = Action::ALL
        .iter()
        .copied()
        .filter(|action| rita.may_at(*action, &here) && action.place() != Place::Own)
        .collect();

    assert_eq!(may, [Action::Report, Action::ReportAll]);
    assert!(!rita.sees(&here));
}

/// Threat 27: nobody gives what she does not hold.
#[test]
fn nobody_holds_a_higher_role_or_a_wider_place_than_she_was_given() {
    let anna = holding(&[(Role::Administrator, Node::Customer(customer(1)))]);

    assert!(anna.holds(Role::Administrator, &site(1, 1)));
    assert!(anna.holds(Role::Reader, &Node::Customer(customer(1))));
    assert!(!anna.holds(Role::Owner, &site(1, 1)));
    assert!(!anna.holds(Role::Reader, &Node::All));
    assert!(!anna.holds(Role::Reader, &Node::Customer(customer(2))));
}

#[test]
fn an_api_token_may_what_its_scopes_name_and_never_what_needs_a_sign_in() {
    for scope in TokenScope::ALL {
        let mut token = holding(&[(Role::Owner, Node::All)]);
        token.scopes = Some(vec![scope]);
        for &action in Action::ALL {
            assert_eq!(token.may(action), action.scope() == Some(scope));
        }
    }
    let mut none = holding(&[(Role::Owner, Node::All)]);
    none.scopes = Some(vec![]);
    assert!(!Action::ALL.iter().any(|&action| none.may(action)));
}

#[test]
fn a_token_limited_to_a_customer_reaches_that_one_only() {
    let mut token = holding(&[(Role::Owner, Node::All)]);
    token.only = Some([customer(1)].into());

    assert!(token.may_at(Action::HostAdd, &site(1, 1)));
    assert!(!token.may_at(Action::HostAdd, &site(2, 1)));
    assert!(!token.may(Action::CustomerAdd));
    let limit = token.reach(Action::TreeSee).limit().unwrap();
    assert_eq!(limit.customers, [customer(1)]);
    assert!(!token.sees(&Node::Customer(customer(2))));
}

#[test]
fn dangerous_actions_need_a_proof_of_the_last_minutes() {
    let mut olga = holding(&[(Role::Owner, Node::All)]);
    let now = UnixMs(1000);
    for &action in Action::ALL {
        let plain = action.proof() == Proof::SignIn;
        assert_eq!(olga.proof_is_fresh(action, now), plain, "{action:?}");
    }
    olga.fresh_until = Some(UnixMs(1001));
    assert!(Action::ALL.iter().all(|&a| olga.proof_is_fresh(a, now)));
    assert!(!olga.proof_is_fresh(Action::UserReset, UnixMs(1001)));
    let console = Actor::console("root".into());
    assert!(Action::ALL.iter().all(|&a| console.proof_is_fresh(a, now)));
}

fn any_node() -> impl Strategy<Value = Node> {
    let n = 0..3_u8;
    prop_oneof![
        Just(Node::All),
        n.clone().prop_map(|c| Node::Customer(customer(c))),
        (n.clone(), n.clone()).prop_map(|(c, s)| site(c, s)),
        (n.clone(), n.clone(), n).prop_map(|(c, s, h)| host(c, s, h)),
    ]
}

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

proptest! {
    /// What a list is limited to is exactly what may be done one by one.
    #[test]
    fn a_reach_covers_what_the_actor_may(
        held in prop::collection::vec((any_role(), any_node()), 0..4),
        only in prop::option::of(prop::collection::hash_set((0..3_u8).prop_map(customer), 0..3)),
        node in any_node(),
    ) {
        let mut actor = holding(&held);
        actor.only = only;
        for &action in Action::ALL {
            let reach = actor.reach(action);
            prop_assert_eq!(reach.covers(&node), actor.may_at(action, &node));
            if let (Some(limit), Node::Host { customer, site, host }) = (reach.limit(), node) {
                let found = limit.customers.contains(&customer)
                    || limit.sites.contains(&site)
                    || limit.hosts.contains(&host);
                // Ids are random: the same site is never under two customers.
                prop_assert!(found || !actor.may_at(action, &node));
            }
        }
    }

    /// More is never given by holding less: adding a role takes nothing away.
    #[test]
    fn one_more_role_takes_nothing_away(
        held in prop::collection::vec((any_role(), any_node()), 0..4),
        more in (any_role(), any_node()),
        node in any_node(),
    ) {
        let less = holding(&held);
        let mut with = held.clone();
        with.push(more);
        let with = holding(&with);
        for &action in Action::ALL {
            prop_assert!(!less.may_at(action, &node) || with.may_at(action, &node));
            prop_assert!(!less.sees(&node) || with.sees(&node));
        }
    }
}
