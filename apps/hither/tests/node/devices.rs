// SPDX-License-Identifier: MIT OR Apache-2.0

use hither_api::{
    AddDeviceRequest, ClientFrame, DeviceSummary, RenameDeviceRequest, Role, ServerFrame, limits,
    path,
};

use crate::support::{Device, Node, Request, Socket};

fn list(socket: &Socket, node: &Node) -> Vec<DeviceSummary> {
    socket
        .request(node, "GET", path::DEVICES)
        .send(node)
        .json(200)
}

/// Adds a device to the account that is signed in on `socket`.
fn add(socket: &Socket, node: &Node, account_of: &Device) -> Device {
    let key = Device::fresh_key();
    let summary: DeviceSummary = socket
        .request(node, "POST", path::DEVICES)
        .json(&AddDeviceRequest {
            device_key: Device::auth_key(&key),
            label: b"second".to_vec(),
        })
        .send(node)
        .json(201);
    Device {
        id: summary.device,
        key,
        ..account_of.clone()
    }
}

fn device_path(device: &Device) -> String {
    format!("{}/{}", path::DEVICES, device.id.to_text())
}

#[test]
fn a_device_is_listed_and_renamed() {
    let node = Node::start();
    let device = Device::owner(&node);
    let socket = device.sign_in(&node);
    let listed = list(&socket, &node);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].label, b"sealed label");
    assert!(listed[0].current);
    assert!(listed[0].last_seen_day.is_some());

    socket
        .request(&node, "PATCH", &device_path(&device))
        .json(&RenameDeviceRequest {
            label: b"another".to_vec(),
        })
        .send(&node)
        .expect(204);
    assert_eq!(list(&socket, &node)[0].label, b"another");
}

#[test]
fn a_revoked_device_hears_it_and_its_bearer_dies_with_the_answer() {
    let node = Node::start();
    let first = Device::owner(&node);
    let socket = first.sign_in(&node);
    let second = add(&socket, &node, &first);
    let mut second_socket = second.sign_in(&node);
    assert_eq!(list(&second_socket, &node).len(), 2);

    socket
        .request(&node, "DELETE", &device_path(&second))
        .send(&node)
        .expect(204);
    let refused = second_socket
        .request(&node, "GET", path::DEVICES)
        .send(&node);
    assert_eq!(refused.problem(401).kind, "signed-out");
    assert_eq!(second_socket.next(), ServerFrame::Revoked);
    assert!(second_socket.next_or_end().is_none());

    let mut again = Socket::open(&node);
    again.answer_challenge(second.id, &second.key);
    assert_eq!(again.goodbye().kind, "device-unknown");
    assert_eq!(list(&socket, &node).len(), 1);
}

#[test]
fn a_device_that_reads_nothing_is_revoked_all_the_same() {
    let node = Node::start();
    let first = Device::owner(&node);
    let socket = first.sign_in(&node);
    let second = add(&socket, &node, &first);
    let mut deaf = second.sign_in(&node);
    let mailbox = deaf.create_mailbox();
    deaf.subscribe(&mailbox);
    // More than the kernel's buffers hold, so that the node's writes wait.
    for _ in 0..60 {
        mailbox.put(&node, &[1; limits::MAX_ENVELOPE]).expect(202);
    }
    socket
        .request(&node, "DELETE", &device_path(&second))
        .send(&node)
        .expect(204);
    let refused = deaf.request(&node, "GET", path::DEVICES).send(&node);
    assert_eq!(refused.problem(401).kind, "signed-out");
    // What was under way may still arrive; then the socket ends.
    while deaf.next_or_end().is_some() {}
}

#[test]
fn nobody_touches_a_device_of_another_account() {
    let node = Node::start();
    let owner = Device::owner(&node);
    let socket = owner.sign_in(&node);
    let other = Device::invited_by(&node, &socket, Role::Member);
    let refused = socket
        .request(&node, "DELETE", &device_path(&other))
        .send(&node);
    assert_eq!(refused.problem(404).kind, "unknown-device");
    let refused = socket
        .request(&node, "PATCH", &device_path(&other))
        .json(&RenameDeviceRequest { label: vec![1] })
        .send(&node);
    assert_eq!(refused.problem(404).kind, "unknown-device");
    other.sign_in(&node).settle();
}

#[test]
fn an_account_has_so_many_devices_and_no_more() {
    let node = Node::start();
    let first = Device::owner(&node);
    let socket = first.sign_in(&node);
    for _ in 1..limits::MAX_DEVICES {
        add(&socket, &node, &first);
    }
    let refused = socket
        .request(&node, "POST", path::DEVICES)
        .json(&AddDeviceRequest {
            device_key: Device::auth_key(&Device::fresh_key()),
            label: Vec::new(),
        })
        .send(&node);
    assert_eq!(refused.problem(409).kind, "too-many-devices");
}

#[test]
fn a_bearer_ends_with_its_socket() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut socket = device.sign_in(&node);
    let bearer = format!("Bearer {}", socket.bearer.unwrap().to_text());
    let ask = || {
        Request::new("GET", path::DEVICES)
            .header("authorization", &bearer)
            .send(&node)
    };
    ask().expect(200);
    // Breaking the rules ends the socket; the goodbye comes after the bearer's end.
    socket.say(&ClientFrame::SignIn {
        device: device.id,
        signature: Vec::new(),
    });
    assert_eq!(socket.goodbye().kind, "signed-in-already");
    assert_eq!(ask().problem(401).kind, "signed-out");
}

#[test]
fn another_key_does_not_sign_in() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut socket = Socket::open(&node);
    socket.answer_challenge(device.id, &Device::fresh_key());
    assert_eq!(socket.goodbye().kind, "device-unknown");
}

#[test]
fn an_answer_to_another_challenge_does_not_sign_in() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut first = Socket::open(&node);
    let ServerFrame::Challenge { nonce } = first.next() else {
        panic!("the node speaks first");
    };
    let mut second = Socket::open(&node);
    assert!(matches!(second.next(), ServerFrame::Challenge { nonce: other } if other != nonce));
    let transcript = hither_api::sign_in_transcript(&nonce, device.id);
    let signature = ed25519_dalek::Signer::sign(&device.key, &transcript);
    second.say(&ClientFrame::SignIn {
        device: device.id,
        signature: signature.to_vec(),
    });
    assert_eq!(second.goodbye().kind, "device-unknown");
}

#[test]
fn nothing_is_answered_before_signing_in() {
    let node = Node::start();
    let mut socket = Socket::open(&node);
    assert!(matches!(socket.next(), ServerFrame::Challenge { .. }));
    socket.say(&ClientFrame::TurnGrant);
    assert_eq!(socket.goodbye().kind, "sign-in-first");
}
