// SPDX-License-Identifier: MIT OR Apache-2.0
//! One end of a connection that begins and ends in this page.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hither_endpoint::network::Gathered;
use hither_endpoint::{CandidateKind, IceConfig};
use js_sys::Map;
use std::net::IpAddr;
use wasm_bindgen::prelude::*;
use web_sys::{
    RtcIceCandidateInit, RtcIceConnectionState, RtcIceGatheringState, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcSdpType, RtcSessionDescriptionInit,
};

use crate::link::{configuration, without_candidates};
use crate::listen::Listener;
use crate::sys::{PeerConnection, count, get, number, settled, text};

/// Candidates that are kept.
const MAX_CANDIDATES: usize = 64;

/// A peer connection with a data channel and nothing in it. Dropped, it is closed.
pub(super) struct End {
    connection: PeerConnection,
    seen: Rc<Seen>,
    /// How many candidates the other end was given.
    passed_on: Cell<usize>,
    _listeners: [Listener; 2],
}

/// What was gathered and what went wrong.
#[derive(Default)]
struct Seen {
    candidates: RefCell<Vec<(JsValue, Gathered)>>,
    refusal: Cell<Option<u16>>,
}

impl End {
    pub(super) fn new(ice: &IceConfig) -> Result<Rc<Self>, JsValue> {
        let connection = RtcPeerConnection::new_with_configuration(&configuration(ice))?;
        let connection: PeerConnection = connection.unchecked_into();
        let seen = Rc::<Seen>::default();
        let gathered = {
            let seen = Rc::clone(&seen);
            move |event: RtcPeerConnectionIceEvent| seen.gather(&event)
        };
        let refused = {
            let seen = Rc::clone(&seen);
            move |event: JsValue| seen.refuse(&event)
        };
        let listeners = [
            Listener::new(&connection, "icecandidate", gathered),
            Listener::new(&connection, "icecandidateerror", refused),
        ];
        Ok(Rc::new(Self {
            connection,
            seen,
            passed_on: Cell::default(),
            _listeners: listeners,
        }))
    }

    /// Begins to gather; the offer without candidates.
    pub(super) async fn offer(&self) -> Result<String, JsValue> {
        let _channel = self.connection.open_data_channel("probe")?;
        let offer = settled(self.connection.create_offer()).await?;
        self.describe(RtcSdpType::Offer, text(&offer, "sdp")).await
    }

    async fn answer(&self, offer: &str) -> Result<String, JsValue> {
        self.accept(RtcSdpType::Offer, offer).await?;
        let answer = settled(self.connection.create_answer()).await?;
        self.describe(RtcSdpType::Answer, text(&answer, "sdp"))
            .await
    }

    async fn describe(&self, kind: RtcSdpType, sdp: Option<String>) -> Result<String, JsValue> {
        let sdp = sdp.unwrap_or_default();
        let init = RtcSessionDescriptionInit::new(kind);
        init.set_sdp(&sdp);
        settled(self.connection.set_local_description(&init)).await?;
        Ok(without_candidates(&sdp))
    }

    async fn accept(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsValue> {
        let init = RtcSessionDescriptionInit::new(kind);
        init.set_sdp(sdp);
        settled(self.connection.set_remote_description(&init)).await?;
        Ok(())
    }

    /// Gives the other end what was gathered since the last time.
    pub(super) async fn pass_on(&self, other: &Self) {
        let new: Vec<JsValue> = {
            let candidates = self.seen.candidates.borrow();
            let new = candidates.iter().skip(self.passed_on.get());
            new.map(|(candidate, _)| candidate.clone()).collect()
        };
        self.passed_on.set(self.passed_on.get() + new.len());
        for candidate in new {
            let add = other
                .connection
                .add_ice_candidate_with_opt_rtc_ice_candidate(Some(candidate.unchecked_ref()));
            // A closed end takes nothing, and is not waited for.
            drop(settled(add).await);
        }
    }

    /// Lets checks go to an address.
    pub(super) async fn try_address(&self, (ip, port): (IpAddr, u16)) -> Result<(), JsValue> {
        let line =
            format!("candidate:1 1 udp 1677729535 {ip} {port} typ srflx raddr 0.0.0.0 rport 0");
        let init = RtcIceCandidateInit::new(&line);
        init.set_sdp_m_line_index(Some(0));
        let add = self
            .connection
            .add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        settled(add).await?;
        Ok(())
    }

    pub(super) fn has_gathered(&self) -> bool {
        self.connection.ice_gathering_state() == RtcIceGatheringState::Complete || self.is_closed()
    }

    pub(super) fn gathered(&self) -> Vec<Gathered> {
        let candidates = self.seen.candidates.borrow();
        candidates
            .iter()
            .map(|(_, gathered)| gathered.clone())
            .collect()
    }

    /// What a server answered instead of an allocation.
    pub(super) fn refusal(&self) -> Option<u16> {
        self.seen.refusal.get()
    }

    pub(super) fn has_failed(&self) -> bool {
        use RtcIceConnectionState::{Closed, Disconnected, Failed};
        matches!(
            self.connection.ice_connection_state(),
            Failed | Disconnected | Closed
        )
    }

    fn is_closed(&self) -> bool {
        self.connection.ice_connection_state() == RtcIceConnectionState::Closed
    }

    /// It checks nothing and was not checked.
    pub(super) fn is_idle(&self) -> bool {
        use RtcIceConnectionState::{Closed, New};
        matches!(self.connection.ice_connection_state(), New | Closed)
    }

    /// Whether a check of the other end arrived here, or an answer of it did.
    pub(super) async fn is_reached(&self) -> bool {
        let reached =
            |pair: &JsValue| count(pair, "requestsReceived") + count(pair, "responsesReceived") > 0;
        self.pairs().await.iter().any(reached)
    }

    /// The last round trip of a check, milliseconds.
    pub(super) async fn rtt_ms(&self) -> Option<f64> {
        let pairs = self.pairs().await;
        let rtts = pairs
            .iter()
            .filter(|pair| count(pair, "responsesReceived") > 0)
            .filter_map(|pair| number(pair, "currentRoundTripTime"));
        rtts.reduce(f64::min).map(|seconds| seconds * 1000.0)
    }

    async fn pairs(&self) -> Vec<JsValue> {
        let mut pairs = Vec::new();
        if let Ok(report) = settled(self.connection.get_stats()).await {
            let report: Map = report.unchecked_into();
            report.for_each(&mut |stats, _id| {
                if text(&stats, "type").as_deref() == Some("candidate-pair") {
                    pairs.push(stats);
                }
            });
        }
        pairs
    }

    pub(super) fn close(&self) {
        self.connection.close();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

impl Seen {
    fn gather(&self, event: &RtcPeerConnectionIceEvent) {
        let candidate = get(event, "candidate");
        let mut candidates = self.candidates.borrow_mut();
        if let Some(gathered) = gathered(&candidate, event)
            && candidates.len() < MAX_CANDIDATES
        {
            candidates.push((candidate, gathered));
        }
    }

    /// What the browser itself found out, such as that nobody answers, has a number from 700 on.
    fn refuse(&self, event: &JsValue) {
        let code = u16::try_from(count(event, "errorCode")).unwrap_or(0);
        if (300..700).contains(&code) {
            self.refusal.set(Some(code));
        }
    }
}

fn gathered(candidate: &JsValue, event: &JsValue) -> Option<Gathered> {
    let kind = match text(candidate, "type")?.as_str() {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => return None,
    };
    let address = |name: &str| text(candidate, name)?.trim_matches(['[', ']']).parse().ok();
    let port = |name: &str| u16::try_from(count(candidate, name)).unwrap_or(0);
    let url = text(candidate, "url").or_else(|| text(event, "url"));
    Some(Gathered {
        kind,
        address: address("address"),
        port: port("port"),
        related: address("relatedAddress").map(|address| (address, port("relatedPort"))),
        url: url.unwrap_or_default(),
    })
}

/// Tells each end of the other, without a single candidate: those are passed on one by one, or not at all.
pub(super) async fn introduce(one: &End, other: &End) -> Result<(), JsValue> {
    let offer = one.offer().await?;
    let answer = other.answer(&offer).await?;
    one.accept(RtcSdpType::Answer, &answer).await
}
