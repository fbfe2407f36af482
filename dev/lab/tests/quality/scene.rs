// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two people who see each other over a link that can be made worse, and what their browsers count.

use std::thread;
use std::time::Duration;

use hither_lab::{
    Client, LabError, Link, LinkShape, Page, Person, PersonConfig, Router, RouterConfig,
};
use serde::Deserialize;
use tempfile::TempDir;

use super::camera::{Size, write_film};
use crate::place::{Outcome, Place};

/// A voice, a browser with one codec if the test says so, and counters.
const WITNESS: &str = include_str!("witness.js");

/// Round trip between the two, where nothing else is said.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(80);

/// What the small picture of a call is anyway.
pub(super) const SMALL: Size = Size {
    width: 640,
    height: 360,
};

/// Ana and Ben with public addresses. All that Ana sends and gets goes over her router's link.
pub(super) struct Scene {
    pub(super) ana: Person,
    pub(super) ben: Person,
    ana_router: Router,
    // They keep what the browsers run on.
    _hosts: [Client; 2],
    _ben_router: Router,
    _film: TempDir,
    _place: Place,
}

/// What a page's connections have counted so far, in the words of W3C webrtc-stats where they are the same.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Counts {
    pub(super) at_ms: f64,
    pub(super) sound: Sound,
    pub(super) pictures: Pictures,
    /// `availableOutgoingBitrate`, bit/s
    pub(super) available: f64,
    pub(super) rtt_ms: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Sound {
    pub(super) packets: f64,
    pub(super) lost: f64,
    pub(super) samples: f64,
    pub(super) concealed: f64,
    pub(super) silent: f64,
    pub(super) fec: f64,
    pub(super) sent: f64,
    pub(super) bytes_sent: f64,
    pub(super) codec: String,
    pub(super) buffer_s: f64,
    pub(super) buffered: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Pictures {
    pub(super) packets: f64,
    pub(super) lost: f64,
    pub(super) decoded: f64,
    pub(super) nacks: f64,
    pub(super) rtx: f64,
    pub(super) nacked: f64,
    pub(super) resent: f64,
    pub(super) bytes_sent: f64,
    pub(super) encoded: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) codec: String,
    pub(super) seen_width: f64,
    pub(super) limited_by: String,
    pub(super) freezes: f64,
}

impl Scene {
    /// Both arrived and acquainted, with the conversation open, with cameras of this size. `None` where there are no networks to be had.
    pub(super) fn new_or_skip(test: &str, camera: Size) -> Result<Option<Self>, LabError> {
        let Some(place) = Place::new_or_skip(test)? else {
            return Ok(None);
        };
        let film = tempfile::tempdir().map_err(|source| LabError::Io {
            what: "make a place for a film".to_owned(),
            source,
        })?;
        let path = film.path().join("texture.y4m");
        write_film(&path, camera)?;
        let camera = format!("--use-file-for-fake-video-capture={}", path.display());
        let routers = [
            place.net.router("ana", &RouterConfig::open())?,
            place.net.router("ben", &RouterConfig::open())?,
        ];
        let hosts = [routers[0].client("ana")?, routers[1].client("ben")?];
        let node = place.host.ipv4().into();
        let config = |name, host: &Client| {
            let mut config: PersonConfig = place.person(name, host);
            config.scripts.push(WITNESS.to_owned());
            config.extra_args.push(camera.clone());
            config
        };
        let ana = place.arrive_as_owner("Ana", config("Ana", &hosts[0]))?;
        let ben = place.arrive_invited(&ana, "Ben", config("Ben", &hosts[1]), node)?;
        ana.talk_to("Ben")?;
        ben.talk_to("Ana")?;
        let [ana_router, ben_router] = routers;
        let scene = Self {
            ana,
            ben,
            ana_router,
            _hosts: hosts,
            _ben_router: ben_router,
            _film: film,
            _place: place,
        };
        scene.link().set(LinkShape::round_trip(ROUND_TRIP));
        Ok(Some(scene))
    }

    /// What is between Ana and everybody else.
    pub(super) fn link(&self) -> Link {
        self.ana_router.link()
    }

    /// A call that is seen and heard at both ends.
    pub(super) fn call(&self) -> Outcome {
        self.ana.call(true)?;
        self.ben.accept(true)?;
        for person in [&self.ana, &self.ben] {
            person.wait_for_call("active")?;
            person.sees()?;
            person.hears()?;
        }
        Ok(())
    }

    /// Ends it.
    pub(super) fn hang_up(&self) -> Outcome {
        self.ana.hang_up()?;
        self.ana.wait_for_end("hung-up")?;
        self.ben.wait_for_end("remote-hung-up")
    }
}

impl Counts {
    /// What the page's connections have counted so far.
    pub(super) fn at(page: &Page) -> Result<Self, LabError> {
        page.eval_as("quality.counts()")
    }

    /// What has been counted in the time from `before` to now.
    pub(super) fn since(&self, before: &Self) -> Self {
        let mut passed = self.clone();
        let (sound, was) = (&mut passed.sound, &before.sound);
        for (now, then) in [
            (&mut sound.packets, was.packets),
            (&mut sound.lost, was.lost),
            (&mut sound.samples, was.samples),
            (&mut sound.concealed, was.concealed),
            (&mut sound.silent, was.silent),
            (&mut sound.fec, was.fec),
            (&mut sound.sent, was.sent),
            (&mut sound.bytes_sent, was.bytes_sent),
            (&mut sound.buffer_s, was.buffer_s),
            (&mut sound.buffered, was.buffered),
        ] {
            *now -= then;
        }
        let (pictures, was) = (&mut passed.pictures, &before.pictures);
        for (now, then) in [
            (&mut pictures.packets, was.packets),
            (&mut pictures.lost, was.lost),
            (&mut pictures.decoded, was.decoded),
            (&mut pictures.nacks, was.nacks),
            (&mut pictures.rtx, was.rtx),
            (&mut pictures.nacked, was.nacked),
            (&mut pictures.resent, was.resent),
            (&mut pictures.bytes_sent, was.bytes_sent),
            (&mut pictures.encoded, was.encoded),
            (&mut pictures.freezes, was.freezes),
        ] {
            *now -= then;
        }
        passed.at_ms -= before.at_ms;
        passed
    }

    /// Share of the sound that was made up, 0 to 1.
    pub(super) fn concealed(&self) -> f64 {
        share(self.sound.concealed, self.sound.samples)
    }

    /// Share of the packets of sound that were lost, 0 to 1.
    pub(super) fn lost(&self) -> f64 {
        share(self.sound.lost, self.sound.lost + self.sound.packets)
    }

    /// What the camera has sent, kbit/s. For what [`Self::since`] gives.
    pub(super) fn pictures_kbit(&self) -> f64 {
        share(self.pictures.bytes_sent * 8.0, self.at_ms)
    }

    /// What sound has taken, kbit/s, without the headers of RTP and below.
    pub(super) fn sound_kbit(&self) -> f64 {
        share(self.sound.bytes_sent * 8.0, self.at_ms)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Looks at what passes between two looks until it is so, and says what it was then. There is no haste: a busy
/// machine may take its time.
pub(super) fn wait_until(
    page: &Page,
    what: &str,
    between_looks: Duration,
    is_so: impl Fn(&Counts) -> bool,
) -> Result<Counts, LabError> {
    const LOOKS: usize = 60;
    let mut before = Counts::at(page)?;
    let mut seen = Vec::new();
    for _ in 0..LOOKS {
        thread::sleep(between_looks);
        let now = Counts::at(page)?;
        let passed = now.since(&before);
        if is_so(&passed) {
            return Ok(passed);
        }
        seen.push(passed);
        before = now;
    }
    Err(LabError::Unexpected(format!(
        "never {what}; the last look: {:?}",
        seen.last()
    )))
}
