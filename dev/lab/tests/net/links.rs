// SPDX-License-Identifier: MIT OR Apache-2.0
//! Links: what they do to packets, in numbers and in order.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{
    Cut, Dependence, Host, LabError, Link, LinkShape, Nat, Net, Passage, Router, RouterConfig,
};

use super::hosts::{IN_TIME, tcp_passes, udp_passes};
use super::measure::{bind, local};

type Outcome = Result<(), LabError>;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(1);

/// What sockets have room for.
const BURST: usize = 50;

const LENGTH: usize = 1000;

/// IPv4 and UDP headers.
const HEADERS: usize = 28;

fn home(net: &Net) -> Result<Router, LabError> {
    let nat = Nat::endpoint_independent(Dependence::AddressAndPortDependent);
    net.router("home", &RouterConfig::nat(nat))
}

/// Sockets of a client and of a server, and how the server sees the client's.
struct Pair {
    here: UdpSocket,
    there: UdpSocket,
    outside: SocketAddr,
}

impl Pair {
    fn new(client: &Host, server: &Host) -> Result<Self, LabError> {
        let here = bind(client, SocketAddr::new(client.ipv4().into(), 0))?;
        let there = bind(server, SocketAddr::new(server.ipv4().into(), 7))?;
        here.send_to(b"hello", local(&there)).expect("it leaves");
        let outside = there.recv_from(&mut [0; 8]).expect("it comes").1;
        Ok(Self {
            here,
            there,
            outside,
        })
    }

    /// Sends numbered packets over this link, so many at once and the next when none of those is on the way any more.
    /// Gives the numbers of those that come, in their order, and what the link says of them.
    fn send(&self, link: &Link, up: bool, count: u32, burst: usize) -> (Vec<u32>, Passage) {
        let (from, to, at) = if up {
            (&self.here, local(&self.there), &self.there)
        } else {
            (&self.there, self.outside, &self.here)
        };
        let before = link.passed();
        let mut packet = [0; LENGTH];
        let mut heard = Vec::new();
        at.set_nonblocking(true).expect("it can be");
        let mut sent = 0;
        for numbers in (0..count).collect::<Vec<_>>().chunks(burst) {
            for number in numbers {
                packet[..4].copy_from_slice(&number.to_be_bytes());
                from.send_to(&packet, to).expect("it leaves");
                sent += 1;
            }
            let deadline = Instant::now() + IN_TIME;
            loop {
                heard.extend(std::iter::from_fn(|| number_of(at)));
                let passage = since(link, before, up);
                let judged = passage.passed + passage.lost + passage.overflowed;
                if judged == sent && passage.passed == heard.len() as u64 {
                    break;
                }
                assert!(Instant::now() < deadline, "{heard:?} came: {passage:?}");
                thread::sleep(PAUSE);
            }
        }
        at.set_nonblocking(false).expect("it can be");
        (heard, since(link, before, up))
    }
}

fn number_of(socket: &UdpSocket) -> Option<u32> {
    let mut packet = [0; LENGTH];
    let length = socket.recv(&mut packet).ok()?;
    assert_eq!(length, LENGTH);
    let number = packet[..4].try_into().expect("four bytes");
    Some(u32::from_be_bytes(number))
}

/// What has passed since, in one direction.
fn since(link: &Link, before: (Passage, Passage), up: bool) -> Passage {
    let after = link.passed();
    let (before, after) = if up {
        (before.0, after.0)
    } else {
        (before.1, after.1)
    };
    Passage {
        passed: after.passed - before.passed,
        bytes: after.bytes - before.bytes,
        lost: after.lost - before.lost,
        overflowed: after.overflowed - before.overflowed,
        cut: after.cut - before.cut,
    }
}

#[test]
fn a_link_loses_the_share_that_it_shall_in_each_direction_and_never_the_order() -> Outcome {
    const COUNT: u32 = 3000;
    let Some(net) = Net::new_or_skip("loss")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let router = home(&net)?;
    let client = router.client("client")?;
    for link in [client.link(), router.link()] {
        let pair = Pair::new(&client, &server)?;
        link.set_up(LinkShape {
            jitter: Duration::from_millis(2),
            ..LinkShape::NONE.lossy(0.1)
        });
        link.set_down(LinkShape::NONE.lossy(0.3));
        for (up, share) in [(true, 0.1), (false, 0.3)] {
            let (heard, passage) = pair.send(&link, up, COUNT, BURST);
            assert!(heard.is_sorted(), "{heard:?}");
            assert_eq!(passage.bytes, passage.passed * (LENGTH + HEADERS) as u64);
            assert_eq!(passage.lost, u64::from(COUNT) - passage.passed);
            // Five standard deviations, and more.
            let lost = passage.lost as f64 / f64::from(COUNT);
            assert!((lost - share).abs() < 0.045, "{lost} instead of {share}");
        }
        link.set(LinkShape::NONE);
        assert_eq!(pair.send(&link, true, 100, BURST).0.len(), 100);
    }
    Ok(())
}

#[test]
fn a_delay_is_never_shorter_and_changes_while_packets_are_on_the_way() -> Outcome {
    let Some(net) = Net::new_or_skip("delay")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let router = home(&net)?;
    let client = router.client("client")?;
    let pair = Pair::new(&client, &server)?;
    let round_trip = || {
        let begun = Instant::now();
        pair.here
            .send_to(b"?", local(&pair.there))
            .expect("it leaves");
        pair.there.recv(&mut [0; 8]).expect("it comes");
        pair.there.send_to(b"!", pair.outside).expect("it leaves");
        pair.here.recv(&mut [0; 8]).expect("it comes");
        begun.elapsed()
    };
    let (near, far) = (Duration::from_millis(40), Duration::from_millis(160));
    for time in [near, far] {
        router.link().set(LinkShape::round_trip(time));
        let took = (0..10).map(|_| round_trip());
        assert!(took.clone().all(|took| took >= time));
    }
    // The client's own link adds to it.
    client.link().set_up(LinkShape::round_trip(near));
    assert!(round_trip() >= far + near / 2);

    // A packet of the slow link comes before one of the fast link that was sent later.
    pair.here
        .send_to(b"first", local(&pair.there))
        .expect("it leaves");
    client.link().set(LinkShape::NONE);
    router.link().set(LinkShape::NONE);
    pair.here
        .send_to(b"second", local(&pair.there))
        .expect("it leaves");
    let mut heard = [0; 8];
    for word in [&b"first"[..], b"second"] {
        let length = pair.there.recv(&mut heard).expect("it comes");
        assert_eq!(&heard[..length], word);
    }
    Ok(())
}

#[test]
fn a_rate_lets_through_what_its_queue_holds_and_loses_the_rest() -> Outcome {
    const COUNT: u32 = 200;
    let Some(net) = Net::new_or_skip("rate")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let router = home(&net)?;
    let client = router.client("client")?;
    let pair = Pair::new(&client, &server)?;
    // A packet takes 8.2 ms: of a burst, little more comes through than the queue holds.
    let slow = LinkShape {
        queue: 50 * (LENGTH + HEADERS),
        ..LinkShape::NONE.limited(1_000_000)
    };
    router.link().set_down(slow);
    let begun = Instant::now();
    let (heard, passage) = pair.send(&router.link(), false, COUNT, COUNT as usize);
    let took = begun.elapsed();
    assert!(heard.is_sorted());
    assert!(passage.overflowed > 0, "{passage:?}");
    assert!(heard.len() >= 50, "{passage:?}");
    let bits = (passage.bytes * 8) as f64;
    let rate = bits / took.as_secs_f64();
    assert!(rate <= 1_000_000.0, "{rate}");
    // The other direction has no limit.
    assert_eq!(
        pair.send(&router.link(), true, COUNT, BURST).0.len(),
        COUNT as usize
    );
    Ok(())
}

#[test]
fn a_cut_takes_what_it_says_and_can_be_mended() -> Outcome {
    let Some(net) = Net::new_or_skip("cuts")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let (one, two) = (home(&net)?, net.router("open", &RouterConfig::open())?);
    let (client, other) = (one.client("client")?, two.client("other")?);
    let beside = one.client("beside")?;
    for link in [client.link(), one.link()] {
        for (cut, expected) in [
            (None, [true, true, true, true]),
            (Some(Cut::Everything), [false; 4]),
            (Some(Cut::Udp), [true, false, true, false]),
            (Some(Cut::DirectUdp), [true, true, true, false]),
            (None, [true, true, true, true]),
        ] {
            match cut {
                Some(cut) => link.cut(cut),
                None => link.mend(),
            }
            let at = |host: &Host| SocketAddr::new(host.ipv4().into(), 7);
            let passes = [
                tcp_passes(&client, &server, at(&server), expected[0])?,
                udp_passes(&client, &server, at(&server), expected[1])?,
                tcp_passes(&client, &other, at(&other), expected[2])?,
                udp_passes(&client, &other, at(&other), expected[3])?,
            ];
            assert_eq!(passes, expected, "{cut:?}");
        }
    }
    // What is cut beyond the router does not touch its own network.
    one.link().cut(Cut::Everything);
    let at = SocketAddr::new(beside.ipv4().into(), 7);
    assert!(udp_passes(&client, &beside, at, true)?);
    client.link().cut(Cut::DirectUdp);
    assert!(!udp_passes(&client, &beside, at, false)?);
    assert!(client.link().passed().0.cut > 0);
    Ok(())
}
