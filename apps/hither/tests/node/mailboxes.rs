// SPDX-License-Identifier: MIT OR Apache-2.0

use std::collections::BTreeMap;

use hither_api::{Capability, ClientFrame, MailboxId, ReadKey, Role, ServerFrame, header, limits};

use crate::support::{Device, Mailbox, Node, Request, random};

#[test]
fn what_waits_comes_first_and_then_what_arrives_in_order() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    for n in 0..40_u8 {
        mailbox.put(&node, &[n; 1000]).expect(202);
    }
    socket.subscribe(&mailbox);
    for n in 40..60_u8 {
        mailbox.put(&node, &[n; 1000]).expect(202);
    }
    let mut last = None;
    for n in 0..60_u8 {
        let (sequence, bytes) = socket.envelope(&mailbox);
        assert_eq!(bytes, [n; 1000]);
        assert!(last.is_none_or(|last| sequence > last));
        last = Some(sequence);
    }
    socket.settle();
}

#[test]
fn an_acknowledged_envelope_does_not_come_again_and_the_others_do() {
    let node = Node::start();
    let device = Device::owner(&node);
    let mut socket = device.sign_in(&node);
    let mailbox = socket.create_mailbox();
    socket.subscribe(&mailbox);
    for n in 0..3_u8 {
        mailbox.put(&node, &[n]).expect(202);
    }
    let sequences: Vec<u64> = (0..3).map(|_| socket.envelope(&mailbox).0).collect();
    socket.acknowledge(&mailbox, sequences[1]);
    socket.settle();
    drop(socket);

    let mut socket = device.sign_in(&node);
    socket.subscribe(&mailbox);
    assert_eq!(socket.envelope(&mailbox), (sequences[0], vec![0]));
    assert_eq!(socket.envelope(&mailbox), (sequences[2], vec![2]));
    socket.settle();
}

#[test]
fn what_was_taken_survives_a_killed_node() {
    let mut node = Node::start();
    let device = Device::owner(&node);
    let mut socket = device.sign_in(&node);
    let mailbox = socket.create_mailbox();
    socket.subscribe(&mailbox);
    mailbox.put(&node, b"before").expect(202);
    let (sequence, _) = socket.envelope(&mailbox);
    node.kill();
    assert!(socket.next_or_end().is_none());

    node.start_again();
    assert_eq!(node.owner_link(), None);
    mailbox.put(&node, b"after").expect(202);
    let mut socket = device.sign_in(&node);
    socket.subscribe(&mailbox);
    assert_eq!(socket.envelope(&mailbox), (sequence, b"before".to_vec()));
    assert_eq!(socket.envelope(&mailbox).1, b"after");
}

#[test]
fn subscribing_again_brings_everything_again() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    mailbox.put(&node, b"one").expect(202);
    socket.subscribe(&mailbox);
    let first = socket.envelope(&mailbox);
    socket.subscribe(&mailbox);
    assert_eq!(socket.envelope(&mailbox), first);
}

#[test]
fn a_wrong_capability_and_an_unknown_mailbox_get_the_same_answer() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let wrong_key = Mailbox {
        capability: Capability::from_bytes(random()),
        ..mailbox.clone()
    };
    let unknown = Mailbox::random();
    let (one, other) = (wrong_key.put(&node, b"x"), unknown.put(&node, b"x"));
    assert_eq!(one.problem(404).kind, "unknown-mailbox");
    assert_eq!((one.status, &one.body), (other.status, &other.body));

    let wrong_key = Mailbox {
        read_key: ReadKey::from_bytes(random()),
        ..mailbox.clone()
    };
    let one = socket.try_subscribe(&wrong_key).unwrap_err();
    assert_eq!(one, socket.try_subscribe(&unknown).unwrap_err());
    assert_eq!(one, socket.try_delete(&wrong_key).unwrap_err());
    // The read key does not permit writing, nor the capability reading.
    let swapped = Mailbox {
        capability: Capability::from_bytes(*mailbox.read_key.as_bytes()),
        read_key: ReadKey::from_bytes(*mailbox.capability.as_bytes()),
        ..mailbox
    };
    swapped.put(&node, b"x").problem(404);
    assert_eq!(one, socket.try_subscribe(&swapped).unwrap_err());
}

#[test]
fn guessing_capabilities_is_slowed_down() {
    let node = Node::start_with(&[("HITHER_LIMITS__FAILURES_PER_MINUTE", "2")]);
    let unknown = Mailbox::random();
    unknown.put(&node, b"x").problem(404);
    unknown.put(&node, b"x").problem(404);
    let refused = unknown.put(&node, b"x");
    assert_eq!(refused.problem(429).kind, "too-often");
    assert_eq!(refused.header("access-control-allow-origin"), "*");
}

#[test]
fn a_mailbox_can_be_made_twice_alike_and_not_otherwise() {
    let node = Node::start();
    let owner = Device::owner(&node);
    let mut socket = owner.sign_in(&node);
    let mailbox = socket.create_mailbox();
    mailbox.put(&node, b"kept").expect(202);
    socket.try_create(&mailbox).unwrap();
    let mut other = Device::invited_by(&node, &socket, Role::Member).sign_in(&node);
    let thief = Mailbox {
        id: mailbox.id,
        ..Mailbox::random()
    };
    assert_eq!(other.try_create(&thief).unwrap_err().kind, "mailbox-taken");
    socket.subscribe(&mailbox);
    assert_eq!(socket.envelope(&mailbox).1, b"kept");
}

#[test]
fn a_deleted_mailbox_takes_nothing_and_its_id_is_free() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    mailbox.put(&node, b"lost").expect(202);
    socket.try_delete(&mailbox).unwrap();
    mailbox.put(&node, b"x").problem(404);
    socket.try_create(&mailbox).unwrap();
    socket.subscribe(&mailbox);
    socket.settle();
    mailbox.put(&node, b"new").expect(202);
    assert_eq!(socket.envelope(&mailbox).1, b"new");
}

#[test]
fn a_full_mailbox_says_so_and_has_room_again_once_read() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let fits = limits::MAX_WAITING_BYTES / limits::MAX_ENVELOPE;
    for _ in 0..fits {
        mailbox.put(&node, &[9; limits::MAX_ENVELOPE]).expect(202);
    }
    let refused = mailbox.put(&node, &[9; limits::MAX_ENVELOPE]);
    assert_eq!(refused.problem(507).kind, "mailbox-full");
    socket.subscribe(&mailbox);
    let (sequence, _) = socket.envelope(&mailbox);
    socket.acknowledge(&mailbox, sequence);
    for _ in 1..fits {
        socket.envelope(&mailbox);
    }
    socket.settle();
    mailbox.put(&node, &[9; limits::MAX_ENVELOPE]).expect(202);
    assert_eq!(socket.envelope(&mailbox).1.len(), limits::MAX_ENVELOPE);
}

#[test]
fn an_account_has_so_many_mailboxes_and_no_more() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    for _ in 0..limits::MAX_MAILBOXES {
        socket.create_mailbox();
    }
    let refused = socket.try_create(&Mailbox::random()).unwrap_err();
    assert_eq!(
        (refused.status, &*refused.kind),
        (507, "too-many-mailboxes")
    );
}

#[test]
fn an_expiry_is_kept_coarsely_and_out_of_range_refused() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let put = |secs: &str| {
        mailbox
            .put_request()
            .header(header::EXPIRES_IN, secs)
            .body(b"x")
            .send(&node)
    };
    put("1").expect(202);
    put(&limits::MAX_ENVELOPE_SECS.to_string()).expect(202);
    assert_eq!(put("0").problem(400).kind, "expiry");
    assert_eq!(put("2592001").problem(400).kind, "expiry");
    assert_eq!(put("soon").problem(400).kind, "malformed-header");
    assert_eq!(put("-1").problem(400).kind, "malformed-header");

    let kept = rusqlite::Connection::open(node.data_dir().join("node.sqlite")).unwrap();
    let mut statement = kept.prepare("SELECT expires FROM envelopes").unwrap();
    let expiries = statement.query_map([], |row| row.get(0)).unwrap();
    let expiries: Vec<u64> = expiries.map(Result::unwrap).collect();
    assert_eq!(expiries.len(), 2);
    assert_eq!(expiries[0] % 60, 0);
    assert_eq!(expiries[1] % 86_400, 0);
}

#[test]
fn an_expired_envelope_is_neither_delivered_nor_kept() {
    let mut node = Node::start();
    let device = Device::owner(&node);
    let mut socket = device.sign_in(&node);
    let mailbox = socket.create_mailbox();
    mailbox.put(&node, b"old").expect(202);
    mailbox.put(&node, b"young").expect(202);
    node.stop();
    {
        // Time passes for the first of them only.
        let kept = rusqlite::Connection::open(node.data_dir().join("node.sqlite")).unwrap();
        let aged = kept.execute(
            "UPDATE envelopes SET expires = 1 WHERE bytes = ?1",
            [b"old".as_slice()],
        );
        assert_eq!(aged.unwrap(), 1);
    }
    node.start_again();
    let mut socket = device.sign_in(&node);
    socket.subscribe(&mailbox);
    assert_eq!(socket.envelope(&mailbox).1, b"young");
    // The sweep at the start has removed the row as well.
    socket.settle();
    let kept = rusqlite::Connection::open(node.data_dir().join("node.sqlite")).unwrap();
    let count = || {
        kept.query_row("SELECT count(*) FROM envelopes", [], |row| row.get(0))
            .unwrap()
    };
    let rows: u64 = count();
    assert_eq!(rows, 1);
}

#[test]
fn a_page_from_another_node_may_put_and_nothing_else() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    let path = format!("/api/v1/mailboxes/{}", mailbox.id.to_text());
    let preflight = Request::new("OPTIONS", &path)
        .header("origin", "https://other.example")
        .header("access-control-request-method", "POST")
        .send(&node);
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-methods"), "POST");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let put = mailbox
        .put_request()
        .header("origin", "https://other.example")
        .body(b"x")
        .send(&node);
    assert_eq!(put.expect(202).header("access-control-allow-origin"), "*");
    for other in ["/api/v1/node", "/api/v1/devices", "/"] {
        let answer = Request::new("GET", other)
            .header("origin", "https://other.example")
            .send(&node);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
    }
}

#[test]
fn many_writers_at_once_lose_nothing_and_keep_their_order() {
    const PUTS: u16 = 100;
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailboxes: Vec<Mailbox> = (0..6).map(|_| socket.create_mailbox()).collect();
    for mailbox in &mailboxes {
        socket.subscribe(mailbox);
    }
    std::thread::scope(|scope| {
        for mailbox in &mailboxes {
            let node = &node;
            scope.spawn(move || {
                for n in 0..PUTS {
                    mailbox.put(node, &n.to_le_bytes()).expect(202);
                }
            });
        }
        let mut next: BTreeMap<MailboxId, u16> = BTreeMap::new();
        for _ in 0..usize::from(PUTS) * mailboxes.len() {
            let ServerFrame::Envelope {
                mailbox,
                sequence,
                bytes,
            } = socket.next()
            else {
                panic!("only envelopes come");
            };
            let next = next.entry(mailbox).or_default();
            assert_eq!(bytes, next.to_le_bytes());
            *next += 1;
            socket.say(&ClientFrame::Acknowledge { mailbox, sequence });
        }
    });
    socket.settle();
    for mailbox in &mailboxes {
        socket.subscribe(mailbox);
    }
    socket.settle();
}
