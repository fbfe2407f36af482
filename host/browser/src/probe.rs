// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures the network around this device with peer connections that lead nowhere but to the own node: each end
//! of every connection is here. What is measured and what it means is the machine's.
//!
//! No microphone permission is needed: host candidates may hide behind names, the mapped address is told by the
//! relay (`raddr` of a relayed candidate), and the relay carries bytes between two ends in this very page.

mod end;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::{Rc, Weak};

use hither_endpoint::network::{Climb, Gathered, Passage, ProbeAction, ProbeEvent};
use hither_endpoint::{CandidateKind, IceConfig};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use self::end::{End, introduce};
use crate::clock;
use crate::listen::sleep;

/// How often it is looked whether something came, milliseconds.
const LOOK: i32 = 25;
/// For how long the round trip is measured once a loop is closed, milliseconds. The first checks meet a busy page.
const MEASURE: u32 = 700;
/// How long checks that nobody asked for may take to arrive: they are repeated every 50 ms.
const UNEXPECTED: u32 = 1_500;
/// How long the same may take once they are expected.
const EXPECTED: u32 = 3_000;

/// All measuring of a page.
pub(crate) struct Probes {
    report: Rc<dyn Fn(ProbeEvent)>,
    open: Rc<RefCell<Vec<Weak<End>>>>,
}

impl Probes {
    /// Reports go to `report`.
    pub(crate) fn new(report: Rc<dyn Fn(ProbeEvent)>) -> Self {
        Self {
            report,
            open: Rc::default(),
        }
    }

    /// Sets about it.
    pub(crate) fn carry_out(&self, action: ProbeAction) {
        let here = Self {
            report: Rc::clone(&self.report),
            open: Rc::clone(&self.open),
        };
        match action {
            ProbeAction::Stop => self.stop(),
            ProbeAction::Observe {
                run,
                servers,
                patience_ms,
            } => spawn_local(async move {
                let candidates = here.observe(&servers, patience_ms).await;
                (here.report)(ProbeEvent::Observed { run, candidates });
            }),
            ProbeAction::Filter {
                run,
                number,
                observer,
                sender,
                patience_ms,
            } => spawn_local(async move {
                let passage = here.filter(&observer, &sender, patience_ms).await;
                (here.report)(ProbeEvent::Filtered {
                    run,
                    number,
                    passage,
                });
            }),
            ProbeAction::Climb {
                run,
                number,
                server,
                patience_ms,
            } => spawn_local(async move {
                let climb = here.climb(&server, patience_ms).await;
                (here.report)(ProbeEvent::Climbed { run, number, climb });
            }),
            _ => tracing::error!("the machine asks for an unknown measurement"),
        }
    }

    /// Closes whatever is open; what waits for it gives up by itself.
    pub(crate) fn stop(&self) {
        for end in self.open.take() {
            if let Some(end) = end.upgrade() {
                end.close();
            }
        }
    }

    fn end(&self, ice: &IceConfig) -> Result<Rc<End>, JsValue> {
        let end = End::new(ice)?;
        let mut open = self.open.borrow_mut();
        open.retain(|end| end.strong_count() > 0);
        open.push(Rc::downgrade(&end));
        Ok(end)
    }
}

// The three measurements.
impl Probes {
    async fn observe(&self, servers: &IceConfig, patience: u32) -> Vec<Gathered> {
        let Ok(end) = self.end(servers) else {
            return Vec::new();
        };
        if end.offer().await.is_ok() {
            wait(patience, || end.has_gathered()).await;
        }
        end.gathered()
    }

    async fn climb(&self, server: &IceConfig, patience: u32) -> Climb {
        let (Ok(one), Ok(other)) = (self.end(server), self.end(server)) else {
            return Climb::Silent;
        };
        if introduce(&one, &other).await.is_err() {
            return Climb::Silent;
        }
        let from = now();
        let fruitless = |end: &End| end.has_gathered() && end.gathered().is_empty();
        let mut rtt = None;
        let mut closed_at = None;
        while now() - from < patience.into() {
            one.pass_on(&other).await;
            other.pass_on(&one).await;
            if fruitless(&one) || fruitless(&other) {
                break;
            }
            // Once around is twice to the relay and back: out over one allocation, in over the other.
            let around = one.rtt_ms().await.map(|rtt| rtt / 2.0);
            rtt = match (rtt, around) {
                (Some(old), Some(new)) => Some(f64::min(old, new)),
                (old, new) => old.or(new),
            };
            if rtt.is_some() && now() - *closed_at.get_or_insert_with(now) > MEASURE.into() {
                break;
            }
            sleep(LOOK).await;
        }
        let allocated = !one.gathered().is_empty() || !other.gathered().is_empty();
        match one.refusal().or_else(|| other.refusal()) {
            _ if allocated => Climb::Open {
                rtt_ms: rtt.map(whole),
            },
            Some(code) => Climb::Refused { code },
            None => Climb::Silent,
        }
    }

    async fn filter(&self, observer: &IceConfig, sender: &IceConfig, patience: u32) -> Passage {
        let (Ok(inner), Ok(outer)) = (self.end(observer), self.end(sender)) else {
            return Passage::Unmapped;
        };
        if introduce(&inner, &outer).await.is_err() {
            return Passage::Unmapped;
        }
        let ready = || {
            let gathered = inner.has_gathered() && outer.has_gathered();
            gathered || (mapped(&inner.gathered()).is_some() && !outer.gathered().is_empty())
        };
        wait(patience.saturating_sub(UNEXPECTED + EXPECTED), ready).await;
        let from = outer.gathered().first().and_then(|one| one.address);
        let Some(mapped) = mapped(&inner.gathered()) else {
            return Passage::Unmapped;
        };
        if outer.gathered().is_empty() {
            return Passage::Unrelayed;
        }
        if outer.try_address(mapped).await.is_err() {
            return Passage::Unsent;
        }
        if arrives(&inner, &outer, UNEXPECTED).await {
            return Passage::Passed { from };
        }
        // The control: now the way is opened from inside.
        outer.pass_on(&inner).await;
        if arrives(&inner, &outer, EXPECTED).await {
            Passage::Held { from }
        } else {
            Passage::Unsent
        }
    }
}

/// The mapped IPv4 address of an end: relayed addresses, which it is to be reached from, are of that family
/// (RFC 8656 §7.2). The device's own, if it is not translated, has the port of the hidden candidate.
fn mapped(gathered: &[Gathered]) -> Option<(IpAddr, u16)> {
    let of = |kind: CandidateKind| gathered.iter().filter(move |one| one.kind == kind);
    let reflexive = of(CandidateKind::ServerReflexive)
        .filter_map(|one| Some((one.address?, one.port)))
        .find(|(address, _)| address.is_ipv4());
    let told = || {
        of(CandidateKind::Relayed)
            .filter_map(|one| one.related)
            .find(|(address, _)| address.is_ipv4() && !address.is_unspecified())
    };
    reflexive.or_else(told)
}

/// Whether checks of `outer` arrive at `inner`.
async fn arrives(inner: &End, outer: &End, patience: u32) -> bool {
    let from = now();
    while now() - from < patience.into() {
        if inner.is_reached().await {
            return true;
        }
        if outer.has_failed() && inner.is_idle() {
            return false;
        }
        sleep(LOOK * 2).await;
    }
    false
}

async fn wait(patience: u32, done: impl Fn() -> bool) {
    let from = now();
    while !done() && now() - from < patience.into() {
        sleep(LOOK).await;
    }
}

/// Milliseconds of the page's clock.
fn now() -> u64 {
    clock::now().instant.as_millis()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a round trip is not negative, and `as` saturates"
)]
fn whole(millis: f64) -> u32 {
    millis.round() as u32
}
