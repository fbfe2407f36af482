// SPDX-License-Identifier: MIT OR Apache-2.0
//! Routers: each is what it is called.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use hither_lab::Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
use hither_lab::{
    Client, Cut, Dependence, Firewall, Flow, Host, Ipv6, LabError, Nat, Net, Protocol, Rebinding,
    Router, RouterConfig,
};

use socket2::{Domain, Protocol as Icmp, Socket, Type};

use super::hosts::{IN_TIME, names, tcp, tcp_at, tcp_passes, udp, udp_passes};
use super::measure::{Measured, Responder, bind, local};

type Outcome = Result<(), LabError>;

/// How long to wait for what must not come.
const IN_VAIN: Duration = Duration::from_millis(300);

const FILTERS: [Dependence; 3] = [
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
];

fn home() -> Nat {
    Nat::endpoint_independent(AddressAndPortDependent)
}

/// What is measured of a client behind it, if it is what it says.
fn expected(nat: Nat) -> Measured {
    Measured {
        mapping: nat.mapping,
        filtering: nat.filtering,
        preserves_ports: nat.mapping == EndpointIndependent,
        hairpins: nat.hairpinning,
        translates: true,
    }
}

fn measured(responder: &Responder, router: &Router) -> Result<Measured, LabError> {
    let client = router.client("client")?;
    responder.measure(&client, client.ipv4().into())
}

#[test]
fn a_router_without_a_nat_shows_and_lets_in_everything() -> Outcome {
    let Some(net) = Net::new_or_skip("a router without a NAT")? else {
        return Ok(());
    };
    for ipv6 in [false, true] {
        let responder = Responder::new(&net, ipv6)?;
        let client = net
            .router("open", &RouterConfig::open())?
            .client("client")?;
        let ip = if ipv6 {
            client.ipv6().into()
        } else {
            IpAddr::from(client.ipv4())
        };
        let open = Measured {
            mapping: EndpointIndependent,
            filtering: EndpointIndependent,
            preserves_ports: true,
            // To itself.
            hairpins: true,
            translates: false,
        };
        assert_eq!(responder.measure(&client, ip)?, open);
    }
    Ok(())
}

#[test]
fn every_type_of_nat_is_measured_to_be_itself() -> Outcome {
    let Some(net) = Net::new_or_skip("every type of NAT")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, false)?;
    let mut nats = vec![Nat::address_and_port_dependent()];
    for filtering in FILTERS {
        let nat = Nat::endpoint_independent(filtering);
        nats.extend([nat, nat.hairpinning(false)]);
    }
    for nat in nats {
        let router = net.router("home", &RouterConfig::nat(nat))?;
        assert_eq!(measured(&responder, &router)?, expected(nat), "{nat:?}");
    }
    Ok(())
}

#[test]
fn two_nats_in_a_row_are_as_strict_as_the_stricter() -> Outcome {
    let Some(net) = Net::new_or_skip("two NATs in a row")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, false)?;
    let carriers = [
        Nat::endpoint_independent(EndpointIndependent),
        home().hairpinning(false),
        Nat::address_and_port_dependent(),
    ];
    for carrier in carriers {
        let outer = net.router("carrier", &RouterConfig::carrier(carrier))?;
        for filtering in FILTERS {
            let inner = Nat::endpoint_independent(filtering);
            let router = outer.router("home", &RouterConfig::nat(inner))?;
            let both = Measured {
                filtering: carrier.filtering.max(filtering),
                ..expected(carrier)
            };
            assert_eq!(
                measured(&responder, &router)?,
                both,
                "{carrier:?}, {inner:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn ipv6_is_filtered_and_not_translated() -> Outcome {
    let Some(net) = Net::new_or_skip("IPv6 behind a filter")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, true)?;
    for filtering in FILTERS {
        let config = RouterConfig::nat(home()).ipv6(Ipv6::Filtered(filtering));
        for config in [config.clone(), config.without_ipv4()] {
            let client = net.router("home", &config)?.client("client")?;
            let filtered = Measured {
                mapping: EndpointIndependent,
                filtering,
                preserves_ports: true,
                hairpins: true,
                translates: false,
            };
            assert_eq!(
                responder.measure(&client, client.ipv6().into())?,
                filtered,
                "{config:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn clients_have_the_families_of_their_router() -> Outcome {
    let Some(net) = Net::new_or_skip("families of clients")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let only_v4 = RouterConfig::nat(home());
    let both = only_v4.clone().ipv6(Ipv6::Routed);
    let only_v6 = both.clone().without_ipv4();
    for (config, v4, v6) in [
        (only_v4, true, false),
        (both, true, true),
        (only_v6, false, true),
        (RouterConfig::open(), true, true),
    ] {
        let client = net.router("home", &config)?.client("client")?;
        let addresses = client.command("ip").args(["-br", "address"]).output();
        let addresses = String::from_utf8(addresses.expect("ip runs").stdout);
        let addresses = addresses.expect("ip speaks ASCII");
        let eth0 = addresses.lines().find(|line| line.starts_with("eth0"));
        let eth0 = eth0.expect("there is a link");
        assert_eq!(!client.ipv4().is_unspecified(), v4);
        assert_eq!(!client.ipv6().is_unspecified(), v6);
        assert_eq!(eth0.contains('.'), v4, "{eth0}");
        assert_eq!(eth0.contains(':'), v6, "{eth0}");
        if v4 {
            assert!(tcp_at(&client, &server, at(&server, 7), IN_TIME)?.is_some());
        }
        if v6 {
            assert!(tcp(&client, &server, server.ipv6().into())?.is_some());
        }
    }
    Ok(())
}

#[test]
fn clients_of_a_router_share_a_network_unless_it_keeps_them_apart() -> Outcome {
    let Some(net) = Net::new_or_skip("clients of one router")? else {
        return Ok(());
    };
    for hairpinning in [false, true] {
        let nat = RouterConfig::nat(home().hairpinning(hairpinning));
        let nat = nat.ipv6(Ipv6::Filtered(AddressAndPortDependent));
        for (config, switching) in [(nat.clone(), true), (nat.isolating(), false)] {
            let responder = Responder::new(&net, false)?;
            let router = net.router("home", &config)?;
            let (one, two) = (router.client("one")?, router.client("two")?);
            for ip in [IpAddr::from(two.ipv4()), two.ipv6().into()] {
                let here = SocketAddr::new(ip, 7);
                assert_eq!(
                    tcp_passes(&one, &two, here, switching)?,
                    switching,
                    "{config:?}"
                );
                assert_eq!(
                    udp_passes(&one, &two, here, switching)?,
                    switching,
                    "{config:?}"
                );
            }
            assert_outside(&responder, [&one, &two], hairpinning)?;
        }
    }
    Ok(())
}

#[test]
fn homes_of_one_carrier_meet_where_it_hairpins() -> Outcome {
    let Some(net) = Net::new_or_skip("homes of one carrier")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, false)?;
    for hairpinning in [false, true] {
        let carrier = RouterConfig::carrier(home().hairpinning(hairpinning));
        let carrier = net.router("carrier", &carrier)?;
        let homes = [
            carrier.router("one", &RouterConfig::nat(home()))?,
            carrier.router("two", &RouterConfig::nat(home()))?,
        ];
        let (one, two) = (homes[0].client("one")?, homes[1].client("two")?);
        assert_eq!(homes[0].public_ipv4(), homes[1].public_ipv4());
        assert_ne!(homes[0].ipv4(), homes[1].ipv4());
        assert_eq!(homes[0].ipv4().octets()[..2], [100, 64]);
        assert!(!udp_passes(&one, &two, at(&two, 7), false)?);
        assert_outside(&responder, [&one, &two], hairpinning)?;
    }
    Ok(())
}

#[test]
fn a_router_lets_in_nothing_that_nobody_asked_for_and_is_not_spoiled_by_it() -> Outcome {
    let Some(net) = Net::new_or_skip("an early probe")? else {
        return Ok(());
    };
    let responder = Responder::new(&net, false)?;
    let routers = [
        net.router("one", &RouterConfig::nat(home()))?,
        net.router("two", &RouterConfig::nat(home()))?,
    ];
    let clients = [routers[0].client("one")?, routers[1].client("two")?];
    let sockets = [socket(&clients[0])?, socket(&clients[1])?];
    let seen = sockets.each_ref().map(|one| responder.seen(one, 0, 0));
    // The first probe runs into the other's filter, and must not take the port that the second one needs.
    assert_eq!(heard(&sockets[0], seen[1], &sockets[1], IN_VAIN), None);
    let heard_by_one = heard(&sockets[1], seen[0], &sockets[0], IN_TIME);
    assert_eq!(heard_by_one, Some(seen[1]));
    let heard_by_two = heard(&sockets[0], seen[1], &sockets[1], IN_TIME);
    assert_eq!(heard_by_two, Some(seen[0]));
    Ok(())
}

#[test]
fn firewalls_of_routers_stand_between_clients_and_the_backbone() -> Outcome {
    let Some(net) = Net::new_or_skip("firewalls of routers")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let router = net.router("office", &RouterConfig::nat(home()))?;
    let client = router.client("client")?;
    let assert_passes = |port, tcp, udp| {
        let at = at(&server, port);
        assert_eq!(tcp_passes(&client, &server, at, tcp)?, tcp, "{port}");
        assert_eq!(udp_passes(&client, &server, at, udp)?, udp, "{port}");
        Ok::<_, LabError>(())
    };
    assert_passes(443, true, true)?;
    router.firewall(Some(&Firewall::open_but_for(&[Flow::all(Protocol::Udp)])));
    assert_passes(443, true, false)?;
    assert_passes(444, true, false)?;
    let both = [Flow::tcp(443), Flow::udp(443)];
    router.firewall(Some(&Firewall::closed_but_for(&both)));
    assert_passes(443, true, true)?;
    assert_passes(444, false, false)?;
    router.firewall(Some(&Firewall::closed_but_for(&both[..1])));
    assert_passes(443, true, false)?;
    assert_passes(444, false, false)?;
    router.firewall(None);
    assert_passes(444, true, true)
}

#[test]
fn a_proxy_is_the_only_way_out() -> Outcome {
    let Some(net) = Net::new_or_skip("a proxy")? else {
        return Ok(());
    };
    let (server, closed) = (net.host("server")?, net.host("closed")?);
    let nothing = RouterConfig::nat(home()).firewall(Firewall::closed_but_for(&[]));
    let router = net.router("office", &nothing)?;
    let (client, proxy) = (router.client("client")?, router.proxy("proxy")?);
    assert!(!tcp_passes(&client, &server, at(&server, 443), false)?);
    assert!(!udp_passes(&client, &server, at(&server, 443), false)?);

    let listener = server.inside(|| TcpListener::bind(at(&server, 443)))?;
    let listener = listener.expect("a free port");
    let asked = |words: String| {
        let stream = client.inside(|| TcpStream::connect(proxy.address()))?;
        let mut stream = stream.expect("the proxy listens");
        stream.write_all(words.as_bytes()).expect("it leaves");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("it answers");
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head[..12]).into_owned();
        Ok::<_, LabError>((stream, head))
    };
    let connect = |to: SocketAddr| asked(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    let (mut stream, head) = connect(at(&server, 443))?;
    assert_eq!(head, "HTTP/1.1 200");
    let (mut accepted, source) = listener.accept().expect("it is connected");
    assert_eq!(source.ip(), proxy.host().ipv4());
    carry(&mut accepted, &mut stream, 300_000);
    carry(&mut stream, &mut accepted, 300_000);

    assert_eq!(connect(at(&closed, 443))?.1, "HTTP/1.1 502");
    assert_eq!(
        asked("GET http://192.0.2.1/ HTTP/1.1\r\n\r\n".to_owned())?.1,
        "HTTP/1.1 405"
    );
    assert_eq!(proxy.opened(), 1);
    assert!(proxy.flag().starts_with("--proxy-server=http://192.168."));
    Ok(())
}

#[test]
fn rebinding_gives_every_flow_another_port() -> Outcome {
    let Some(net) = Net::new_or_skip("rebinding")? else {
        return Ok(());
    };
    for nat in [home(), Nat::address_and_port_dependent()] {
        let responder = Responder::new(&net, false)?;
        let server = net.host("server")?;
        let router = net.router("home", &RouterConfig::nat(nat))?;
        let client = router.client("client")?;
        let socket = socket(&client)?;
        let listener = server.inside(|| TcpListener::bind(at(&server, 7)))?;
        let listener = listener.expect("a free port");
        let connect = || client.inside(|| TcpStream::connect(at(&server, 7)));
        let mut stream = connect()?.expect("it connects");
        let (mut accepted, source) = listener.accept().expect("it is connected");

        let mut seen = vec![responder.seen(&socket, 0, 0)];
        for _ in 0..10 {
            router.rebind(Rebinding::Udp);
            let now = responder.seen(&socket, 0, 0);
            assert!(!seen.contains(&now), "{nat:?}: {now}");
            seen.push(now);
            assert_eq!(responder.seen(&socket, 0, 0), now);
        }
        carry(&mut accepted, &mut stream, 10_000);
        carry(&mut stream, &mut accepted, 10_000);

        router.rebind(Rebinding::Everything);
        // The server does not know the port that this comes from now, and says so.
        stream.write_all(b"?").expect("it leaves");
        stream
            .set_read_timeout(Some(IN_TIME))
            .expect("a time is accepted");
        let refused = stream.read(&mut [0; 8]).expect_err("nobody answers");
        assert_eq!(refused.kind(), ErrorKind::ConnectionReset);
        let _again = connect()?.expect("it connects");
        let other = listener.accept().expect("it is connected").1;
        assert_ne!(other.port(), source.port());
    }
    Ok(())
}

#[test]
fn a_client_has_another_uplink_when_one_is_down_or_dead() -> Outcome {
    let Some(net) = Net::new_or_skip("two uplinks")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let config = RouterConfig::nat(home()).ipv6(Ipv6::Routed);
    let (first, second) = (
        net.router("first", &config)?,
        net.router("second", &config)?,
    );
    let mut client = first.client("client")?;
    assert_eq!(client.add_uplink(&second)?, 1);
    let client = client;
    let way = |from: IpAddr, patience| {
        let there = bind(&server, at(&server, 7))?;
        let here = bind(&client, SocketAddr::new(from, 0))?;
        Ok::<_, LabError>(heard(&here, local(&there), &there, patience).map(|seen| seen.ip()))
    };
    let any = IpAddr::from([0, 0, 0, 0]);
    let by = |router: &Router| Some(IpAddr::from(router.ipv4()));
    let other = client.uplink_ipv4(1)?.expect("it has IPv4");
    assert_eq!(way(any, IN_TIME)?, by(&first));
    assert_eq!(way(client.ipv4().into(), IN_TIME)?, by(&first));
    assert_eq!(way(other.into(), IN_TIME)?, by(&second));

    client.uplink(0)?.cut(Cut::Everything);
    assert_eq!(way(any, IN_VAIN)?, None);
    assert_eq!(way(other.into(), IN_TIME)?, by(&second));
    client.uplink(0)?.mend();
    assert_eq!(way(any, IN_TIME)?, by(&first));

    for _ in 0..2 {
        client.take_down(0)?;
        assert_eq!(way(any, IN_TIME)?, by(&second));
        assert!(tcp(&client, &server, server.ipv6().into())?.is_some());
        client.bring_up(0)?;
        assert_eq!(way(any, IN_TIME)?, by(&first));
        assert_eq!(way(other.into(), IN_TIME)?, by(&second));
        assert!(tcp(&client, &server, server.ipv6().into())?.is_some());
    }
    assert!(client.uplink(2).is_err());
    Ok(())
}

#[test]
fn streams_pass_routers_unaltered() -> Outcome {
    let Some(net) = Net::new_or_skip("streams")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let config = RouterConfig::nat(home()).ipv6(Ipv6::Routed);
    let client = net.router("home", &config)?.client("client")?;
    for ip in [IpAddr::from(server.ipv4()), server.ipv6().into()] {
        let at = SocketAddr::new(ip, 7);
        let listener = server.inside(|| TcpListener::bind(at))?;
        let listener = listener.expect("a free port");
        let stream = client.inside(|| TcpStream::connect(at))?;
        let mut stream = stream.expect("it connects");
        let (mut accepted, _) = listener.accept().expect("it is connected");
        carry(&mut accepted, &mut stream, 3_000_000);
        carry(&mut stream, &mut accepted, 3_000_000);
    }
    Ok(())
}

#[test]
fn an_echo_passes_a_nat_and_comes_back() -> Outcome {
    let Some(net) = Net::new_or_skip("an echo")? else {
        return Ok(());
    };
    let server = net.host("server")?;
    let router = net.router("home", &RouterConfig::nat(home()))?;
    let clients = [router.client("one")?, router.client("two")?];
    // Both with one identifier.
    for client in &clients {
        let socket = client.inside(|| Socket::new(Domain::IPV4, Type::RAW, Some(Icmp::ICMPV4)))?;
        let mut socket = socket.expect("root may have one");
        let patient = socket.set_read_timeout(Some(IN_TIME));
        patient.expect("a time is accepted");
        // RFC 792: type 8, code 0, checksum, identifier, sequence number.
        let echo = [8, 0, 0xf7, 0xcb, 0, 42, 0, 10];
        let to = SocketAddr::new(server.ipv4().into(), 0);
        socket.send_to(&echo, &to.into()).expect("it leaves");
        let mut heard = [0; 64];
        let length = socket.read(&mut heard).expect("it comes back");
        assert_eq!(heard[20..length], [0, 0, 0xff, 0xcb, 0, 42, 0, 10]);
    }
    Ok(())
}

#[test]
fn routers_and_clients_leave_nothing_behind() -> Outcome {
    let Some(net) = Net::new_or_skip("nothing is left of routers")? else {
        return Ok(());
    };
    let (sent, panicked) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let carrier = net.router("left-carrier", &RouterConfig::nat(home()))?;
        let router = carrier.router("left-home", &RouterConfig::nat(home()))?;
        let proxy = router.proxy("left-proxy")?;
        let client = router.client("left-client")?;
        // A client keeps up all that is between it and the backbone.
        drop((carrier, router));
        let server = net.host("left-server")?;
        drop(net);
        assert!(udp(&client, &server, server.ipv4().into())?.is_some());
        let ours = |name: &String| name.contains("-left-");
        let names: Vec<_> = names().into_iter().filter(ours).collect();
        assert!(names.len() >= 5, "{names:?}");
        sent.send(names).expect("the other thread waits");
        let _alive = (client, proxy, server);
        panic!("as a failing test does");
        #[expect(unreachable_code, reason = "names the type of errors")]
        Ok::<_, LabError>(())
    });
    assert!(thread.join().is_err());
    let left = panicked.recv().expect("it came so far");
    assert!(names().iter().all(|name| !left.contains(name)));
    Ok(())
}

/// Two clients reach each other by the addresses that others see of them, or do not.
fn assert_outside(responder: &Responder, [one, two]: [&Client; 2], reached: bool) -> Outcome {
    let (here, there) = (socket(one)?, socket(two)?);
    let (seen, other) = (responder.seen(&here, 0, 0), responder.seen(&there, 0, 0));
    // The first one runs into the other's filter.
    assert_eq!(heard(&here, other, &there, IN_VAIN), None);
    let patience = if reached { IN_TIME } else { IN_VAIN };
    let back = heard(&there, seen, &here, patience);
    assert_eq!(back, reached.then_some(other));
    let forth = heard(&here, other, &there, patience);
    assert_eq!(forth, reached.then_some(seen));
    Ok(())
}

/// From whom a datagram comes that this socket sends to this address, if it does in time.
fn heard(
    from: &UdpSocket,
    to: SocketAddr,
    at: &UdpSocket,
    patience: Duration,
) -> Option<SocketAddr> {
    from.send_to(b"hello", to).expect("it leaves");
    at.set_read_timeout(Some(patience))
        .expect("a time is accepted");
    Some(at.recv_from(&mut [0; 8]).ok()?.1)
}

fn socket(host: &Host) -> Result<UdpSocket, LabError> {
    bind(host, SocketAddr::new(host.ipv4().into(), 0))
}

fn at(host: &Host, port: u16) -> SocketAddr {
    SocketAddr::new(host.ipv4().into(), port)
}

/// Sends this many bytes, none like its neighbours, and compares.
fn carry(from: &mut TcpStream, to: &mut TcpStream, length: u32) {
    let sent: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
    let mut heard = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(&sent).expect("it is carried"));
        to.read_exact(&mut heard).expect("it arrives");
    });
    assert!(heard == sent, "bytes were altered");
}
