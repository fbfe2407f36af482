// SPDX-License-Identifier: MIT OR Apache-2.0
//! An Ethernet frame on its way through a router: whom it is from and for, and how it is readdressed.
//!
//! Checksums are always computed anew: what a host puts on a virtual link has none yet, because the system
//! counts on hardware that is not there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the Ethernet header.
const ETHERNET: usize = 14;

/// What is above IP, as far as a router looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    Tcp,
    Udp,
    /// Of ICMP, only the query and its answer (RFC 5508 §3): the identifier takes the place of both ports.
    Echo,
    /// Anything else, later fragments included; ports are 0.
    Other,
}

/// A frame with an IP packet in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
    /// Where the header above IP begins.
    segment: usize,
    /// Where the packet ends: what follows is padding.
    end: usize,
}

impl Frame {
    /// Reads a frame as it came from a wire; `None` when it is not a whole IP packet.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (ethernet, packet) = bytes.split_at_checked(ETHERNET)?;
        match ethernet.get(12..)? {
            [0x08, 0x00] => Self::parse_v4(bytes),
            [0x86, 0xdd] => {
                let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
                let destination: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
                let length = usize::from(be16(packet, 4)?);
                let addresses = [source, destination].map(|ip| IpAddr::from(Ipv6Addr::from(ip)));
                let number = *packet.get(6)?;
                let end = ETHERNET + 40 + length;
                Self::parse_segment(bytes, number, addresses, ETHERNET + 40, end)
            }
            _ => None,
        }
    }

    fn parse_v4(bytes: Vec<u8>) -> Option<Self> {
        let packet = bytes.get(ETHERNET..)?;
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
        let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        let end = ETHERNET + usize::from(be16(packet, 2)?);
        let addresses = [source, destination].map(|ip| IpAddr::from(Ipv4Addr::from(ip)));
        // Neither more to come nor an offset, or there is no header to be found.
        let whole = be16(packet, 6)? & 0x3fff == 0;
        let number = if whole { *packet.get(9)? } else { u8::MAX };
        Self::parse_segment(bytes, number, addresses, ETHERNET + header_len, end)
    }

    fn parse_segment(
        bytes: Vec<u8>,
        number: u8,
        [source, destination]: [IpAddr; 2],
        segment: usize,
        end: usize,
    ) -> Option<Self> {
        let content = bytes.get(segment..end)?;
        let (transport, from, to) = match (number, content) {
            (6, [a, b, c, d, ..]) if content.len() >= 20 => (Transport::Tcp, [*a, *b], [*c, *d]),
            (17, [a, b, c, d, ..]) if content.len() >= 8 => (Transport::Udp, [*a, *b], [*c, *d]),
            (1, [0 | 8, 0, _, _, a, b, ..]) => (Transport::Echo, [*a, *b], [*a, *b]),
            _ => (Transport::Other, [0; 2], [0; 2]),
        };
        Some(Self {
            transport,
            source: SocketAddr::new(source, u16::from_be_bytes(from)),
            destination: SocketAddr::new(destination, u16::from_be_bytes(to)),
            segment,
            end,
            bytes,
        })
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn source(&self) -> SocketAddr {
        self.source
    }

    pub(super) fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Bytes of the IP packet, its header included.
    pub(super) fn len(&self) -> usize {
        self.end - ETHERNET
    }

    /// Another sender; the family stays what it is.
    pub(super) fn set_source(&mut self, source: SocketAddr) {
        self.source = source;
        self.write_address(source.ip(), 0);
        match self.transport {
            Transport::Tcp | Transport::Udp => self.put(self.segment, &source.port().to_be_bytes()),
            Transport::Echo => self.put(self.segment + 4, &source.port().to_be_bytes()),
            Transport::Other => {}
        }
    }

    /// Another receiver; the family stays what it is.
    pub(super) fn set_destination(&mut self, destination: SocketAddr) {
        self.destination = destination;
        self.write_address(destination.ip(), 1);
        let port = destination.port().to_be_bytes();
        match self.transport {
            Transport::Tcp | Transport::Udp => self.put(self.segment + 2, &port),
            Transport::Echo => self.put(self.segment + 4, &port),
            Transport::Other => {}
        }
    }

    /// What is put on a wire.
    pub(super) fn emit(&mut self) -> &[u8] {
        let v4 = self.source.is_ipv4();
        if v4 {
            self.put(ETHERNET + 10, &[0, 0]);
            let sum = folded(added(0, self.range(ETHERNET, self.segment)));
            self.put(ETHERNET + 10, &(!sum).to_be_bytes());
        }
        let (field, number) = match self.transport {
            Transport::Tcp => (16, 6),
            Transport::Udp => (6, 17),
            Transport::Echo => (2, 0),
            Transport::Other => return &self.bytes,
        };
        self.put(self.segment + field, &[0, 0]);
        let mut sum = added(0, self.range(self.segment, self.end));
        if self.transport != Transport::Echo {
            let addresses = if v4 {
                ETHERNET + 12..ETHERNET + 20
            } else {
                ETHERNET + 8..ETHERNET + 40
            };
            sum = added(sum, self.range(addresses.start, addresses.end));
            let length = u32::try_from(self.end - self.segment).unwrap_or_default();
            sum += number + length;
        }
        // In UDP, zero says that there is none (RFC 768).
        let sum = match !folded(sum) {
            0 => u16::MAX,
            sum => sum,
        };
        self.put(self.segment + field, &sum.to_be_bytes());
        &self.bytes
    }

    fn write_address(&mut self, address: IpAddr, place: usize) {
        match address {
            IpAddr::V4(ip) => self.put(ETHERNET + 12 + place * 4, &ip.octets()),
            IpAddr::V6(ip) => self.put(ETHERNET + 8 + place * 16, &ip.octets()),
        }
    }

    fn range(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The sum of RFC 1071, not yet folded: a packet is too short to overflow it.
fn added(sum: u32, bytes: &[u8]) -> u32 {
    let mut words = bytes.chunks_exact(2);
    let whole: u32 = words
        .by_ref()
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let odd = words.remainder().first().copied().unwrap_or_default();
    sum + whole + u32::from(u16::from_be_bytes([odd, 0]))
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [&str; 2] = ["192.0.2.1", "198.51.100.9"];
    const ADDRESSES_V6: [&str; 2] = ["2001:db8::1", "2001:db8:0:7::9"];

    fn packet(number: u8, addresses: [&str; 2], segment: &[u8]) -> Vec<u8> {
        let [source, destination] = addresses.map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut bytes = vec![0; 12];
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                bytes.extend([0x08, 0x00, 0x45, 0, 0]);
                bytes.push(u8::try_from(20 + segment.len()).unwrap());
                bytes.extend([0, 0, 0x40, 0, 64, number, 0, 0]);
                bytes.extend([source.octets(), destination.octets()].concat());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0]);
                bytes.push(u8::try_from(segment.len()).unwrap());
                bytes.extend([number, 64]);
                bytes.extend([source.octets(), destination.octets()].concat());
            }
            _ => panic!("two families"),
        }
        bytes.extend(segment);
        bytes
    }

    fn udp(content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + content.len()).unwrap();
        let mut segment = vec![0x12, 0x34, 0x0d, 0x96, 0, length, 0xaa, 0xaa];
        segment.extend(content);
        segment
    }

    fn tcp(content: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x12, 0x34, 0x0d, 0x96];
        segment.extend([0; 8]);
        segment.extend([0x50, 0x10, 1, 0, 0xaa, 0xaa, 0, 0]);
        segment.extend(content);
        segment
    }

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    /// The sum over the pseudo-header and the segment, which a right checksum makes all ones.
    fn sum(bytes: &[u8], number: u8, v4: bool) -> u16 {
        let (addresses, segment) = if v4 { (26..34, 34..) } else { (22..54, 54..) };
        let segment = &bytes[segment];
        let length = u32::try_from(segment.len()).unwrap() + u32::from(number);
        folded(added(added(length, &bytes[addresses]), segment))
    }

    #[test]
    fn frames_are_readdressed_and_their_checksums_are_right() {
        for (addresses, to) in [
            (ADDRESSES, "203.0.113.77"),
            (ADDRESSES_V6, "2001:db8::abcd"),
        ] {
            for content in [&b""[..], b"odd", b"even"] {
                for (number, segment) in [(17, udp(content)), (6, tcp(content))] {
                    let mut frame = Frame::parse(packet(number, addresses, &segment)).unwrap();
                    assert_eq!(frame.source(), at(addresses[0], 0x1234));
                    assert_eq!(frame.destination(), at(addresses[1], 3478));
                    frame.set_source(at(to, 5));
                    frame.set_destination(at(addresses[0], 6));
                    let v4 = frame.source().is_ipv4();
                    let bytes = frame.emit().to_vec();
                    assert_eq!(sum(&bytes, number, v4), u16::MAX);
                    if v4 {
                        assert_eq!(folded(added(0, &bytes[14..34])), u16::MAX);
                    }
                    let again = Frame::parse(bytes).unwrap();
                    assert_eq!(again.source(), at(to, 5));
                    assert_eq!(again.destination(), at(addresses[0], 6));
                }
            }
        }
    }

    #[test]
    fn an_echo_is_told_apart_by_its_identifier() {
        let echo = [8, 0, 0xaa, 0xaa, 0x12, 0x34, 0, 1, b'?'];
        let mut frame = Frame::parse(packet(1, ADDRESSES, &echo)).unwrap();
        assert_eq!(frame.transport(), Transport::Echo);
        assert_eq!(frame.source().port(), 0x1234);
        frame.set_source(at("203.0.113.77", 99));
        let bytes = frame.emit().to_vec();
        assert_eq!(folded(added(0, &bytes[34..])), u16::MAX);
        assert_eq!(Frame::parse(bytes).unwrap().source().port(), 99);
    }

    #[test]
    fn fragments_and_cut_frames_have_no_ports() {
        let whole = packet(17, ADDRESSES, &udp(b"content"));
        let mut fragment = whole.clone();
        fragment[20] = 0x20;
        let fragment = Frame::parse(fragment).unwrap();
        assert_eq!(fragment.transport(), Transport::Other);
        for length in 0..whole.len() {
            assert_eq!(Frame::parse(whole[..length].to_vec()), None);
        }
        let padded = [whole.clone(), vec![0; 9]].concat();
        let padded = Frame::parse(padded).unwrap();
        assert_eq!(padded.len(), whole.len() - 14);
    }
}
