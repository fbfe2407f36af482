// SPDX-License-Identifier: MIT OR Apache-2.0
//! Evidence in, verdict out; and a run from its beginning to its end.

use hither_api::TurnGrant;
use hither_sansio::{Duration, Instant, Now, UnixTime};

use super::judge::{Nearness, Sightings};
use super::*;

const OWN: &str = "turn:node.example:3478?transport=udp";
const OWN_TOO: &str = "turn:node.example:443?transport=udp";
const ELSEWHERE: &str = "turn:relay.example:3478?transport=udp";
const HIDDEN: u16 = 40_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What one server sees: a relayed candidate with the mapped address beside it.
fn relayed(url: &str, mapped: (&str, u16)) -> Gathered {
    Gathered {
        kind: CandidateKind::Relayed,
        address: Some(ip("198.51.100.9")),
        port: 50_000,
        related: Some((ip(mapped.0), mapped.1)),
        url: url.to_owned(),
    }
}

fn reflexive(address: &str, port: u16) -> Gathered {
    Gathered {
        kind: CandidateKind::ServerReflexive,
        address: Some(ip(address)),
        port,
        related: None,
        url: OWN.to_owned(),
    }
}

/// A host candidate behind a name.
fn hidden() -> Gathered {
    Gathered {
        kind: CandidateKind::Host,
        address: None,
        port: HIDDEN,
        related: None,
        url: String::new(),
    }
}

/// Behind a NAT, with the mapped ports that servers saw.
fn behind_nat(seen: &[(&str, u16)]) -> Vec<Gathered> {
    let mut candidates = vec![hidden()];
    for (url, port) in seen {
        candidates.push(reflexive("203.0.113.7", *port));
        candidates.push(relayed(url, ("203.0.113.7", *port)));
    }
    candidates
}

fn mapping_of(candidates: &[Gathered]) -> Finding<Mapping> {
    let host = |url: &str| url.split(':').nth(1).unwrap_or_default().to_owned();
    judge::mapping(&Sightings::of(candidates, false), host)
}

#[test]
fn mappings_are_told_by_what_several_servers_saw() {
    use Mapping::*;
    for (seen, mapping) in [
        (
            &[(OWN, 1_000), (OWN_TOO, 1_000)][..],
            EndpointIndependentOrAddressDependent,
        ),
        (&[(OWN, 1_000), (OWN_TOO, 1_001)], AddressAndPortDependent),
        (&[(OWN, 1_000), (ELSEWHERE, 1_000)], EndpointIndependent),
        (
            &[(OWN, 1_000), (ELSEWHERE, 1_001)],
            AddressOrAddressAndPortDependent,
        ),
        (
            &[(OWN, 1_000), (OWN_TOO, 1_000), (ELSEWHERE, 1_000)],
            EndpointIndependent,
        ),
        (
            &[(OWN, 1_000), (OWN_TOO, 1_000), (ELSEWHERE, 1_001)],
            AddressDependent,
        ),
        (
            &[(OWN, 1_000), (OWN_TOO, 1_001), (ELSEWHERE, 1_002)],
            AddressAndPortDependent,
        ),
    ] {
        assert_eq!(
            mapping_of(&behind_nat(seen)),
            Finding::Found(mapping),
            "{seen:?}"
        );
    }
}

#[test]
fn one_server_or_none_tells_no_mapping() {
    let one = behind_nat(&[(OWN, 1_000)]);
    assert_eq!(mapping_of(&one), Finding::Unknown(Unknown::OnePort));
    assert_eq!(mapping_of(&[hidden()]), Finding::Unknown(Unknown::NoAnswer));
    let only_reflexive = [hidden(), reflexive("203.0.113.7", 1_000)];
    assert_eq!(
        mapping_of(&only_reflexive),
        Finding::Unknown(Unknown::OnePort)
    );
}

#[test]
fn an_address_without_a_reflexive_candidate_is_the_own_one() {
    let open = [hidden(), relayed(OWN, ("203.0.113.7", HIDDEN))];
    assert_eq!(mapping_of(&open), Finding::Found(Mapping::Untranslated));
}

#[test]
fn two_translators_side_by_side_contradict_each_other_or_agree() {
    let two = |own_too: u16| {
        let mut candidates = behind_nat(&[(OWN, 1_000), (OWN_TOO, 1_000)]);
        candidates.push(relayed(OWN, ("192.0.2.7", 2_000)));
        candidates.push(relayed(OWN_TOO, ("192.0.2.7", own_too)));
        mapping_of(&candidates)
    };
    assert_eq!(
        two(2_000),
        Finding::Found(Mapping::EndpointIndependentOrAddressDependent)
    );
    assert_eq!(two(2_001), Finding::Unknown(Unknown::Contradiction));
}

#[test]
fn families_are_judged_apart_and_hidden_addresses_do_not_count() {
    let both = [
        relayed(OWN, ("2001:db8::7", 1_000)),
        relayed(OWN, ("0.0.0.0", 0)),
        reflexive("203.0.113.7", 1_000),
    ];
    let v4 = judge::own_address(&Sightings::of(&both, false));
    let v6 = judge::own_address(&Sightings::of(&both, true));
    assert_eq!(
        v4.found().map(|own| own.address.as_str()),
        Some("203.0.113.7")
    );
    assert_eq!(
        v6.found().map(|own| own.address.as_str()),
        Some("2001:db8::7")
    );
    let none = judge::own_address(&Sightings::of(&[hidden()], false));
    assert_eq!(none, Finding::Unknown(Unknown::NoFamily));
}

#[test]
fn addresses_mean_something_where_they_do_and_those_of_documentation_everywhere() {
    for (addresses, scope) in [
        (
            &["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"][..],
            Scope::Device,
        ),
        (
            &["10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.0.1"],
            Scope::Network,
        ),
        (&["fd00::1", "fe80::1", "::ffff:10.0.0.1"], Scope::Network),
        (
            &["100.64.0.1", "100.127.255.254", "::ffff:100.64.0.1"],
            Scope::Provider,
        ),
        (
            &["203.0.113.7", "198.51.100.7", "192.0.2.7"],
            Scope::Internet,
        ),
        (
            &["100.63.0.1", "100.128.0.1", "2001:db8::1"],
            Scope::Internet,
        ),
    ] {
        for address in addresses {
            assert_eq!(judge::scope(ip(address)), scope, "{address}");
        }
    }
}

#[test]
fn filters_are_told_by_what_got_through_and_where_it_came_from() {
    use Filtering::*;
    let passed = Passage::Passed { from: None };
    let held = Passage::Held { from: None };
    let (same, other) = (Nearness::SameAddress, Nearness::OtherAddress);
    for (passages, filtering) in [
        (&[(passed, same)][..], EndpointIndependentOrAddressDependent),
        (&[(held, same)], AddressAndPortDependent),
        (&[(passed, other)], EndpointIndependent),
        (&[(held, other)], AddressOrAddressAndPortDependent),
        (&[(passed, same), (passed, other)], EndpointIndependent),
        (&[(passed, same), (held, other)], AddressDependent),
        (&[(held, same), (held, other)], AddressAndPortDependent),
        (
            &[(passed, same), (Passage::Unsent, other)],
            EndpointIndependentOrAddressDependent,
        ),
    ] {
        let findings: Vec<_> = passages.iter().copied().map(Finding::Found).collect();
        assert_eq!(
            judge::filtering(&findings),
            Finding::Found(filtering),
            "{passages:?}"
        );
    }
}

#[test]
fn a_filter_that_was_not_tried_is_unknown_and_says_why() {
    for (passage, why) in [
        (Passage::Unmapped, Unknown::NoAnswer),
        (Passage::Unrelayed, Unknown::NoRelay),
        (Passage::Unsent, Unknown::RelayRefuses),
    ] {
        let finding = Finding::Found((passage, Nearness::SameAddress));
        assert_eq!(judge::filtering(&[finding]), Finding::Unknown(why));
    }
    assert_eq!(judge::filtering(&[Finding::Waiting]), Finding::Waiting);
    assert_eq!(judge::filtering(&[]), Finding::Unknown(Unknown::NoAnswer));
}

#[test]
fn silence_counts_only_when_all_are_silent() {
    let open = Finding::Found(Climb::Open { rtt_ms: None });
    let refused = Finding::Found(Climb::Refused { code: 486 });
    let silent = Finding::Found(Climb::Silent);
    for (observed, rungs, udp) in [
        (Some(true), vec![Finding::Waiting], Finding::Found(true)),
        (None, vec![open], Finding::Found(true)),
        (Some(false), vec![refused], Finding::Found(true)),
        (Some(false), vec![silent.clone()], Finding::Found(false)),
        (
            Some(false),
            vec![silent.clone(), Finding::Waiting],
            Finding::Waiting,
        ),
        (None, vec![silent], Finding::Waiting),
    ] {
        assert_eq!(judge::udp(observed, &rungs), udp, "{observed:?} {rungs:?}");
    }
}

#[test]
fn every_pair_of_mapping_and_filtering_has_its_verdict() {
    use {Direct::*, Filtering as F, Mapping as M};
    let easy = [
        M::Untranslated,
        M::EndpointIndependent,
        M::EndpointIndependentOrAddressDependent,
    ];
    let hard = [
        M::AddressDependent,
        M::AddressOrAddressAndPortDependent,
        M::AddressAndPortDependent,
    ];
    let filters = [
        (Some(F::EndpointIndependent), NearlyAlways, Mostly),
        (
            Some(F::EndpointIndependentOrAddressDependent),
            NearlyAlways,
            Seldom,
        ),
        (Some(F::AddressDependent), NearlyAlways, Seldom),
        (Some(F::AddressOrAddressAndPortDependent), Mostly, Seldom),
        (Some(F::AddressAndPortDependent), Mostly, Seldom),
        (None, Mostly, Seldom),
    ];
    for (filter, if_easy, if_hard) in filters {
        let filtering = filter.map_or(Finding::Unknown(Unknown::TooLittle), Finding::Found);
        let direct =
            |mapping| judge::direct(&Finding::Found(true), &Finding::Found(mapping), &filtering);
        for mapping in easy {
            assert_eq!(
                direct(mapping),
                Finding::Found(if_easy),
                "{mapping:?} {filter:?}"
            );
        }
        for mapping in hard {
            assert_eq!(
                direct(mapping),
                Finding::Found(if_hard),
                "{mapping:?} {filter:?}"
            );
        }
    }
}

#[test]
fn without_udp_or_without_evidence_nothing_is_promised() {
    let (easy, answers) = (
        Finding::Found(Mapping::EndpointIndependent),
        Finding::Found(Filtering::AddressAndPortDependent),
    );
    let closed = judge::direct(&Finding::Found(false), &easy, &answers);
    assert_eq!(closed, Finding::Found(Direct::SameNetworkOnly));
    assert_eq!(
        judge::direct(&Finding::Waiting, &easy, &answers),
        Finding::Waiting
    );
    let unmapped = Finding::Unknown(Unknown::OnePort);
    assert_eq!(
        judge::direct(&Finding::Found(true), &unmapped, &answers),
        Finding::Unknown(Unknown::TooLittle)
    );
    let open = Finding::Found(Filtering::EndpointIndependent);
    assert_eq!(
        judge::direct(&Finding::Found(true), &unmapped, &open),
        Finding::Found(Direct::Mostly)
    );
}

// ---- a run

const ORIGIN: &str = "https://node.example";

fn grant(urls: &[&str]) -> TurnGrant {
    TurnGrant {
        username: "user".to_owned(),
        password: "secret".to_owned(),
        expires: 2_000,
        urls: urls.iter().map(|&url| url.to_owned()).collect(),
    }
}

fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_millis(millis),
        unix: UnixTime::from_secs(1_000),
    }
}

const LADDER: [&str; 5] = [
    "stun:node.example:3478",
    OWN,
    OWN_TOO,
    "turn:node.example:3478?transport=tcp",
    "turns:node.example:443?transport=tcp",
];

fn begin(urls: &[&str]) -> (Network, Vec<ProbeAction>) {
    let mut network = Network::default();
    let actions = network.probe(ORIGIN, Some(&grant(urls)), true, at(0));
    (network, actions)
}

fn climbed(network: &mut Network, run: u32, outcomes: &[Climb]) {
    for (number, &climb) in outcomes.iter().enumerate() {
        network.handle_probe(ProbeEvent::Climbed { run, number, climb }, true);
    }
}

#[test]
fn a_run_asks_every_rung_and_no_other_host() {
    let (_, actions) = begin(&LADDER);
    let mut asked = Vec::new();
    for action in &actions {
        match action {
            ProbeAction::Observe { servers, .. } => {
                assert!(!servers.relay_only);
                assert_eq!(servers.urls, [OWN, OWN_TOO]);
            }
            ProbeAction::Filter {
                observer, sender, ..
            } => {
                assert!(!observer.relay_only && sender.relay_only);
                assert_eq!(
                    (&observer.urls, &sender.urls),
                    (&vec![OWN.to_owned()], &vec![OWN.to_owned()])
                );
            }
            ProbeAction::Climb { server, .. } => {
                assert!(server.relay_only);
                asked.extend(server.urls.clone());
            }
            ProbeAction::Stop => {}
        }
    }
    assert_eq!(asked, LADDER[1..]);
    assert!(matches!(actions.first(), Some(ProbeAction::Stop)));
}

#[test]
fn a_home_network_is_found_to_be_good_for_direct_calls() {
    let (mut network, _) = begin(&LADDER);
    assert_eq!(network.view(true).state, ProbeState::Running);
    let candidates = behind_nat(&[(OWN, 1_000), (OWN_TOO, 1_000)]);
    assert!(network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true));
    let view = network.view(true);
    assert_eq!(view.udp, Finding::Found(true));
    assert_eq!(view.direct, Finding::Waiting, "the filter is not known yet");
    network.handle_probe(
        ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage: Passage::Held { from: None },
        },
        true,
    );
    climbed(&mut network, 1, &[Climb::Open { rtt_ms: Some(12) }; 4]);
    let view = network.view(true);
    assert_eq!(view.state, ProbeState::Done);
    assert_eq!(view.direct, Finding::Found(Direct::Mostly));
    assert_eq!(
        view.filtering,
        Finding::Found(Filtering::AddressAndPortDependent)
    );
    assert_eq!(view.ipv6, Finding::Unknown(Unknown::NoFamily));
    assert!(view.wanted.is_empty() && view.not_offered.is_empty());
    assert_eq!(network.timeout(), None);
}

#[test]
fn what_is_closed_is_what_the_administrator_is_asked_for() {
    let (mut network, _) = begin(&LADDER);
    let candidates = vec![hidden()];
    network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true);
    network.handle_probe(
        ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage: Passage::Unmapped,
        },
        true,
    );
    let open = Climb::Open { rtt_ms: Some(12) };
    climbed(
        &mut network,
        1,
        &[Climb::Silent, Climb::Silent, Climb::Silent, open],
    );
    let view = network.view(true);
    assert_eq!(view.direct, Finding::Found(Direct::SameNetworkOnly));
    assert_eq!(view.mapping, Finding::Unknown(Unknown::NoAnswer));
    assert_eq!(view.ipv4, Finding::Unknown(Unknown::NoAnswer));
    let wanted: Vec<String> = view.wanted.iter().map(ToString::to_string).collect();
    let begins = [
        "UDP to node.example port 3478",
        "UDP to node.example port 443",
        "TCP to node.example port 3478",
        "UDP to the other person (any port)",
    ];
    assert_eq!(wanted.len(), begins.len(), "{wanted:#?}");
    for (line, begin) in wanted.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
}

#[test]
fn a_node_inside_the_same_network_promises_nothing_about_the_internet() {
    for (mapped, direct) in [
        ("192.168.1.7", Finding::Unknown(Unknown::NodeInside)),
        ("203.0.113.7", Finding::Found(Direct::NearlyAlways)),
    ] {
        let (mut network, _) = begin(&LADDER);
        let candidates = vec![hidden(), relayed(OWN, (mapped, HIDDEN))];
        network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true);
        network.handle_probe(
            ProbeEvent::Filtered {
                run: 1,
                number: 0,
                passage: Passage::Passed { from: None },
            },
            true,
        );
        assert_eq!(network.view(true).direct, direct, "{mapped}");
    }
    let seldom = Finding::Found(Direct::Seldom);
    assert_eq!(judge::direct_from_inside(seldom.clone()), seldom);
}

/// How a node at this host judges a device that it sees like this, over IPv4 and IPv6.
fn standing(host: &str, candidates: &[Gathered]) -> judge::Standing {
    let seen = [false, true].map(|v6| Sightings::of(candidates, v6));
    judge::standing(host, candidates, &seen)
}

#[test]
fn a_node_is_on_this_device_inside_or_outside() {
    use judge::Standing::{Here, Inside, Outside};
    let public = behind_nat(&[(OWN, 1_000)]);
    for (host, expected) in [
        ("node.example", Outside),
        ("203.0.113.1", Outside),
        ("[2001:db8::1]", Outside),
        ("localhost", Here),
        ("chat.localhost", Here),
        ("127.0.0.1", Here),
        ("[::1]", Here),
        ("0.0.0.0", Here),
        ("192.168.1.2", Inside),
        ("169.254.1.2", Inside),
        ("100.64.1.2", Inside),
        ("[fd00::2]", Inside),
        ("[fe80::2]", Inside),
        ("node.local", Inside),
        ("203.0.113.7", Inside),
    ] {
        assert_eq!(standing(host, &public), expected, "{host}");
    }
}

#[test]
fn a_node_that_shares_the_address_of_this_device_is_on_it_or_behind_the_same_translator() {
    use judge::Standing::{Here, Inside, Outside};
    let name = "node.example";
    // The address that the node relays from.
    let same = ("198.51.100.9", 1_000);
    let translated = [reflexive(same.0, same.1), relayed(OWN, same)];
    assert_eq!(standing(name, &translated), Inside);
    assert_eq!(standing(name, &[relayed(OWN, same)]), Here);
    assert_eq!(standing(name, &[relayed(OWN, ("127.0.0.1", 1))]), Here);
    assert_eq!(
        standing(name, &[relayed(OWN, ("198.51.100.8", 1))]),
        Outside
    );
    // Translation is judged over IPv4, whatever IPv6 is like.
    let both = [
        relayed(OWN, ("192.168.1.7", 1)),
        relayed(OWN, ("2001:db8::7", 1)),
    ];
    assert_eq!(standing(name, &both), Inside);
}

#[test]
fn a_node_on_this_device_tells_nothing_of_the_network_and_wants_nothing() {
    let urls = [
        "turn:localhost:8478?transport=udp",
        "turn:localhost:8478?transport=tcp",
    ];
    for climb in [Climb::Open { rtt_ms: Some(0) }, Climb::Silent] {
        let (mut network, _) = begin(&urls);
        // It sends from the address of its one interface, which looks like any other.
        let candidates = vec![hidden(), relayed(urls[0], ("203.0.113.7", HIDDEN))];
        network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true);
        let waiting = network.view(true);
        assert_eq!(waiting.direct, Finding::Waiting);
        let passage = Passage::Passed { from: None };
        let filtered = ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage,
        };
        network.handle_probe(filtered, true);
        climbed(&mut network, 1, &[climb; 2]);
        let view = network.view(true);
        assert_eq!(view.state, ProbeState::Done);
        assert_eq!(view.direct, Finding::Unknown(Unknown::NodeHere));
        assert_eq!(view.udp, Finding::Unknown(Unknown::NodeHere));
        assert_eq!(view.mapping, Finding::Unknown(Unknown::NodeHere));
        assert_eq!(view.filtering, Finding::Unknown(Unknown::NodeHere));
        assert_eq!(view.ipv4.found().map(|own| own.scope), Some(Scope::Device));
        assert!(view.wanted.is_empty(), "{:?}", view.wanted);
    }
}

#[test]
fn a_node_that_is_away_is_not_mistaken_for_a_closed_network() {
    let (mut network, _) = begin(&LADDER);
    let candidates = vec![hidden()];
    network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true);
    network.handle_probe(
        ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage: Passage::Unmapped,
        },
        true,
    );
    climbed(&mut network, 1, &[Climb::Silent; 4]);
    let online = network.view(true);
    assert_eq!(online.direct, Finding::Found(Direct::SameNetworkOnly));
    assert_eq!(online.wanted.len(), 5);
    let away = network.view(false);
    assert_eq!(away.state, ProbeState::Done);
    assert_eq!(away.direct, Finding::Unknown(Unknown::NodeAway));
    assert_eq!(away.udp, Finding::Unknown(Unknown::NodeAway));
    assert!(away.wanted.is_empty());
}

/// Everything is in, and nothing came back; `online` when the last of it came.
fn silence(network: &mut Network, run: u32, online: bool) {
    let candidates = vec![hidden()];
    network.handle_probe(ProbeEvent::Observed { run, candidates }, true);
    let passage = Passage::Unmapped;
    let filtered = ProbeEvent::Filtered {
        run,
        number: 0,
        passage,
    };
    network.handle_probe(filtered, true);
    climbed(network, run, &[Climb::Silent; 3]);
    let last = ProbeEvent::Climbed {
        run,
        number: 3,
        climb: Climb::Silent,
    };
    network.handle_probe(last, online);
}

fn assert_away(network: &Network) {
    for online in [false, true] {
        let view = network.view(online);
        assert_eq!(view.state, ProbeState::Done);
        assert_eq!(view.direct, Finding::Unknown(Unknown::NodeAway));
        assert_eq!(view.udp, Finding::Unknown(Unknown::NodeAway));
        assert!(view.wanted.is_empty(), "{:?}", view.wanted);
    }
}

#[test]
fn what_began_or_ended_while_the_node_was_away_is_no_verdict_even_when_it_is_back() {
    let mut began = Network::default();
    began.probe(ORIGIN, Some(&grant(&LADDER)), false, at(0));
    silence(&mut began, 1, true);
    assert_away(&began);
    let (mut ended, _) = begin(&LADDER);
    silence(&mut ended, 1, false);
    assert_away(&ended);
    let (mut lost, _) = begin(&LADDER);
    lost.node_lost();
    silence(&mut lost, 1, true);
    assert_away(&lost);
    // It went before that was noticed.
    let (mut late, _) = begin(&LADDER);
    silence(&mut late, 1, true);
    late.node_lost();
    assert_away(&late);
    let (mut given_up, _) = begin(&LADDER);
    climbed(&mut given_up, 1, &[Climb::Silent; 2]);
    given_up.handle_timeout(false, at(60_000));
    assert_away(&given_up);
    given_up.probe(ORIGIN, Some(&grant(&LADDER)), true, at(70_000));
    silence(&mut given_up, 2, true);
    let again = given_up.view(true);
    assert_eq!(again.direct, Finding::Found(Direct::SameNetworkOnly));
}

#[test]
fn nothing_is_listed_while_a_node_that_is_away_is_asked() {
    let mut network = Network::default();
    network.probe(ORIGIN, Some(&grant(&LADDER)), false, at(0));
    climbed(&mut network, 1, &[Climb::Silent; 4]);
    let view = network.view(false);
    assert_eq!(view.state, ProbeState::Running);
    assert_eq!(view.direct, Finding::Waiting);
    assert!(view.rungs.iter().all(|rung| rung.climb == Finding::Waiting));
    assert!(view.wanted.is_empty(), "{:?}", view.wanted);
}

#[test]
fn what_was_measured_stays_when_the_node_goes_later() {
    let (mut network, _) = begin(&LADDER);
    let candidates = behind_nat(&[(OWN, 1_000), (OWN_TOO, 1_000)]);
    network.handle_probe(ProbeEvent::Observed { run: 1, candidates }, true);
    let passage = Passage::Held { from: None };
    let filtered = ProbeEvent::Filtered {
        run: 1,
        number: 0,
        passage,
    };
    network.handle_probe(filtered, true);
    climbed(&mut network, 1, &[Climb::Open { rtt_ms: Some(12) }; 4]);
    network.node_lost();
    assert_eq!(network.view(false).direct, Finding::Found(Direct::Mostly));
}

#[test]
fn a_host_that_never_answers_is_given_up_and_nothing_is_claimed() {
    let (mut network, _) = begin(&LADDER);
    let deadline = network.timeout().unwrap();
    assert!(!network.handle_timeout(true, at(1)));
    let late = Now {
        instant: deadline + Duration::from_millis(1),
        ..at(0)
    };
    assert!(network.handle_timeout(true, late));
    let view = network.view(true);
    assert_eq!(view.state, ProbeState::Done);
    assert!(view.wanted.is_empty(), "{:?}", view.wanted);
    for rung in &view.rungs {
        assert_eq!(rung.climb, Finding::Unknown(Unknown::TooLittle));
    }
    assert_eq!(network.timeout(), None);
}

#[test]
fn answers_to_an_older_run_are_thrown_away() {
    let (mut network, _) = begin(&LADDER);
    network.probe(ORIGIN, Some(&grant(&LADDER)), true, at(10));
    let climb = Climb::Silent;
    let old = ProbeEvent::Climbed {
        run: 1,
        number: 0,
        climb,
    };
    assert!(!network.handle_probe(old, true));
    assert_eq!(network.view(true).rungs[0].climb, Finding::Waiting);
    let beyond = ProbeEvent::Climbed {
        run: 2,
        number: 77,
        climb,
    };
    network.handle_probe(beyond, true);
    assert_eq!(network.view(true).state, ProbeState::Running);
}

#[test]
fn without_access_or_a_relay_nothing_is_measured() {
    for (access, state) in [
        (None, ProbeState::Offline),
        (Some(grant(&[])), ProbeState::NoRelay),
        (
            Some(TurnGrant {
                expires: 999,
                ..grant(&LADDER)
            }),
            ProbeState::Offline,
        ),
    ] {
        let mut network = Network::default();
        let actions = network.probe(ORIGIN, access.as_ref(), true, at(0));
        assert!(matches!(actions[..], [ProbeAction::Stop]), "{actions:?}");
        assert_eq!(network.view(true).state, state);
        assert_eq!(network.timeout(), None);
    }
}

#[test]
fn a_grant_that_names_endless_relays_is_cut_short() {
    let urls: Vec<String> = (1..100)
        .map(|port| format!("turn:node.example:{port}?transport=udp"))
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let (network, _) = begin(&urls);
    assert_eq!(network.view(true).rungs.len(), 8);
}

#[test]
fn a_relay_elsewhere_is_asked_too_and_tells_more_about_the_filter() {
    let (mut network, actions) = begin(&[OWN, ELSEWHERE]);
    let filters = actions
        .iter()
        .filter(|action| matches!(action, ProbeAction::Filter { .. }))
        .count();
    assert_eq!(filters, 2);
    for (number, passage) in [
        (0, Passage::Passed { from: None }),
        (1, Passage::Held { from: None }),
    ] {
        network.handle_probe(
            ProbeEvent::Filtered {
                run: 1,
                number,
                passage,
            },
            true,
        );
    }
    let view = network.view(true);
    assert_eq!(view.filtering, Finding::Found(Filtering::AddressDependent));
    assert_eq!(
        view.rungs
            .iter()
            .map(|one| one.rung.own)
            .collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn a_relayed_address_that_is_not_the_nodes_is_another_one() {
    let url = "turn:203.0.113.1:3478?transport=udp";
    for (from, filtering) in [
        (
            "203.0.113.1",
            Filtering::EndpointIndependentOrAddressDependent,
        ),
        ("203.0.113.2", Filtering::EndpointIndependent),
    ] {
        let (mut network, _) = begin(&[url]);
        let passage = Passage::Passed {
            from: Some(ip(from)),
        };
        network.handle_probe(
            ProbeEvent::Filtered {
                run: 1,
                number: 0,
                passage,
            },
            true,
        );
        assert_eq!(network.view(true).filtering, Finding::Found(filtering));
    }
}

#[test]
fn nothing_secret_or_address_like_shows_in_what_is_asked_and_answered() {
    let (_, actions) = begin(&LADDER);
    let shown = format!("{actions:?} {:?}", relayed(OWN, ("203.0.113.7", 1)));
    for secret in ["secret", "203.0.113.7", "198.51.100.9"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
