// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was measured of the network around, in plain words with the word of RFC 4787 beside them.
//!
//! Rows are made here once, for the page and for the text to copy. What is not known says so, and why.

use hither_endpoint::TransportProtocol;
use hither_endpoint::network::{
    Climb, Direct, Filtering, Finding, Mapping, NetworkView, OwnAddress, ProbeState, Rung, Scope,
    Unknown,
};

/// How a row looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    /// Being measured.
    Waiting,
    /// As it should be.
    Good,
    /// Works, but costs something.
    Fair,
    /// Closed.
    Bad,
    /// Not known.
    Unknown,
}

impl Look {
    /// For style sheets and tests, and read out before the value.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Bad => "closed",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// For tests and as a key.
    pub(crate) id: String,
    /// What it is.
    pub(crate) label: String,
    /// How it stands.
    pub(crate) look: Look,
    /// In a few words.
    pub(crate) value: String,
    /// What that means; may be empty.
    pub(crate) meaning: String,
    /// The word of the field, if there is one.
    pub(crate) term: &'static str,
}

/// The whole in two sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// For tests.
    pub(crate) word: &'static str,
    pub(crate) look: Look,
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

pub(crate) const LEAD: &str = "Whether calls can go directly from here depends on the network you are in. This asks \
    your own node, and relays that it names, how your packets look from outside, and contacts nobody else.";
pub(crate) const COPIED_IS: &str = "The text holds what is on this page, your Internet address included, and no \
    password or key.";
pub(crate) const NOTHING_WANTED: &str =
    "Nothing: every way to your node that it offers is open in this network.";
pub(crate) const ASK: &str = "These lines are closed in this network, or nothing came back over them. Whoever runs it \
    can open them; nothing has to be forwarded to a device inside.";
pub(crate) const WANTED_UNKNOWN: &str = "Not known: nothing could be measured.";
const WANTED_NOT_LEFT: &str =
    "Not known: your node is on this device, so nothing went through this network.";
pub(crate) const SHEET: &str = "Everything Hither needs here";
const MEASURING: &str = "Being measured…";

/// Before, instead of, or above the findings.
pub(crate) fn verdict(view: &NetworkView) -> Verdict {
    let new = |word, look, what, why: &str| Verdict {
        word,
        look,
        what,
        why: why.to_owned(),
    };
    match view.state {
        ProbeState::Idle => new(
            "idle",
            Look::Unknown,
            "Nothing has been measured yet.",
            "It takes a few seconds.",
        ),
        ProbeState::Offline => new(
            "offline",
            Look::Unknown,
            "Your node does not answer, so there is nobody to ask.",
            "It is measured by itself when it answers. Messages wait here meanwhile.",
        ),
        ProbeState::NoRelay => new(
            "no-relay",
            Look::Unknown,
            "Your node has no relay, so nothing can be measured and calls have no second way.",
            "Whoever runs the node can switch it on: [relay] enabled = true.",
        ),
        ProbeState::Running | ProbeState::Done => of_findings(view),
    }
}

fn of_findings(view: &NetworkView) -> Verdict {
    let climbs = || view.rungs.iter().map(|rung| &rung.climb);
    let open = climbs().any(|climb| matches!(climb, Finding::Found(Climb::Open { .. })));
    let waits = view.state == ProbeState::Running;
    let direct = match &view.direct {
        Finding::Waiting => None,
        Finding::Unknown(_) if waits => None,
        Finding::Unknown(Unknown::NodeAway) => Some(Verdict {
            word: "node-away",
            look: Look::Unknown,
            what: "Nothing came back from your node.",
            why:
                "It may be away, or this network lets nothing through to it. It is measured again \
                  by itself when your node answers."
                    .to_owned(),
        }),
        Finding::Unknown(why) => Some(Verdict {
            word: "unknown",
            look: Look::Unknown,
            what: "Whether calls can be direct is not known.",
            why: unknown(*why).to_owned(),
        }),
        Finding::Found(Direct::SameNetworkOnly) if waits && !open => None,
        Finding::Found(direct) => Some(of_direct(*direct, open)),
    };
    direct.unwrap_or_else(|| Verdict {
        word: "waiting",
        look: Look::Waiting,
        what: "Measuring…",
        why: "Rows fill as answers come in.".to_owned(),
    })
}

fn of_direct(direct: Direct, relay: bool) -> Verdict {
    let (word, look, what, why) = match (direct, relay) {
        (Direct::NearlyAlways, _) => (
            "nearly-always",
            Look::Good,
            "Direct calls work with nearly everybody.",
            "Packets from outside find their way in once you have been told of each other.",
        ),
        (Direct::Mostly, _) => (
            "mostly",
            Look::Good,
            "Direct calls are likely.",
            "Only with people whose own network gives out a new port for every destination does it \
             take the relay.",
        ),
        (Direct::Seldom, _) => (
            "seldom",
            Look::Fair,
            "Direct calls are unlikely; most go through the relay.",
            "This network gives out a new port for every destination, so that what you learn of \
             your own address is of little use to others.",
        ),
        (Direct::SameNetworkOnly, true) => (
            "same-network-only",
            Look::Fair,
            "Direct calls only within this network; all others go through the relay over TCP.",
            "No UDP gets to your node and back. Calls work, with a little more delay.",
        ),
        (Direct::SameNetworkOnly, false) => (
            "nothing-open",
            Look::Bad,
            "Calls with people elsewhere cannot work from here.",
            "Neither UDP nor any way to the relay is open. Messages still get through, and calls \
             within this network do.",
        ),
    };
    Verdict {
        word,
        look,
        what,
        why: why.to_owned(),
    }
}

/// The sections of the page, each with its title.
pub(crate) fn sections(view: &NetworkView) -> [(&'static str, Vec<Row>); 3] {
    let rungs = view.rungs.iter().enumerate();
    let rungs = rungs.map(|(place, view)| rung(place, &view.rung, &view.climb));
    let missing = view
        .not_offered
        .iter()
        .map(|transport| not_offered(*transport));
    [
        (
            "How your node sees you",
            vec![
                address("ipv4", "IPv4", &view.ipv4),
                address("ipv6", "IPv6", &view.ipv6),
            ],
        ),
        (
            "What this network does to packets",
            vec![
                udp(&view.udp),
                mapping(&view.mapping),
                filtering(&view.filtering),
            ],
        ),
        ("Ways to the relay", rungs.chain(missing).collect()),
    ]
}

fn row(id: &str, label: &str) -> Row {
    Row {
        id: id.to_owned(),
        label: label.to_owned(),
        look: Look::Waiting,
        value: MEASURING.to_owned(),
        meaning: String::new(),
        term: "",
    }
}

/// A row that is still waiting, or cannot be known; else what `found` makes of it.
fn from_finding<T>(
    id: &str,
    label: &str,
    finding: &Finding<T>,
    found: impl FnOnce(&T, Row) -> Row,
) -> Row {
    let row = row(id, label);
    match finding {
        Finding::Waiting => row,
        Finding::Found(what) => found(what, row),
        Finding::Unknown(why) => Row {
            look: Look::Unknown,
            value: "Not known".to_owned(),
            meaning: unknown(*why).to_owned(),
            ..row
        },
    }
}

fn address(id: &str, label: &str, finding: &Finding<OwnAddress>) -> Row {
    from_finding(id, label, finding, |own, row| Row {
        look: Look::Good,
        value: own.address.clone(),
        meaning: scope(own.scope).to_owned(),
        ..row
    })
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Internet => {
            "Public. Whoever you are connected to directly sees it; through the relay nobody does."
        }
        Scope::Provider => {
            "Means something only at your provider, which lets several customers share one public \
             address; or your node stands inside the same network."
        }
        Scope::Network => {
            "Means something only inside some network, and your node stands inside it too."
        }
        Scope::Device => {
            "This is how this device sees itself, because your node is on it. What others see is \
             not known."
        }
    }
}

fn udp(finding: &Finding<bool>) -> Row {
    from_finding("udp", "UDP", finding, |open, row| {
        if *open {
            Row {
                look: Look::Good,
                value: "Gets to your node and back".to_owned(),
                ..row
            }
        } else {
            Row {
                look: Look::Bad,
                value: "Nothing came back".to_owned(),
                meaning: "Only your node was asked; a network that stops UDP to it usually stops \
                          all UDP."
                    .to_owned(),
                ..row
            }
        }
    })
}

fn mapping(finding: &Finding<Mapping>) -> Row {
    from_finding(
        "mapping",
        "Translation of your address",
        finding,
        |mapping, row| {
            let (look, value, meaning, term) = match mapping {
                Mapping::Untranslated => (
                    Look::Good,
                    "None",
                    "Your node sees the address that this device has itself.",
                    "no translation",
                ),
                Mapping::EndpointIndependent => (
                    Look::Good,
                    "The same port whoever you talk to",
                    "What your node sees is what others can use to reach you.",
                    "endpoint-independent mapping",
                ),
                Mapping::EndpointIndependentOrAddressDependent => (
                    Look::Good,
                    "The same port for every port of your node",
                    "Most likely for everybody. Whether it changes with the address cannot be told, \
                 because your node has only one.",
                    "endpoint-independent or address-dependent mapping",
                ),
                Mapping::AddressDependent => (
                    Look::Fair,
                    "A new port for every address you talk to",
                    "What your node sees is of little use to others.",
                    "address-dependent mapping",
                ),
                Mapping::AddressOrAddressAndPortDependent => (
                    Look::Fair,
                    "A new port for another address",
                    "What your node sees is of little use to others. Whether the port matters too \
                 could not be measured.",
                    "address-dependent or address-and-port-dependent mapping",
                ),
                Mapping::AddressAndPortDependent => (
                    Look::Fair,
                    "A new port for every destination",
                    "What your node sees is of no use to others, unless they are easy to reach \
                 themselves.",
                    "address-and-port-dependent mapping",
                ),
            };
            Row {
                look,
                value: value.to_owned(),
                meaning: meaning.to_owned(),
                term,
                ..row
            }
        },
    )
}

fn filtering(finding: &Finding<Filtering>) -> Row {
    from_finding("filtering", "What is let in", finding, |filtering, row| {
        let (look, value, meaning, term) = match filtering {
            Filtering::EndpointIndependent => (
                Look::Good,
                "Whatever is sent to your port",
                "Also from addresses that this device never spoke to.",
                "endpoint-independent filtering",
            ),
            Filtering::EndpointIndependentOrAddressDependent => (
                Look::Good,
                "Also what was not asked for",
                "From another port of your node at least. Whether from other addresses too cannot \
                 be told, because your node has only one.",
                "endpoint-independent or address-dependent filtering",
            ),
            Filtering::AddressDependent => (
                Look::Good,
                "What comes from an address you spoke to",
                "Whatever its port.",
                "address-dependent filtering",
            ),
            Filtering::AddressOrAddressAndPortDependent => (
                Look::Fair,
                "Nothing from other addresses",
                "Whether from other ports of the same address could not be measured.",
                "address-dependent or address-and-port-dependent filtering",
            ),
            Filtering::AddressAndPortDependent => (
                Look::Good,
                "Answers only",
                "From the very address and port that was asked. Usual at home, and right: two such \
                 networks still find each other.",
                "address-and-port-dependent filtering",
            ),
        };
        Row {
            look,
            value: value.to_owned(),
            meaning: meaning.to_owned(),
            term,
            ..row
        }
    })
}

fn rung(place: usize, rung: &Rung, finding: &Finding<Climb>) -> Row {
    let at = if rung.own {
        format!("{}, port {}", transport(rung.transport), rung.port)
    } else {
        format!(
            "{}, {} port {}",
            transport(rung.transport),
            rung.host,
            rung.port
        )
    };
    from_finding(
        &format!("rung-{place}"),
        &at,
        finding,
        |climb, row| match climb {
            Climb::Open { rtt_ms } => Row {
                look: Look::Good,
                value: rtt_ms.map_or_else(
                    || "Open".to_owned(),
                    |rtt| format!("Open · {}", latency(rtt)),
                ),
                meaning: if rtt_ms.is_none() {
                    "The relay answered, but nothing came through it in time.".to_owned()
                } else {
                    String::new()
                },
                ..row
            },
            Climb::Silent => Row {
                look: Look::Bad,
                value: "Closed".to_owned(),
                meaning: "Nothing came back.".to_owned(),
                ..row
            },
            Climb::Refused { code } => Row {
                look: Look::Fair,
                value: format!("The relay refuses (error {code})"),
                meaning: refusal(*code).to_owned(),
                ..row
            },
        },
    )
}

/// RFC 8656 §19, RFC 8489 §14.8.
fn refusal(code: u16) -> &'static str {
    match code {
        486 => "Too many of your connections are open at it. Try again in a few minutes.",
        508 => "It is full. Try again later.",
        300 => "It sends new calls elsewhere, as before a restart.",
        401 | 438 | 441 => "It does not take your access. Reload this page to get a fresh one.",
        _ => "The way there is open.",
    }
}

fn not_offered(protocol: TransportProtocol) -> Row {
    let (id, advice) = match protocol {
        TransportProtocol::Udp => ("rung-no-udp", "Calls through the relay stutter without it."),
        TransportProtocol::Tcp => (
            "rung-no-tcp",
            "Networks that stop UDP need it, or the one over TLS.",
        ),
        TransportProtocol::Tls => (
            "rung-no-tls",
            "Networks that let only HTTPS through need it. It comes by itself where the node \
             speaks HTTPS.",
        ),
    };
    Row {
        look: Look::Unknown,
        value: "Your node does not offer it".to_owned(),
        meaning: advice.to_owned(),
        ..row(id, transport(protocol))
    }
}

/// What carries.
pub(crate) fn transport(protocol: TransportProtocol) -> &'static str {
    match protocol {
        TransportProtocol::Udp => "UDP",
        TransportProtocol::Tcp => "TCP",
        TransportProtocol::Tls => "TLS over TCP",
    }
}

fn latency(rtt_ms: u32) -> String {
    match rtt_ms {
        0 => "under 1 ms".to_owned(),
        rtt => format!("{rtt} ms"),
    }
}

fn unknown(why: Unknown) -> &'static str {
    match why {
        Unknown::NoAnswer => "Nothing came back over UDP.",
        Unknown::NodeAway => "Nothing came back from your node.",
        Unknown::NoFamily => "Your node was not reached this way: it, or this network, has none.",
        Unknown::NodeInside => {
            "Your node stands in the same network as you, so it cannot see the way to the Internet. \
             Calls within this network are direct."
        }
        Unknown::NodeHere => {
            "Your node is on this device, so it sees nothing of the way to the Internet."
        }
        Unknown::OnePort => {
            "Your node listens on one UDP port only, and one answer compares with nothing."
        }
        Unknown::Contradiction => {
            "The answers contradict each other, as behind several translators side by side."
        }
        Unknown::RelayRefuses => "Your node’s relay does not send to addresses like yours.",
        Unknown::NoRelay => "Your node offers no relay over UDP.",
        Unknown::TooLittle => "Too little came back to tell.",
    }
}

/// Above the lines for the administrator, or instead of them.
pub(crate) fn advice(view: &NetworkView) -> &'static str {
    let answered = |climb: &Finding<Climb>| climb.found().is_some();
    match (view.state, view.wanted.is_empty()) {
        (_, false) => ASK,
        (ProbeState::Done, true) if view.direct == Finding::Unknown(Unknown::NodeHere) => {
            WANTED_NOT_LEFT
        }
        (ProbeState::Done, true) if view.rungs.iter().all(|rung| answered(&rung.climb)) => {
            NOTHING_WANTED
        }
        (ProbeState::Done, true) => WANTED_UNKNOWN,
        (_, true) => MEASURING,
    }
}

/// Everything on the page as one text to pass on.
pub(crate) fn as_text(view: &NetworkView) -> String {
    use core::fmt::Write as _;
    let mut text = String::new();
    let verdict = verdict(view);
    // Writing to a String has no way to fail.
    let _ = writeln!(
        text,
        "Hither: your network\n\n{} {}",
        verdict.what, verdict.why
    );
    for (title, rows) in sections(view) {
        let _ = writeln!(text, "\n{title}");
        for row in rows {
            let term = match row.term {
                "" => String::new(),
                term => format!(" ({term})"),
            };
            let _ = writeln!(text, "- {}: {}{term}", row.label, row.value);
            if !row.meaning.is_empty() {
                let _ = writeln!(text, "  {}", row.meaning);
            }
        }
    }
    let _ = writeln!(text, "\nTo ask the administrator of this network for");
    if view.wanted.is_empty() {
        let _ = writeln!(text, "- {}", advice(view));
    }
    for line in &view.wanted {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(text, "\n{SHEET}");
    for line in &view.sheet {
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// Why a call through the relay is not direct, as far as this side's last measurement tells.
pub(crate) fn why_not_direct(view: &NetworkView, asked: bool) -> &'static str {
    if asked {
        return "You asked for the relay only: your address is not shown.";
    }
    match &view.direct {
        Finding::Found(Direct::SameNetworkOnly) => {
            "No UDP gets out of the network you are in, and direct calls need it."
        }
        Finding::Found(Direct::Seldom) => {
            "The network you are in gives out a new port for every destination. If your contact’s \
             does so too, or lets in answers only, there is no direct path between you."
        }
        Finding::Found(Direct::Mostly | Direct::NearlyAlways) => {
            "The network you are in allows direct calls. What your contact’s allows, or whether \
             they asked for the relay only, is not known here."
        }
        Finding::Waiting | Finding::Unknown(_) => {
            "Not known yet. “Your network” measures your side in a few seconds."
        }
    }
}

#[cfg(test)]
mod tests {
    use hither_api::sheet;
    use hither_endpoint::network::RungView;

    use super::*;

    fn measured() -> NetworkView {
        let urls = ["turn:chat.example.org:3478?transport=udp".to_owned()];
        let lines = sheet::lines("https://chat.example.org", &urls);
        NetworkView {
            state: ProbeState::Done,
            ipv4: Finding::Found(OwnAddress {
                address: "203.0.113.7".to_owned(),
                scope: Scope::Internet,
            }),
            ipv6: Finding::Unknown(Unknown::NoFamily),
            udp: Finding::Found(true),
            mapping: Finding::Found(Mapping::AddressAndPortDependent),
            filtering: Finding::Unknown(Unknown::RelayRefuses),
            direct: Finding::Found(Direct::Seldom),
            rungs: vec![RungView {
                rung: Rung {
                    transport: TransportProtocol::Udp,
                    host: "chat.example.org".to_owned(),
                    port: 3478,
                    own: true,
                },
                climb: Finding::Found(Climb::Open { rtt_ms: Some(0) }),
            }],
            not_offered: vec![TransportProtocol::Tls],
            wanted: Vec::new(),
            sheet: lines,
        }
    }

    #[test]
    fn the_text_to_copy_holds_findings_terms_and_the_lines_for_the_administrator() {
        let text = as_text(&measured());
        for piece in [
            "203.0.113.7",
            "address-and-port-dependent mapping",
            "UDP, port 3478: Open · under 1 ms",
            "TLS over TCP: Your node does not offer it",
            "IPv6: Not known",
            NOTHING_WANTED,
            "- UDP to chat.example.org port 3478: finding the own address, relay",
        ] {
            assert!(text.contains(piece), "{piece} is missing in:\n{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_called_good() {
        let view = NetworkView {
            state: ProbeState::Done,
            direct: Finding::Unknown(Unknown::TooLittle),
            ..NetworkView::idle()
        };
        assert_eq!(verdict(&view).look, Look::Unknown);
        assert_eq!(verdict(&view).word, "unknown");
    }

    #[test]
    fn only_shared_addresses_are_said_to_be_shared_and_only_public_ones_public() {
        for (of, shared, public) in [
            (Scope::Internet, false, true),
            (Scope::Provider, true, false),
            (Scope::Network, false, false),
            (Scope::Device, false, false),
        ] {
            let words = scope(of);
            assert_eq!(words.contains("several customers"), shared, "{words}");
            assert_eq!(words.starts_with("Public"), public, "{words}");
        }
    }

    #[test]
    fn a_node_that_is_away_or_here_gives_no_verdict_and_no_list() {
        for (why, word, wanted) in [
            (Unknown::NodeAway, "node-away", WANTED_UNKNOWN),
            (Unknown::NodeHere, "unknown", WANTED_NOT_LEFT),
        ] {
            let mut view = NetworkView {
                direct: Finding::Unknown(why),
                udp: Finding::Unknown(why),
                ..measured()
            };
            view.rungs[0].climb = match why {
                Unknown::NodeAway => Finding::Unknown(why),
                _ => Finding::Found(Climb::Open { rtt_ms: Some(0) }),
            };
            assert_eq!(verdict(&view).word, word);
            assert_eq!(verdict(&view).look, Look::Unknown);
            assert_eq!(advice(&view), wanted);
            assert!(as_text(&view).contains(unknown(why)));
        }
    }

    #[test]
    fn nothing_open_is_said_only_when_everything_was_tried() {
        let silent = |climb| RungView {
            climb,
            ..measured().rungs[0].clone()
        };
        let mut view = NetworkView {
            state: ProbeState::Running,
            direct: Finding::Found(Direct::SameNetworkOnly),
            rungs: vec![
                silent(Finding::Found(Climb::Silent)),
                silent(Finding::Waiting),
            ],
            ..NetworkView::idle()
        };
        assert_eq!(verdict(&view).word, "waiting");
        view.rungs[1].climb = Finding::Found(Climb::Silent);
        view.state = ProbeState::Done;
        assert_eq!(verdict(&view).word, "nothing-open");
        view.rungs[1].climb = Finding::Found(Climb::Open { rtt_ms: Some(4) });
        assert_eq!(verdict(&view).word, "same-network-only");
    }
}
