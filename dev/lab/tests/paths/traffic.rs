// SPDX-License-Identifier: MIT OR Apache-2.0
//! What packets on a link are, and which way media went.

use std::net::IpAddr;

use hither_lab::{Packet, Protocol};

/// The port of name servers.
const DNS: u16 = 53;

/// Packets of sound and picture on a client's link, by where they went to or came from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traffic {
    /// To or from a private address.
    pub(super) same_network: usize,
    /// To or from somebody's public address.
    pub(super) direct: usize,
    /// Over UDP, to or from the relay.
    pub(super) relayed: usize,
    /// In TCP, to or from anybody, whatever they are: TLS does not show.
    pub(super) streamed: usize,
}

impl Traffic {
    /// What a client's link has seen, where the node has these addresses.
    pub(super) fn of(packets: &[Packet], node: &[IpAddr]) -> Self {
        let mut traffic = Self::default();
        // A browser asks for names, whether there is anybody to answer or not; the number of a question is arbitrary.
        let asks = |packet: &&Packet| packet.from.port() == DNS || packet.to.port() == DNS;
        for packet in packets.iter().filter(|packet| !asks(packet)) {
            let with_node = [packet.from.ip(), packet.to.ip()]
                .iter()
                .any(|ip| node.contains(ip));
            let private = is_private(packet.from.ip()) && is_private(packet.to.ip());
            let count = match packet.protocol {
                Protocol::Tcp if packet.length > 0 => &mut traffic.streamed,
                Protocol::Udp if is_media(&packet.head) && with_node => &mut traffic.relayed,
                Protocol::Udp if is_media(&packet.head) && private => &mut traffic.same_network,
                Protocol::Udp if is_media(&packet.head) => &mut traffic.direct,
                Protocol::Tcp | Protocol::Udp => continue,
            };
            *count += 1;
        }
        traffic
    }
}

/// Whether a datagram is RTP (RFC 7983 §7), or channel data or an indication of TURN that has RTP in it.
pub(super) fn is_media(datagram: &[u8]) -> bool {
    match datagram {
        // RTCP (RFC 5761 §4) says how it goes, and is not media.
        [128..=191, 192..=223, ..] => false,
        [128..=191, ..] => true,
        // Channel number and length (RFC 8656 §12.4), then what the channel carries.
        [0x40..=0x4f, _, _, _, inner @ ..] => is_media(inner),
        // Send and Data indications.
        [0x00, 0x16 | 0x17, ..] => indicated(datagram).is_some_and(is_media),
        _ => false,
    }
}

/// The DATA attribute of an indication (RFC 8656 §18.4).
fn indicated(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message.get(20..)?;
    loop {
        let (head, value) = rest.split_at_checked(4)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        if kind == 0x0013 {
            return Some(value);
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        rest = value.get(length.next_multiple_of(4)..)?;
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[test]
fn media_is_found_however_it_is_wrapped() {
    let rtp = [0x80, 111, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    let rtcp = [0x80, 200, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    let dtls = [22, 254, 253, 0];
    let on_channel = |inner: &[u8]| [&[0x40, 0, 0, 12], inner].concat();
    let indication = |inner: &[u8]| {
        let head = [0, 0x16, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        let address = [0, 0x12, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0];
        [&head[..], &[0; 12], &address, &[0, 0x13, 0, 12], inner].concat()
    };
    for wrap in [
        &(|inner: &[u8]| inner.to_vec()) as &dyn Fn(&[u8]) -> Vec<u8>,
        &on_channel,
        &indication,
    ] {
        assert!(is_media(&wrap(&rtp)));
        assert!(!is_media(&wrap(&rtcp)));
        assert!(!is_media(&wrap(&dtls)));
    }
}
