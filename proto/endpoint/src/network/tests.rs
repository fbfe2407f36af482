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
fn shared_and_local_addresses_are_private_and_documentation_is_not() {
    for private in [
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "fd00::1",
        "fe80::1",
        "::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(judge::is_private(ip(private)), "{private}");
    }
    for public in ["203.0.113.7", "100.128.0.1", "2001:db8::1"] {
        assert!(!judge::is_private(ip(public)), "{public}");
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
    let actions = network.probe(ORIGIN, Some(&grant(urls)), at(0));
    (network, actions)
}

fn climbed(network: &mut Network, run: u32, outcomes: &[Climb]) {
    for (number, &climb) in outcomes.iter().enumerate() {
        network.handle_probe(ProbeEvent::Climbed { run, number, climb });
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
    assert!(network.handle_probe(ProbeEvent::Observed { run: 1, candidates }));
    let view = network.view(true);
    assert_eq!(view.udp, Finding::Found(true));
    assert_eq!(view.direct, Finding::Waiting, "the filter is not known yet");
    network.handle_probe(ProbeEvent::Filtered {
        run: 1,
        number: 0,
        passage: Passage::Held { from: None },
    });
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
    network.handle_probe(ProbeEvent::Observed { run: 1, candidates });
    network.handle_probe(ProbeEvent::Filtered {
        run: 1,
        number: 0,
        passage: Passage::Unmapped,
    });
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
        network.handle_probe(ProbeEvent::Observed { run: 1, candidates });
        network.handle_probe(ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage: Passage::Passed { from: None },
        });
        assert_eq!(network.view(true).direct, direct, "{mapped}");
    }
    let seldom = Finding::Found(Direct::Seldom);
    assert_eq!(judge::direct_from_inside(seldom.clone()), seldom);
}

#[test]
fn a_node_that_is_away_is_not_mistaken_for_a_closed_network() {
    let (mut network, _) = begin(&LADDER);
    let candidates = vec![hidden()];
    network.handle_probe(ProbeEvent::Observed { run: 1, candidates });
    network.handle_probe(ProbeEvent::Filtered {
        run: 1,
        number: 0,
        passage: Passage::Unmapped,
    });
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

#[test]
fn a_host_that_never_answers_is_given_up_and_nothing_is_claimed() {
    let (mut network, _) = begin(&LADDER);
    let deadline = network.timeout().unwrap();
    assert!(!network.handle_timeout(at(1)));
    let late = Now {
        instant: deadline + Duration::from_millis(1),
        ..at(0)
    };
    assert!(network.handle_timeout(late));
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
    network.probe(ORIGIN, Some(&grant(&LADDER)), at(10));
    let climb = Climb::Silent;
    let old = ProbeEvent::Climbed {
        run: 1,
        number: 0,
        climb,
    };
    assert!(!network.handle_probe(old));
    assert_eq!(network.view(true).rungs[0].climb, Finding::Waiting);
    let beyond = ProbeEvent::Climbed {
        run: 2,
        number: 77,
        climb,
    };
    network.handle_probe(beyond);
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
        let actions = network.probe(ORIGIN, access.as_ref(), at(0));
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
        network.handle_probe(ProbeEvent::Filtered {
            run: 1,
            number,
            passage,
        });
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
        network.handle_probe(ProbeEvent::Filtered {
            run: 1,
            number: 0,
            passage,
        });
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
