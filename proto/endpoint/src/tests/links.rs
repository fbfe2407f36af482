// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peer connections without a network: pairs find each other through what the machines carry between them.
//!
//! A pair connects when both descriptions are set and each side has heard a candidate of the other's present
//! generation. Its channel is reliable and ordered until it is cut; after an ICE restart it goes on.

use std::collections::{BTreeMap, BTreeSet};

use hither_crypto::media::MediaKey;

use super::node::MARKER;
use crate::{
    Candidate, CandidateKind, DescriptionKind, IceConfig, LinkAction, LinkEvent, LinkId, LinkRole,
    LinkState, PathReport, TransportProtocol,
};

/// Whose link, of which run of theirs.
pub(super) type Owner = (usize, u32);
type Key = (usize, u32, LinkId);

pub(super) struct SimLink {
    role: LinkRole,
    pub(super) ice: IceConfig,
    pub(super) send_key: MediaKey,
    pub(super) receive_key: Option<MediaKey>,
    generation: u32,
    local: bool,
    remote: Option<Key>,
    heard: BTreeSet<u32>,
    connected: bool,
    /// The generation whose pair was selected last.
    carried: u32,
    /// As its machine knows it.
    pub(super) channel: bool,
    channel_told: bool,
    unsent: Vec<Vec<u8>>,
    pub(super) media: Option<[bool; 3]>,
    /// The warm spare of another one.
    pub(super) spare: bool,
}

/// Something that will happen to a link after so many milliseconds.
pub(super) struct Later {
    pub(super) after: u64,
    pub(super) owner: Owner,
    pub(super) event: LinkEvent,
}

#[derive(Default)]
pub(super) struct SimLinks {
    links: BTreeMap<Key, SimLink>,
    /// Nothing connects, and what is connected is cut.
    pub(super) cut: bool,
    /// Whatever connects, connects over the relay.
    pub(super) walled: bool,
    /// How often a link was opened that is no spare.
    pub(super) opened: usize,
    /// How often a spare was opened.
    pub(super) spares: usize,
    pub(super) capture: Option<[bool; 3]>,
}

impl SimLinks {
    pub(super) fn of(&self, (who, run): Owner) -> Vec<(LinkId, &SimLink)> {
        self.links
            .iter()
            .filter(|((owner, of, _), _)| (*owner, *of) == (who, run))
            .map(|((_, _, id), link)| (*id, link))
            .collect()
    }

    pub(super) fn handle(&mut self, (who, run): Owner, action: LinkAction) -> Vec<Later> {
        let key = |link: LinkId| (who, run, link);
        match action {
            LinkAction::Open {
                link,
                role,
                ice,
                send_key,
                receive_key,
            } => {
                self.opened += 1;
                let new = SimLink {
                    role,
                    ice,
                    send_key,
                    receive_key,
                    generation: 0,
                    local: false,
                    remote: None,
                    heard: BTreeSet::new(),
                    connected: false,
                    carried: 0,
                    channel: false,
                    channel_told: false,
                    unsent: Vec::new(),
                    media: None,
                    spare: false,
                };
                let old = self.links.insert(key(link), new);
                assert!(old.is_none(), "a link's name is used once");
                match role {
                    LinkRole::Offerer => self.describe(key(link), DescriptionKind::Offer),
                    LinkRole::Answerer => Vec::new(),
                }
            }
            LinkAction::SetReceiveKey { link, key: media } => {
                if let Some(found) = self.links.get_mut(&key(link)) {
                    found.receive_key = Some(media);
                }
                Vec::new()
            }
            LinkAction::SetRemoteDescription { link, kind, sdp } => {
                self.set_remote(key(link), kind, &sdp)
            }
            LinkAction::AddCandidate { link, candidate } => self.heard(key(link), &candidate),
            LinkAction::RestartIce { link, ice } => {
                let Some(found) = self.links.get_mut(&key(link)) else {
                    return Vec::new();
                };
                assert_eq!(found.role, LinkRole::Offerer, "the offerer restarts");
                found.ice = ice;
                found.generation += 1;
                self.describe(key(link), DescriptionKind::Offer)
            }
            LinkAction::SetIce { link, ice } => {
                if let Some(found) = self.links.get_mut(&key(link)) {
                    found.ice = ice;
                }
                Vec::new()
            }
            LinkAction::Send { link, bytes } => self.send(key(link), bytes),
            LinkAction::SetMedia {
                link,
                microphone,
                camera,
                screen,
            } => {
                self.capture = Some([microphone, camera, screen]);
                if let Some(found) = link.and_then(|link| self.links.get_mut(&key(link))) {
                    found.media = Some([microphone, camera, screen]);
                }
                Vec::new()
            }
            LinkAction::Pair { spare, .. } => {
                if let Some(found) = self.links.get_mut(&key(spare))
                    && !core::mem::replace(&mut found.spare, true)
                {
                    self.opened -= 1;
                    self.spares += 1;
                }
                Vec::new()
            }
            LinkAction::Expect { .. } | LinkAction::Word { .. } => Vec::new(),
            LinkAction::Close { link } => self.close(key(link)),
            LinkAction::ReleaseCapture => {
                self.capture = None;
                Vec::new()
            }
        }
    }

    fn describe(&mut self, key: Key, kind: DescriptionKind) -> Vec<Later> {
        let Some(link) = self.links.get_mut(&key) else {
            return Vec::new();
        };
        link.local = true;
        let (who, run, id) = key;
        let generation = link.generation;
        let sdp = format!("v=0\r\n{who} {run} {} {generation}\r\na={MARKER}\r\n", id.0);
        let mut later = vec![Later {
            after: 15,
            owner: (who, run),
            event: LinkEvent::Description {
                link: id,
                kind,
                sdp,
            },
        }];
        let mut kinds = vec!["relay"];
        if !link.ice.relay_only {
            kinds.insert(0, "host");
        }
        for (place, kind) in (0_u64..).zip(kinds) {
            let line = format!(
                "candidate:1 1 udp 1 192.0.2.{who} 5000 typ {kind} generation {generation}"
            );
            later.push(Later {
                after: 25 + 10 * place,
                owner: (who, run),
                event: LinkEvent::Candidate {
                    link: id,
                    candidate: Candidate {
                        line,
                        mid: "0".into(),
                        index: 0,
                    },
                },
            });
        }
        later
    }

    fn set_remote(&mut self, key: Key, kind: DescriptionKind, sdp: &str) -> Vec<Later> {
        let Some(link) = self.links.get_mut(&key) else {
            return Vec::new();
        };
        let numbers: Vec<u32> = sdp
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [who, run, id, generation] = numbers[..] else {
            return Vec::new();
        };
        link.remote = Some((usize::try_from(who).expect("small"), run, LinkId(id)));
        let mut later = Vec::new();
        if kind == DescriptionKind::Offer {
            link.generation = generation;
            later = self.describe(key, DescriptionKind::Answer);
        }
        later.extend(self.connect(key));
        later
    }

    fn heard(&mut self, key: Key, candidate: &Candidate) -> Vec<Later> {
        let Some(link) = self.links.get_mut(&key) else {
            return Vec::new();
        };
        let generation = candidate.line.split(' ').next_back();
        if let Some(generation) = generation.and_then(|word| word.parse().ok()) {
            link.heard.insert(generation);
        }
        self.connect(key)
    }

    fn ready(&self, key: Key) -> Option<Key> {
        let link = self.links.get(&key)?;
        let there = link.remote?;
        let carried = link.connected && link.carried == link.generation;
        let fits = link.local && !carried && link.heard.contains(&link.generation);
        (fits && !self.cut).then_some(there)
    }

    fn connect(&mut self, key: Key) -> Vec<Later> {
        let Some(there) = self.ready(key) else {
            return Vec::new();
        };
        if self.ready(there) != Some(key)
            || self.links[&key].generation != self.links[&there].generation
        {
            return Vec::new();
        }
        let mut later = Vec::new();
        let relay_only = |key: Key| self.links[&key].ice.relay_only;
        let relayed = self.walled || relay_only(key) || relay_only(there);
        for key in [key, there] {
            let (who, run, link) = key;
            let owner = (who, run);
            let state = self.links.get_mut(&key).expect("both are there");
            let before = core::mem::replace(&mut state.connected, true);
            state.carried = state.generation;
            let kind = if relayed {
                CandidateKind::Relayed
            } else {
                CandidateKind::Host
            };
            let report = PathReport {
                local: kind,
                remote: kind,
                protocol: TransportProtocol::Udp,
                private_addresses: false,
                rtt_ms: Some(20),
                addresses: "192.0.2.1 → 192.0.2.2".into(),
            };
            let connected = LinkEvent::State {
                link,
                state: LinkState::Connected,
            };
            let path = (65, LinkEvent::Path { link, report });
            let connected = (!before).then_some((60, connected));
            for (after, event) in connected.into_iter().chain([path]) {
                later.push(Later {
                    after,
                    owner,
                    event,
                });
            }
            if !state.channel_told {
                state.channel_told = true;
                later.push(Later {
                    after: 80,
                    owner,
                    event: LinkEvent::ChannelOpened { link },
                });
            }
        }
        for key in [key, there] {
            let unsent = core::mem::take(&mut self.links.get_mut(&key).expect("there").unsent);
            for bytes in unsent {
                later.extend(self.carry(key, bytes));
            }
        }
        later
    }

    fn send(&mut self, key: Key, bytes: Vec<u8>) -> Vec<Later> {
        let link = self
            .links
            .get_mut(&key)
            .expect("sends over a link of its own");
        assert!(link.channel, "sends over an open channel only");
        if link.connected {
            self.carry(key, bytes)
        } else {
            link.unsent.push(bytes);
            Vec::new()
        }
    }

    fn carry(&self, key: Key, bytes: Vec<u8>) -> Vec<Later> {
        let Some((who, run, link)) = self.links[&key].remote else {
            return Vec::new();
        };
        vec![Later {
            // Behind the channel's opening at the other end.
            after: 90,
            owner: (who, run),
            event: LinkEvent::Message { link, bytes },
        }]
    }

    fn close(&mut self, key: Key) -> Vec<Later> {
        let Some(closed) = self.links.remove(&key) else {
            return Vec::new();
        };
        self.gone(key, &closed)
    }

    fn gone(&mut self, key: Key, closed: &SimLink) -> Vec<Later> {
        let Some(there) = closed.remote else {
            return Vec::new();
        };
        let Some(other) = self.links.get_mut(&there).filter(|l| l.remote == Some(key)) else {
            return Vec::new();
        };
        other.connected = false;
        let (who, run, link) = there;
        let owner = (who, run);
        let mut later = fading(owner, link);
        if other.channel_told {
            later.push(Later {
                // What is under way is lost with the channel.
                after: 5,
                owner,
                event: LinkEvent::ChannelClosed { link },
            });
        }
        later
    }

    /// A page was closed: nothing is said, it is just no longer there.
    pub(super) fn vanish(&mut self, (who, run): Owner) -> Vec<Later> {
        let keys: Vec<Key> = self
            .links
            .keys()
            .filter(|(owner, of, _)| (*owner, *of) == (who, run))
            .copied()
            .collect();
        let mut later = Vec::new();
        for key in keys {
            let Some(closed) = self.links.remove(&key) else {
                continue;
            };
            let mut fades = self.gone(key, &closed);
            fades.retain(|one| matches!(one.event, LinkEvent::State { .. }));
            later.extend(fades);
        }
        later
    }

    /// Cuts every connected pair until [`Self::cut`] is taken back and somebody restarts.
    pub(super) fn cut(&mut self) -> Vec<Later> {
        self.cut = true;
        let mut later = Vec::new();
        for ((who, run, link), state) in &mut self.links {
            if core::mem::take(&mut state.connected) {
                later.extend(fading((*who, *run), *link));
            }
        }
        later
    }

    /// Whether an event still means something when its time comes; keeps the channel's state.
    pub(super) fn arrives(&mut self, (who, run): Owner, event: &LinkEvent) -> bool {
        let (link, means) = match event {
            LinkEvent::State { link, state } => {
                let fading = matches!(state, LinkState::Interrupted | LinkState::Failed);
                (*link, Some(fading))
            }
            LinkEvent::Description { link, .. }
            | LinkEvent::Candidate { link, .. }
            | LinkEvent::ChannelOpened { link }
            | LinkEvent::ChannelClosed { link }
            | LinkEvent::Message { link, .. }
            | LinkEvent::Path { link, .. } => (*link, None),
            _ => return true,
        };
        let Some(found) = self.links.get_mut(&(who, run, link)) else {
            return false;
        };
        match event {
            LinkEvent::ChannelOpened { .. } => found.channel = true,
            LinkEvent::ChannelClosed { .. } => found.channel = false,
            LinkEvent::Message { .. } => return found.channel,
            _ => {}
        }
        means.is_none_or(|fading| fading != found.connected)
    }
}

fn fading(owner: Owner, link: LinkId) -> Vec<Later> {
    let states = [(2_000, LinkState::Interrupted), (9_000, LinkState::Failed)];
    states
        .into_iter()
        .map(|(after, state)| Later {
            after,
            owner,
            event: LinkEvent::State { link, state },
        })
        .collect()
}
