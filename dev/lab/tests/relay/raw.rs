// SPDX-License-Identifier: MIT OR Apache-2.0
//! A browser's own peer connections, with nothing of ours in them, over our relay.

use hither_api::TurnGrant;
use hither_lab::{Browser, Firewall, Flow, Host, LabError, Page, Protocol};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Outcome, Place};

/// Messages that go and come back in each test.
const MESSAGES: usize = 100;

/// A page's half of a connection. Descriptions are complete: the test carries one each way. Messages are
/// random, of all lengths up to 16,000 bytes, and count as returned when every byte is the same.
const SCRIPT: &str = "window.raw = {
    open(config) {
        this.pc = new RTCPeerConnection(config);
        this.errors = [];
        this.pc.onicecandidateerror = ({ url, errorCode, errorText }) => {
            this.errors.push({ url, errorCode, errorText });
        };
    },
    async described() {
        await this.pc.setLocalDescription();
        while (this.pc.iceGatheringState !== 'complete') {
            await new Promise((next) => { this.pc.onicegatheringstatechange = next; });
        }
        return this.pc.localDescription.toJSON();
    },
    async offer(config) {
        this.open(config);
        this.channel = this.pc.createDataChannel('raw');
        this.channel.binaryType = 'arraybuffer';
        this.channel.onopen = () => { this.opened = true; };
        return this.described();
    },
    async answer(config, offer) {
        this.open(config);
        this.pc.ondatachannel = ({ channel }) => {
            channel.binaryType = 'arraybuffer';
            channel.onmessage = ({ data }) => channel.send(data);
        };
        await this.pc.setRemoteDescription(offer);
        return this.described();
    },
    async accept(answer) {
        await this.pc.setRemoteDescription(answer);
    },
    say(count) {
        const sent = [];
        this.returned = 0;
        this.altered = 0;
        this.channel.onmessage = ({ data }) => {
            const [was, is] = [sent[this.returned + this.altered], new Uint8Array(data)];
            const same = was && was.length === is.length && was.every((byte, at) => byte === is[at]);
            if (same) this.returned += 1; else this.altered += 1;
        };
        for (let number = 0; number < count; number += 1) {
            const message = crypto.getRandomValues(new Uint8Array(1 + number * 157 % 16000));
            sent.push(message);
            this.channel.send(message);
        }
    },
    async path() {
        const report = await this.pc.getStats();
        for (const one of report.values()) {
            const pair = one.type === 'transport' && report.get(one.selectedCandidatePairId);
            if (!pair) continue;
            const [local, remote] = [pair.localCandidateId, pair.remoteCandidateId].map((id) => report.get(id));
            return { local: local.candidateType, remote: remote.candidateType,
                protocol: local.relayProtocol ?? null };
        }
        return null;
    },
};";

/// Which way a connection goes, as one of its ends sees it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Path {
    local: String,
    remote: String,
    /// Between this end and its relay.
    protocol: Option<String>,
}

impl Path {
    fn new(local: &str, remote: &str, protocol: Option<&str>) -> Self {
        Self {
            local: local.to_owned(),
            remote: remote.to_owned(),
            protocol: protocol.map(str::to_owned),
        }
    }
}

/// A way to the relay, and the only one that a firewall leaves open.
struct Rung {
    scheme: &'static str,
    port: u16,
    transport: &'static str,
    /// What WebRTC's statistics call it.
    protocol: &'static str,
}

const LADDER: [Rung; 4] = [
    Rung {
        scheme: "turn",
        port: 3478,
        transport: "udp",
        protocol: "udp",
    },
    Rung {
        scheme: "turn",
        port: 3478,
        transport: "tcp",
        protocol: "tcp",
    },
    Rung {
        scheme: "turn",
        port: 443,
        transport: "udp",
        protocol: "udp",
    },
    Rung {
        scheme: "turns",
        port: 443,
        transport: "tcp",
        protocol: "tls",
    },
];

impl Rung {
    /// Lets a host reach the relay this way and no other.
    fn firewall(&self, node: &Host) -> Firewall {
        let flow = match self.transport {
            "udp" => Flow::udp(self.port),
            _ => Flow::tcp(self.port),
        };
        Firewall::closed_but_for(&[flow.with(node.ipv4().into())])
    }

    /// For `new RTCPeerConnection`.
    fn config(&self, node: &Host, access: &TurnGrant) -> Value {
        let Self {
            scheme,
            port,
            transport,
            ..
        } = self;
        json!({
            "iceTransportPolicy": "relay",
            "iceServers": [{
                "urls": format!("{scheme}:{}:{port}?transport={transport}", node.ipv4()),
                "username": access.username,
                "credential": access.password,
            }],
        })
    }
}

#[test]
fn every_rung_of_the_ladder_carries_messages_unaltered() -> Outcome {
    let Some(place) = Place::new_or_skip("every rung of the ladder")? else {
        return Ok(());
    };
    let access = place.access()?;
    let hosts = [place.net.host("one")?, place.net.host("two")?];
    let browsers = [
        place.browse("one", &hosts[0])?,
        place.browse("two", &hosts[1])?,
    ];
    for rung in LADDER {
        for host in &hosts {
            host.firewall(&rung.firewall(&place.host))?;
        }
        let pages = [page(&browsers[0])?, page(&browsers[1])?];
        let config = rung.config(&place.host, &access);
        echo_all([(&pages[0], &config), (&pages[1], &config)])?;
        for (page, host) in pages.into_iter().zip(&hosts) {
            assert_eq!(
                path(&page)?,
                Path::new("relay", "relay", Some(rung.protocol))
            );
            let counted = host.counts()?.named[0];
            assert!(counted.packets > 100, "{}: {counted:?}", rung.protocol);
            page.close()?;
        }
    }
    Ok(())
}

#[test]
fn two_tabs_of_one_browser_meet_at_the_relay() -> Outcome {
    let Some(place) = Place::new_or_skip("two tabs of one browser")? else {
        return Ok(());
    };
    let access = place.access()?;
    let host = place.net.host("one")?;
    let browser = place.browse("one", &host)?;
    let [udp, .., tls] = &LADDER;
    for (one, two) in [(udp, udp), (udp, tls), (tls, tls)] {
        let pages = [page(&browser)?, page(&browser)?];
        let configs = [one, two].map(|rung| rung.config(&place.host, &access));
        echo_all([(&pages[0], &configs[0]), (&pages[1], &configs[1])])?;
        for (page, rung) in pages.into_iter().zip([one, two]) {
            assert_eq!(
                path(&page)?,
                Path::new("relay", "relay", Some(rung.protocol))
            );
            page.close()?;
        }
    }
    Ok(())
}

#[test]
fn who_is_relayed_reaches_somebody_who_knows_no_relay() -> Outcome {
    let Some(place) = Place::new_or_skip("a peer without a relay")? else {
        return Ok(());
    };
    let access = place.access()?;
    let [relayed, direct] = [place.net.host("relayed")?, place.net.host("direct")?];
    // The one without a relay hears of nobody but the node.
    let node_only = Flow::all(Protocol::Udp).with(place.host.ipv4().into());
    direct.firewall(&Firewall::closed_but_for(&[node_only]))?;
    let browsers = [
        place.browse("one", &relayed)?,
        place.browse("two", &direct)?,
    ];
    for rung in LADDER {
        relayed.firewall(&rung.firewall(&place.host))?;
        let pages = [page(&browsers[0])?, page(&browsers[1])?];
        let config = rung.config(&place.host, &access);
        echo_all([(&pages[0], &config), (&pages[1], &json!({}))])?;
        assert_eq!(path(&pages[0])?.local, "relay");
        assert_eq!(path(&pages[0])?.protocol.as_deref(), Some(rung.protocol));
        assert_eq!(path(&pages[1])?.remote, "relay");
        assert_eq!(path(&pages[1])?.protocol, None);
        for page in pages {
            page.close()?;
        }
    }
    Ok(())
}

fn page(browser: &Browser) -> Result<Page, LabError> {
    let page = browser.new_page("about:blank")?;
    page.eval(SCRIPT)?;
    Ok(page)
}

/// Connects two pages, and lets the second send back all that the first says.
fn echo_all([caller, callee]: [(&Page, &Value); 2]) -> Outcome {
    let (caller, config) = caller;
    let offer = caller.call_function(
        "(config) => raw.offer(config)",
        std::slice::from_ref(config),
    )?;
    let (callee, config) = callee;
    let answer = "(config, offer) => raw.answer(config, offer)";
    let answer = callee.call_function(answer, &[config.clone(), offer])?;
    caller.call_function("(answer) => raw.accept(answer)", &[answer])?;
    caller.wait_for("raw.opened", "the channel to open")?;
    caller.call_function("(count) => raw.say(count)", &[json!(MESSAGES)])?;
    let all = format!("raw.returned + raw.altered === {MESSAGES}");
    caller.wait_for(&all, "all messages to come back")?;
    assert_eq!(
        caller.eval("[raw.returned, raw.altered]")?,
        json!([MESSAGES, 0])
    );
    Ok(())
}

fn path(page: &Page) -> Result<Path, LabError> {
    page.eval_as("raw.path()")
}
