// SPDX-License-Identifier: MIT OR Apache-2.0

use super::scene::{Client, RELAYED_V6, Scene, config};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message_type::Method;
use crate::server::{AddressClass, Config, Decision, PeerRules};

const ANA: &str = "192.0.2.1:1000";

const NEVER_V4: [&str; 27] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
];

const NEVER_V6: [&str; 24] = [
    "::",
    "::1",
    "::7f00:1",
    "::9.9.9.9",
    "::ffff:127.0.0.1",
    "::ffff:9.9.9.9",
    "::ffff:0:9.9.9.9",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::9.9.9.9",
    "100::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:1::1",
    "2001:db8::1",
    "3fff::1",
    "2001:10::1",
    "2001:20::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

const FINE_V4: [&str; 8] = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "223.255.255.255",
];

const FINE_V6: [&str; 5] = [
    "2a00:1::2",
    "2001:4860::1",
    "64:ff9b::9.9.9.9",
    "2002:909:909::1",
    "2600::1",
];

#[test]
fn on_every_path_special_addresses_are_forbidden() {
    let (mut scene, ana4, ana6) = both_families();
    let all = NEVER_V4
        .map(|ip| (&ana4, ip))
        .into_iter()
        .chain(NEVER_V6.map(|ip| (&ana6, ip)));
    for (client, ip) in all {
        let peer = socket_addr(ip);
        let forbidden = Some(ErrorCode::FORBIDDEN);
        assert_eq!(
            scene.create_permission(client, &peer).error(),
            forbidden,
            "{ip}"
        );
        assert_eq!(scene.bind(client, 0x4000, &peer).error(), forbidden, "{ip}");
        assert_eq!(scene.say_to(client, &peer, b"x"), Decision::Keep, "{ip}");
    }
}

#[test]
fn the_internet_is_allowed() {
    let (mut scene, ana4, ana6) = both_families();
    let all = FINE_V4
        .map(|ip| (&ana4, ip))
        .into_iter()
        .chain(FINE_V6.map(|ip| (&ana6, ip)));
    for (number, (client, ip)) in (0x4000..).zip(all) {
        let peer = socket_addr(ip);
        assert_eq!(scene.bind(client, number, &peer).error(), None, "{ip}");
        assert!(
            matches!(scene.say_to(client, &peer, b"x"), Decision::ToPeer { .. }),
            "{ip}"
        );
    }
}

#[test]
fn teredo_hides_the_client_in_inverted_bits() {
    // 2001:0:…:!192.168.0.1
    let private = "2001:0:4136:e378:8000:63bf:3f57:fffe".parse().unwrap();
    assert_eq!(AddressClass::of(private), AddressClass::Never);
    let global = "2001:0:4136:e378:8000:63bf:f6f6:f6f6".parse().unwrap();
    assert_eq!(AddressClass::of(global), AddressClass::Global);
}

#[test]
fn nothing_is_relayed_to_our_own_machine_but_to_relayed_addresses() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    // The address is ours, so the permission may be for another client's relayed address.
    scene.permit(&ana, "198.51.100.1:1");
    for port in [22, 53, 3478, 50_000] {
        let decision = scene.say_to(&ana, &format!("198.51.100.1:{port}"), b"x");
        assert_eq!(decision, Decision::Keep, "{port}");
    }
    assert_eq!(scene.server.counters().dropped_by_policy, 4);
    let listener = scene.bind(&ana, 0x4000, "198.51.100.1:3478");
    assert_eq!(listener.error(), Some(ErrorCode::FORBIDDEN));
}

#[test]
fn port_zero_is_no_peer() {
    let mut scene = Scene::new();
    let (ana, _) = scene.allocated(ANA);
    let zero = scene.bind(&ana, 0x4000, "9.9.9.9:0");
    assert_eq!(zero.error(), Some(ErrorCode::FORBIDDEN));
    scene.permit(&ana, "9.9.9.9:1");
    assert_eq!(scene.say_to(&ana, "9.9.9.9:0", b"x"), Decision::Keep);
}

#[test]
fn a_loopback_relay_reaches_this_machine_if_the_operator_says_so() {
    for (allow, expected) in [(true, None), (false, Some(ErrorCode::FORBIDDEN))] {
        let (mut scene, ana) = relay_on("127.0.0.1", allow);
        for peer in [
            "127.0.0.2:5000",
            "192.168.1.5:5000",
            "10.1.1.1:5000",
            "203.0.113.5:5000",
        ] {
            assert_eq!(
                scene.create_permission(&ana, peer).error(),
                expected,
                "{peer}"
            );
        }
        for peer in [
            "169.254.169.254:80",
            "169.254.1.1:80",
            "0.0.0.0:80",
            "224.0.0.1:80",
        ] {
            let forbidden = Some(ErrorCode::FORBIDDEN);
            assert_eq!(
                scene.create_permission(&ana, peer).error(),
                forbidden,
                "{peer}"
            );
        }
    }
}

#[test]
fn a_loopback_relay_never_reaches_its_own_listeners() {
    let (mut scene, ana) = relay_on("127.0.0.1", true);
    scene.permit(&ana, "127.0.0.1:1");
    scene.permit(&ana, "127.0.0.9:1");
    for peer in ["127.0.0.1:3478", "127.0.0.9:3478"] {
        assert_eq!(scene.say_to(&ana, peer, b"x"), Decision::Keep, "{peer}");
        let bound = scene.bind(&ana, 0x4000, peer);
        assert_eq!(bound.error(), Some(ErrorCode::FORBIDDEN), "{peer}");
    }
    assert!(matches!(
        scene.say_to(&ana, "127.0.0.1:5000", b"x"),
        Decision::ToPeer { .. }
    ));
}

#[test]
fn a_private_relay_reaches_its_site_but_not_its_machine() {
    let (mut scene, ana) = relay_on("192.168.1.1", true);
    scene.permit(&ana, "192.168.7.7:1");
    scene.permit(&ana, "10.0.0.1:1");
    let loopback = scene.create_permission(&ana, "127.0.0.1:1");
    assert_eq!(loopback.error(), Some(ErrorCode::FORBIDDEN));
    let (mut scene, ana) = relay_on("192.168.1.1", false);
    let site = scene.create_permission(&ana, "192.168.7.7:1");
    assert_eq!(site.error(), Some(ErrorCode::FORBIDDEN));
}

#[test]
fn a_public_relay_reaches_no_private_peer_whatever_the_operator_says() {
    let (mut scene, ana) = relay_on("9.1.1.1", true);
    for peer in ["127.0.0.1:1", "192.168.1.1:1", "203.0.113.1:1"] {
        let forbidden = Some(ErrorCode::FORBIDDEN);
        assert_eq!(
            scene.create_permission(&ana, peer).error(),
            forbidden,
            "{peer}"
        );
    }
}

#[test]
fn a_public_relay_exempts_only_relayed_addresses_of_its_own() {
    let (mut scene, ana) = relay_on("9.1.1.1", false);
    let ben = scene.client("192.0.2.2:2000");
    let relayed = scene.allocate(&ben);
    scene.permit(&ben, "9.1.1.1:1");
    scene.permit(&ana, "9.1.1.1:1");
    let at_ben = relayed.0.to_string();
    assert!(matches!(
        scene.say_to(&ana, &at_ben, b"x"),
        Decision::ToClient { .. }
    ));
    assert_eq!(scene.say_to(&ana, "9.1.1.1:53", b"x"), Decision::Keep);
}

fn relay_on(ip: &str, private: bool) -> (Scene, Client) {
    let mut scene = Scene::with(Config {
        relayed_ips: vec![ip.parse().unwrap()],
        listeners: vec![format!("{ip}:3478").parse().unwrap()],
        peers: PeerRules {
            private,
            ..PeerRules::default()
        },
        ..config()
    });
    let (ana, _) = scene.allocated(ANA);
    (scene, ana)
}

fn both_families() -> (Scene, Client, Client) {
    let mut scene = Scene::with(Config {
        relayed_ips: vec!["9.1.1.1".parse().unwrap(), RELAYED_V6.parse().unwrap()],
        ..config()
    });
    let (ana4, _) = scene.allocated(ANA);
    let ana6 = scene.client("192.0.2.1:1001");
    let answer = scene.request(&ana6, Method::ALLOCATE, |message| {
        super::scene::udp_transport(message)
            .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
    });
    assert_eq!(answer.error(), None);
    (scene, ana4, ana6)
}

fn socket_addr(ip: &str) -> String {
    let ip: core::net::IpAddr = ip.parse().unwrap();
    core::net::SocketAddr::new(ip, 5_000).to_string()
}
