// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes and goes over a host's link, written down.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};

use super::wire::EVERYTHING;
use crate::LabError;
use crate::connection::lock;

/// Bytes of payload that are kept of a packet: enough for the heads of everything we look for.
const KEPT: usize = 64;

/// Packets that are kept; later ones are only counted.
const MOST: usize = 500_000;

/// How long it may take until a capture that was dropped has ended.
const PATIENCE: Duration = Duration::from_millis(200);

/// A protocol above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A packet of TCP or UDP, as it was on the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its protocol.
    pub protocol: Protocol,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Bytes after the TCP or UDP header.
    pub length: usize,
    /// The first of them, at most 64.
    pub head: Vec<u8>,
}

/// A running capture; it ends when it is dropped.
#[derive(Debug)]
pub struct Capture {
    written: Arc<Mutex<Vec<Packet>>>,
    ended: Arc<AtomicBool>,
}

impl Capture {
    /// Starts to write down what passes the interfaces of the namespace that this thread is in.
    pub(super) fn start() -> Result<Self, LabError> {
        let failed = || LabError::io("open a socket to capture packets");
        let socket = Socket::new(
            Domain::PACKET,
            Type::RAW,
            Some(SocketProtocol::from(EVERYTHING)),
        )
        .map_err(failed())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(failed())?;
        // More than a busy machine lets pile up.
        socket.set_recv_buffer_size(8 << 20).map_err(failed())?;
        let capture = Self {
            written: Arc::default(),
            ended: Arc::default(),
        };
        let (written, ended) = (Arc::clone(&capture.written), Arc::clone(&capture.ended));
        thread::spawn(move || write_down(socket, &written, &ended));
        Ok(capture)
    }

    /// The packets so far.
    #[must_use]
    pub fn packets(&self) -> Vec<Packet> {
        lock(&self.written).clone()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn write_down(mut socket: Socket, written: &Mutex<Vec<Packet>>, ended: &AtomicBool) {
    // Segments that the link would cut are seen whole.
    let mut frame = vec![0; 1 << 17];
    while !ended.load(Ordering::Relaxed) {
        let length = match socket.read(&mut frame) {
            Ok(length) => length,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                continue;
            }
            Err(_) => return,
        };
        if let Some(packet) = frame.get(..length).and_then(Packet::parse) {
            let mut written = lock(written);
            if written.len() < MOST {
                written.push(packet);
            }
        }
    }
}

impl Packet {
    /// The packet in an Ethernet frame, if it is one of TCP or UDP and not a later fragment.
    fn parse(frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at_checked(14)?;
        match header[12..] {
            [0x08, 0x00] => Self::parse_v4(packet),
            [0x86, 0xdd] => Self::parse_v6(packet),
            _ => None,
        }
    }

    fn parse_v4(packet: &[u8]) -> Option<Self> {
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let fragment = u16::from_be_bytes(packet.get(6..8)?.try_into().ok()?) & 0x1fff;
        let whole_len = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
        let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
        let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        if fragment != 0 {
            return None;
        }
        // Zero: longer than the field can say, because the link will cut it.
        let end = match usize::from(whole_len) {
            0 => packet.len(),
            length => length.min(packet.len()),
        };
        Self::parse_transport(
            packet[9],
            Ipv4Addr::from(source).into(),
            Ipv4Addr::from(destination).into(),
            packet.get(header_len..end)?,
        )
    }

    fn parse_v6(packet: &[u8]) -> Option<Self> {
        let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
        let destination: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
        Self::parse_transport(
            packet[6],
            Ipv6Addr::from(source).into(),
            Ipv6Addr::from(destination).into(),
            packet.get(40..)?,
        )
    }

    fn parse_transport(number: u8, from: IpAddr, to: IpAddr, segment: &[u8]) -> Option<Self> {
        let (protocol, header_len) = match number {
            6 => (Protocol::Tcp, usize::from(segment.get(12)? >> 4) * 4),
            17 => (Protocol::Udp, 8),
            _ => return None,
        };
        let port = |at: usize| {
            let bytes = segment.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_be_bytes(bytes))
        };
        let payload = segment.get(header_len..)?;
        Some(Self {
            protocol,
            from: SocketAddr::new(from, port(0)?),
            to: SocketAddr::new(to, port(2)?),
            length: payload.len(),
            head: payload.iter().copied().take(KEPT).collect(),
        })
    }
}
