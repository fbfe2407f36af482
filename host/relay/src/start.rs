// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a configuration to running workers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hither_stun::server::{Behaviour, Config, PortRange, RelayedPorts, Server, Shard};
use mio::{Poll, Waker};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::RelayHandle;
use crate::clock::Clock;
use crate::config::{RelayConfig, StartError};
use crate::datagram::{Path, bind_shared};
use crate::mailbox::Mailbox;
use crate::router::{Parts, Router};
use crate::tcp::{self, Streams};
use crate::worker::{WAKER, Worker};

/// Fewer ports than this are not drawn from alone.
const MIN_QUIET_PORTS: usize = 1_024;

/// What the system granted of what the configuration asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Threads that move datagrams.
    pub workers: usize,
    /// The smallest receive buffer of a listener, in bytes as the system counts: it reserves twice what it gives.
    pub listener_buffer: usize,
    /// Files that this process may have open, if the system says. Each relayed socket is one, and each stream.
    pub open_files: Option<u64>,
}

pub(crate) fn start(config: &RelayConfig) -> Result<RelayHandle, StartError> {
    config.check()?;
    let count = config.worker_count();
    let listeners = bind_listeners(config, count)?;
    let tcp = tcp::bind_listeners(&config.listen_tcp)?;
    let udp_addrs: Vec<_> = listeners.keys().copied().collect();
    let tcp_addrs: Vec<_> = tcp.iter().map(|(address, _)| *address).collect();
    let granted = Granted {
        workers: count,
        listener_buffer: smallest_buffer(&listeners),
        open_files: open_files(),
    };
    let all = udp_addrs.iter().chain(&tcp_addrs).copied().collect();
    let kept = listeners.values().flatten().map(socket2::Socket::try_clone);
    let kept = kept
        .collect::<io::Result<_>>()
        .map_err(StartError::Worker)?;
    let machine = config.machine(all);
    let mut ports = RelayedPorts::new(&machine.relayed_ips, machine.ports);
    if let Some(quiet) = quiet_ports(machine.ports, ephemeral_ports()) {
        ports = ports.preferring(quiet);
    }
    let ports = Arc::new(ports);
    let (workers, routers) = workers(config, &machine, &ports, listeners, count)?;
    let mut handle = RelayHandle {
        streams: Streams::new(config.streams, Arc::clone(&workers)),
        workers,
        threads: Vec::with_capacity(count),
        udp_addrs,
        tcp_addrs,
        granted,
        ports,
        _listeners: kept,
    };
    for (index, worker) in routers.into_iter().enumerate() {
        // If one cannot start, those that did end with the handle.
        let thread = worker.spawn(index).map_err(StartError::Worker)?;
        handle.threads.push(thread);
    }
    for (_, listener) in tcp {
        handle.streams.accept(listener);
    }
    Ok(handle)
}

/// By address, with the ports that the system chose: one socket for each worker.
type Listeners = BTreeMap<SocketAddr, Vec<socket2::Socket>>;

fn bind_listeners(config: &RelayConfig, count: usize) -> Result<Listeners, StartError> {
    let mut listeners = BTreeMap::new();
    let explored = config.behaviour.iter().flat_map(Behaviour::listeners);
    let explored = explored.filter(|address| !config.listen_udp.contains(address));
    for address in config.listen_udp.iter().copied().chain(explored) {
        let bound = bind_shared(address, config.buffers.listener, count);
        let (local, sockets) = bound.map_err(|source| StartError::Bind {
            protocol: "UDP",
            address,
            source,
        })?;
        listeners.insert(local, sockets);
    }
    Ok(listeners)
}

fn smallest_buffer(listeners: &Listeners) -> usize {
    let sockets = listeners.values().flatten();
    let sizes = sockets.filter_map(|socket| socket.recv_buffer_size().ok());
    sizes.min().unwrap_or(0)
}

type Workers = (Arc<[Arc<Mailbox>]>, Vec<Worker>);

fn workers(
    config: &RelayConfig,
    machine: &Config,
    ports: &Arc<RelayedPorts>,
    mut listeners: Listeners,
    count: usize,
) -> Result<Workers, StartError> {
    let clock = Clock::start();
    let polls: Vec<_> = (0..count)
        .map(|_| Poll::new())
        .collect::<Result<_, _>>()
        .map_err(StartError::Worker)?;
    let mailboxes: Arc<[_]> = polls
        .iter()
        .map(|poll| Ok(Mailbox::new(Waker::new(poll.registry(), WAKER)?)))
        .collect::<io::Result<_>>()
        .map_err(StartError::Worker)?;
    let mut workers = Vec::with_capacity(count);
    for ((shard, poll), mailbox) in (0..).zip(polls).zip(&*mailboxes) {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let rng = ChaCha20Rng::from_seed(seed);
        let server = Server::new(
            machine.clone(),
            Shard(shard),
            Arc::clone(ports),
            rng,
            clock.now(),
        )?;
        let own = listeners
            .iter_mut()
            .filter_map(|(local, sockets)| Some((*local, sockets.pop()?)));
        let parts = Parts {
            server,
            clock,
            path: Path::new(config.datagrams).map_err(StartError::Worker)?,
            registry: poll.registry().try_clone().map_err(StartError::Worker)?,
            relayed_ips: config.relayed_ips.clone(),
            buffers: config.buffers,
            mailboxes: Arc::clone(&mailboxes),
        };
        let router = router(parts, own).map_err(StartError::Worker)?;
        workers.push(Worker::new(router, Arc::clone(mailbox), poll));
    }
    Ok((mailboxes, workers))
}

fn router(
    parts: Parts,
    listeners: impl Iterator<Item = (SocketAddr, socket2::Socket)>,
) -> io::Result<Router> {
    let mut router = Router::new(parts);
    for (local, socket) in listeners {
        router.add_listener(local, socket)?;
    }
    Ok(router)
}

/// The longer part of the relay's ports on either side of those that the system gives to sockets that name none:
/// a relayed socket is opened long after its port was drawn, and must not find it taken. `None` if it is too short to
/// be hard to guess.
fn quiet_ports(relayed: PortRange, ephemeral: Option<PortRange>) -> Option<PortRange> {
    let ephemeral = ephemeral?;
    let below = PortRange {
        first: relayed.first,
        last: relayed.last.min(ephemeral.first.saturating_sub(1)),
    };
    let above = PortRange {
        first: relayed.first.max(ephemeral.last.saturating_add(1)),
        last: relayed.last,
    };
    let length = |ports: &PortRange| (ports.first..=ports.last).len();
    let longer = std::cmp::max_by_key(below, above, length);
    (length(&longer) >= MIN_QUIET_PORTS).then_some(longer)
}

/// What the system gives to sockets that name no port, if it says.
fn ephemeral_ports() -> Option<PortRange> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_whitespace().map(str::parse);
    Some(PortRange {
        first: ports.next()?.ok()?,
        last: ports.next()?.ok()?,
    })
}

#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use hither_stun::message::MessageBuilder;
    use hither_stun::message_type::{Class, Method};
    use hither_stun::transaction::TransactionId;
    use hither_stun::{Secrets, SharedSecret};

    use super::*;
    use crate::mailbox::Control;

    #[test]
    fn ports_that_the_system_gives_away_are_avoided_where_enough_are_left() {
        let range = |first, last| PortRange { first, last };
        let usual = Some(range(32_768, 60_999));
        for (relayed, expected) in [
            (PortRange::DYNAMIC, Some(range(61_000, 65_535))),
            (range(20_000, 62_000), Some(range(20_000, 32_767))),
            (range(40_000, 50_000), None),
            (range(49_152, 62_023), Some(range(61_000, 62_023))),
            (range(49_152, 62_022), None),
            (range(1_024, 9_999), Some(range(1_024, 9_999))),
        ] {
            assert_eq!(quiet_ports(relayed, usual), expected);
        }
        assert_eq!(quiet_ports(PortRange::DYNAMIC, None), None);
        let all = Some(range(0, u16::MAX));
        assert_eq!(quiet_ports(PortRange::DYNAMIC, all), None);
    }

    #[tokio::test]
    async fn clients_of_other_workers_stay_with_them_when_one_is_gone() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let relay = start(&RelayConfig {
            listen_udp: vec![listen],
            relayed_ips: vec![listen.ip().into()],
            workers: 4,
            ..RelayConfig::new(Secrets::only(SharedSecret::new(*b"a secret for tests")))
        });
        let relay = relay.unwrap();
        let clients: Vec<_> = (0..64).map(|_| UdpSocket::bind(listen).unwrap()).collect();
        let before: Vec<_> = clients.iter().map(|client| ask(&relay, client)).collect();
        let gone = &relay.workers[0];
        gone.send(Control::Stop);
        while !gone.is_closed() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut asked = 0;
        for (client, &worker) in clients.iter().zip(&before) {
            if worker != 0 {
                assert_eq!(ask(&relay, client), worker);
                asked += 1;
            }
        }
        assert!(asked > 0);
    }

    /// Which worker answers this client.
    fn ask(relay: &RelayHandle, client: &UdpSocket) -> usize {
        let received = || {
            let workers = relay.workers.iter();
            let received = workers.map(|worker| worker.counters().datagrams.datagrams_received);
            received.collect::<Vec<_>>()
        };
        let id = TransactionId::from_bytes([1; 12]);
        let request = MessageBuilder::new(Class::Request, Method::BINDING, id);
        let request = request.finish(None, false).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let before = received();
        client.send_to(&request, relay.udp_addrs[0]).unwrap();
        client.recv(&mut [0; 512]).unwrap();
        let after = received();
        let differs = before.iter().zip(&after).position(|(a, b)| a != b);
        differs.unwrap()
    }
}
