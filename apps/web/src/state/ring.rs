// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ring tone, made of oscillators: no file, no request.

use std::rc::Rc;

use leptos::prelude::{IntervalHandle, set_interval_with_handle};
use std::time::Duration;
use web_sys::wasm_bindgen::JsValue;
use web_sys::{AudioContext, OscillatorType};

/// What rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Somebody calls: two rising fourths, every three seconds.
    Incoming,
    /// We call: one soft low note, every three seconds.
    Outgoing,
}

/// One note: hertz, start and length in seconds, loudness.
type Note = (f32, f64, f64, f32);

const INCOMING: [Note; 4] = [
    (587.33, 0.0, 0.42, 0.16),
    (783.99, 0.22, 0.55, 0.16),
    (587.33, 0.95, 0.42, 0.13),
    (880.0, 1.17, 0.75, 0.13),
];
const OUTGOING: [Note; 2] = [(392.0, 0.0, 0.9, 0.05), (493.88, 0.05, 0.85, 0.035)];

/// Rings until dropped.
pub(crate) struct Ringing {
    context: Rc<AudioContext>,
    interval: Option<IntervalHandle>,
}

impl Ringing {
    /// Starts. Silent where the browser does not let a page sound before it was touched.
    pub(crate) fn start(tone: Tone) -> Option<Self> {
        let context = Rc::new(AudioContext::new().ok()?);
        play(&context, tone);
        let again = Rc::clone(&context);
        let interval =
            set_interval_with_handle(move || play(&again, tone), Duration::from_secs(3)).ok();
        Some(Self { context, interval })
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        if let Some(interval) = self.interval.take() {
            interval.clear();
        }
        // A promise nobody waits for.
        drop(self.context.close());
    }
}

fn play(context: &AudioContext, tone: Tone) {
    let notes: &[Note] = match tone {
        Tone::Incoming => &INCOMING,
        Tone::Outgoing => &OUTGOING,
    };
    for note in notes {
        // A browser without sound still shows the call.
        drop(play_note(context, *note));
    }
}

/// A note with a soft beginning and a long end, like a struck bar.
fn play_note(context: &AudioContext, note: Note) -> Result<(), JsValue> {
    let (hertz, start, length, loudness) = note;
    let begin = context.current_time() + start;
    let oscillator = context.create_oscillator()?;
    oscillator.set_type(OscillatorType::Triangle);
    oscillator.frequency().set_value(hertz);
    let gain = context.create_gain()?;
    gain.gain().set_value_at_time(0.0001, begin)?;
    gain.gain()
        .exponential_ramp_to_value_at_time(loudness, begin + 0.02)?;
    gain.gain()
        .exponential_ramp_to_value_at_time(0.0001, begin + length)?;
    oscillator.connect_with_audio_node(&gain)?;
    gain.connect_with_audio_node(&context.destination())?;
    oscillator.start_with_when(begin)?;
    oscillator.stop_with_when(begin + length + 0.05)
}
