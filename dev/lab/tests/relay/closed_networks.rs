// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls out of networks that let nothing through but one TCP port.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{Capture, Firewall, Flow, Host, Packet, Person, Protocol};

use crate::place::{Outcome, Place};

/// Records that a call has after a moment.
const MANY: usize = 100;

/// How long that moment may be on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn two_who_have_only_https_call_each_other_over_the_relay() -> Outcome {
    let Some(place) = Place::new_or_skip("a call with nothing but 443/TCP")? else {
        return Ok(());
    };
    let hosts = [place.net.host("ana")?, place.net.host("ben")?];
    let https = Flow::tcp(443).with(place.host.ipv4().into());
    for host in &hosts {
        host.firewall(&Firewall::closed_but_for(&[https]))?;
    }
    let captures = [hosts[0].capture()?, hosts[1].capture()?];

    let invitation = place.node.ready().owner_invitation.clone();
    let ana = place.arrive("Ana", &hosts[0], &invitation.expect("nobody owns it yet"))?;
    ana.onboard()?;
    let passed = ana.invite("for Ben", true)?;
    let ben = place.arrive("Ben", &hosts[1], &passed.link)?;
    ben.onboard()?;
    ben.type_words(&passed.words)?;
    ana.approve()?;
    ana.wait_for_contact("Ben")?;
    ben.page().click("@join-write")?;
    ana.talk_to("Ben")?;

    ana.call(true)?;
    ben.accept(true)?;
    for person in [&ana, &ben] {
        person.wait_for_call("active")?;
        person.sees()?;
        person.hears()?;
        person.wait_for_route("relay")?;
    }
    for ((person, host), capture) in [&ana, &ben].into_iter().zip(&hosts).zip(&captures) {
        relayed_inside_tls(person)?;
        nothing_but_tls_left(host, &place.host, capture)?;
    }
    ana.hang_up()?;
    ben.wait_for_end("remote-hung-up")
}

/// What the browser itself says of the path.
fn relayed_inside_tls(person: &Person) -> Outcome {
    let path: serde_json::Value = person.page().eval_as(
        "(async () => {
            for (const connection of lab.open()) {
                const report = await connection.getStats();
                for (const one of report.values()) {
                    const pair = one.type === 'transport' && report.get(one.selectedCandidatePairId);
                    if (!pair) continue;
                    const [local, remote] = [pair.localCandidateId, pair.remoteCandidateId].map((id) => report.get(id));
                    return { local: local.candidateType, remote: remote.candidateType,
                        protocol: local.relayProtocol, url: local.url };
                }
            }
        })()",
    )?;
    assert_eq!(path["local"], "relay", "{path}");
    assert_eq!(path["remote"], "relay", "{path}");
    assert_eq!(path["protocol"], "tls", "{path}");
    let url = path["url"].as_str().unwrap_or_default();
    assert!(url.starts_with("turns:") && url.contains(":443"), "{path}");
    Ok(())
}

/// What the firewall and the wire say.
fn nothing_but_tls_left(host: &Host, node: &Host, capture: &Capture) -> Outcome {
    let counts = host.counts()?;
    // The browser has tried what was closed, or this would prove nothing.
    assert!(counts.rest.packets > 0, "{counts:?}");
    let node = SocketAddr::from((node.ipv4(), 443));
    let deadline = Instant::now() + PATIENCE;
    let packets = loop {
        let packets = capture.packets();
        let [sent, received] = [true, false].map(|sent| records(&packets, node, sent));
        if sent > MANY && received > MANY {
            break packets;
        }
        assert!(
            Instant::now() < deadline,
            "{sent} sent, {received} received"
        );
        thread::sleep(Duration::from_millis(100));
    };
    // A capture sees what arrives before the firewall does, and what leaves after it.
    let own = [IpAddr::from(host.ipv4()), host.ipv6().into()];
    for packet in packets.iter().filter(|one| own.contains(&one.from.ip())) {
        assert_eq!(
            (packet.protocol, packet.to),
            (Protocol::Tcp, node),
            "{packet:?}"
        );
    }
    Ok(())
}

/// Records of application data, as TLS 1.2 and 1.3 mark them (RFC 8446 §5.1).
fn records(packets: &[Packet], node: SocketAddr, sent: bool) -> usize {
    let one_way = packets.iter().filter(|packet| (packet.to == node) == sent);
    one_way
        .filter(|packet| packet.head.starts_with(&[23, 3, 3]))
        .count()
}
