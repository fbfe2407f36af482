// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three transceivers of a link, each with both its frame transforms.

use hither_endpoint::LinkId;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    MediaStreamTrack, RtcRtpReceiver, RtcRtpTransceiver, RtcRtpTransceiverDirection, Worker,
};

use crate::message::{Direction, Slot, TransformOptions, emit};
use crate::sys::{
    PeerConnection, Preferring, ScriptTransform, error_name, get, object, set, settled, text,
};

/// One track for each [`Slot`].
pub(crate) type Tracks = [Option<MediaStreamTrack>; 3];

/// The codecs that survive having their payload encrypted, the preferred one first, and repair of lost
/// packets. H.264 would not be packetised at all, and AV1 frames are altered on their way.
const VIDEO: [&str; 3] = ["video/vp8", "video/vp9", "video/rtx"];
const SOUND: [&str; 1] = ["audio/opus"];

/// The transceivers, once they exist.
#[derive(Debug)]
pub(super) struct Transceivers([RtcRtpTransceiver; 3]);

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
        match three.try_into() {
            Ok(three) => Ok(Self(three)),
            Err(_) => Err(JsValue::from("the offer has too few media sections")),
        }
    }

    /// Puts tracks into the senders, or takes them out. The connection does it in the order of the calls.
    pub(super) fn feed(&self, tracks: &Tracks) {
        for (transceiver, track) in self.0.iter().zip(tracks) {
            let replaced = transceiver.sender().replace_track(track.as_ref());
            // Fails if the link was closed meanwhile, and then it does not matter.
            spawn_local(async move { drop(settled(replaced).await) });
        }
    }

    /// What arrives.
    pub(super) fn remote_tracks(&self) -> Tracks {
        self.0
            .each_ref()
            .map(|transceiver| Some(transceiver.receiver().track()))
    }

    /// Names of the media sections, by which statistics are told apart.
    pub(super) fn mids(&self) -> [Option<String>; 3] {
        self.0.each_ref().map(RtcRtpTransceiver::mid)
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
