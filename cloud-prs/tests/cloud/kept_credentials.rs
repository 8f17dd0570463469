//! Credentials of hosts: ciphertext in, ciphertext out, for one box only.

use culvert_cloud_prs::app::claims::ClaimFor;
use culvert_cloud_prs::app::credentials::NewCredential;
use culvert_cloud_prs::app::tree::HostSpec;
use culvert_wire::grant::Protocol;
use culvert_wire::key::{Context, Signature, SigningKey};
use culvert_wire::reason::Reason;
use data_encoding::{BASE32_NOPAD, BASE64};

use crate::world::{From, World, ask, binding, claim_auth, console, from, on_both};

const CANARY: &str = "sealed-canary-7731";

fn sealed(world: &World) -> NewCredential {
    NewCredential {
        account: "root".into(),
        sealed: BASE64.encode(CANARY.as_bytes()),
        gateway_key: world.a.box_key.public(),
        port: None,
    }
}

async fn keep(world: &World) {
    let call = world.call(&world.ann).await;
    let new = sealed(world);
    world
        .app
        .set_credential(&call, world.a.host, Protocol::Ssh, &new)
        .await
        .unwrap();
}

on_both! {
/// Threat 26: a session gets the ciphertext for exactly its targets; lists
/// show none.
a_credential_is_for_exactly_its_target, world => {
    keep(&world).await;
    let call = world.call(&world.ann).await;
    let path = format!("/api/v1/hosts/{}/credentials", world.a.host);
    let (status, list) = world.send(&From::Link(&world.ann.link), "GET", &path, "").await;
    assert_eq!(status, 200);
    assert!(list.contains("\"account\":\"root\"") && list.contains("\"enter_again\":false"));
    assert!(!list.contains(&BASE64.encode(CANARY.as_bytes())), "{list}");

    let session = world.session(&world.ann, &world.a).await;
    assert_eq!(session.credentials.len(), 1);
    assert_eq!(session.credentials[0].account, "root");
    assert_eq!(session.credentials[0].port, 22);
    let mut vnc = ask(&world.a);
    vnc.protocol = Protocol::Vnc;
    let session = world.app.start_session(&call, &vnc).await.unwrap();
    assert!(session.credentials.is_empty(), "another protocol's");

    let rows = world.app.audit_rows(&console(), None, None, 100).await.unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    for action in ["credential.set", "credential.use"] {
        assert_eq!(actions.iter().filter(|a| **a == action).count(), 1, "{action}");
    }
    assert!(!format!("{rows:?}").contains(&BASE64.encode(CANARY.as_bytes())));
}
}

on_both! {
/// "The off-boarding page lists the hosts whose password or key the person
/// entered or used."
whoever_entered_or_used_one_is_remembered, world => {
    keep(&world).await;
    crate::world::grant(&world.app, world.bob.id, world.a.customer).await;
    world.pass(1000);
    world.session(&world.bob, &world.a).await;
    let call = world.call(&world.ann).await;
    world.app.delete_credential(&call, world.a.host, Protocol::Ssh).await.unwrap();

    let known = async |caller: &crate::world::Person, of: &crate::world::Person| {
        let path = format!("/api/v1/users/{}/off-boarding", of.id);
        let (status, said) = world.send(&From::Link(&caller.link), "GET", &path, "").await;
        assert_eq!(status, 200, "{said}");
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["hosts"].clone()
    };

    let anns = known(&world.olga, &world.ann).await;
    assert_eq!(anns.as_array().unwrap().len(), 1, "{anns}");
    assert_eq!(anns[0]["name"], "server");
    assert!(anns[0]["worked"].is_null(), "{anns}");
    let kept = &anns[0]["credentials"][0];
    assert_eq!((&kept["account"], &kept["protocol"]), (&"root".into(), &"ssh".into()));
    assert!(kept["entered"].is_u64() && kept["used"].is_null(), "{kept}");
    let bobs = known(&world.olga, &world.bob).await;
    let kept = &bobs[0]["credentials"][0];
    assert!(kept["entered"].is_null() && kept["used"].is_u64(), "{kept}");
    assert!(bobs[0]["worked"].is_u64(), "{bobs}");
    assert_eq!(known(&world.olga, &world.olga).await, serde_json::json!([]));

    // The host is removed from here; the password there is the same.
    world.app.delete_host(&console(), world.a.host).await.unwrap();
    let anns = known(&world.olga, &world.ann).await;
    assert_eq!((&anns[0]["name"], &anns[0]["site"]), (&"server".into(), &serde_json::Value::Null));
}
}

/// Threat 7: whoever lets a technician of hers go learns nothing of what that
/// one did at another customer's.
#[tokio::test]
async fn hosts_of_customers_out_of_the_callers_reach_are_not_named() {
    let world = World::new().await;
    crate::world::grant(&world.app, world.bob.id, world.a.customer).await;
    keep(&world).await;
    world.session(&world.bob, &world.a).await;
    let here = culvert_wire::api::NodeRef::Customer(world.a.customer);
    crate::world::revoke(&world.app, world.bob.id, here).await;
    let admin = crate::quick::Quick::new(&world).await;
    let role = culvert_wire::api::Role::Administrator;
    let there = culvert_wire::api::NodeRef::Customer(world.b.customer);
    crate::world::assign(&world.app, admin.id, role, there).await;
    world.session(&world.bob, &world.b).await;

    let path = format!("/api/v1/users/{}/off-boarding", world.bob.id);
    let (status, said) = world.send(&From::Page(&admin.page), "GET", &path, "").await;

    assert_eq!(status, 200, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let customers: Vec<&str> = said["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["customer"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(customers, ["Bravo"], "{said}");
}

on_both! {
/// D8: "A replaced box cannot open old ones: the portal says 'enter again'."
a_replaced_box_or_another_address_means_entering_it_again, world => {
    keep(&world).await;
    let call = world.call(&world.ann).await;
    let spec = |address: &str| HostSpec {
        name: "server".into(),
        address: address.parse().unwrap(),
        services: vec!["ssh".parse().unwrap()],
        any_port: false,
    };
    world.app.change_host(&console(), world.a.host, &spec("192.168.7.99")).await.unwrap();
    let list = world.app.credentials(&call, world.a.host).await.unwrap();
    assert!(list[0].enter_again);
    assert!(world.session(&world.ann, &world.a).await.credentials.is_empty());
    world.app.change_host(&console(), world.a.host, &spec("192.168.7.9")).await.unwrap();
    assert!(!world.app.credentials(&call, world.a.host).await.unwrap()[0].enter_again);

    let (_, code) = world.app.add_claim(&console(), ClaimFor::Replace(world.a.gateway)).await.unwrap();
    let key = SigningKey::from_seed(&[77; 32]);
    let auth = claim_auth(&code, &key, &binding());
    world.app.admit_claim(&auth, &binding(), from()).await.unwrap();
    world.wires.online.lock().unwrap().insert(key.public());

    assert!(world.app.credentials(&call, world.a.host).await.unwrap()[0].enter_again);
    assert!(world.session(&world.ann, &world.a).await.credentials.is_empty());
    // What was sealed to the old box is not taken for the new one.
    let refused = world.app.set_credential(&call, world.a.host, Protocol::Ssh, &sealed(&world)).await;
    assert_eq!(refused.unwrap_err().reason, Reason::Conflict);
}
}

#[tokio::test]
async fn the_sealing_key_comes_with_the_boxs_own_signature() {
    let world = World::new().await;
    let call = world.call(&world.ann).await;
    let key = world.app.sealing_key(&call, world.a.host).await.unwrap();
    let bytes = |text: &str| {
        BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .unwrap()
    };
    let signature = Signature(bytes(&key.signature).try_into().unwrap());

    assert_eq!(key.gateway_key, world.a.box_key.public());
    let sealing = bytes(&key.sealing_key);
    key.gateway_key
        .verify(Context::SealingKey, &sealing, &signature)
        .unwrap();
    let mut other = sealing;
    other[0] ^= 1;
    assert!(
        key.gateway_key
            .verify(Context::SealingKey, &other, &signature)
            .is_err()
    );
}

#[tokio::test]
async fn what_is_no_ciphertext_or_for_no_service_is_refused() {
    let world = World::new().await;
    let call = world.call(&world.ann).await;
    let with = |change: fn(&mut NewCredential)| {
        let mut new = sealed(&world);
        change(&mut new);
        new
    };
    for (new, reason) in [
        (with(|c| c.sealed = "not base64!".into()), Reason::Invalid),
        (with(|c| c.sealed = String::new()), Reason::Invalid),
        (
            with(|c| c.sealed = BASE64.encode(&[0; 33_000])),
            Reason::Invalid,
        ),
        (with(|c| c.account = "a\nb".into()), Reason::Invalid),
        (with(|c| c.account = "x".repeat(256)), Reason::Invalid),
        (with(|c| c.port = Some(2222)), Reason::TargetUnknown),
        (
            with(|c| c.gateway_key = SigningKey::from_seed(&[66; 32]).public()),
            Reason::Conflict,
        ),
    ] {
        let done = world
            .app
            .set_credential(&call, world.a.host, Protocol::Ssh, &new)
            .await;
        assert_eq!(done.unwrap_err().reason, reason);
    }
}
