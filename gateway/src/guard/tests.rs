//! What is never dialled, in every form, and what the allow-list lets through.

use culvert_config::gateway::{Gateway, Network};
use proptest::prelude::*;

use super::*;

fn guard(rules: &str) -> Guard {
    let around = Surroundings::of(&[
        ("192.168.7.2".parse().unwrap(), 24),
        ("fd00:7::2".parse().unwrap(), 64),
        ("203.0.113.9".parse().unwrap(), 24),
        ("2001:db8:7::2".parse().unwrap(), 64),
    ]);
    Guard::new(Gateway::from_toml(rules).unwrap().allow, around)
}

/// Lets everything through that is not forbidden for ever.
fn open_guard() -> Guard {
    guard("[[allow]]\nnetwork = \"0.0.0.0/0\"\n[[allow]]\nnetwork = \"::/0\"")
}

fn judge(guard: &Guard, ip: &str) -> Result<IpAddr, Forbidden> {
    guard.judge(ip.parse().unwrap(), 22)
}

#[test]
fn by_default_private_addresses_of_attached_networks_are_reached() {
    let guard = guard("");
    for ip in ["192.168.7.9", "192.168.7.254", "fd00:7::9"] {
        assert_eq!(judge(&guard, ip), Ok(ip.parse().unwrap()));
    }
    for ip in [
        "192.168.8.9",
        "10.0.0.1",
        "8.8.8.8",
        "203.0.113.10",
        "2001:db8:7::9",
        "fd00:8::1",
        "100.64.0.1",
    ] {
        assert_eq!(judge(&guard, ip), Err(Forbidden::NotAllowed), "{ip}");
    }
}

#[test]
fn whatever_the_allow_list_says_some_addresses_are_never_reached() {
    use Forbidden::*;
    let guard = open_guard();
    for (ip, why) in [
        ("192.168.7.2", Own),
        ("203.0.113.9", Own),
        ("fd00:7::2", Own),
        ("2001:db8:7::2", Own),
        ("127.0.0.1", Loopback),
        ("127.255.0.3", Loopback),
        ("::1", Loopback),
        ("169.254.1.1", LinkLocal),
        ("fe80::1", LinkLocal),
        ("febf:ffff::1", LinkLocal),
        ("169.254.169.254", Metadata),
        ("fd00:ec2::254", Metadata),
        ("fd20:ce::254", Metadata),
        ("100.100.100.200", Metadata),
        ("192.0.0.192", Metadata),
        ("168.63.129.16", Metadata),
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("::", Unspecified),
        ("224.0.0.1", Multicast),
        ("239.255.255.250", Multicast),
        ("ff02::1", Multicast),
        ("255.255.255.255", Broadcast),
        ("192.168.7.255", Broadcast),
        ("192.168.7.0", Broadcast),
        ("203.0.113.255", Broadcast),
        ("240.0.0.1", Reserved),
    ] {
        assert_eq!(judge(&guard, ip), Err(why), "{ip}");
    }
}

#[test]
fn an_ipv4_address_hidden_in_an_ipv6_one_is_found() {
    let guard = open_guard();
    for (hidden, why) in [
        ([127, 0, 0, 1], Forbidden::Loopback),
        ([169, 254, 169, 254], Forbidden::Metadata),
        ([192, 168, 7, 2], Forbidden::Own),
        ([0, 0, 0, 0], Forbidden::Unspecified),
        ([224, 0, 0, 1], Forbidden::Multicast),
        ([192, 168, 7, 255], Forbidden::Broadcast),
    ] {
        let [a, b, c, d]: [u8; 4] = hidden;
        let (h, l) = (format!("{a:02x}{b:02x}"), format!("{c:02x}{d:02x}"));
        let (nh, nl) = (
            format!("{:02x}{:02x}", !a, !b),
            format!("{:02x}{:02x}", !c, !d),
        );
        for ip in [
            format!("::ffff:{h}:{l}"),
            format!("::ffff:0:{h}:{l}"),
            format!("64:ff9b::{h}:{l}"),
            format!("64:ff9b:1::{h}:{l}"),
            format!("64:ff9b:1:{h}:{c:02x}:{d:02x}00::"),
            format!("2002:{h}:{l}::1"),
            format!("2001:0:{h}:{l}::1"),
            format!("2001:0:808:808:0:0:{nh}:{nl}"),
            format!("2001:db8:9::5efe:{h}:{l}"),
            format!("2001:db8:9::200:5efe:{h}:{l}"),
        ] {
            assert_eq!(judge(&guard, &ip), Err(why), "{ip}");
        }
    }
    // RFC 4291's compatible form of 0.0.0.1 is loopback itself.
    assert_eq!(judge(&guard, "::7f00:1"), Err(Forbidden::Loopback));
}

#[test]
fn a_mapped_address_that_is_allowed_is_dialled_in_its_plain_form() {
    let got = judge(&guard(""), "::ffff:192.168.7.9");

    assert_eq!(got, Ok("192.168.7.9".parse().unwrap()));
}

#[test]
fn a_translated_form_is_no_way_around_the_allow_list() {
    for ip in ["64:ff9b::c0a8:709", "2002:c0a8:709::1"] {
        assert_eq!(judge(&guard(""), ip), Err(Forbidden::NotAllowed), "{ip}");
    }
}

#[test]
fn rules_hold_for_their_ports_only() {
    let guard = guard("[[allow]]\nnetwork = \"10.0.0.0/8\"\nports = [\"22\"]");
    let ip = "10.9.9.9".parse().unwrap();

    assert!(guard.judge(ip, 22).is_ok());
    assert_eq!(guard.judge(ip, 23), Err(Forbidden::NotAllowed));
    assert_eq!(judge(&guard, "192.168.7.9"), Err(Forbidden::NotAllowed));
}

#[test]
fn an_empty_allow_list_reaches_nothing() {
    assert_eq!(
        judge(&guard("allow = []"), "192.168.7.9"),
        Err(Forbidden::NotAllowed)
    );
}

#[test]
fn the_system_tells_where_the_box_stands() {
    let around = Surroundings::read().unwrap();

    assert!(around.own("127.0.0.1".parse().unwrap()));
    assert!(!around.attached("127.0.0.1".parse().unwrap()));
}

proptest! {
    #[test]
    fn nothing_in_the_forbidden_networks_ever_passes(bits: u128, pick in 0usize..8) {
        let (network, v4) = [
            ("127.0.0.0/8", true), ("169.254.0.0/16", true), ("0.0.0.0/8", true),
            ("224.0.0.0/3", true), ("fe80::/10", false), ("ff00::/8", false),
            ("::1/128", false), ("::ffff:127.0.0.0/104", false),
        ][pick];
        let network: Network = network.parse().unwrap();
        let low = u128::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
        let ip = match network.address() {
            IpAddr::V4(base) => {
                let low = u32::MAX.checked_shr(network.prefix().into()).unwrap_or(0);
                IpAddr::V4((base.to_bits() | (bits.to_be_bytes().last_chunk().map_or(0, |&b| u32::from_be_bytes(b)) & low)).into())
            }
            IpAddr::V6(base) => IpAddr::V6((base.to_bits() | (bits & low)).into()),
        };
        prop_assert_eq!(ip.is_ipv4(), v4);
        prop_assert!(open_guard().judge(ip, 22).is_err(), "{}", ip);
    }
}
