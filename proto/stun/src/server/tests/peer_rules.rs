// SPDX-License-Identifier: MIT OR Apache-2.0
//! What operators may open and close, and the holes that other relays had, each under its number.

use super::scene::{Client, RELAYED_V4, RELAYED_V6, Scene, config, udp_transport};
use crate::attribute::AttributeType;
use crate::error_code::ErrorCode;
use crate::message_type::Method;
use crate::server::{Config, Decision, PeerRules};

const ANA: &str = "192.0.2.1:1000";

/// Loopback peers were allowed.
#[test]
fn cve_2018_4058_loopback_is_no_peer_unless_the_operator_opens_it() {
    let mut site = Site::new(PeerRules::default());
    site.refuses(&["127.0.0.1", "127.1.2.3", "::1"]);
    let mut site = Site::new(rules(&["127.0.0.1", "::1"], &[]));
    site.reaches(&["127.0.0.1", "::1"]);
    site.refuses(&["127.0.0.2"]);
}

/// 0.0.0.0 and `::` led to the loopback interface, and `::1` was not looked at.
#[test]
fn cve_2020_26262_the_unspecified_address_is_no_peer_whatever_is_opened() {
    let unspecified = ["0.0.0.0", "0.0.0.1", "0.255.255.255", "::"];
    let mut site = Site::new(PeerRules::default());
    site.refuses(&unspecified);
    site.refuses(&["::1"]);
    let mut site = Site::new(rules(&["0.0.0.0/0", "0.0.0.0", "::/0", "::"], &[]));
    site.refuses(&unspecified);
}

/// Rules for IPv4 networks, and the check for loopback, did not see IPv4-mapped addresses.
#[test]
fn cve_2026_27624_an_ipv4_mapped_address_is_no_peer_whatever_is_opened() {
    let mapped = [
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:9.9.9.9",
    ];
    for rules in [
        PeerRules::default(),
        rules(&["::/0", "0.0.0.0/0"], &[]),
        rules(&[], &["127.0.0.0/8", "10.0.0.0/8"]),
    ] {
        Site::new(rules).refuses(&mapped);
    }
}

/// What CVE-2026-27624 left open until coturn's change 1945: the other forms.
#[test]
fn a_denied_network_is_denied_in_every_form_it_can_be_written_in() {
    let forms = [
        "9.9.9.9",
        "64:ff9b::9.9.9.9",
        "2002:909:909::1",
        "2001:0:4136:e378:8000:63bf:f6f6:f6f6",
        "2001:0:909:909:8000:63bf:f7f7:f7f7",
        "2a00:1::5efe:9.9.9.9",
        "2a00:1::200:5efe:9.9.9.9",
    ];
    Site::new(PeerRules::default()).reaches(&forms);
    let mut site = Site::new(rules(&["::/0", "9.9.9.9"], &["9.9.9.0/24"]));
    site.refuses(&forms);
    site.refuses(&["::9.9.9.9", "::ffff:0:9.9.9.9", "64:ff9b:1::9.9.9.9"]);
    site.reaches(&["9.9.8.9", "64:ff9b::9.9.8.9", "2002:909:809::1"]);
}

/// What coturn's change 1947 closed: the scopes that an IPv4 list cannot name.
#[test]
fn link_local_unique_local_and_site_local_addresses_are_no_peers_unless_opened() {
    let local = ["169.254.1.1", "fe80::1", "fc00::1", "fd00::1", "fec0::1"];
    Site::new(PeerRules::default()).refuses(&local);
    let nets = ["169.254.0.0/16", "fe80::/10", "fc00::/7", "fec0::/10"];
    let mut site = Site::new(rules(&nets, &[]));
    site.reaches(&local);
    site.refuses(&["169.254.169.254", "fd00:ec2::254", "fd20:ce::254"]);
}

#[test]
fn what_an_operator_allows_is_open_but_for_what_can_never_be_right() {
    let mut site = Site::new(rules(&["0.0.0.0/0", "::/0"], &[]));
    site.reaches(&[
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "192.0.2.7",
        "240.0.0.1",
        "fd00::1",
    ]);
    site.refuses(&[
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "169.254.169.254",
        "168.63.129.16",
        "ff02::1",
        "2002:a00:1::1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::a00:1",
        "2001:0:4136:e378:8000:63bf:3f57:fffe",
        "2a00:1::5efe:10.0.0.1",
    ]);
}

#[test]
fn what_an_operator_denies_is_closed_even_if_it_is_allowed_too() {
    let mut site = Site::new(rules(&["10.0.0.0/8"], &["10.1.0.0/16", "9.0.0.0/8"]));
    site.reaches(&["10.0.0.1", "10.2.0.1", "8.8.8.8"]);
    site.refuses(&["10.1.0.1", "9.9.9.9", "192.168.0.1"]);
}

#[test]
fn denying_the_relays_own_network_does_not_part_its_clients() {
    // coturn's issue 584: who denies it would otherwise lock its own callers out.
    let mut site = Site::new(rules(&[], &["0.0.0.0/0"]));
    let (ben, relayed) = site.scene.allocated("192.0.2.2:2000");
    site.scene.permit(&ben, &format!("{RELAYED_V4}:1"));
    let (ana, own) = (site.v4.clone(), format!("{RELAYED_V4}:1"));
    site.scene.permit(&ana, &own);
    let decision = site.scene.say_to(&ana, &relayed.0.to_string(), b"x");
    assert!(matches!(decision, Decision::ToClient { .. }));
}

#[test]
fn this_machine_is_opened_only_by_naming_the_address_alone() {
    let own = [RELAYED_V4, "10.0.0.5"];
    let behind_a_nat = |rules| {
        Site::with(Config {
            own_ips: vec!["10.0.0.5".parse().unwrap()],
            ..with_rules(rules)
        })
    };
    let mut site = behind_a_nat(rules(&["10.0.0.0/8", "198.51.100.0/24"], &[]));
    site.sends_nothing_to(&own, 9_000);
    site.reaches(&["10.0.0.6", "198.51.100.2"]);
    let mut site = behind_a_nat(rules(&own, &[]));
    site.reaches(&own);
}

#[test]
fn on_a_closed_network_its_other_hosts_are_open_and_this_machine_is_not() {
    let island = |relayed: &[&str]| {
        Site::with(Config {
            relayed_ips: relayed.iter().map(|ip| ip.parse().unwrap()).collect(),
            own_ips: vec!["192.168.7.9".parse().unwrap()],
            ..with_rules(PeerRules {
                private: true,
                ..rules(&[], &[])
            })
        })
    };
    for relayed in [["192.168.1.10", "fd00::10"], ["192.168.1.10", "::1"]] {
        let mut site = island(&relayed);
        site.reaches(&["192.168.1.11", "10.0.0.5"]);
        site.sends_nothing_to(&["192.168.1.10", "192.168.7.9", "127.0.0.1", "::1"], 9_000);
    }
    let mut alone = island(&["127.0.0.1", "::1"]);
    alone.reaches(&["127.0.0.1", "::1", "192.168.7.9", "192.168.1.11"]);
}

#[test]
fn our_listeners_and_the_nodes_other_services_are_no_peers_whatever_is_opened() {
    let private = PeerRules {
        private: true,
        ..rules(&[RELAYED_V4, "10.0.0.5", "127.0.0.0/8", "::1"], &[])
    };
    let mut site = Site::with(Config {
        own_ips: vec!["10.0.0.5".parse().unwrap()],
        service_ports: vec![8_440, 9_090],
        ..with_rules(private)
    });
    let here = [RELAYED_V4, "10.0.0.5", "127.0.0.1", "127.0.0.9", "::1"];
    site.reaches(&here);
    for port in [3_478, 8_440, 9_090] {
        site.sends_nothing_to(&here, port);
    }
    // Elsewhere those ports are nobody's in particular.
    let v4 = site.v4.clone();
    let bound = site.scene.bind(&v4, 0x4FFF, "9.9.9.9:8440");
    assert_eq!(bound.error(), None);
}

#[test]
fn no_form_of_our_own_address_leads_back_here() {
    let mut config = with_rules(rules(&["::/0", "0.0.0.0/0"], &[]));
    config.relayed_ips = vec!["9.1.1.1".parse().unwrap(), RELAYED_V6.parse().unwrap()];
    let mut site = Site::with(config);
    site.refuses(&[
        "::9.1.1.1",
        "::ffff:9.1.1.1",
        "64:ff9b::9.1.1.1",
        "2002:901:101::1",
        "2a00:1::5efe:9.1.1.1",
    ]);
}

/// A relay with a client for each family.
struct Site {
    scene: Scene,
    v4: Client,
    v6: Client,
    next_channel: u16,
}

impl Site {
    fn new(rules: PeerRules) -> Self {
        Self::with(with_rules(rules))
    }

    fn with(config: Config) -> Self {
        let mut scene = Scene::with(config);
        let (v4, _) = scene.allocated(ANA);
        let v6 = scene.client("192.0.2.1:1001");
        let answer = scene.request(&v6, Method::ALLOCATE, |message| {
            udp_transport(message).attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
        });
        assert_eq!(answer.error(), None);
        Self {
            scene,
            v4,
            v6,
            next_channel: 0x4000,
        }
    }

    /// By permission, by channel, and with data.
    fn reaches(&mut self, ips: &[&str]) {
        for ip in ips {
            let (client, peer, channel) = self.towards(ip, 5_000);
            let answer = self.scene.create_permission(&client, &peer);
            assert_eq!(answer.error(), None, "{ip}");
            let answer = self.scene.bind(&client, channel, &peer);
            assert_eq!(answer.error(), None, "{ip}");
            let sent = self.scene.say_on(&client, channel, b"x");
            assert!(matches!(sent, Decision::ToPeer { .. }), "{ip}");
        }
    }

    /// On every path.
    fn refuses(&mut self, ips: &[&str]) {
        let forbidden = Some(ErrorCode::FORBIDDEN);
        for ip in ips {
            let (client, peer, channel) = self.towards(ip, 5_000);
            let answer = self.scene.create_permission(&client, &peer);
            assert_eq!(answer.error(), forbidden, "{ip}");
            let answer = self.scene.bind(&client, channel, &peer);
            assert_eq!(answer.error(), forbidden, "{ip}");
            assert_eq!(self.scene.say_to(&client, &peer, b"x"), Decision::Keep);
        }
    }

    /// Whatever permission there may be for the address.
    fn sends_nothing_to(&mut self, ips: &[&str], port: u16) {
        for ip in ips {
            let (client, peer, channel) = self.towards(ip, port);
            self.scene.create_permission(&client, &peer);
            self.scene.bind(&client, channel, &peer);
            for decision in [
                self.scene.say_to(&client, &peer, b"x"),
                self.scene.say_on(&client, channel, b"x"),
            ] {
                assert_eq!(decision, Decision::Keep, "{peer}");
            }
        }
    }

    fn towards(&mut self, ip: &str, port: u16) -> (Client, String, u16) {
        let ip: core::net::IpAddr = ip.parse().unwrap();
        let client = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        let peer = core::net::SocketAddr::new(ip, port).to_string();
        self.next_channel += 1;
        (client.clone(), peer, self.next_channel)
    }
}

fn with_rules(peers: PeerRules) -> Config {
    Config {
        relayed_ips: vec![RELAYED_V4.parse().unwrap(), RELAYED_V6.parse().unwrap()],
        peers,
        ..config()
    }
}

fn rules(allow: &[&str], deny: &[&str]) -> PeerRules {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    PeerRules {
        allow: nets(allow),
        deny: nets(deny),
        private: false,
    }
}
