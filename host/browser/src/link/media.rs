// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three transceivers of a link, each with both its frame transforms, its codecs, and its share of the path.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hither_endpoint::LinkId;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    MediaStreamTrack, RtcRtpReceiver, RtcRtpTransceiver, RtcRtpTransceiverDirection, Worker,
};

use super::sizing::{Outgoing, Size, Sizing, Sound};
use crate::message::{Direction, Slot, TransformOptions, emit};
use crate::sys::{
    PeerConnection, Preferring, ScriptTransform, Sending, Track, error_name, get, number, object,
    set, settled, text,
};

/// One track for each [`Slot`].
pub(crate) type Tracks = [Option<MediaStreamTrack>; 3];

/// The codecs that survive having their payload encrypted, the preferred one first, and repair of lost
/// packets. H.264 would not be packetised at all, and AV1 frames are altered on their way.
const VIDEO: [&str; 3] = ["video/vp8", "video/vp9", "video/rtx"];

/// Every packet repeats the sound of the one before it (RFC 2198): a lost packet in twenty is not heard. The
/// browser puts both together before the transform, so that they are sealed as one frame. Opus in this order
/// has its own in-band repair on (RFC 7587 `useinbandfec`) and discontinuous transmission off.
const SOUND: [&str; 2] = ["audio/red", "audio/opus"];

/// What the screen may use of the path, bit/s.
const SCREEN_BPS: f64 = 2_500_000.0;

/// Lines of a camera that does not say how many it has.
const USUAL_HEIGHT: f64 = 720.0;

/// The transceivers, once they exist.
#[derive(Debug)]
pub(super) struct Transceivers {
    all: [RtcRtpTransceiver; 3],
    sizing: RefCell<Sizing>,
    /// What the camera's sender was last told.
    told: Rc<Cell<Option<Shape>>>,
    /// What the sender of sound was last told.
    told_of_sound: Rc<Cell<Option<Sound>>>,
    /// What the senders were last given.
    fed: RefCell<Tracks>,
}

/// How the camera's picture is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    /// `maxBitrate`, bit/s
    most_bps: f64,
    /// `scaleResolutionDownBy`
    divisor: f64,
}

impl Transceivers {
    /// The offerer's: made here, each with its transforms at once.
    pub(super) fn add(
        connection: &PeerConnection,
        link: LinkId,
        worker: &Worker,
    ) -> Result<Self, JsValue> {
        let init = object(&[("direction", "sendrecv".into())]);
        let mut made = Vec::with_capacity(Slot::ALL.len());
        for slot in Slot::ALL {
            let transceiver = connection.add_transceiver(kind(slot), &init)?;
            protect(&transceiver, link, slot, worker)?;
            prefer_codecs(&transceiver, slot);
            made.push(transceiver);
        }
        Self::of(made)
    }

    /// The answerer's: made by the browser from the offer, in the order of its media sections. Any more than
    /// three are stopped.
    pub(super) fn adopt(
        connection: &PeerConnection,
        link: LinkId,
        worker: &Worker,
    ) -> Result<Self, JsValue> {
        let all: Vec<RtcRtpTransceiver> = connection
            .get_transceivers()
            .iter()
            .map(JsCast::unchecked_into)
            .collect();
        for (index, transceiver) in all.iter().enumerate() {
            let Some(slot) = Slot::ALL.get(index).copied() else {
                transceiver.stop();
                continue;
            };
            if text(&transceiver.receiver().track(), "kind").as_deref() != Some(kind(slot)) {
                return Err(JsValue::from("the offer's media sections are not ours"));
            }
            protect(transceiver, link, slot, worker)?;
            prefer_codecs(transceiver, slot);
            transceiver.set_direction(RtcRtpTransceiverDirection::Sendrecv);
        }
        Self::of(all)
    }

    fn of(transceivers: Vec<RtcRtpTransceiver>) -> Result<Self, JsValue> {
        let three: Vec<_> = transceivers.into_iter().take(3).collect();
        let Ok(all) = <[RtcRtpTransceiver; 3]>::try_from(three) else {
            return Err(JsValue::from("the offer has too few media sections"));
        };
        let made = Self {
            all,
            sizing: RefCell::default(),
            told: Rc::default(),
            told_of_sound: Rc::default(),
            fed: RefCell::default(),
        };
        made.share_out();
        Ok(made)
    }

    /// Sound goes first, before pictures; letters of a screen before a face.
    fn share_out(&self) {
        let [_, camera, screen] = &self.all;
        let tuned = tune(screen, "medium", &[("maxBitrate", SCREEN_BPS.into())]);
        spawn_local(async move { drop(tuned.await) });
        self.measure_out_sound();
        self.shape(camera.sender().track().as_ref());
    }

    /// Lets the camera's picture and the sound follow the path.
    pub(super) fn adapt(&self, outgoing: Outgoing) {
        self.sizing.borrow_mut().look(outgoing);
        let [_, camera, _] = &self.all;
        self.measure_out_sound();
        self.shape(camera.sender().track().as_ref());
    }

    /// Tells the sender of sound what it may take, unless it was told so already. What it refuses it is told again.
    fn measure_out_sound(&self) {
        let [sender, _, _] = &self.all;
        let sound = self.sizing.borrow().sound();
        if self.told_of_sound.replace(Some(sound)) == Some(sound) {
            return;
        }
        let told = Rc::clone(&self.told_of_sound);
        let most = [("maxBitrate", f64::from(sound.most_bps()).into())];
        let tuned = tune(sender, "high", &most);
        spawn_local(async move {
            if tuned.await.is_err() {
                told.set(None);
            }
        });
    }

    /// Tells the camera's sender how to send this track, unless it was told so already. What it refuses it is
    /// told again.
    fn shape(&self, track: Option<&MediaStreamTrack>) {
        let [_, camera, _] = &self.all;
        let size = self.sizing.borrow().size();
        let shape = Shape {
            most_bps: f64::from(size.most_bps()),
            divisor: divisor(track, size),
        };
        if self.told.replace(Some(shape)) == Some(shape) {
            return;
        }
        let told = Rc::clone(&self.told);
        let tuned = tune(
            camera,
            "low",
            &[
                ("maxBitrate", shape.most_bps.into()),
                ("scaleResolutionDownBy", shape.divisor.into()),
            ],
        );
        spawn_local(async move {
            if tuned.await.is_err() {
                told.set(None);
            }
        });
    }

    /// Puts tracks into the senders, or takes them out. The connection does it in the order of the calls.
    pub(super) fn feed(&self, tracks: &Tracks) {
        let before = self.fed.replace(tracks.clone());
        for ((transceiver, track), before) in self.all.iter().zip(tracks).zip(before) {
            // Each replacement keeps the connection from the next thing that it has to do.
            if *track == before {
                continue;
            }
            let replaced = transceiver.sender().replace_track(track.as_ref());
            // Fails if the link was closed meanwhile, and then it does not matter.
            spawn_local(async move { drop(settled(replaced).await) });
        }
        let [_, camera, _] = tracks;
        if camera.is_some() {
            self.shape(camera.as_ref());
        }
    }

    /// What arrives.
    pub(super) fn remote_tracks(&self) -> Tracks {
        self.all
            .each_ref()
            .map(|transceiver| Some(transceiver.receiver().track()))
    }

    /// Names of the media sections, by which statistics are told apart.
    pub(super) fn mids(&self) -> [Option<String>; 3] {
        self.all.each_ref().map(RtcRtpTransceiver::mid)
    }
}

fn kind(slot: Slot) -> &'static str {
    match slot {
        Slot::Sound => "audio",
        Slot::Camera | Slot::Screen => "video",
    }
}

/// Sets both transforms.
fn protect(
    transceiver: &RtcRtpTransceiver,
    link: LinkId,
    slot: Slot,
    worker: &Worker,
) -> Result<(), JsValue> {
    let transform = |direction| {
        let options = TransformOptions {
            link: link.0,
            slot,
            direction,
        };
        ScriptTransform::new(worker, &Uint8Array::from(emit(&options).as_slice()))
    };
    let (sender, receiver) = (transceiver.sender(), transceiver.receiver());
    set(&sender, "transform", &transform(Direction::Send)?.into());
    set(
        &receiver,
        "transform",
        &transform(Direction::Receive)?.into(),
    );
    // A setter that throws must not go unnoticed: what it leaves behind is unprotected.
    if get(&sender, "transform").is_object() && get(&receiver, "transform").is_object() {
        Ok(())
    } else {
        Err(JsValue::from("the transforms were not taken"))
    }
}

/// A browser that cannot be told what to prefer may choose a codec that does not survive; then nothing is
/// shown, and nothing leaves unsealed.
fn prefer_codecs(transceiver: &RtcRtpTransceiver, slot: Slot) {
    let wanted: &[&str] = match slot {
        Slot::Sound => &SOUND,
        Slot::Camera | Slot::Screen => &VIDEO,
    };
    let Some(capabilities) = RtcRtpReceiver::get_capabilities(kind(slot)) else {
        return;
    };
    let known: Array = get(&capabilities, "codecs").unchecked_into();
    let preferred = Array::new();
    for name in wanted {
        let of_this_name = |codec: &JsValue| {
            text(codec, "mimeType").is_some_and(|it| it.eq_ignore_ascii_case(name))
        };
        for codec in known.iter().filter(of_this_name) {
            preferred.push(&codec);
        }
    }
    let preferring: &Preferring = transceiver.unchecked_ref();
    if let Err(error) = preferring.prefer_codecs(&preferred) {
        tracing::debug!(reason = error_name(&error), "codecs cannot be chosen");
    }
}

/// By how much the camera's picture is made smaller in both directions.
fn divisor(track: Option<&MediaStreamTrack>, size: Size) -> f64 {
    let height = track.and_then(|track| {
        let track: &Track = track.unchecked_ref();
        number(&track.settings(), "height")
    });
    size.divisor(height.unwrap_or(USUAL_HEIGHT))
}

/// Sets a sender's priority, in the browser's pacing and on the wire (RFC 8837), and more of its only encoding.
/// Says later whether that was taken. A browser that does not know one of these members leaves it alone.
fn tune(
    transceiver: &RtcRtpTransceiver,
    priority: &str,
    more: &[(&str, JsValue)],
) -> impl Future<Output = Result<JsValue, JsValue>> + use<> {
    let asked = ask(transceiver, priority, more);
    async move {
        let taken = match asked {
            Ok(asked) => settled(asked).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &taken {
            tracing::debug!(reason = error_name(error), "a sender cannot be tuned");
        }
        taken
    }
}

fn ask(
    transceiver: &RtcRtpTransceiver,
    priority: &str,
    more: &[(&str, JsValue)],
) -> Result<Promise, JsValue> {
    let sender = transceiver.sender();
    let sender: &Sending = sender.unchecked_ref();
    let parameters = sender.parameters()?;
    let encodings: Array = get(&parameters, "encodings").unchecked_into();
    for encoding in encodings.iter() {
        set(&encoding, "priority", &priority.into());
        set(&encoding, "networkPriority", &priority.into());
        for (name, value) in more {
            set(&encoding, name, value);
        }
    }
    sender.set_parameters(&parameters)
}
