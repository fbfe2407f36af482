// SPDX-License-Identifier: MIT OR Apache-2.0

use hither_api::{
    AccountSummary, RegisterResponse, RegistrationRequest, RegistrationResponse, RegistrationToken,
    Role, path,
};

use crate::support::{Device, Node, Request, Socket, random};

fn mint(socket: &Socket, node: &Node, role: Role) -> crate::support::Response {
    socket
        .request(node, "POST", path::REGISTRATIONS)
        .json(&RegistrationRequest {
            role,
            expires_in: 60,
        })
        .send(node)
}

#[test]
fn the_first_link_makes_an_owner_who_invites_others() {
    let node = Node::start();
    let owner = Device::owner(&node);
    assert_eq!(owner.role, Role::Owner);
    let socket = owner.sign_in(&node);
    let admin = Device::invited_by(&node, &socket, Role::Admin);
    let member = Device::invited_by(&node, &admin.sign_in(&node), Role::Member);
    assert_eq!((admin.role, member.role), (Role::Admin, Role::Member));

    let accounts: Vec<AccountSummary> = socket
        .request(&node, "GET", path::ACCOUNTS)
        .send(&node)
        .json(200);
    assert_eq!(accounts.len(), 3);
    assert!(accounts.iter().all(|account| account.devices == 1));
}

#[test]
fn a_spent_token_is_refused() {
    let node = Node::start();
    let token = node.owner_token();
    Device::register(&node, token);
    let again = Device::try_register(&node, Some(token), &Device::fresh_key(), b"");
    assert_eq!(again.problem(403).kind, "token-spent");
}

#[test]
fn nobody_registers_without_a_token_unless_the_operator_opens_the_node() {
    let node = Node::start();
    let refused = Device::try_register(&node, None, &Device::fresh_key(), b"");
    assert_eq!(refused.problem(403).kind, "token-spent");
    let unknown = Some(RegistrationToken::from_bytes(random()));
    let refused = Device::try_register(&node, unknown, &Device::fresh_key(), b"");
    assert_eq!(refused.problem(403).kind, "token-spent");

    let open = Node::start_with(&[("HITHER_NODE__OPEN_REGISTRATION", "true")]);
    let made: RegisterResponse =
        Device::try_register(&open, None, &Device::fresh_key(), b"").json(201);
    assert_eq!(made.role, Role::Member);
}

#[test]
fn a_member_invites_nobody_and_nobody_makes_an_owner() {
    let node = Node::start();
    let owner = Device::owner(&node).sign_in(&node);
    let admin = Device::invited_by(&node, &owner, Role::Admin).sign_in(&node);
    let member = Device::invited_by(&node, &owner, Role::Member).sign_in(&node);
    assert_eq!(mint(&member, &node, Role::Member).problem(403).kind, "role");
    assert_eq!(mint(&admin, &node, Role::Admin).problem(403).kind, "role");
    assert_eq!(
        mint(&owner, &node, Role::Owner).problem(403).kind,
        "owner-role"
    );
    let _token: RegistrationResponse = mint(&admin, &node, Role::Member).json(201);
}

#[test]
fn an_admin_removes_a_member_but_not_the_owner() {
    let node = Node::start();
    let owner = Device::owner(&node);
    let owner_socket = owner.sign_in(&node);
    let admin = Device::invited_by(&node, &owner_socket, Role::Admin).sign_in(&node);
    let member = Device::invited_by(&node, &owner_socket, Role::Member);
    let mut member_socket = member.sign_in(&node);
    let remove = |account: hither_api::AccountId| {
        let path = format!("{}/{}", path::ACCOUNTS, account.to_text());
        admin.request(&node, "DELETE", &path).send(&node)
    };
    assert_eq!(remove(owner.account).problem(403).kind, "owner-stays");
    remove(member.account).expect(204);
    assert_eq!(member_socket.next(), hither_api::ServerFrame::Revoked);
    assert_eq!(remove(member.account).problem(404).kind, "unknown-account");
}

#[test]
fn whoever_deletes_their_account_is_gone() {
    let node = Node::start();
    let owner = Device::owner(&node).sign_in(&node);
    let member = Device::invited_by(&node, &owner, Role::Member);
    let mut socket = member.sign_in(&node);
    socket
        .request(&node, "DELETE", path::ACCOUNT)
        .send(&node)
        .expect(204);
    assert_eq!(socket.next(), hither_api::ServerFrame::Revoked);
    let mut again = Socket::open(&node);
    again.answer_challenge(member.id, &member.key);
    assert_eq!(again.goodbye().kind, "device-unknown");
}

#[test]
fn a_profile_comes_back_as_it_was_put() {
    let node = Node::start();
    let socket = Device::owner(&node).sign_in(&node);
    let get = || socket.request(&node, "GET", path::PROFILE).send(&node);
    get().problem(404);
    let profile = [7; 200_000];
    socket
        .request(&node, "PUT", path::PROFILE)
        .body(profile)
        .send(&node)
        .expect(204);
    assert_eq!(get().expect(200).body, profile);
}

#[test]
fn guessing_tokens_is_slowed_down() {
    let node = Node::start_with(&[("HITHER_LIMITS__REGISTRATIONS_PER_MINUTE", "3")]);
    let guess = || {
        let token = Some(RegistrationToken::from_bytes(random()));
        Device::try_register(&node, token, &Device::fresh_key(), b"")
    };
    for _ in 0..3 {
        guess().problem(403);
    }
    let refused = guess();
    assert_eq!(refused.problem(429).kind, "too-often");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    Request::new("GET", path::NODE).send(&node).expect(200);
}
