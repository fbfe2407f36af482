// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever is sent, the answer is a problem with a sentence, and the node lives.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hither_api::{ClientFrame, VERSION, limits, path};

use crate::support::{Device, Mailbox, Node, Request, Socket};

/// Bodies that no endpoint should like.
fn bodies() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{\"token\":5}".to_vec(),
        b"{\"unknown\":true}".to_vec(),
        b"{\"token\":null,\"device_key\":\"short\",\"label\":[]}".to_vec(),
        b"{\"label\":[256]}".to_vec(),
        b"{\"role\":\"king\",\"expires_in\":1}".to_vec(),
        b"{\"role\":\"member\",\"expires_in\":-1}".to_vec(),
        vec![0xFF; 100],
        b"[".repeat(limits::MAX_JSON),
        vec![b' '; limits::MAX_JSON + 1],
    ]
}

#[test]
fn every_endpoint_refuses_malformed_bodies_with_a_sentence() {
    let node = Node::start_with(&[("HITHER_LIMITS__REGISTRATIONS_PER_MINUTE", "1000")]);
    let device = Device::owner(&node);
    let socket = device.sign_in(&node);
    let own = format!("{}/{}", path::DEVICES, device.id.to_text());
    for (method, path) in [
        ("POST", path::REGISTER),
        ("POST", path::REGISTRATIONS),
        ("POST", path::DEVICES),
        ("PATCH", own.as_str()),
    ] {
        for body in bodies() {
            let answer = socket.request(&node, method, path).body(body).send(&node);
            assert!((400..500).contains(&answer.status), "{method} {path}");
            answer.problem(answer.status);
        }
    }
    Request::new("GET", path::NODE).send(&node).expect(200);
}

#[test]
fn every_blob_has_a_limit_and_none_may_be_empty() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let put = mailbox.put(&node, &vec![0; limits::MAX_ENVELOPE + 1]);
    assert_eq!(put.problem(413).kind, "too-long");
    assert_eq!(mailbox.put(&node, b"").problem(400).kind, "empty");
    let invitation = format!("{}/{}", path::INVITATIONS, mailbox.id.to_text());
    for (path, limit) in [
        (path::PROFILE, limits::MAX_PROFILE),
        (invitation.as_str(), limits::MAX_PARKED),
    ] {
        let put = |body: Vec<u8>| {
            socket
                .request(&node, "PUT", path)
                .header("hither-withdraw-hash", &mailbox.id.to_text())
                .body(body)
                .send(&node)
        };
        assert_eq!(put(vec![0; limit + 1]).problem(413).kind, "too-long");
        assert_eq!(put(Vec::new()).problem(400).kind, "empty");
    }
}

#[test]
fn a_chunked_body_is_bounded_as_well() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let mut stream = TcpStream::connect(node.authority()).unwrap();
    let head = format!(
        "POST {}/{} HTTP/1.1\r\nhost: x\r\nauthorization: Capability {}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        path::MAILBOXES,
        mailbox.id.to_text(),
        mailbox.capability.to_text()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"4000\r\n".as_slice(), &[0; 0x4000], b"\r\n"].concat();
    for _ in 0..=limits::MAX_ENVELOPE / 0x4000 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn identifiers_that_are_none_are_refused() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    for id in [
        "x",
        "%00",
        "%FF%FE",
        "....",
        &"A".repeat(43),
        &"A".repeat(5000),
    ] {
        for (method, prefix) in [
            ("DELETE", path::DEVICES),
            ("DELETE", path::ACCOUNTS),
            ("POST", path::MAILBOXES),
            ("GET", path::INVITATIONS),
            ("DELETE", path::INVITATIONS),
        ] {
            let answer = socket
                .request(&node, method, &format!("{prefix}/{id}"))
                .body(b"x")
                .send(&node);
            assert!(
                (400..500).contains(&answer.status),
                "{method} {prefix}/{id}"
            );
            answer.problem(answer.status);
        }
    }
}

#[test]
fn authorisations_that_are_none_are_refused() {
    let node = Node::start();
    let unknown = Mailbox::random();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic YTpi",
        &format!("Bearer {}", unknown.capability.to_text()),
    ] {
        let answer = Request::new("GET", path::DEVICES)
            .header("authorization", value)
            .send(&node);
        answer.problem(401);
    }
    let answer = Request::new(
        "POST",
        &format!("{}/{}", path::MAILBOXES, unknown.id.to_text()),
    )
    .header("authorization", "Bearer x")
    .body(b"x")
    .send(&node);
    assert_eq!(answer.problem(401).kind, "authorization-missing");
}

#[test]
fn addresses_and_methods_that_do_not_exist_are_refused() {
    let node = Node::start();
    let nothing = Request::new("GET", "/api/v1/directory").send(&node);
    assert_eq!(nothing.problem(404).kind, "not-found");
    let answer = Request::new("DELETE", path::NODE).send(&node);
    assert_eq!(answer.problem(405).kind, "method-not-allowed");
    let answer = Request::new("GET", path::SOCKET).send(&node);
    assert_eq!(answer.problem(400).kind, "no-handshake");
}

#[test]
fn frames_that_are_none_end_the_socket_with_a_sentence() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut other_version = ClientFrame::Ping.emit();
    other_version[0] = VERSION + 1;
    for (bytes, kind) in [
        (Vec::new(), "frame-malformed"),
        (vec![VERSION], "frame-malformed"),
        (vec![VERSION, 200], "frame-malformed"),
        (vec![VERSION; 1000], "frame-malformed"),
        (other_version, "frame-version"),
    ] {
        let mut signed_in = device.sign_in(&node);
        signed_in.say_bytes(bytes.clone());
        assert_eq!(signed_in.goodbye().kind, kind);
        let mut stranger = Socket::open(&node);
        stranger.next();
        stranger.say_bytes(bytes);
        assert_eq!(stranger.goodbye().kind, kind);
    }
    let mut socket = device.sign_in(&node);
    socket.say_text("hello");
    assert_eq!(socket.goodbye().kind, "frame-malformed");
    let mut socket = device.sign_in(&node);
    socket.say_bytes(vec![VERSION; limits::MAX_CLIENT_FRAME + 1]);
    assert!(socket.next_or_end().is_none());
    device.sign_in(&node).settle();
}

#[test]
fn bytes_that_are_no_http_do_not_disturb_the_node() {
    let node = Node::start();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\0\0\0\0",
        &[b'A'; 100_000],
    ] {
        let mut stream = TcpStream::connect(node.authority()).unwrap();
        // The node may hang up in the middle.
        let _hung_up = stream.write_all(bytes);
        let _hung_up = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _hung_up = stream.read_to_end(&mut answer);
    }
    Request::new("GET", path::NODE).send(&node).expect(200);
}
