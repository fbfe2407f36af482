// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbers of the policy, each with its reason.

use hither_sansio::Duration;

/// How long a watch waits before it believes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The time between two frames. Silence for one and a half of the largest recent gaps and one frame
    /// more raises an alarm: with 10 % random loss and 15 ms of jitter, once in about 20 minutes falsely.
    pub frame: Duration,
    /// No silence shorter than this raises an alarm, however regular the frames have been.
    pub floor: Duration,
    /// Silence longer than this always raises an alarm. It must be longer than the longest pause that a
    /// healthy sender makes: the encoder's discontinuous transmission, if it is on, pauses for 400 ms.
    pub ceiling: Duration,
    /// How long the first frame may take after sound is expected again: the other side's microphone may have
    /// to be opened. (For the first frame of all there is no limit: a person may have to permit it.)
    pub first: Duration,
    /// How long the first frame on the spare may take after an alarm: the other side has to be told.
    pub grace: Duration,
    /// How long main must be heard without a gap before it is trusted again; doubled with every alarm
    /// that follows soon, up to `longest_hold`.
    pub hold: Duration,
    /// The longest hold.
    pub longest_hold: Duration,
    /// An alarm this long after the last return is not held against the path.
    pub calm: Duration,
    /// After this a word that is not acknowledged is said again; then after twice this, and so on.
    pub resend: Duration,
    /// The longest wait between two repetitions of a word.
    pub longest_resend: Duration,
    /// A timeout that is handled later than this after it was due says that the host slept, and frames may
    /// be waiting in its queue; silence is then measured once more for `nap`.
    pub oversleep: Duration,
    /// How long a host that slept has to hand over what waits.
    pub nap: Duration,
}

impl Config {
    /// For sound in frames of 10 to 60 ms.
    #[must_use]
    pub const fn sound() -> Self {
        Self {
            frame: Duration::from_millis(20),
            floor: Duration::from_millis(100),
            ceiling: Duration::from_millis(400),
            first: Duration::from_millis(2_000),
            grace: Duration::from_millis(500),
            hold: Duration::from_millis(1_000),
            longest_hold: Duration::from_millis(30_000),
            calm: Duration::from_millis(60_000),
            resend: Duration::from_millis(100),
            longest_resend: Duration::from_millis(1_000),
            oversleep: Duration::from_millis(60),
            nap: Duration::from_millis(40),
        }
    }
}
