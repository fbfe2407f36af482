// SPDX-License-Identifier: MIT OR Apache-2.0
//! coturn's load client over TLS, through the port of HTTPS, with access that it mints itself.

use hither_lab::{Firewall, Flow, Host};

use crate::place::{Outcome, Place, path};

/// Clients of one program, with one message each: of what one record of TLS brings, they read the first message only,
/// and lose a tenth of a longer conversation with coturn itself. Browsers have long ones with us, in `raw.rs`.
const CLIENTS: u64 = 10;

/// coturn's load client, its programs' words for a credential of the REST kind, and TLS that is verified.
fn uclient(place: &Place, host: &Host, flags: &[&str]) -> String {
    let secret = place.secret();
    let authority = place.authority();
    let node = place.host.ipv4().to_string();
    let output = host
        .command("timeout")
        .args(["120", "turnutils_uclient", "-t", "-S", "-p", "443", "-c"])
        .args(["-E", path(&authority), "-u", "somebody", "-W", &secret])
        .args(["-m", &CLIENTS.to_string(), "-n", "1"])
        .args(["-l", "171", "-z", "5"])
        .args(flags)
        .arg(node)
        .output()
        .expect("coreutils are there");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn assert_complete(said: &str) {
    let all = format!("tot_send_msgs={CLIENTS}, tot_recv_msgs={CLIENTS}");
    assert!(said.contains(&all), "{said}");
    let lost = "Total lost packets 0 (0.000000%), total send dropped 0 (0.000000%)";
    assert!(said.contains(lost), "{said}");
}

#[test]
fn clients_of_another_relay_reach_a_peer_over_tls() -> Outcome {
    let Some(place) = Place::new_or_skip("coturn's client over TLS")? else {
        return Ok(());
    };
    let (host, peer) = (place.net.host("clients")?, place.net.host("peer")?);
    let https = Flow::tcp(443).with(place.host.ipv4().into());
    host.firewall(&Firewall::closed_but_for(&[https]))?;
    let address = peer.ipv4().to_string();
    let mut echo = peer.command("turnutils_peer");
    let mut echo = echo
        .args(["-L", &address, "-p", "3480"])
        .spawn()
        .expect("coturn is there");
    for kind in [&[][..], &["-s"]] {
        let said = uclient(&place, &host, &[kind, &["-e", &address]].concat());
        assert_complete(&said);
    }
    echo.kill().expect("it runs");
    echo.wait().expect("it ends");
    Ok(())
}

#[test]
fn clients_of_another_relay_meet_over_tls() -> Outcome {
    let Some(place) = Place::new_or_skip("coturn's clients over TLS")? else {
        return Ok(());
    };
    let host = place.net.host("clients")?;
    let capture = place.host.capture()?;
    for kind in [&[][..], &["-s"]] {
        assert_complete(&uclient(&place, &host, &[kind, &["-y"]].concat()));
    }
    // What is relayed between clients of the relay does not pass the network between.
    let relayed = |port: u16| port >= 49_152;
    let node = place.host.ipv4();
    let packets = capture.packets();
    let https = (node, 443).into();
    assert!(packets.iter().any(|packet| packet.to == https));
    for packet in packets {
        let port = if packet.from.ip() == node {
            packet.from.port()
        } else {
            packet.to.port()
        };
        assert!(!relayed(port), "{packet:?}");
    }
    Ok(())
}

#[test]
fn who_minted_with_another_secret_gets_nothing() -> Outcome {
    let Some(place) = Place::new_or_skip("coturn's client with a wrong secret")? else {
        return Ok(());
    };
    let host = place.net.host("clients")?;
    let said = uclient(
        &place,
        &host,
        &["-y", "-W", "another secret, of some length"],
    );
    assert!(!said.contains("tot_send_msgs"), "{said}");
    assert!(said.contains("Cannot complete Allocation"), "{said}");
    Ok(())
}
