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
use crate::message::{News, Slot};
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
    /// Its warm spare.
    spare: Cell<Option<Spare>>,
}

/// A link that stands ready to take over from another one.
#[derive(Clone, Copy, Debug)]
struct Spare {
    main: LinkId,
    link: LinkId,
    /// Sound leaves by it, and pictures are to follow.
    open: bool,
    /// Their camera and their screen come by it.
    pictures: [bool; 2],
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
            let watched = {
                let all = all.clone();
                move |link, news| {
                    if let Some(all) = all.upgrade() {
                        all.watched(link, news);
                    }
                }
            };
            let failed = Rc::new(upward(Inner::worker_failed));
            let worker = MediaWorker::new(failed, Rc::new(watched));
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
                spare: Cell::default(),
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
            LinkAction::Pair { main, spare } => all.pair(main, spare),
            LinkAction::Expect { link, sound } => all.worker.expect(link, sound),
            LinkAction::Word { link, word } => all.worker.word(link, word),
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
        self.0.spare.set(None);
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
        if self.spare.get().is_some_and(|spare| spare.link == id) {
            self.spare.set(None);
            self.show();
        }
        if self.calling.get() == Some(id) {
            self.calling.set(None);
            self.show();
        }
    }

    /// The worker hears of it before the spare has anything to send.
    fn pair(&self, main: LinkId, link: LinkId) {
        self.worker.pair(main, link);
        let known = self.spare.get().filter(|known| known.link == link);
        let (open, pictures) = known.map_or_else(Default::default, |k| (k.open, k.pictures));
        self.spare.set(Some(Spare {
            main,
            link,
            open,
            pictures,
        }));
        self.show();
    }

    /// What the watch over the two links says.
    fn watched(&self, link: LinkId, news: News) {
        match news {
            News::Silent => (self.report)(LinkEvent::Silent { link }),
            News::Heard => (self.report)(LinkEvent::Heard { link }),
            News::Sound { heard } => (self.report)(LinkEvent::Sound { link, heard }),
            News::Word { word } => (self.report)(LinkEvent::Word { link, word }),
            News::Open { open } => self.change_spare(link, |spare| spare.open = open),
            News::Picture { slot, spare: by_it } => self.change_spare(link, |spare| {
                let [camera, screen] = &mut spare.pictures;
                match slot {
                    Slot::Camera => *camera = by_it,
                    Slot::Screen => *screen = by_it,
                    Slot::Sound => {}
                }
            }),
        }
    }

    fn change_spare(&self, link: LinkId, change: impl FnOnce(&mut Spare)) {
        let of = |spare: &Spare| spare.main == link || spare.link == link;
        if let Some(mut spare) = self.spare.get().filter(of) {
            change(&mut spare);
            self.spare.set(Some(spare));
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
        let by_name = |id: Option<LinkId>| id.and_then(|id| self.by_id.borrow().get(&id).cloned());
        let main = by_name(self.calling.get());
        let spare = self.spare.get();
        let by_spare = by_name(spare.map(|spare| spare.link));
        let open = spare.is_some_and(|spare| spare.open);
        let [microphone, camera, screen] = local.clone();
        // Sound is ready to leave by both, and the worker decides; a picture costs an encoder, and takes one way.
        let pictures = [microphone.clone(), camera, screen];
        let sound = [microphone, None, None];
        let (to_main, to_spare) = if open {
            (sound, pictures)
        } else {
            (pictures, sound)
        };
        if let Some(link) = &main {
            link.feed(to_main);
        }
        if let Some(link) = &by_spare {
            link.feed(to_spare);
        }
        let tracks =
            |link: Option<Rc<Link>>| link.map_or_else(Tracks::default, |link| link.remote_tracks());
        self.play(&local, &tracks(main), &tracks(by_spare), spare);
    }

    fn play(&self, local: &Tracks, main: &Tracks, by_spare: &Tracks, spare: Option<Spare>) {
        let set = |stream, tracks: &Tracks, slot: Slot| {
            let track = tracks.get(slot.index()).and_then(Option::as_ref);
            self.streams.set(stream, track);
        };
        let [camera, screen] = spare.map_or([false; 2], |spare| spare.pictures);
        let of = |spared: bool| if spared { by_spare } else { main };
        set(Stream::LocalCamera, local, Slot::Camera);
        set(Stream::LocalScreen, local, Slot::Screen);
        set(Stream::RemoteCamera, of(camera), Slot::Camera);
        set(Stream::RemoteScreen, of(screen), Slot::Screen);
        set(Stream::RemoteSound, main, Slot::Sound);
        set(Stream::RemoteSpareSound, by_spare, Slot::Sound);
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
        self.spare.set(None);
        self.show();
    }
}
