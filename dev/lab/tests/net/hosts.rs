// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hosts, their firewalls, and what is captured.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{Counts, Firewall, Flow, Host, LabError, Net, Protocol};

/// How long to wait for what must not come.
const IN_VAIN: Duration = Duration::from_millis(400);

/// How long to wait for what must.
pub(super) const IN_TIME: Duration = Duration::from_secs(20);

#[test]
fn hosts_reach_each_other_over_the_backbone_in_both_families() -> Result<(), LabError> {
    let Some(net) = Net::new_or_skip("hosts reach each other")? else {
        return Ok(());
    };
    let (one, two) = (net.host("one")?, net.host("two")?);
    for ip in [IpAddr::from(two.ipv4()), two.ipv6().into()] {
        assert_eq!(tcp(&one, &two, ip)?, Some(source_of(&one, ip)));
        assert_eq!(udp(&one, &two, ip)?, Some(source_of(&one, ip)));
    }
    let neighbours = one.command("ip").args(["route"]).output();
    let neighbours = neighbours.expect("ip runs").stdout;
    let neighbours = String::from_utf8_lossy(&neighbours).into_owned();
    assert!(
        !neighbours.contains(&two.ipv4().to_string()),
        "{neighbours}"
    );
    Ok(())
}

#[test]
fn a_firewall_lets_through_what_it_names_and_counts_the_rest() -> Result<(), LabError> {
    let Some(net) = Net::new_or_skip("a firewall lets through what it names")? else {
        return Ok(());
    };
    let (one, two, three) = (net.host("one")?, net.host("two")?, net.host("three")?);
    let flow = Flow::all(Protocol::Tcp).with(two.ipv4().into());
    one.firewall(&Firewall::closed_but_for(&[flow]))?;
    assert!(tcp(&one, &two, two.ipv4().into())?.is_some());
    let before = settled(&one)?;
    assert!(
        before.named[0].packets > 4 && before.named[0].bytes > 160,
        "{before:?}"
    );
    assert_eq!(before.rest.packets, 0, "{before:?}");

    let closed = |at: IpAddr| SocketAddr::new(at, 7);
    assert!(!udp_passes(&one, &two, closed(two.ipv4().into()), false)?);
    assert!(!udp_passes(&two, &one, closed(one.ipv4().into()), false)?);
    assert!(!tcp_passes(
        &one,
        &three,
        closed(three.ipv4().into()),
        false
    )?);
    assert!(!tcp_passes(&one, &two, closed(two.ipv6().into()), false)?);
    let after = one.counts()?;
    assert!(after.rest.packets >= 4, "{after:?}");
    assert_eq!(after.named, before.named, "{after:?}");

    one.firewall(&Firewall::open_but_for(&[Flow::all(Protocol::Udp)]))?;
    assert!(tcp(&one, &three, three.ipv6().into())?.is_some());
    assert!(!udp_passes(
        &one,
        &three,
        closed(three.ipv4().into()),
        false
    )?);
    Ok(())
}

#[test]
fn a_firewall_knows_ports() -> Result<(), LabError> {
    let Some(net) = Net::new_or_skip("a firewall knows ports")? else {
        return Ok(());
    };
    let (one, two) = (net.host("one")?, net.host("two")?);
    let open = [Flow::tcp(443).with(two.ipv4().into()), Flow::udp(443)];
    one.firewall(&Firewall::closed_but_for(&open))?;
    let at = |port| SocketAddr::new(two.ipv4().into(), port);
    assert!(tcp_at(&one, &two, at(443), IN_TIME)?.is_some());
    assert!(!tcp_passes(&one, &two, at(444), false)?);
    assert!(udp_at(&one, &two, at(443), IN_TIME)?.is_some());
    assert!(!udp_passes(&one, &two, at(444), false)?);
    Ok(())
}

#[test]
fn a_capture_has_what_was_said() -> Result<(), LabError> {
    let Some(net) = Net::new_or_skip("a capture has what was said")? else {
        return Ok(());
    };
    let (one, two) = (net.host("one")?, net.host("two")?);
    let capture = one.capture()?;
    for ip in [IpAddr::from(two.ipv4()), two.ipv6().into()] {
        assert!(udp(&one, &two, ip)?.is_some());
        assert!(tcp(&one, &two, ip)?.is_some());
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let heard = |from: IpAddr, to: IpAddr| {
                capture.packets().iter().any(|packet| {
                    packet.protocol == protocol
                        && (packet.from.ip(), packet.to.ip()) == (from, to)
                        && packet.head == b"hello"
                        && packet.length == 5
                })
            };
            let own = source_of(&one, ip);
            let deadline = Instant::now() + IN_TIME;
            while !(heard(own, ip) && heard(ip, own)) {
                assert!(Instant::now() < deadline, "{:?}", capture.packets());
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_is_left_after_a_panic_or_of_a_dead_process() -> Result<(), LabError> {
    let Some(net) = Net::new_or_skip("nothing is left")? else {
        return Ok(());
    };
    let name = net.host("gone")?.netns().to_owned();
    assert!(!names().contains(&name));

    let panicked = thread::spawn(move || {
        let host = net.host("panicking").expect("a host");
        let sleeping = host.command("sleep").arg("600").spawn().expect("it starts");
        std::panic::panic_any((host.netns().to_owned(), sleeping));
    });
    let said = panicked.join().expect_err("it panics");
    let (name, mut sleeping) = *said
        .downcast::<(String, std::process::Child)>()
        .expect("its words");
    assert!(!names().contains(&name));
    assert!(!sleeping.wait().expect("it ends").success());

    let mut short_lived = Command::new("true").spawn().expect("it starts");
    short_lived.wait().expect("it ends");
    let left = format!("hither-lab-{}-0-left", short_lived.id());
    let made = Command::new("ip").args(["netns", "add", &left]).status();
    assert!(made.expect("ip runs").success());
    let _next = Net::new()?;
    assert!(!names().contains(&left));
    Ok(())
}

pub(super) fn names() -> Vec<String> {
    let names = std::fs::read_dir(Path::new("/run/netns")).expect("there are namespaces");
    names
        .map(|name| {
            name.expect("a name")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn source_of(host: &Host, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => host.ipv4().into(),
        IpAddr::V6(_) => host.ipv6().into(),
    }
}

/// What the firewall has counted once the last word of a connection has passed.
fn settled(host: &Host) -> Result<Counts, LabError> {
    let mut before = host.counts()?;
    loop {
        thread::sleep(IN_VAIN);
        let after = host.counts()?;
        if after == before {
            return Ok(after);
        }
        before = after;
    }
}

pub(super) fn tcp(from: &Host, to: &Host, ip: IpAddr) -> Result<Option<IpAddr>, LabError> {
    tcp_at(from, to, SocketAddr::new(ip, 7), IN_TIME)
}

/// The same, whether it works; what shall work is waited for longer.
pub(super) fn tcp_passes(
    from: &Host,
    to: &Host,
    at: SocketAddr,
    expected: bool,
) -> Result<bool, LabError> {
    let patience = if expected { IN_TIME } else { IN_VAIN };
    Ok(tcp_at(from, to, at, patience)?.is_some())
}

pub(super) fn udp(from: &Host, to: &Host, ip: IpAddr) -> Result<Option<IpAddr>, LabError> {
    udp_at(from, to, SocketAddr::new(ip, 7), IN_TIME)
}

/// The same, whether it works; what shall work is waited for longer.
pub(super) fn udp_passes(
    from: &Host,
    to: &Host,
    at: SocketAddr,
    expected: bool,
) -> Result<bool, LabError> {
    let patience = if expected { IN_TIME } else { IN_VAIN };
    Ok(udp_at(from, to, at, patience)?.is_some())
}

/// Says hello and hears it again; whom the other host saw, if that worked in time.
pub(super) fn tcp_at(
    from: &Host,
    to: &Host,
    at: SocketAddr,
    patience: Duration,
) -> Result<Option<IpAddr>, LabError> {
    let listener = to.inside(|| TcpListener::bind(at))?.expect("a free port");
    let stream = from.inside(|| TcpStream::connect_timeout(&at, patience))?;
    let Ok(mut stream) = stream else {
        return Ok(None);
    };
    let (mut accepted, source) = listener.accept().expect("it is connected");
    for stream in [&stream, &accepted] {
        let limited = stream.set_read_timeout(Some(IN_TIME));
        limited.expect("a time is accepted");
    }
    let mut heard = [0; 5];
    stream.write_all(b"hello").expect("sent");
    accepted.read_exact(&mut heard).expect("heard");
    accepted.write_all(&heard).expect("sent back");
    stream.read_exact(&mut heard).expect("heard again");
    assert_eq!(&heard, b"hello");
    Ok(Some(source.ip()))
}

/// The same in datagrams.
pub(super) fn udp_at(
    from: &Host,
    to: &Host,
    at: SocketAddr,
    patience: Duration,
) -> Result<Option<IpAddr>, LabError> {
    let bind = |host: &Host, at: SocketAddr| {
        host.inside(|| {
            let socket = UdpSocket::bind(at)?;
            socket.set_read_timeout(Some(patience))?;
            Ok::<_, std::io::Error>(socket)
        })
    };
    let there = bind(to, at)?.expect("a free port");
    let here = bind(from, SocketAddr::new(source_of(from, at.ip()), 0))?.expect("a free port");
    // A firewall on the way out says so.
    let _sent = here.send_to(b"hello", at);
    let mut heard = [0; 8];
    let Ok((length, source)) = there.recv_from(&mut heard) else {
        return Ok(None);
    };
    there.send_to(&heard[..length], source).expect("sent back");
    let Ok(again) = here.recv(&mut heard) else {
        return Ok(None);
    };
    assert_eq!(&heard[..again], b"hello");
    Ok(Some(source.ip()))
}
