// SPDX-License-Identifier: MIT OR Apache-2.0
//! One link: an `RTCPeerConnection`, its data channel, its three protected transceivers.
//!
//! What changes the description happens one after the other, in the order asked for, whatever the browser
//! takes its time with.

mod channel;
mod media;
mod sizing;
mod stats;
mod watchdog;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use hither_crypto::media::MediaKey;
use hither_endpoint::{
    Candidate, DescriptionKind, IceConfig, LinkEvent, LinkId, LinkRole, LinkState, MediaReport,
    PathReport,
};
use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    RtcDataChannelEvent, RtcIceCandidateInit, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit, RtcSignalingState,
};

use self::channel::{Channel, ChannelEvent, MAX_MESSAGE};
pub(crate) use self::media::Tracks;
use self::media::Transceivers;
use self::stats::Stats;
use self::watchdog::{Traffic, Watchdog};
use crate::listen::{Listener, sleep};
use crate::message::Counters;
use crate::sys::{PeerConnection, object, settled, text};
use crate::workers::MediaWorker;

/// How often statistics are looked at, milliseconds.
const SAMPLING: i32 = 250;

/// Operations that may wait. The machine sends a handful; candidates of a large machine are some dozens.
const MAX_OPERATIONS: usize = 512;

/// Samples without an answer of the worker that are forgiven: a busy machine is no leak.
const FORGIVEN: u32 = 5;

/// Candidates kept for a description that is yet to come.
const MAX_EARLY: usize = 64;

/// What a link needs of its surroundings.
pub(crate) struct Surroundings {
    /// Where events go.
    pub(crate) report: Rc<dyn Fn(LinkEvent)>,
    /// Seals and opens its frames.
    pub(crate) worker: MediaWorker,
    /// Called when the tracks that arrive are others than before.
    pub(crate) tracks_changed: Box<dyn Fn()>,
    /// Called when frames passed the worker by.
    pub(crate) unprotected: Box<dyn Fn(LinkId)>,
}

/// A peer connection. Dropped or closed, nothing more is heard of it.
pub(crate) struct Link {
    id: LinkId,
    role: LinkRole,
    around: Rc<Surroundings>,
    connection: PeerConnection,
    operations: RefCell<VecDeque<Operation>>,
    working: Cell<bool>,
    closed: Cell<bool>,
    early: RefCell<Vec<Candidate>>,
    channel: RefCell<Option<Channel>>,
    transceivers: RefCell<Option<Transceivers>>,
    tracks: RefCell<Tracks>,
    listeners: RefCell<Vec<Listener>>,
    sampling: Cell<bool>,
    seen: RefCell<Seen>,
}

/// What was last reported, and what the watchdog remembers.
#[derive(Default)]
struct Seen {
    watchdog: Watchdog,
    unanswered: u32,
    path: Option<PathReport>,
    media: MediaReport,
}

impl Seen {
    /// Whether something passed the worker by. A worker that says nothing for long is judged by its last words.
    fn look(&mut self, traffic: [Traffic; 3], counters: [Counters; 3], answered: bool) -> bool {
        self.unanswered = if answered { 0 } else { self.unanswered + 1 };
        let judged = answered || self.unanswered > FORGIVEN;
        judged && self.watchdog.look(traffic, counters)
    }
}

enum Operation {
    Offer,
    Restart(IceConfig),
    Configure(IceConfig),
    Describe(DescriptionKind, String),
    Try(Candidate),
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Link").field(&self.id.0).finish()
    }
}

impl Link {
    /// Makes the connection. An offerer sets about its offer.
    pub(crate) fn open(
        id: LinkId,
        role: LinkRole,
        ice: &IceConfig,
        keys: (&MediaKey, Option<&MediaKey>),
        around: &Rc<Surroundings>,
    ) -> Result<Rc<Self>, JsValue> {
        around.worker.set_send_key(id, keys.0);
        if let Some(key) = keys.1 {
            around.worker.set_receive_key(id, key);
        }
        let connection = RtcPeerConnection::new_with_configuration(&configuration(ice))?;
        let link = Rc::new(Self {
            id,
            role,
            around: Rc::clone(around),
            connection: connection.unchecked_into(),
            operations: RefCell::default(),
            working: Cell::default(),
            closed: Cell::default(),
            early: RefCell::default(),
            channel: RefCell::default(),
            transceivers: RefCell::default(),
            tracks: RefCell::default(),
            listeners: RefCell::default(),
            sampling: Cell::default(),
            seen: RefCell::default(),
        });
        link.listen();
        if role == LinkRole::Offerer {
            link.push(Operation::Offer);
        }
        Ok(link)
    }

    /// The other side's key is known.
    pub(crate) fn set_receive_key(&self, key: &MediaKey) {
        self.around.worker.set_receive_key(self.id, key);
    }

    /// The other side's description.
    pub(crate) fn describe(self: &Rc<Self>, kind: DescriptionKind, sdp: String) {
        self.push(Operation::Describe(kind, sdp));
    }

    /// The other side's candidate.
    pub(crate) fn try_candidate(self: &Rc<Self>, candidate: Candidate) {
        self.push(Operation::Try(candidate));
    }

    /// Gathers anew and offers again.
    pub(crate) fn restart(self: &Rc<Self>, ice: IceConfig) {
        self.push(Operation::Restart(ice));
    }

    /// Gathers with these servers and this policy: at once if nothing is described yet, else from the next
    /// restart on.
    pub(crate) fn set_ice(self: &Rc<Self>, ice: IceConfig) {
        if self.connection.local_description().is_some() {
            self.push(Operation::Configure(ice));
        } else if self.configure(&ice).is_err() {
            self.broken();
        }
    }

    /// Sends over the data channel.
    pub(crate) fn send(&self, bytes: Vec<u8>) {
        if bytes.len() > MAX_MESSAGE {
            tracing::warn!(
                bytes = bytes.len(),
                "a message is too long for the data channel"
            );
            return;
        }
        let full = match &*self.channel.borrow() {
            Some(channel) => channel.send(bytes).is_err(),
            None => false,
        };
        if full {
            drop(self.channel.take());
            self.report(LinkEvent::ChannelClosed { link: self.id });
        }
    }

    /// Sends these tracks from now on.
    pub(crate) fn feed(&self, tracks: Tracks) {
        self.tracks.replace(tracks);
        self.feed_senders();
    }

    /// What arrives.
    pub(crate) fn remote_tracks(&self) -> Tracks {
        let transceivers = self.transceivers.borrow();
        transceivers
            .as_ref()
            .map_or_else(Tracks::default, Transceivers::remote_tracks)
    }

    /// Ends it.
    pub(crate) fn close(&self) {
        if !self.closed.replace(true) {
            drop(self.listeners.take());
            drop(self.channel.take());
            drop(self.operations.take());
            self.connection.close();
            self.around.worker.forget(self.id);
        }
    }

    fn report(&self, event: LinkEvent) {
        if !self.closed.get() {
            (self.around.report)(event);
        }
    }

    fn broken(&self) {
        self.report(LinkEvent::Broken { link: self.id });
        self.close();
    }

    fn feed_senders(&self) {
        if let Some(transceivers) = &*self.transceivers.borrow() {
            transceivers.feed(&self.tracks.borrow());
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

// The connection's events.
impl Link {
    fn listen(self: &Rc<Self>) {
        let connection: &web_sys::EventTarget = &self.connection;
        let on_candidate = {
            let link = Rc::downgrade(self);
            move |event: RtcPeerConnectionIceEvent| with(&link, |link| link.gathered(&event))
        };
        let on_state = {
            let link = Rc::downgrade(self);
            move |_: JsValue| with(&link, Self::state_changed)
        };
        let on_channel = {
            let link = Rc::downgrade(self);
            move |event: RtcDataChannelEvent| with(&link, |link| link.offered_channel(&event))
        };
        self.listeners.replace(vec![
            Listener::new(connection, "icecandidate", on_candidate),
            Listener::new(connection, "connectionstatechange", on_state),
            Listener::new(connection, "datachannel", on_channel),
        ]);
    }

    fn gathered(&self, event: &RtcPeerConnectionIceEvent) {
        let candidate = event.candidate().map_or_else(
            || Candidate {
                line: String::new(),
                mid: "0".to_owned(),
                index: 0,
            },
            |candidate| Candidate {
                line: candidate.candidate(),
                mid: candidate.sdp_mid().unwrap_or_default(),
                index: candidate.sdp_m_line_index().unwrap_or_default(),
            },
        );
        self.report(LinkEvent::Candidate {
            link: self.id,
            candidate,
        });
    }

    fn state_changed(self: &Rc<Self>) {
        let state = match self.connection.connection_state() {
            RtcPeerConnectionState::Connected => LinkState::Connected,
            RtcPeerConnectionState::Disconnected => LinkState::Interrupted,
            RtcPeerConnectionState::Failed => LinkState::Failed,
            _ => LinkState::Connecting,
        };
        self.report(LinkEvent::State {
            link: self.id,
            state,
        });
        if state != LinkState::Connecting {
            let up = state == LinkState::Connected;
            self.around.worker.set_up(self.id, up);
        }
        if state == LinkState::Connected && !self.sampling.replace(true) {
            spawn_local(sample(Rc::downgrade(self)));
        }
    }

    /// Only an answerer expects one, and only one.
    fn offered_channel(self: &Rc<Self>, event: &RtcDataChannelEvent) {
        let channel = event.channel();
        let expected = self.role == LinkRole::Answerer
            && channel.label() == channel::LABEL
            && self.channel.borrow().is_none();
        if expected {
            self.take_channel(channel);
        } else {
            channel.close();
        }
    }

    fn take_channel(self: &Rc<Self>, channel: web_sys::RtcDataChannel) {
        let (link, weak) = (self.id, Rc::downgrade(self));
        let report = move |event| {
            let event = match event {
                ChannelEvent::Opened => LinkEvent::ChannelOpened { link },
                ChannelEvent::Closed => LinkEvent::ChannelClosed { link },
                ChannelEvent::Message(bytes) => LinkEvent::Message { link, bytes },
            };
            with(&weak, |link| link.report(event));
        };
        self.channel.replace(Some(Channel::new(channel, report)));
    }
}

fn with(link: &Weak<Link>, act: impl FnOnce(&Rc<Link>)) {
    if let Some(link) = link.upgrade().filter(|link| !link.closed.get()) {
        act(&link);
    }
}

// Descriptions and candidates, one after the other.
impl Link {
    fn push(self: &Rc<Self>, operation: Operation) {
        if self.closed.get() {
            return;
        }
        if self.operations.borrow().len() >= MAX_OPERATIONS {
            return self.broken();
        }
        self.operations.borrow_mut().push_back(operation);
        if !self.working.replace(true) {
            spawn_local(Rc::clone(self).work());
        }
    }

    fn next(&self) -> Option<Operation> {
        self.operations.borrow_mut().pop_front()
    }

    async fn work(self: Rc<Self>) {
        while let Some(operation) = self.next() {
            if let Err(error) = self.perform(operation).await {
                tracing::debug!(reason = crate::sys::error_name(&error), "a link is broken");
                self.broken();
            }
        }
        self.working.set(false);
    }

    async fn perform(self: &Rc<Self>, operation: Operation) -> Result<(), JsValue> {
        match operation {
            Operation::Offer => {
                let worker = self.around.worker.ready().await?;
                let channel = self.connection.open_data_channel(channel::LABEL)?;
                self.take_channel(channel);
                let made = Transceivers::add(&self.connection, self.id, &worker)?;
                self.take_transceivers(made);
                self.offer().await
            }
            Operation::Restart(ice) => {
                self.configure(&ice)?;
                self.connection.restart_ice()?;
                self.offer().await
            }
            Operation::Configure(ice) => self.configure(&ice),
            Operation::Describe(DescriptionKind::Offer, sdp) => self.answer(&sdp).await,
            Operation::Describe(DescriptionKind::Answer, sdp) => self.accept(&sdp).await,
            Operation::Try(candidate) => {
                self.add_candidate(candidate).await;
                Ok(())
            }
        }
    }

    fn configure(&self, ice: &IceConfig) -> Result<(), JsValue> {
        self.connection
            .set_configuration_with_configuration(&configuration(ice))
    }

    async fn offer(&self) -> Result<(), JsValue> {
        let made = settled(self.connection.create_offer()).await?;
        self.set_local(DescriptionKind::Offer, &made).await
    }

    async fn answer(self: &Rc<Self>, sdp: &str) -> Result<(), JsValue> {
        let worker = self.around.worker.ready().await?;
        self.set_remote(RtcSdpType::Offer, sdp).await?;
        if self.transceivers.borrow().is_none() {
            let adopted = Transceivers::adopt(&self.connection, self.id, &worker)?;
            self.take_transceivers(adopted);
        }
        let made = settled(self.connection.create_answer()).await?;
        self.set_local(DescriptionKind::Answer, &made).await
    }

    /// An answer to an offer that was answered before is of no use, and does no harm.
    async fn accept(&self, sdp: &str) -> Result<(), JsValue> {
        if self.connection.signaling_state() != RtcSignalingState::HaveLocalOffer {
            return Ok(());
        }
        self.set_remote(RtcSdpType::Answer, sdp).await
    }

    async fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsValue> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        settled(self.connection.set_remote_description(&description)).await?;
        for candidate in self.early.take() {
            self.add_candidate(candidate).await;
        }
        Ok(())
    }

    async fn set_local(&self, kind: DescriptionKind, made: &JsValue) -> Result<(), JsValue> {
        let sdp = text(made, "sdp").unwrap_or_default();
        let description = made.unchecked_ref();
        let set = self.connection.set_local_description(description);
        // It is on its way while the browser opens its sockets. What cannot be set breaks the link.
        self.report(LinkEvent::Description {
            link: self.id,
            kind,
            sdp: without_candidates(&sdp),
        });
        settled(set).await.map(drop)
    }

    /// One that does not fit the description of now may fit the next one.
    async fn add_candidate(&self, candidate: Candidate) {
        let fits = self.connection.remote_description().is_some() && {
            let init = RtcIceCandidateInit::new(&candidate.line);
            init.set_sdp_mid(Some(&candidate.mid));
            init.set_sdp_m_line_index(Some(candidate.index));
            let added = self
                .connection
                .add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
            settled(added).await.is_ok()
        };
        let mut early = self.early.borrow_mut();
        if !fits && early.len() < MAX_EARLY {
            early.push(candidate);
        }
    }

    fn take_transceivers(&self, transceivers: Transceivers) {
        self.transceivers.replace(Some(transceivers));
        self.feed_senders();
        (self.around.tracks_changed)();
    }
}

/// `createOffer` repeats the candidates gathered so far; each of them travels by itself.
pub(crate) fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n')
        .filter(|line| {
            !line.starts_with("a=candidate:") && !line.starts_with("a=end-of-candidates")
        })
        .collect()
}

pub(crate) fn configuration(ice: &IceConfig) -> web_sys::RtcConfiguration {
    let urls: Array = ice
        .urls
        .iter()
        .map(|url| JsValue::from(url.as_str()))
        .collect();
    let servers = Array::new();
    if urls.length() > 0 {
        servers.push(&object(&[
            ("urls", urls.into()),
            ("username", ice.username.as_str().into()),
            ("credential", ice.password.as_str().into()),
        ]));
    }
    let policy = if ice.relay_only { "relay" } else { "all" };
    object(&[
        ("iceServers", servers.into()),
        ("iceTransportPolicy", policy.into()),
        ("bundlePolicy", "max-bundle".into()),
        ("rtcpMuxPolicy", "require".into()),
        // Without it Chromium lets frames pass a transform by, in the clear, without an error
        // (w3c/webrtc-encoded-transform #314). With it nothing flows that was not transformed.
        ("encodedInsertableStreams", JsValue::TRUE),
    ])
    .unchecked_into()
}

/// Looks at the statistics of a link again and again, until it is closed.
async fn sample(link: Weak<Link>) {
    while let Some(link) = link.upgrade().filter(|link| !link.closed.get()) {
        if let Ok(report) = settled(link.connection.get_stats()).await {
            // The worker is asked after the browser: see the watchdog.
            let (counters, answered) = link.around.worker.count(link.id).await;
            link.look(&Stats::new(report), counters, answered);
        }
        drop(link);
        sleep(SAMPLING).await;
    }
}

// Statistics.
impl Link {
    fn look(&self, stats: &Stats, counters: [Counters; 3], answered: bool) {
        let mids = match &*self.transceivers.borrow() {
            Some(transceivers) => {
                let mids = transceivers.mids();
                transceivers.adapt(stats.outgoing(&mids));
                mids
            }
            None => return,
        };
        let traffic = stats.traffic(&mids);
        if self.seen.borrow_mut().look(traffic, counters, answered) {
            (self.around.unprotected)(self.id);
        }
        self.report_path(stats.path());
        self.report_media(media_report(stats, traffic, counters));
    }

    fn report_path(&self, path: Option<PathReport>) {
        let news = path.filter(|path| self.seen.borrow().path.as_ref() != Some(path));
        if let Some(report) = news {
            let before = self.seen.borrow_mut().path.replace(report.clone());
            let moved = before.is_some_and(|before| before.addresses != report.addresses);
            if moved && self.connection.connection_state() == RtcPeerConnectionState::Connected {
                // Without sound to listen to it is the only sign that the link is well again.
                self.around.worker.set_up(self.id, true);
            }
            self.report(LinkEvent::Path {
                link: self.id,
                report,
            });
        }
    }

    fn report_media(&self, report: MediaReport) {
        if self.seen.borrow().media != report {
            self.seen.borrow_mut().media = report;
            self.report(LinkEvent::Media {
                link: self.id,
                report,
            });
        }
    }
}

fn media_report(stats: &Stats, traffic: [Traffic; 3], counters: [Counters; 3]) -> MediaReport {
    MediaReport {
        frames_decoded: traffic.iter().map(|slot| slot.frames_decoded).sum(),
        sealed: counters.iter().map(|slot| slot.sealed).sum(),
        opened: counters.iter().map(|slot| slot.opened).sum(),
        refused: counters.iter().map(|slot| slot.refused).sum(),
        sound: stats.sound(),
        pictures: stats.pictures(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Seen, Traffic, without_candidates};

    #[test]
    fn a_worker_that_does_not_answer_is_forgiven_for_a_while() {
        let mut seen = Seen::default();
        let mut traffic = [Traffic::default(); 3];
        let mut alarms = Vec::new();
        for decoded in 1..20 {
            traffic[1].frames_decoded = decoded;
            alarms.push(seen.look(traffic, [Counters::default(); 3], false));
        }
        let first = alarms.iter().position(|alarm| *alarm);
        assert!(first.is_some_and(|first| first > 5), "{alarms:?}");
    }

    #[test]
    fn a_description_is_sent_without_candidates() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\na=mid:0\r\na=end-of-candidates\r\n";
        assert_eq!(without_candidates(sdp), "v=0\r\na=mid:0\r\n");
    }
}
