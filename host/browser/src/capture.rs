// SPDX-License-Identifier: MIT OR Apache-2.0
//! Microphone, camera and screen.
//!
//! A camera or screen that is switched off is let go, so that its light goes out. A microphone that is
//! switched off is kept, disabled, so that it is back at once; it is let go when the call is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hither_endpoint::CaptureKind;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MediaDevices, MediaStream, MediaStreamConstraints, MediaStreamTrack};

use crate::link::Tracks;
use crate::listen::Listener;
use crate::message::Slot;
use crate::sys::{error_name, get, object, set, settled, window};

/// What is to be sent, by [`Slot`].
pub(crate) type Wanted = [bool; 3];

/// What capture tells its owner.
pub(crate) enum CaptureEvent {
    /// [`Capture::tracks`] are others than before.
    Changed,
    /// Access was refused, or there is no such device, or it is gone.
    Failed { kind: CaptureKind, reason: String },
    /// The person stopped sharing with the browser's own button.
    ScreenEnded,
}

/// What is captured.
#[derive(Clone)]
pub(crate) struct Capture(Rc<Inner>);

struct Inner {
    report: Box<dyn Fn(CaptureEvent)>,
    wanted: Cell<Wanted>,
    captured: RefCell<[Option<Captured>; 3]>,
    asking_devices: Cell<bool>,
    asking_screen: Cell<bool>,
}

/// A live track. Dropped, it is stopped.
struct Captured {
    track: MediaStreamTrack,
    _ended: Listener,
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.track.stop();
    }
}

impl core::fmt::Debug for Capture {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Capture")
            .field(&self.0.wanted.get())
            .finish()
    }
}

impl Capture {
    /// Nothing yet.
    pub(crate) fn new(report: impl Fn(CaptureEvent) + 'static) -> Self {
        Self(Rc::new(Inner {
            report: Box::new(report),
            wanted: Cell::default(),
            captured: RefCell::default(),
            asking_devices: Cell::default(),
            asking_screen: Cell::default(),
        }))
    }

    /// Captures what is wanted and missing, lets go of what is not wanted any more.
    pub(crate) fn want(&self, wanted: Wanted) {
        self.0.wanted.set(wanted);
        self.0.let_go();
        self.0.enable();
        (self.0.report)(CaptureEvent::Changed);
        self.0.ask_for_devices();
        self.0.ask_for_screen();
    }

    /// Stops everything.
    pub(crate) fn release(&self) {
        self.0.wanted.set(Wanted::default());
        drop(self.0.captured.take());
        (self.0.report)(CaptureEvent::Changed);
    }

    /// What is captured of what is wanted.
    pub(crate) fn tracks(&self) -> Tracks {
        let captured = self.0.captured.borrow();
        let wanted = self.0.wanted.get();
        Slot::ALL.map(|slot| {
            let captured = captured.get(slot.index())?.as_ref()?;
            at(wanted, slot).then(|| captured.track.clone())
        })
    }
}

impl Inner {
    fn let_go(&self) {
        let wanted = self.wanted.get();
        let mut captured = self.captured.borrow_mut();
        for slot in [Slot::Camera, Slot::Screen] {
            if let Some(one) = captured.get_mut(slot.index()).filter(|_| !at(wanted, slot)) {
                drop(one.take());
            }
        }
    }

    fn enable(&self) {
        let on = at(self.wanted.get(), Slot::Sound);
        if let Some(Some(microphone)) = self.captured.borrow().first() {
            microphone.track.set_enabled(on);
        }
    }

    fn missing(&self, slot: Slot) -> bool {
        let captured = self.captured.borrow();
        let there = captured.get(slot.index()).is_some_and(Option::is_some);
        at(self.wanted.get(), slot) && !there
    }

    /// What was asked for in vain is not asked for again until somebody wants it again.
    fn give_up(&self, slots: &[Slot]) {
        let mut wanted = self.wanted.get();
        for slot in slots {
            if let Some(one) = wanted.get_mut(slot.index()) {
                *one = false;
            }
        }
        self.wanted.set(wanted);
    }

    fn ask_for_devices(self: &Rc<Self>) {
        let missing = self.missing(Slot::Sound) || self.missing(Slot::Camera);
        if missing && !self.asking_devices.replace(true) {
            let all = Rc::clone(self);
            spawn_local(async move {
                all.capture_devices().await;
                all.asking_devices.set(false);
            });
        }
    }

    /// Both in one question, as long as something is missing: what is wanted may change while the person thinks.
    async fn capture_devices(self: &Rc<Self>) {
        loop {
            let (sound, camera) = (self.missing(Slot::Sound), self.missing(Slot::Camera));
            let slots: &[Slot] = match (sound, camera) {
                (true, true) => &[Slot::Sound, Slot::Camera],
                (true, false) => &[Slot::Sound],
                (false, true) => &[Slot::Camera],
                (false, false) => return,
            };
            match user_media(sound, camera).await {
                Ok(stream) => self.keep(&stream, slots),
                Err(error) => {
                    // Without a camera there may still be a microphone.
                    if let ([Slot::Sound, Slot::Camera], Ok(stream)) =
                        (slots, user_media(sound, false).await)
                    {
                        self.keep(&stream, &[Slot::Sound]);
                        self.give_up(&[Slot::Camera]);
                    } else {
                        self.give_up(slots);
                    }
                    (self.report)(CaptureEvent::Failed {
                        kind: CaptureKind::Devices,
                        reason: error_name(&error),
                    });
                }
            }
        }
    }

    fn ask_for_screen(self: &Rc<Self>) {
        if self.missing(Slot::Screen) && !self.asking_screen.replace(true) {
            let all = Rc::clone(self);
            spawn_local(async move {
                match display_media().await {
                    Ok(stream) => all.keep(&stream, &[Slot::Screen]),
                    Err(error) => {
                        all.give_up(&[Slot::Screen]);
                        (all.report)(CaptureEvent::Failed {
                            kind: CaptureKind::Screen,
                            reason: error_name(&error),
                        });
                    }
                }
                all.asking_screen.set(false);
            });
        }
    }

    /// Keeps the tracks of a stream that are still wanted, stops the others.
    fn keep(self: &Rc<Self>, stream: &MediaStream, slots: &[Slot]) {
        for track in stream.get_tracks().iter() {
            let track: MediaStreamTrack = track.unchecked_into();
            let kind = track.kind();
            let slot = slots
                .iter()
                .copied()
                .find(|slot| (*slot == Slot::Sound) == (kind == "audio"));
            match slot.filter(|slot| self.missing(*slot)) {
                Some(slot) => self.keep_track(track, slot),
                None => track.stop(),
            }
        }
        // A stream without the track that was asked for would be asked for for ever.
        let absent: Vec<Slot> = slots
            .iter()
            .copied()
            .filter(|slot| self.missing(*slot))
            .collect();
        self.give_up(&absent);
        (self.report)(CaptureEvent::Changed);
    }

    fn keep_track(self: &Rc<Self>, track: MediaStreamTrack, slot: Slot) {
        if slot == Slot::Screen {
            // Letters matter more than movement. Ignored where it is not known.
            set(&track, "contentHint", &"detail".into());
        }
        let all = Rc::downgrade(self);
        let ended = Listener::new(&track, "ended", move |_: JsValue| {
            if let Some(all) = all.upgrade() {
                all.ended(slot);
            }
        });
        let mut captured = self.captured.borrow_mut();
        if let Some(place) = captured.get_mut(slot.index()) {
            *place = Some(Captured {
                track,
                _ended: ended,
            });
        }
    }

    /// A device was unplugged or taken away, or the person stopped sharing.
    fn ended(self: &Rc<Self>, slot: Slot) {
        let mut captured = self.captured.borrow_mut();
        let ended = captured.get_mut(slot.index()).and_then(Option::take);
        drop(captured);
        drop(ended);
        if slot == Slot::Screen {
            self.give_up(&[Slot::Screen]);
            (self.report)(CaptureEvent::Changed);
            (self.report)(CaptureEvent::ScreenEnded);
        } else {
            (self.report)(CaptureEvent::Changed);
            // There may be another one. If not, that is said.
            self.ask_for_devices();
        }
    }
}

fn at(wanted: Wanted, slot: Slot) -> bool {
    wanted.get(slot.index()).copied().unwrap_or_default()
}

async fn user_media(sound: bool, camera: bool) -> Result<MediaStream, JsValue> {
    let constraints = MediaStreamConstraints::new();
    if sound {
        constraints.set_audio(&object(&[
            ("echoCancellation", JsValue::TRUE),
            ("noiseSuppression", JsValue::TRUE),
            ("autoGainControl", JsValue::TRUE),
        ]));
    }
    if camera {
        let ideal = |value: f64| JsValue::from(object(&[("ideal", value.into())]));
        constraints.set_video(&object(&[
            ("width", ideal(1280.0)),
            ("height", ideal(720.0)),
            ("frameRate", ideal(30.0)),
            ("facingMode", "user".into()),
        ]));
    }
    stream(devices()?.get_user_media_with_constraints(&constraints)?).await
}

async fn display_media() -> Result<MediaStream, JsValue> {
    let devices = devices()?;
    // A phone has none.
    if get(&devices, "getDisplayMedia").is_undefined() {
        return Err(object(&[("name", "NotSupportedError".into())]).into());
    }
    stream(devices.get_display_media()?).await
}

async fn stream(asked: Promise) -> Result<MediaStream, JsValue> {
    Ok(settled(asked).await?.unchecked_into())
}

fn devices() -> Result<MediaDevices, JsValue> {
    window().navigator().media_devices()
}
