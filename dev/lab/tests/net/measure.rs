// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kind of NAT is on the way, found out as RFC 5780 does: by a responder with two addresses and two ports.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{Dependence, Host, LabError, Net};

/// How long to wait for what must come.
const IN_TIME: Duration = Duration::from_secs(20);

/// How long to wait for what must not, once something sent later has come.
const IN_VAIN: Duration = Duration::from_millis(250);

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) mapping: Dependence,
    pub(super) filtering: Dependence,
    /// Whether the first mapping has the inside port.
    pub(super) preserves_ports: bool,
    /// Whether two sockets behind it reach each other by their outside addresses, and see those.
    pub(super) hairpins: bool,
    /// Whether the responder sees the client's own address.
    pub(super) translates: bool,
}

/// The responder: `sockets[address][port]`.
#[derive(Debug)]
pub(super) struct Responder {
    _hosts: [Host; 2],
    sockets: [[UdpSocket; 2]; 2],
}

impl Responder {
    /// Two machines of the backbone, reached by IPv4 or by IPv6.
    pub(super) fn new(net: &Net, ipv6: bool) -> Result<Self, LabError> {
        let hosts = [net.host("one")?, net.host("two")?];
        let socket = |host: &Host, port| {
            let ip = if ipv6 {
                host.ipv6().into()
            } else {
                IpAddr::from(host.ipv4())
            };
            bind(host, SocketAddr::new(ip, port))
        };
        let both = |host| Ok::<_, LabError>([socket(host, 3478)?, socket(host, 3479)?]);
        let sockets = [both(&hosts[0])?, both(&hosts[1])?];
        Ok(Self {
            _hosts: hosts,
            sockets,
        })
    }

    /// What is on the way of a client with this address.
    pub(super) fn measure(&self, client: &Host, ip: IpAddr) -> Result<Measured, LabError> {
        let open = || bind(client, SocketAddr::new(ip, 0));
        let (socket, filtered, pair) = (open()?, open()?, [open()?, open()?]);
        let own = local(&socket);
        let first = self.seen(&socket, 0, 0);
        let mapping = self.mapping(&socket, first);
        self.probe_filter(&filtered);
        let outside = self.probe_hairpin(&pair);
        // Whether something comes that perhaps must not takes time to say: all three at once.
        let (last, [one, two]) = (local(&self.sockets[0][0]), &pair);
        let [to_filtered, to_one, to_two] = thread::scope(|scope| {
            let threads = [&filtered, one, two]
                .map(|socket| scope.spawn(move || sources_until(socket, last)));
            threads.map(|thread| thread.join().expect("it listens"))
        });
        Ok(Measured {
            mapping,
            filtering: self.filtering(&to_filtered),
            preserves_ports: first.port() == own.port(),
            hairpins: to_one.contains(&outside[1]) && to_two.contains(&outside[0]),
            translates: first.ip() != own.ip(),
        })
    }

    /// The address that the responder sees of this socket at one of its own.
    pub(super) fn seen(&self, socket: &UdpSocket, address: usize, port: usize) -> SocketAddr {
        let at = &self.sockets[address][port];
        let word = word();
        socket.send_to(&word, local(at)).expect("it leaves");
        loop {
            let mut heard = [0; 16];
            let (length, source) = at.recv_from(&mut heard).expect("it comes");
            if heard[..length] == word {
                return source;
            }
        }
    }

    /// RFC 5780 §4.3.
    fn mapping(&self, socket: &UdpSocket, first: SocketAddr) -> Dependence {
        let other_port = self.seen(socket, 0, 1);
        let other_address = self.seen(socket, 1, 0);
        match (other_port == first, other_address == first) {
            (true, true) => Dependence::EndpointIndependent,
            (true, false) => Dependence::AddressDependent,
            (false, _) => Dependence::AddressAndPortDependent,
        }
    }

    /// RFC 5780 §4.4, with the answers that nobody asked for sent first.
    fn probe_filter(&self, socket: &UdpSocket) {
        let outside = self.seen(socket, 0, 0);
        for (address, port) in [(1, 1), (0, 1), (0, 0)] {
            let from = &self.sockets[address][port];
            from.send_to(b"?", outside).expect("it leaves");
        }
    }

    fn filtering(&self, heard: &BTreeSet<SocketAddr>) -> Dependence {
        let came =
            |address: usize, port: usize| heard.contains(&local(&self.sockets[address][port]));
        match (came(1, 1), came(0, 1)) {
            (true, true) => Dependence::EndpointIndependent,
            (false, true) => Dependence::AddressDependent,
            (false, false) => Dependence::AddressAndPortDependent,
            (true, false) => panic!("a stranger may send, and another port may not"),
        }
    }

    /// RFC 5780 §4.5: each sends to the other, and again, so that no filter is in the way; then the responder does.
    /// The addresses that it sees of them.
    fn probe_hairpin(&self, pair: &[UdpSocket; 2]) -> [SocketAddr; 2] {
        let outside = pair.each_ref().map(|socket| self.seen(socket, 0, 0));
        for _ in 0..2 {
            pair[0].send_to(b"?", outside[1]).expect("it leaves");
            pair[1].send_to(b"?", outside[0]).expect("it leaves");
        }
        for address in outside {
            let responder = &self.sockets[0][0];
            responder.send_to(b"?", address).expect("it leaves");
        }
        outside
    }
}

/// Everybody who has sent to a socket until this one has, and a while longer.
fn sources_until(socket: &UdpSocket, last: SocketAddr) -> BTreeSet<SocketAddr> {
    let mut sources = BTreeSet::new();
    let mut heard = [0; 16];
    let deadline = Instant::now() + IN_TIME;
    while !sources.contains(&last) {
        assert!(Instant::now() < deadline, "heard only {sources:?}");
        sources.insert(socket.recv_from(&mut heard).expect("it comes").1);
    }
    let patient = socket.set_read_timeout(Some(IN_VAIN));
    patient.expect("a time is accepted");
    while let Ok((_, source)) = socket.recv_from(&mut heard) {
        sources.insert(source);
    }
    let patient = socket.set_read_timeout(Some(IN_TIME));
    patient.expect("a time is accepted");
    sources
}

/// No other packet is like it.
fn word() -> [u8; 8] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

/// A socket of a host.
pub(super) fn bind(host: &Host, at: SocketAddr) -> Result<UdpSocket, LabError> {
    let socket = host.inside(|| {
        let socket = UdpSocket::bind(at)?;
        socket.set_read_timeout(Some(IN_TIME))?;
        Ok::<_, io::Error>(socket)
    })?;
    Ok(socket.expect("a free port"))
}

pub(super) fn local(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}
