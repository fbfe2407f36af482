// SPDX-License-Identifier: MIT OR Apache-2.0

use hither_api::{InvitationId, WithdrawKey, header, limits, path};

use crate::support::{Device, Node, Request, Response, Socket, random};

struct Parked {
    path: String,
    key: WithdrawKey,
}

impl Parked {
    fn random() -> Self {
        let id = InvitationId::from_bytes(random());
        Self {
            path: format!("{}/{}", path::INVITATIONS, id.to_text()),
            key: WithdrawKey::from_bytes(random()),
        }
    }

    fn park(&self, socket: &Socket, node: &Node, blob: &[u8]) -> Response {
        socket
            .request(node, "PUT", &self.path)
            .header(header::WITHDRAW_HASH, &self.key.hash().to_text())
            .body(blob)
            .send(node)
    }

    fn fetch(&self, node: &Node) -> Response {
        Request::new("GET", &self.path).send(node)
    }

    fn withdraw(&self, node: &Node, key: &WithdrawKey) -> Response {
        Request::new("DELETE", &self.path)
            .header("authorization", &format!("Withdraw {}", key.to_text()))
            .send(node)
    }
}

#[test]
fn a_parked_invitation_is_fetched_by_anybody_and_withdrawn_by_its_key() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    let parked = Parked::random();
    let blob = vec![5; limits::MAX_PARKED];
    parked.park(&socket, &node, &blob).expect(201);
    let fetched = parked.fetch(&node);
    assert_eq!(fetched.expect(200).body, blob);
    assert_eq!(fetched.header("access-control-allow-origin"), "*");

    let wrong = WithdrawKey::from_bytes(random());
    assert_eq!(
        parked.withdraw(&node, &wrong).problem(404).kind,
        "unknown-invitation"
    );
    parked.fetch(&node).expect(200);
    parked.withdraw(&node, &parked.key).expect(204);
    let gone = parked.fetch(&node);
    assert_eq!(gone.problem(404).kind, "unknown-invitation");
    assert_eq!(gone.header("access-control-allow-origin"), "*");
}

#[test]
fn an_id_is_used_once_at_a_time() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    let parked = Parked::random();
    parked.park(&socket, &node, b"one").expect(201);
    let again = parked.park(&socket, &node, b"two");
    assert_eq!(again.problem(409).kind, "invitation-taken");
    assert_eq!(parked.fetch(&node).body, b"one");
}

#[test]
fn an_account_parks_so_many_and_no_more() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    for _ in 0..limits::MAX_PARKED_PER_ACCOUNT {
        Parked::random().park(&socket, &node, b"x").expect(201);
    }
    let refused = Parked::random().park(&socket, &node, b"x");
    assert_eq!(refused.problem(507).kind, "too-many-invitations");
}

#[test]
fn parking_needs_a_signed_in_device_and_a_withdraw_hash() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    let parked = Parked::random();
    let refused = Request::new("PUT", &parked.path).body(b"x").send(&node);
    assert_eq!(refused.problem(401).kind, "authorization-missing");
    let refused = socket
        .request(&node, "PUT", &parked.path)
        .body(b"x")
        .send(&node);
    assert_eq!(refused.problem(400).kind, "malformed-header");
    parked.fetch(&node).problem(404);
}

#[test]
fn fetching_over_and_over_is_slowed_down() {
    let node = Node::start_with(&[("HITHER_LIMITS__INVITATIONS_PER_MINUTE", "2")]);
    let parked = Parked::random();
    parked.fetch(&node).problem(404);
    parked.fetch(&node).problem(404);
    assert_eq!(parked.fetch(&node).problem(429).kind, "too-often");
}
