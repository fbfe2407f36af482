// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data on its way costs no memory: what was granted once is carried without asking for any.
#![expect(clippy::expect_used, reason = "a test may fail loudly")]

mod counting;
mod crowd;

use counting::ALLOCATOR;
use crowd::{CHANNEL, Crowd};
use hither_stun::attribute::AttributeType;
use hither_stun::message::MessageBuilder;
use hither_stun::message_type::{Class, Method};
use hither_stun::server::{Decision, PeerAddr, RelayedAddr, Run, runs};
use hither_stun::transaction::TransactionId;

#[test]
fn data_on_its_way_asks_for_no_memory() {
    let mut crowd = Crowd::new(10);
    crowd.join_in_pairs(4);
    crowd.join();
    let outside = ([9, 9, 9, 9], 9).into();
    crowd.bind(8, outside);
    let [first, second, lonely] = [0, 1, 8].map(|who: usize| &crowd.clients[who]);
    let (channel_data, stride) = channel_data();
    let indication = indication(second.relayed);
    let (server, now) = (&mut crowd.server, crowd.now);

    let before = ALLOCATOR.calls();
    for _ in 0..100 {
        for run in runs(&channel_data, stride) {
            let decision = server.handle_client(first.tuple, run, now);
            assert!(matches!(decision, Decision::ToClient { to, frame, .. }
                if to == second.tuple && frame.head(1, 8).len() == 4));
            let decision = server.handle_client(lonely.tuple, run, now);
            assert!(matches!(decision, Decision::ToPeer { .. }));
        }
        let decision = server.handle_client(first.tuple, Run::one(&indication), now);
        assert!(matches!(decision, Decision::ToClient { .. }));
        // From the channel's peer, and from another port of it: as channel data, and in an indication.
        for port in [9, 10] {
            let peer = PeerAddr::new(([9, 9, 9, 9], port).into());
            let at = RelayedAddr(lonely.relayed);
            let decision = server.handle_peer(at, peer, Run::new(&channel_data, 100), now);
            assert!(matches!(decision, Decision::ToClient { frame, .. }
                if frame.channel().is_some() == (port == 9) && frame.head(2, 100).len() >= 4));
        }
        server.handle_timeout(now);
    }
    assert_eq!(ALLOCATOR.calls(), before);
    assert!(server.counters().datagrams_between_clients >= 400);
}

/// Three datagrams, the last one shorter, and how far apart they begin.
fn channel_data() -> (Vec<u8>, usize) {
    let datagram = |length: u16| {
        let mut datagram = [CHANNEL.to_be_bytes(), length.to_be_bytes()].concat();
        datagram.resize(4 + usize::from(length), 7);
        datagram
    };
    ([datagram(160), datagram(160), datagram(20)].concat(), 164)
}

fn indication(peer: std::net::SocketAddr) -> Vec<u8> {
    let id = TransactionId::from_bytes([1; 12]);
    MessageBuilder::new(Class::Indication, Method::SEND, id)
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .attribute(AttributeType::DATA, &[7; 160])
        .finish(None, false)
        .expect("it is short")
}
