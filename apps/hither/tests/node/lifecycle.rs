// SPDX-License-Identifier: MIT OR Apache-2.0

use std::net::{TcpListener, TcpStream, UdpSocket};

use hither_api::{DeviceSummary, ServerFrame, path};

use crate::support::{Code, Device, Node, Request, Socket, TurnClient, hither};

#[test]
fn a_stopping_node_says_goodbye_and_leaves_nothing_in_its_log() {
    let mut node = Node::start();
    let device = Device::owner(&node);
    let mut signed_in = device.sign_in(&node);
    let mut stranger = Socket::open(&node);
    stranger.next();
    node.interrupt();
    assert_eq!(signed_in.goodbye().kind, "stopping");
    assert_eq!(stranger.goodbye().kind, "stopping");
    assert!(node.wait().success(), "{}", node.said());
    assert!(TcpStream::connect(node.authority()).is_err());
    // SQLite removes the log when the last connection closes in order.
    assert!(!node.data_dir().join("node.sqlite-wal").exists());
}

#[test]
fn a_killed_node_keeps_accounts_devices_and_profiles() {
    let mut node = Node::start();
    let device = Device::owner(&node);
    let socket = device.sign_in(&node);
    socket
        .request(&node, "PUT", path::PROFILE)
        .body(b"sealed profile")
        .send(&node)
        .expect(204);
    node.kill();
    node.start_again();
    assert_eq!(node.owner_link(), None);
    let socket = device.sign_in(&node);
    let profile = socket.request(&node, "GET", path::PROFILE).send(&node);
    assert_eq!(profile.expect(200).body, b"sealed profile");
    let devices: Vec<DeviceSummary> = socket
        .request(&node, "GET", path::DEVICES)
        .send(&node)
        .json(200);
    assert_eq!(devices.len(), 1);
}

#[test]
fn until_somebody_owns_the_node_every_start_prints_a_fresh_link() {
    let mut node = Node::start();
    let first = node.owner_token();
    assert!(node.said().contains(node.owner_link().unwrap()));
    node.stop();
    node.start_again();
    let second = node.owner_token();
    assert_ne!(first, second);
    let refused = Device::try_register(&node, Some(first), &Device::fresh_key(), b"");
    refused.problem(403);
    Device::register(&node, second);
    node.stop();
    node.start_again();
    assert_eq!(node.owner_link(), None);
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let node = Node::start();
    let second = hither()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(node.data_dir())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("another hither uses the data directory"),
        "{said}"
    );
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let refused = hither()
        .args(["serve", "--listen", &at, "--data-dir"])
        .arg(directory.path())
        .env("HITHER_RELAY__ENABLED", "false")
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(&format!("cannot listen on {at}")), "{said}");
    assert!(said.contains("hint: "), "{said}");
}

#[test]
fn two_interrupts_end_it_even_if_a_request_never_ends() {
    let mut node = Node::start();
    let mut endless = TcpStream::connect(node.authority()).unwrap();
    let head = "POST /api/v1/register HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    std::io::Write::write_all(&mut endless, head.as_bytes()).unwrap();
    Request::new("GET", path::NODE).send(&node).expect(200);
    node.interrupt();
    let stopping = || node.said().contains("Press Ctrl-C again");
    while !stopping() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    node.interrupt();
    node.wait();
}

#[test]
fn the_relay_answers_a_binding_request() {
    let node = Node::start();
    let port = |prefix: &str| {
        let url = node.relay().iter().find(|url| url.starts_with(prefix));
        let url = url.unwrap().trim_end_matches("?transport=udp");
        url.rsplit(':').next().unwrap().parse::<u16>().unwrap()
    };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    // RFC 8489 §5: Binding request, no attributes, the magic cookie, a transaction id.
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], [7; 12].as_slice()].concat();
    socket
        .send_to(&request, ("127.0.0.1", port("stun:")))
        .unwrap();
    let mut answer = [0; 200];
    let (length, _) = socket.recv_from(&mut answer).unwrap();
    assert!(length >= 20);
    assert_eq!(&answer[..2], [1, 1]);
    assert_eq!(&answer[8..20], [7; 12]);
}

#[test]
fn a_device_is_granted_access_to_the_relay_where_it_reached_the_node() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut socket = device.sign_in(&node);
    let first = socket.turn.take().unwrap();
    assert_eq!(first.urls.len(), 3);
    assert!(first.urls.iter().all(|url| url.contains(":127.0.0.1:")));
    assert!(first.urls[0].starts_with("stun:"));
    let expiry = first.username.split(':').next().unwrap();
    assert_eq!(expiry.parse::<u64>().unwrap(), first.expires);
    socket.say(&hither_api::ClientFrame::TurnGrant);
    let ServerFrame::TurnGrant(second) = socket.next() else {
        panic!("no grant");
    };
    // Asking again gives nothing new, or the relay's bound per username could be walked around.
    assert_eq!(first, second);
    let other = device.sign_in(&node).turn.unwrap();
    assert_ne!(first.username, other.username);
    assert_ne!(first.password, other.password);
}

#[test]
fn one_source_has_so_many_connections_and_no_more() {
    let node = Node::start_with(&[("HITHER_LIMITS__CONNECTIONS_PER_SOURCE", "2")]);
    let hold = || TcpStream::connect(node.authority()).unwrap();
    let (first, _second) = (hold(), hold());
    let closed = || std::io::Read::read(&mut hold(), &mut [0]).is_ok_and(|bytes| bytes == 0);
    assert!(closed());
    drop(first);
    // The node sees the end in a moment; then there is room for one.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let mut stream = hold();
        let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", path::NODE);
        let mut answer = [0; 12];
        let sent = std::io::Write::write_all(&mut stream, request.as_bytes());
        if sent.is_ok() && std::io::Read::read_exact(&mut stream, &mut answer).is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 200");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no room again");
    }
}

#[test]
fn a_node_that_lets_calls_end_goes_on_serving_but_for_new_ones() {
    let mut node = Node::start_with(&[("HITHER_RELAY__DRAIN_SECONDS", "3600")]);
    let device = Device::owner(&node);
    let grant = device.sign_in(&node).turn.unwrap();
    let at = grant.urls[0]
        .strip_prefix("stun:")
        .unwrap()
        .parse()
        .unwrap();
    let granted = || hither_relay::TurnCredential {
        username: grant.username.clone(),
        password: grant.password.clone(),
    };
    let mut call = TurnClient::allocate(at, granted()).ok().unwrap();
    node.send("-TERM");
    node.until_said("Stopping when the calls under way have ended");
    Request::new("GET", path::NODE).send(&node).expect(200);
    assert_eq!(TurnClient::allocate(at, granted()).err(), Some(Code(508)));
    // Who comes now is not sent to a relay that takes nobody.
    assert!(device.sign_in(&node).turn.unwrap().urls.is_empty());
    call.refresh(600).unwrap();
    call.refresh(0).unwrap();
    assert!(node.wait().success(), "{}", node.said());
}
