// SPDX-License-Identifier: MIT OR Apache-2.0
//! All links of the page, and what feeds them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hither_crypto::media::MediaKey;
use hither_endpoint::{IceConfig, LinkAction, LinkEvent, LinkId, LinkRole};
use web_sys::HtmlMediaElement;

use crate::capture::{Capture, CaptureEvent, Wanted};
use crate::link::{Link, Surroundings, Tracks};
use crate::message::Slot;
use crate::streams::{Stream, Streams};
use crate::workers::MediaWorker;

/// Peer connections, captured tracks and media elements. Clones are the same.
#[derive(Clone, Debug)]
pub struct Links(Rc<Inner>);

struct Inner {
    report: Rc<dyn Fn(LinkEvent)>,
    around: Rc<Surroundings>,
    worker: MediaWorker,
    capture: Capture,
    streams: Streams,
    by_id: RefCell<BTreeMap<LinkId, Rc<Link>>>,
    /// The link of the call: the last one that was given media.
    calling: Cell<Option<LinkId>>,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Links")
            .field("links", &self.by_id.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Links {
    /// None yet. `report` may call back.
    #[must_use]
    pub fn new(report: Rc<dyn Fn(LinkEvent)>) -> Self {
        Self(Rc::new_cyclic(|all: &std::rc::Weak<Inner>| {
            let upward = |act: fn(&Inner)| {
                let all = all.clone();
                move || {
                    if let Some(all) = all.upgrade() {
                        act(&all);
                    }
                }
            };
            let unprotected = {
                let all = all.clone();
                move |link| {
                    if let Some(all) = all.upgrade() {
                        all.unprotected(link);
                    }
                }
            };
            let captured = {
                let all = all.clone();
                move |event| {
                    if let Some(all) = all.upgrade() {
                        all.captured(event);
                    }
                }
            };
            let worker = MediaWorker::new(Rc::new(upward(Inner::worker_failed)));
            Inner {
                around: Rc::new(Surroundings {
                    report: Rc::clone(&report),
                    worker: worker.clone(),
                    tracks_changed: Box::new(upward(Inner::show)),
                    unprotected: Box::new(unprotected),
                }),
                report,
                worker,
                capture: Capture::new(captured),
                streams: Streams::default(),
                by_id: RefCell::default(),
                calling: Cell::default(),
            }
        }))
    }

    /// Does what the machine asks for.
    pub fn carry_out(&self, action: LinkAction) {
        let all = &*self.0;
        match action {
            LinkAction::Open {
                link,
                role,
                ice,
                send_key,
                receive_key,
            } => all.open(link, role, &ice, (&send_key, receive_key.as_ref())),
            LinkAction::SetReceiveKey { link, key } => {
                all.with(link, |link| link.set_receive_key(&key));
            }
            LinkAction::SetRemoteDescription { link, kind, sdp } => {
                all.with(link, |link| link.describe(kind, sdp));
            }
            LinkAction::AddCandidate { link, candidate } => {
                all.with(link, |link| link.try_candidate(candidate));
            }
            LinkAction::RestartIce { link, ice } => all.with(link, |link| link.restart(ice)),
            LinkAction::SetIce { link, ice } => all.with(link, |link| link.set_ice(ice)),
            LinkAction::Send { link, bytes } => all.with(link, |link| link.send(bytes)),
            LinkAction::SetMedia {
                link,
                microphone,
                camera,
                screen,
            } => all.set_media(link, [microphone, camera, screen]),
            LinkAction::Close { link } => all.close(link),
            LinkAction::ReleaseCapture => all.hang_up(),
            _ => tracing::error!("the machine asks for something unknown"),
        }
    }

    /// Loads the media worker, so that the first link need not wait for it.
    pub fn warm_up(&self) {
        let worker = self.0.worker.clone();
        // If it fails, it fails again when it is needed, and then it matters.
        wasm_bindgen_futures::spawn_local(async move { drop(worker.ready().await) });
    }

    /// See [`crate::Client::attach`].
    pub fn attach(&self, element: &HtmlMediaElement, stream: Stream) {
        self.0.streams.attach(element, stream);
    }

    /// See [`crate::Client::detach`].
    pub fn detach(&self, element: &HtmlMediaElement) {
        self.0.streams.detach(element);
    }

    /// Closes every link, stops every track, forgets every key.
    pub fn drop_everything(&self) {
        for link in self.0.by_id.take().into_values() {
            link.close();
        }
        self.0.calling.set(None);
        self.0.capture.release();
        self.0.worker.stop();
        self.0.show();
    }
}

impl Inner {
    fn with(&self, link: LinkId, act: impl FnOnce(&Rc<Link>)) {
        let link = self.by_id.borrow().get(&link).cloned();
        if let Some(link) = link {
            act(&link);
        }
    }

    fn open(
        &self,
        id: LinkId,
        role: LinkRole,
        ice: &IceConfig,
        keys: (&MediaKey, Option<&MediaKey>),
    ) {
        self.close(id);
        match Link::open(id, role, ice, keys, &self.around) {
            Ok(link) => {
                self.by_id.borrow_mut().insert(id, link);
            }
            Err(error) => {
                tracing::debug!(
                    reason = crate::sys::error_name(&error),
                    "no peer connection"
                );
                (self.report)(LinkEvent::Broken { link: id });
            }
        }
    }

    fn close(&self, id: LinkId) {
        let link = self.by_id.borrow_mut().remove(&id);
        if let Some(link) = link {
            link.close();
        }
        if self.calling.get() == Some(id) {
            self.calling.set(None);
            self.show();
        }
    }

    fn set_media(&self, link: Option<LinkId>, wanted: Wanted) {
        let before = self.calling.replace(link);
        if let Some(before) = before.filter(|before| Some(*before) != link) {
            self.with(before, |link| link.feed(Tracks::default()));
        }
        self.capture.want(wanted);
        if link.is_none() && wanted == Wanted::default() {
            self.capture.release();
        }
    }

    /// The call is over; its link may stay.
    fn hang_up(&self) {
        self.capture.release();
        self.calling.set(None);
        self.show();
    }

    fn captured(&self, event: CaptureEvent) {
        match event {
            CaptureEvent::Changed => self.show(),
            CaptureEvent::Failed { kind, reason } => {
                (self.report)(LinkEvent::CaptureFailed { kind, reason });
            }
            CaptureEvent::ScreenEnded => (self.report)(LinkEvent::ScreenEnded),
        }
    }

    /// Brings the call's senders and the page's elements to what there is.
    fn show(&self) {
        let local = self.capture.tracks();
        let link = self
            .calling
            .get()
            .and_then(|id| self.by_id.borrow().get(&id).cloned());
        if let Some(link) = &link {
            link.feed(local.clone());
        }
        let remote = link.map_or_else(Tracks::default, |link| link.remote_tracks());
        let set = |stream, tracks: &Tracks, slot: Slot| {
            let track = tracks.get(slot.index()).and_then(Option::as_ref);
            self.streams.set(stream, track);
        };
        set(Stream::LocalCamera, &local, Slot::Camera);
        set(Stream::LocalScreen, &local, Slot::Screen);
        set(Stream::RemoteCamera, &remote, Slot::Camera);
        set(Stream::RemoteScreen, &remote, Slot::Screen);
        set(Stream::RemoteSound, &remote, Slot::Sound);
    }

    /// Stops all that is sent and shown, and closes the link: what else passes it is not to be known.
    fn unprotected(&self, id: LinkId) {
        self.capture.release();
        self.close(id);
        (self.report)(LinkEvent::Unprotected { link: id });
    }

    /// Without the worker no frame passes, and its replay windows and counters are gone with it.
    fn worker_failed(&self) {
        self.worker.stop();
        for (id, link) in self.by_id.take() {
            link.close();
            (self.report)(LinkEvent::Broken { link: id });
        }
        self.calling.set(None);
        self.show();
    }
}
