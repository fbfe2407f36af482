// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TURN client over UDP, as small as can be: it asks, is challenged, asks again, and sends bursts that the kernel
//! hands over as one.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use hither_relay::TurnCredential;
use hither_stun::address::XorAddress;
use hither_stun::attribute::AttributeType;
use hither_stun::error_code::ErrorCode;
use hither_stun::integrity::IntegrityKey;
use hither_stun::message::{Message, MessageBuilder};
use hither_stun::message_type::{Class, Method};
use hither_stun::transaction::TransactionId;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

use crate::support::{REALM, credential};

/// Long enough for any machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) socket: UdpSocket,
    pub(crate) relayed: SocketAddr,
    server: SocketAddr,
    credential: TurnCredential,
    nonce: Vec<u8>,
    last_id: u32,
}

impl Client {
    /// One with an allocation.
    pub(crate) fn allocate(server: SocketAddr) -> Self {
        Self::allocate_from(server.ip(), server)
    }

    /// One with an allocation, that sends from this address of the machine.
    pub(crate) fn allocate_from(ip: IpAddr, server: SocketAddr) -> Self {
        Self::try_allocate_from(ip, server).expect("an allocation")
    }

    /// One with an allocation, or why there is none.
    pub(crate) fn try_allocate(server: SocketAddr) -> Result<Self, ErrorCode> {
        Self::try_allocate_from(server.ip(), server)
    }

    fn try_allocate_from(ip: IpAddr, server: SocketAddr) -> Result<Self, ErrorCode> {
        let mut client = Self {
            socket: socket(SocketAddr::new(ip, 0)),
            relayed: server,
            server,
            credential: credential(),
            nonce: Vec::new(),
            last_id: 0,
        };
        let family = if server.is_ipv4() { 1 } else { 2 };
        let answer = client.ask(Method::ALLOCATE, |request| {
            request
                .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
        });
        let answer = Message::parse(&answer).expect("a message");
        let refusal = answer.attribute(AttributeType::ERROR_CODE);
        if let Some(code) = refusal.and_then(ErrorCode::parse) {
            return Err(code);
        }
        let relayed = answer.attribute(AttributeType::XOR_RELAYED_ADDRESS);
        let relayed = relayed.and_then(|value| XorAddress::parse(value, answer.transaction_id()));
        client.relayed = relayed.expect("a relayed address");
        Ok(client)
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) {
        assert_eq!(self.try_permit(peer), None);
    }

    /// Asks for a permission; why it was refused, if it was.
    pub(crate) fn try_permit(&mut self, peer: SocketAddr) -> Option<ErrorCode> {
        let answer = self.ask(Method::CREATE_PERMISSION, |request| {
            request.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        });
        let answer = Message::parse(&answer).expect("a message");
        let refusal = answer.attribute(AttributeType::ERROR_CODE);
        refusal.and_then(ErrorCode::parse)
    }

    pub(crate) fn bind(&mut self, channel: u16, peer: SocketAddr) {
        let [high, low] = channel.to_be_bytes();
        let answer = self.ask(Method::CHANNEL_BIND, |request| {
            request
                .attribute(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        });
        assert_granted(&answer);
    }

    pub(crate) fn refresh(&mut self) -> Vec<u8> {
        self.ask(Method::REFRESH, |request| request)
    }

    /// Ends the allocation.
    pub(crate) fn give_up(&mut self) {
        let answer = self.ask(Method::REFRESH, |request| {
            request.attribute(AttributeType::LIFETIME, &[0; 4])
        });
        assert_granted(&answer);
    }

    /// Sends the payloads as channel data, in one burst.
    pub(crate) fn send_on(&self, channel: u16, payloads: &[Vec<u8>]) {
        let framed: Vec<_> = payloads
            .iter()
            .map(|payload| channel_data(channel, payload))
            .collect();
        send_burst(&self.socket, self.server, &framed);
    }

    /// Sends one payload in a Send indication.
    pub(crate) fn indicate(&mut self, peer: SocketAddr, payload: &[u8]) {
        let indication = MessageBuilder::new(Class::Indication, Method::SEND, self.new_id())
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, payload)
            .finish(None, false)
            .expect("it is short");
        self.socket
            .send_to(&indication, self.server)
            .expect("loopback takes it");
    }

    /// The payload of the next channel data.
    pub(crate) fn receive_on(&self, channel: u16) -> Vec<u8> {
        let datagram = receive(&self.socket);
        let payload = datagram.get(4..).expect("a header");
        assert_eq!(datagram, channel_data(channel, payload));
        payload.to_vec()
    }

    /// The payload and the peer of the next Data indication.
    pub(crate) fn receive_indication(&self) -> (SocketAddr, Vec<u8>) {
        let datagram = receive(&self.socket);
        let message = Message::parse(&datagram).expect("a message");
        assert_eq!(message.method(), Method::DATA);
        let peer = message.attribute(AttributeType::XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| XorAddress::parse(value, message.transaction_id()));
        let payload = message.attribute(AttributeType::DATA).expect("data");
        (peer.expect("a peer"), payload.to_vec())
    }

    fn ask(
        &mut self,
        method: Method,
        attributes: impl Fn(MessageBuilder) -> MessageBuilder,
    ) -> Vec<u8> {
        let mut answer = Vec::new();
        for _ in 0..3 {
            let mut request =
                attributes(MessageBuilder::new(Class::Request, method, self.new_id()));
            let mut key = None;
            if !self.nonce.is_empty() {
                let who = &self.credential;
                request = request
                    .attribute(AttributeType::USERNAME, who.username.as_bytes())
                    .attribute(AttributeType::REALM, REALM.as_bytes())
                    .attribute(AttributeType::NONCE, &self.nonce);
                key = Some(IntegrityKey::long_term(&who.username, REALM, &who.password));
            }
            let request = request.finish(key.as_ref(), true).expect("it is short");
            self.socket
                .send_to(&request, self.server)
                .expect("loopback takes it");
            answer = receive(&self.socket);
            let message = Message::parse(&answer).expect("a message");
            match message.attribute(AttributeType::NONCE) {
                Some(nonce) if message.class() == Class::Error => self.nonce = nonce.to_vec(),
                _ => break,
            }
        }
        answer
    }

    fn new_id(&mut self) -> TransactionId {
        self.last_id += 1;
        let mut id = [7; 12];
        id[..4].copy_from_slice(&self.last_id.to_be_bytes());
        TransactionId::from_bytes(id)
    }
}

/// A socket on the same address as `near`.
pub(crate) fn socket(near: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((near.ip(), 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    socket
}

pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let (length, _) = socket.recv_from(&mut buffer).expect("a datagram in time");
    buffer.truncate(length);
    buffer
}

/// Sends datagrams of equal length, the last maybe shorter, in one call: on loopback they arrive joined at whoever
/// asks for that.
pub(crate) fn send_burst(socket: &UdpSocket, to: SocketAddr, datagrams: &[Vec<u8>]) {
    let bytes = datagrams.concat();
    let segment = u16::try_from(datagrams.first().map_or(0, Vec::len)).expect("a datagram");
    let to = SockaddrStorage::from(to);
    let sent = sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(&bytes)],
        &[ControlMessage::UdpGsoSegments(&segment)],
        MsgFlags::empty(),
        Some(&to),
    );
    assert_eq!(sent, Ok(bytes.len()));
}

/// Payloads that are all different: `count` of `length` bytes, and one of `last`.
pub(crate) fn payloads(count: u8, length: usize, last: usize) -> Vec<Vec<u8>> {
    let payload = |number: u8, length: usize| {
        let bytes = (0..=u8::MAX)
            .cycle()
            .map(|byte| byte.wrapping_mul(7) ^ number);
        bytes.take(length).collect()
    };
    let mut all: Vec<_> = (0..count).map(|number| payload(number, length)).collect();
    all.push(payload(count, last));
    all
}

fn channel_data(channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("it is short");
    let mut framed = [channel.to_be_bytes(), length.to_be_bytes()].concat();
    framed.extend_from_slice(payload);
    framed
}

fn assert_granted(answer: &[u8]) {
    let answer = Message::parse(answer).expect("a message");
    assert_eq!(answer.class(), Class::Success);
}
