// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which media element plays which stream. Elements and streams come and go independently.

use std::cell::RefCell;

use wasm_bindgen_futures::spawn_local;
use web_sys::{HtmlMediaElement, MediaStream, MediaStreamTrack};

use crate::sys::settled;

/// What a media element can show or play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Our camera, as we send it.
    LocalCamera,
    /// Our screen, as we send it.
    LocalScreen,
    /// Their camera.
    RemoteCamera,
    /// Their screen.
    RemoteScreen,
    /// Their sound.
    RemoteSound,
    /// Their sound by the spare link. Only one of the two sounds at a time; both are to be played.
    RemoteSpareSound,
}

impl Stream {
    fn sounds(self) -> bool {
        matches!(self, Self::RemoteSound | Self::RemoteSpareSound)
    }
}

const STREAMS: [Stream; 6] = [
    Stream::LocalCamera,
    Stream::LocalScreen,
    Stream::RemoteCamera,
    Stream::RemoteScreen,
    Stream::RemoteSound,
    Stream::RemoteSpareSound,
];

/// The elements that were attached, and the streams that there are.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    elements: RefCell<Vec<(HtmlMediaElement, Stream)>>,
    current: RefCell<[Option<MediaStream>; 6]>,
}

impl Streams {
    /// Lets an element follow a stream.
    pub(crate) fn attach(&self, element: &HtmlMediaElement, stream: Stream) {
        self.forget(element);
        let attached = (element.clone(), stream);
        self.elements.borrow_mut().push(attached);
        element.set_muted(!stream.sounds());
        play(element, self.current(stream).as_ref());
    }

    /// Lets an element play nothing.
    pub(crate) fn detach(&self, element: &HtmlMediaElement) {
        self.forget(element);
        play(element, None);
    }

    /// A stream has this track now, or none.
    pub(crate) fn set(&self, stream: Stream, track: Option<&MediaStreamTrack>) {
        let Some(index) = STREAMS.iter().position(|known| *known == stream) else {
            return;
        };
        let mut current = self.current.borrow_mut();
        let Some(slot) = current.get_mut(index) else {
            return;
        };
        if holds(slot.as_ref(), track) {
            return;
        }
        slot.clone_from(&track.and_then(with_track));
        let now = slot.clone();
        drop(current);
        for (element, follows) in self.elements.borrow().iter() {
            if *follows == stream {
                play(element, now.as_ref());
            }
        }
    }

    fn forget(&self, element: &HtmlMediaElement) {
        self.elements
            .borrow_mut()
            .retain(|(attached, _)| attached != element);
    }

    fn current(&self, stream: Stream) -> Option<MediaStream> {
        let index = STREAMS.iter().position(|known| *known == stream)?;
        self.current.borrow().get(index)?.clone()
    }
}

fn holds(stream: Option<&MediaStream>, track: Option<&MediaStreamTrack>) -> bool {
    match (stream, track) {
        (None, None) => true,
        (Some(stream), Some(track)) => stream.get_track_by_id(&track.id()).as_ref() == Some(track),
        _ => false,
    }
}

fn with_track(track: &MediaStreamTrack) -> Option<MediaStream> {
    let stream = MediaStream::new().ok()?;
    stream.add_track(track);
    Some(stream)
}

fn play(element: &HtmlMediaElement, stream: Option<&MediaStream>) {
    element.set_src_object(stream);
    let playing = stream.and_then(|_| element.play().ok());
    if let Some(playing) = playing {
        // Refused before the person did anything on the page, or interrupted by the next stream.
        spawn_local(async move { drop(settled(playing).await) });
    }
}
