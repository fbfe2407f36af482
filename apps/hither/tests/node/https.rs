// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTPS with the node's own authority, seen by a client that trusts nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::support::{Node, PATIENCE, hither};

const OWN_CA: [(&str, &str); 2] = [
    ("HITHER_TLS__MODE", "own-ca"),
    ("HITHER_TLS__NAMES", "chat.example"),
];

fn authority(node: &Node) -> CertificateDer<'static> {
    let pem = std::fs::read(node.data_dir().join("tls/ca.crt")).unwrap();
    CertificateDer::from_pem_slice(&pem).unwrap()
}

fn connect(
    node: &Node,
    trusted: CertificateDer<'static>,
    name: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    connect_speaking(node, trusted, name, &[])
}

/// Offers protocols by ALPN.
fn connect_speaking(
    node: &Node,
    trusted: CertificateDer<'static>,
    name: &str,
    protocols: &[&str],
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(node.authority()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        stream,
    )
}

fn get(stream: &mut (impl Read + Write), path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: chat.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_client_that_trusts_the_authority_reaches_the_node_under_its_names() {
    let node = Node::start_with(&OWN_CA);
    assert!(node.address().starts_with("https://"));
    for name in ["localhost", "127.0.0.1", "chat.example"] {
        let answer = get(&mut connect(&node, authority(&node), name), "/api/v1/node").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
    }
    let wrong = get(&mut connect(&node, authority(&node), "other.example"), "/");
    assert!(wrong.is_err());
    // Another node's authority is no reason to trust this one.
    let other = Node::start_with(&OWN_CA);
    let wrong = get(&mut connect(&node, authority(&other), "localhost"), "/");
    assert!(wrong.is_err());
}

#[test]
fn the_authority_is_served_and_its_fingerprint_is_on_the_console() {
    let node = Node::start_with(&OWN_CA);
    let answer = get(
        &mut connect(&node, authority(&node), "localhost"),
        "/ca.crt",
    )
    .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/x-x509-ca-cert"), "{head}");
    let served = CertificateDer::from_pem_slice(body.as_bytes()).unwrap();
    assert_eq!(served, authority(&node));
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&served);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(node.said().contains(&pairs.join(":")));
    // A node without an authority of its own serves none.
    crate::support::Request::new("GET", "/ca.crt")
        .send(&Node::start())
        .expect(404);
}

#[test]
fn the_authority_outlives_a_restart() {
    let mut node = Node::start_with(&OWN_CA);
    let before = authority(&node);
    node.stop();
    node.start_again();
    let answer = get(&mut connect(&node, before, "localhost"), "/api/v1/node").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[test]
fn turn_shares_the_socket_with_https() {
    let node = Node::start_with(&OWN_CA);
    let port = node.authority().rsplit(':').next().unwrap().to_owned();
    let url = format!("turns:localhost:{port}?transport=tcp");
    assert!(node.relay().contains(&url), "{:?}", node.relay());
    // Told by its first bytes if it does not say so by ALPN (RFC 7443).
    for protocols in [
        &[][..],
        &["stun.turn"],
        &["stun.nat-discovery"],
        &["x", "stun.turn"],
    ] {
        let mut stream = connect_speaking(&node, authority(&node), "localhost", protocols);
        // RFC 8489 §5: Binding request, no attributes, the magic cookie, a transaction id.
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [9; 12].as_slice()].concat();
        stream.write_all(&request).unwrap();
        let mut answer = [0; 20];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[..2], [1, 1], "{protocols:?}");
        assert_eq!(&answer[8..], [9; 12]);
        let negotiated = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        let wanted = protocols.last().map(|name| name.as_bytes().to_vec());
        assert_eq!(negotiated, wanted);
    }
}

#[test]
fn a_turn_client_on_the_port_of_https_counts_for_its_source() {
    let [mode, names] = OWN_CA;
    let node = Node::start_with(&[mode, names, ("HITHER_LIMITS__CONNECTIONS_PER_SOURCE", "2")]);
    let turn = || -> std::io::Result<_> {
        let mut stream = connect(&node, authority(&node), "localhost");
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [9; 12].as_slice()].concat();
        stream.write_all(&request)?;
        let mut answer = [0; 20];
        stream.read_exact(&mut answer)?;
        Ok(stream)
    };
    let (first, _second) = (turn().unwrap(), turn().unwrap());
    assert!(turn().is_err());
    drop(first);
    // The node sees the end in a moment; then there is room for one.
    let deadline = std::time::Instant::now() + PATIENCE;
    while turn().is_err() {
        assert!(std::time::Instant::now() < deadline, "no room again");
    }
}

#[test]
fn who_says_to_speak_http_is_not_taken_for_a_turn_client() {
    let node = Node::start_with(&OWN_CA);
    let http = ["http/1.1"];
    let mut stream = connect_speaking(&node, authority(&node), "localhost", &http);
    let answer = get(&mut stream, "/api/v1/node").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut stream = connect_speaking(&node, authority(&node), "localhost", &http);
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [9; 12].as_slice()].concat();
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(&[1, 1]), "{answer:?}");
}

#[test]
fn whoever_does_not_go_on_is_not_waited_for() {
    let node = Node::start_with(&OWN_CA);
    let plain = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(node.authority()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    // Silent; half a TLS record; the head of one that is long.
    let mut half_open = [&[][..], &[0x16, 3], &[0x16, 3, 1, 0x3F, 0xFF, 1]].map(plain);
    // Silent inside TLS; half a request; half a STUN message; half the head of an HTTP/2 frame.
    let mut slow = [
        &[][..],
        b"GET / HT",
        &[0, 1, 0, 8, 0x21],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0",
    ]
    .map(|bytes| {
        let mut stream = connect(&node, authority(&node), "localhost");
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
        stream
    });
    let end = |stream: &mut dyn Read| {
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => true,
            // Closed without the end of TLS, or reset.
            Err(error) => !matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        }
    };
    for (number, stream) in half_open.iter_mut().enumerate() {
        assert!(end(stream), "half-open {number}");
    }
    for (number, stream) in slow.iter_mut().enumerate() {
        assert!(end(stream), "slow {number}");
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let (first, second) = (Node::start_with(&OWN_CA), Node::start_with(&OWN_CA));
    let directory = tempfile::tempdir().unwrap();
    let copy = |from: &Node, name: &str| {
        let to = directory.path().join(name);
        std::fs::copy(from.data_dir().join("tls").join(name), &to).unwrap();
        to.display().to_string()
    };
    let (certificate, key) = (copy(&first, "leaf.crt"), copy(&first, "leaf.key"));
    let node = Node::start_with(&[
        ("HITHER_TLS__MODE", "files"),
        ("HITHER_TLS__CERTIFICATE", &certificate),
        ("HITHER_TLS__KEY", &key),
    ]);
    let trusts = |authority: CertificateDer<'static>| {
        get(&mut connect(&node, authority, "localhost"), "/api/v1/node").is_ok()
    };
    assert!(trusts(authority(&first)) && !trusts(authority(&second)));
    copy(&second, "leaf.crt");
    node.send("-HUP");
    node.until_said("nothing was changed");
    assert!(trusts(authority(&first)));
    copy(&second, "leaf.key");
    node.send("-HUP");
    node.until_said("were read again and applied");
    assert!(trusts(authority(&second)) && !trusts(authority(&first)));
}

#[test]
fn certificates_can_come_from_files() {
    let made = Node::start_with(&OWN_CA);
    let directory = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let to = directory.path().join(name);
        std::fs::copy(made.data_dir().join("tls").join(name), &to).unwrap();
        to.display().to_string()
    };
    let (certificate, key) = (copy("leaf.crt"), copy("leaf.key"));
    let node = Node::start_with(&[
        ("HITHER_TLS__MODE", "files"),
        ("HITHER_TLS__CERTIFICATE", &certificate),
        ("HITHER_TLS__KEY", &key),
    ]);
    let answer = get(&mut connect(&node, authority(&made), "localhost"), "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));

    let refused = hither()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory.path().join("data"))
        .env("HITHER_TLS__MODE", "files")
        .env("HITHER_TLS__CERTIFICATE", &certificate)
        .env("HITHER_TLS__KEY", &certificate)
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("the certificate or its key cannot be used"),
        "{said}"
    );
}

/// HTTPS on a port that needs a privilege, on an address of this machine that nobody else uses.
fn on_443(last: u8) -> (String, std::process::Command, tempfile::TempDir) {
    let at = format!("127.44.3.{last}:443");
    let directory = tempfile::tempdir().unwrap();
    let mut node = hither();
    node.args(["--listen", &at, "--ready-file"])
        .arg(directory.path().join("ready.json"))
        .arg("--data-dir")
        .arg(directory.path().join("data"))
        .env("HITHER_TLS__MODE", "own-ca")
        .env("HITHER_RELAY__PORT", "0")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    (at, node, directory)
}

#[test]
fn beside_https_on_443_turn_is_served_on_443_over_udp() {
    let (at, mut command, directory) = on_443(1);
    let may = TcpListener::bind(&at)
        .map(drop)
        .map_err(|error| error.kind());
    let mut node = command.spawn().unwrap();
    if may == Err(std::io::ErrorKind::PermissionDenied) {
        let said = node.wait_with_output().unwrap().stderr;
        assert!(String::from_utf8_lossy(&said).contains("need a privilege"));
        return;
    }
    let ready = directory.path().join("ready.json");
    while !ready.exists() && node.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let urls = std::fs::read_to_string(ready).unwrap();
    let socket = UdpSocket::bind("127.44.3.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [7; 12].as_slice()].concat();
    socket.send_to(&request, &at).unwrap();
    let mut answer = [0; 200];
    let received = socket
        .recv_from(&mut answer)
        .map(|(_, from)| from.to_string());
    node.kill().unwrap();
    node.wait().unwrap();
    assert_eq!(received.unwrap(), at);
    for url in [
        "turn:127.44.3.1:443?transport=udp",
        "turns:127.44.3.1:443?transport=tcp",
    ] {
        assert!(urls.contains(url), "{urls}");
    }
}

#[test]
fn whoever_has_443_over_udp_already_does_not_keep_a_node_from_starting() {
    let (at, mut command, directory) = on_443(2);
    let Ok(_taken) = UdpSocket::bind(&at) else {
        // Without the privilege there is no HTTPS on 443 either; the test above says so.
        return;
    };
    let mut node = command.spawn().unwrap();
    let ready = directory.path().join("ready.json");
    while !ready.exists() && node.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let urls = std::fs::read_to_string(ready).unwrap();
    node.kill().unwrap();
    let said = node.wait_with_output().unwrap().stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("the relay does not listen on 443/UDP: another program uses it"),
        "{said}"
    );
    assert!(!urls.contains(":443?transport=udp"), "{urls}");
    assert!(urls.contains(":443?transport=tcp"), "{urls}");
}
