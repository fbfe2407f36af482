// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tastes of this browser that are no secret. Everything else is sealed by the client.

use leptos::prelude::*;

use crate::dom::storage;

/// Tastes, remembered across reloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preferences {
    /// No ring tone.
    pub(crate) silent: RwSignal<bool>,
    /// Messages are blurred until touched.
    pub(crate) masked: RwSignal<bool>,
}

impl Preferences {
    pub(crate) fn load() -> Self {
        Self {
            silent: remembered("silent"),
            masked: remembered("masked"),
        }
    }

    /// As if nobody had ever chosen: what is off is not remembered.
    pub(crate) fn forget(self) {
        self.silent.set(false);
        self.masked.set(false);
    }
}

fn remembered(key: &'static str) -> RwSignal<bool> {
    let signal = RwSignal::new(storage::read(key).as_deref() == Some("yes"));
    Effect::watch(
        move || signal.get(),
        move |on, _, _| {
            if *on {
                storage::write(key, "yes");
            } else {
                storage::forget(key);
            }
        },
        false,
    );
    signal
}
