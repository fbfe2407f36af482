// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call between two pages with nothing of ours in it: what the browser alone can do.

use crate::{LabError, Page};

/// The page's half: `offer`, `answer` and `accept` exchange complete descriptions.
const SCRIPT: &str = "window.bare = {
    async open() {
        this.pc = new RTCPeerConnection();
        this.video = document.createElement('video');
        this.seen = new Promise((seen) => {
            this.pc.ontrack = ({ track, streams }) => {
                if (track.kind !== 'video') return;
                this.video.srcObject = streams[0];
                this.video.requestVideoFrameCallback(() => seen(performance.now()));
                this.video.play();
            };
        });
        const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
        for (const track of media.getTracks()) this.pc.addTrack(track, media);
    },
    async gathered() {
        while (this.pc.iceGatheringState !== 'complete') {
            await new Promise((next) => { this.pc.onicegatheringstatechange = next; });
        }
        return this.pc.localDescription.toJSON();
    },
    async offer() {
        this.started = performance.now();
        await this.open();
        await this.pc.setLocalDescription();
        return this.gathered();
    },
    async answer(offer) {
        await this.open();
        await this.pc.setRemoteDescription(offer);
        await this.pc.setLocalDescription();
        return this.gathered();
    },
    async accept(answer) {
        await this.pc.setRemoteDescription(answer);
        return await this.seen - this.started;
    },
    async received() {
        const stats = [...(await this.pc.getStats()).values()];
        const of = (kind) => stats.find((s) => s.type === 'inbound-rtp' && s.kind === kind) ?? {};
        return {
            frames: of('video').framesDecoded ?? 0,
            energy: of('audio').totalAudioEnergy ?? 0,
        };
    },
};";

/// A call that is up.
#[derive(Debug)]
pub struct BareCall<'a> {
    caller: &'a Page,
    callee: &'a Page,
    /// Milliseconds from the caller's decision to the first frame of the callee on its screen.
    pub first_frame_ms: f64,
}

/// What has arrived at one end of a call so far.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
pub struct Received {
    /// Video frames decoded.
    pub frames: u64,
    /// The energy of the sound, as `totalAudioEnergy` of WebRTC's statistics counts it.
    pub energy: f64,
}

impl<'a> BareCall<'a> {
    /// Calls. Both pages must be secure contexts; the test carries what they say to each other.
    ///
    /// # Errors
    ///
    /// When the call does not come up.
    pub fn place(caller: &'a Page, callee: &'a Page) -> Result<Self, LabError> {
        caller.eval(SCRIPT)?;
        callee.eval(SCRIPT)?;
        let offer = caller.eval("bare.offer()")?;
        let answer = callee.call_function("(offer) => bare.answer(offer)", &[offer])?;
        let first_frame = caller.call_function("(answer) => bare.accept(answer)", &[answer])?;
        let first_frame_ms = first_frame.as_f64().ok_or_else(|| {
            LabError::Unexpected(format!("{first_frame} is not a number of milliseconds"))
        })?;
        Ok(Self {
            caller,
            callee,
            first_frame_ms,
        })
    }

    /// What has arrived at the caller and at the callee.
    ///
    /// # Errors
    ///
    /// When a page is gone.
    pub fn received(&self) -> Result<[Received; 2], LabError> {
        let at = |page: &Page| page.eval_as("bare.received()");
        Ok([at(self.caller)?, at(self.callee)?])
    }

    /// Ends the call at both ends.
    ///
    /// # Errors
    ///
    /// When a page is gone.
    pub fn hang_up(self) -> Result<(), LabError> {
        for page in [self.caller, self.callee] {
            page.eval("bare.pc.close()")?;
        }
        Ok(())
    }
}
