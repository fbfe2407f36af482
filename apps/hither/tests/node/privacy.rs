// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node says and keeps, searched for what it must not know or must have forgotten.

use std::path::Path;

use hither_api::{InvitationId, WithdrawKey, header, path};

use crate::support::{Device, Mailbox, Node, Request, Socket, hither, random};

const MARKER: &[u8] = b"planted-marker-7d1f";

/// Registers, writes, parks, revokes and breaks rules; returns every secret and id that was used.
fn a_full_day(node: &Node) -> Vec<String> {
    let device = Device::owner(node);
    let mut socket = device.sign_in(node);
    let mailbox = socket.create_mailbox();
    socket.subscribe(&mailbox);
    mailbox.put(node, MARKER).expect(202);
    let (sequence, _) = socket.envelope(&mailbox);
    socket.acknowledge(&mailbox, sequence);
    let invitation = InvitationId::from_bytes(random());
    let key = WithdrawKey::from_bytes(random());
    park_and_withdraw(node, &socket, invitation, &key);
    socket
        .request(node, "PUT", path::PROFILE)
        .body(MARKER)
        .send(node)
        .expect(204);
    Mailbox::random().put(node, MARKER).problem(404);
    Device::try_register(node, None, &Device::fresh_key(), MARKER).problem(403);
    socket.try_delete(&mailbox).unwrap();
    let own = format!("{}/{}", path::DEVICES, device.id.to_text());
    let secrets = vec![
        device.id.to_text(),
        device.account.to_text(),
        Device::auth_key(&device.key).to_text(),
        socket.bearer.unwrap().to_text(),
        mailbox.id.to_text(),
        mailbox.capability.to_text(),
        mailbox.read_key.to_text(),
        invitation.to_text(),
        key.to_text(),
        socket.turn.clone().unwrap().password,
        String::from_utf8(MARKER.to_vec()).unwrap(),
    ];
    let last = socket.request(node, "DELETE", &own).send(node);
    last.expect(204);
    let mut broken = Socket::open(node);
    broken.next();
    broken.say_bytes(MARKER.to_vec());
    broken.goodbye();
    secrets
}

fn park_and_withdraw(node: &Node, socket: &Socket, id: InvitationId, key: &WithdrawKey) {
    let path = format!("{}/{}", path::INVITATIONS, id.to_text());
    socket
        .request(node, "PUT", &path)
        .header(header::WITHDRAW_HASH, &key.hash().to_text())
        .body(MARKER)
        .send(node)
        .expect(201);
    Request::new("GET", &path).send(node).expect(200);
    Request::new("DELETE", &path)
        .header("authorization", &format!("Withdraw {}", key.to_text()))
        .send(node)
        .expect(204);
}

/// Lines of the log at INFO and above, without the greeting, which is for the operator.
fn log(node: &Node) -> String {
    let said = node.said();
    let is_event = |line: &&str| {
        ["INFO", "WARN", "ERROR"]
            .iter()
            .any(|level| line.contains(level))
    };
    said.lines().filter(is_event).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_about_a_person_is_logged_above_debug() {
    let mut node = Node::start_with(&[("HITHER_LOG__FILTER", "trace")]);
    let secrets = a_full_day(&node);
    node.stop();
    // The log was on: there is something to search.
    assert!(node.said().contains("DEBUG") || node.said().contains("TRACE"));
    let log = log(&node);
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} in {log}");
    }
    assert!(!log.contains("127.0.0.1"), "an address in {log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn what_was_deleted_is_nowhere_in_the_data_directory() {
    let mut node = Node::start();
    a_full_day(&node);
    node.stop();
    let found = files_with(&node.data_dir(), MARKER);
    assert!(found.is_empty(), "{found:?}");
    let retained = hither()
        .args(["admin", "retained", "--data-dir"])
        .arg(node.data_dir())
        .output()
        .unwrap();
    let retained = String::from_utf8(retained.stdout).unwrap();
    for kind in [
        "accounts",
        "devices",
        "mailboxes",
        "envelopes",
        "invitations",
    ] {
        let line = retained.lines().find(|line| line.starts_with(kind));
        assert_eq!(line.unwrap().split_whitespace().nth(1), Some("0"), "{kind}");
    }
}

#[test]
fn what_is_kept_would_be_found() {
    // The search above proves something only if it finds what is there.
    let mut node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    socket
        .request(&node, "PUT", path::PROFILE)
        .body(MARKER)
        .send(&node)
        .expect(204);
    node.stop();
    assert_eq!(files_with(&node.data_dir(), MARKER).len(), 1);
}

#[test]
fn what_was_deleted_leaves_a_running_node_as_well() {
    let node = Node::start();
    a_full_day(&node);
    // The store purges when it has been quiet for a moment.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !files_with(&node.data_dir(), MARKER).is_empty() {
        assert!(std::time::Instant::now() < deadline, "it is still there");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn no_file_can_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let node = Node::start();
    Device::owner(&node);
    let directory = node.data_dir();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(mode(&directory), 0);
    for name in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
        assert_eq!(mode(&directory.join(name)), 0, "{name}");
    }
}

fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}
