// SPDX-License-Identifier: MIT OR Apache-2.0
//! `getStats` (W3C webrtc-stats) as the machine and the watchdog want it.

use std::net::{IpAddr, Ipv6Addr};

use hither_endpoint::{CandidateKind, PathReport, PicturesReport, SoundReport, TransportProtocol};
use js_sys::Map;
use wasm_bindgen::prelude::*;

use super::sizing::Outgoing;
use super::watchdog::Traffic;
use crate::sys::{count, number, text};

/// The share of a camera's frames that an encoder which keeps up sends.
const KEEPING_UP: f64 = 0.7;

/// One answer of `getStats`.
pub(crate) struct Stats(Map);

impl Stats {
    /// Wraps an `RTCStatsReport`, which is like a map.
    pub(crate) fn new(report: JsValue) -> Self {
        Self(report.unchecked_into())
    }

    /// The selected pair, if there is one.
    pub(crate) fn path(&self) -> Option<PathReport> {
        let pair = self.selected_pair()?;
        let local = self.by_id(&text(&pair, "localCandidateId")?)?;
        let remote = self.by_id(&text(&pair, "remoteCandidateId")?)?;
        Some(PathReport {
            local: kind(&local)?,
            remote: kind(&remote)?,
            protocol: protocol(&local),
            private_addresses: is_private(&address(&local)) && is_private(&address(&remote)),
            rtt_ms: number(&pair, "currentRoundTripTime").map(millis),
            addresses: format!("{} → {}", endpoint(&local), endpoint(&remote)),
        })
    }

    /// Media counters of the transceivers with these `mid`s.
    pub(crate) fn traffic(&self, mids: &[Option<String>; 3]) -> [Traffic; 3] {
        let mut traffic = [Traffic::default(); 3];
        let mut each = |kind: &str, add: &dyn Fn(&JsValue, &mut Traffic)| {
            for stream in self.all(kind) {
                let mid = text(&stream, "mid");
                let slot = mids
                    .iter()
                    .position(|known| known.is_some() && *known == mid);
                if let Some(traffic) = slot.and_then(|slot| traffic.get_mut(slot)) {
                    add(&stream, traffic);
                }
            }
        };
        each("outbound-rtp", &|stream, traffic| {
            traffic.frames_encoded += count(stream, "framesEncoded");
            traffic.packets_sent += count(stream, "packetsSent");
        });
        each("inbound-rtp", &|stream, traffic| {
            traffic.frames_decoded += count(stream, "framesDecoded");
        });
        traffic
    }

    /// What came of sound, and what became of the rest.
    pub(crate) fn sound(&self) -> SoundReport {
        let mut report = SoundReport::default();
        for stream in self.of_kind("inbound-rtp", "audio") {
            report.packets += count(&stream, "packetsReceived");
            report.lost += count(&stream, "packetsLost");
            report.samples += count(&stream, "totalSamplesReceived");
            report.concealed += count(&stream, "concealedSamples");
            report.concealed_by_silence += count(&stream, "silentConcealedSamples");
            report.repaired += count(&stream, "fecPacketsReceived");
        }
        report
    }

    /// What came of pictures, and what was asked for again in both directions.
    pub(crate) fn pictures(&self) -> PicturesReport {
        let mut report = PicturesReport::default();
        for stream in self.of_kind("inbound-rtp", "video") {
            report.packets += count(&stream, "packetsReceived");
            report.lost += count(&stream, "packetsLost");
            report.asked_again += count(&stream, "nackCount");
            report.came_again += count(&stream, "retransmittedPacketsReceived");
        }
        for stream in self.of_kind("outbound-rtp", "video") {
            report.asked_of_us += count(&stream, "nackCount");
            report.sent_again += count(&stream, "retransmittedPacketsSent");
        }
        report
    }

    /// What there is room for on the way out, and whether the camera uses it.
    pub(crate) fn outgoing(&self, mids: &[Option<String>; 3]) -> Outgoing {
        let available = self
            .selected_pair()
            .filter(|pair| number(pair, "availableOutgoingBitrate").is_some());
        let [_, camera, _] = mids;
        let of_camera = |stream: &JsValue| camera.is_some() && text(stream, "mid") == *camera;
        let mut outgoing = Outgoing {
            available_bps: available.map(|pair| count(&pair, "availableOutgoingBitrate")),
            ..Outgoing::default()
        };
        for stream in self
            .of_kind("outbound-rtp", "video")
            .iter()
            .filter(|it| of_camera(it))
        {
            let reason = text(stream, "qualityLimitationReason");
            outgoing.machine_is_busy |= reason.as_deref() == Some("cpu") || self.lags(stream);
            outgoing.camera_runs |= count(stream, "framesEncoded") > 0;
        }
        outgoing
    }

    /// Whether far fewer frames leave the encoder than the camera gives. The browser's own look at the processor takes
    /// longer to see that.
    fn lags(&self, stream: &JsValue) -> bool {
        let frames = |of: &JsValue| number(of, "framesPerSecond");
        let source = text(stream, "mediaSourceId").and_then(|id| self.by_id(&id));
        match (frames(stream), source.as_ref().and_then(frames)) {
            (Some(sent), Some(given)) => sent < KEEPING_UP * given,
            _ => false,
        }
    }

    fn selected_pair(&self) -> Option<JsValue> {
        let transport = self.all("transport").into_iter().next()?;
        self.by_id(&text(&transport, "selectedCandidatePairId")?)
    }

    fn of_kind(&self, which: &str, kind: &str) -> Vec<JsValue> {
        let mut all = self.all(which);
        all.retain(|stream| text(stream, "kind").as_deref() == Some(kind));
        all
    }

    fn by_id(&self, id: &str) -> Option<JsValue> {
        Some(self.0.get(&id.into())).filter(JsValue::is_object)
    }

    fn all(&self, kind: &str) -> Vec<JsValue> {
        let mut all = Vec::new();
        self.0.for_each(&mut |stats, _id| {
            if text(&stats, "type").as_deref() == Some(kind) {
                all.push(stats);
            }
        });
        all
    }
}

fn kind(candidate: &JsValue) -> Option<CandidateKind> {
    match text(candidate, "candidateType")?.as_str() {
        "host" => Some(CandidateKind::Host),
        "srflx" => Some(CandidateKind::ServerReflexive),
        "prflx" => Some(CandidateKind::PeerReflexive),
        "relay" => Some(CandidateKind::Relayed),
        _ => None,
    }
}

/// Of what leaves this device: to the relay for a relayed candidate, else to the other side.
fn protocol(local: &JsValue) -> TransportProtocol {
    let protocol = text(local, "relayProtocol").or_else(|| text(local, "protocol"));
    match protocol.as_deref() {
        Some("tcp") => TransportProtocol::Tcp,
        Some("tls") => TransportProtocol::Tls,
        _ => TransportProtocol::Udp,
    }
}

fn address(candidate: &JsValue) -> String {
    text(candidate, "address").unwrap_or_default()
}

fn endpoint(candidate: &JsValue) -> String {
    let address = address(candidate);
    let port = count(candidate, "port");
    match (address.is_empty(), address.contains(':')) {
        (true, _) => format!("?:{port}"),
        (false, true) => format!("[{address}]:{port}"),
        (false, false) => format!("{address}:{port}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a round trip is not negative, and `as` saturates"
)]
fn millis(seconds: f64) -> u32 {
    (seconds * 1000.0).round() as u32
}

/// Private (RFC 1918, RFC 4193), link-local or loopback; or an mDNS name, which means nothing elsewhere.
fn is_private(address: &str) -> bool {
    if address.ends_with(".local") {
        return true;
    }
    match address.parse() {
        Ok(IpAddr::V4(v4)) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        Ok(IpAddr::V6(v6)) => is_private_v6(&v6),
        Err(_) => false,
    }
}

fn is_private_v6(v6: &Ipv6Addr) -> bool {
    match v6.to_ipv4_mapped() {
        Some(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        None => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn addresses_of_a_local_network_are_private() {
        for address in [
            "10.0.0.1",
            "192.168.7.8",
            "172.31.0.1",
            "169.254.1.1",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "0b1c9f7e-1111-2222-3333-444444444444.local",
        ] {
            assert!(is_private(address), "{address}");
        }
    }

    #[test]
    fn public_and_unknown_addresses_are_not_private() {
        for address in [
            "203.0.113.9",
            "172.32.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:203.0.113.9",
            "",
            "example.org",
        ] {
            assert!(!is_private(address), "{address}");
        }
    }
}
