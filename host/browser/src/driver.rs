// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client: one machine, the world around it, and the order in which they talk.

use std::rc::Rc;

use hither_endpoint::{Command, Event, View};
use web_sys::HtmlMediaElement;

use crate::Stream;

/// What the app hears. Both may call back into the [`Client`].
#[derive(Clone)]
pub struct Hooks {
    /// There is something new to show; at most once per animation frame.
    pub on_view: Rc<dyn Fn(View)>,
    /// Something happened. [`Event::ViewChanged`] is not passed on: `on_view` stands for it.
    pub on_event: Rc<dyn Fn(Event)>,
}

impl core::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hooks")
    }
}

/// Why the client does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither HTTPS nor this very computer: the browser withholds keys, camera and locks.
    #[error("the page was not opened over HTTPS or from this computer")]
    Insecure,
    /// Another tab or window of this browser profile runs the client.
    #[error("Hither is already open in another tab or window")]
    AlreadyOpen,
    /// The browser keeps nothing for this page: private mode, a full disk, or site data switched off.
    #[error("the browser does not let this page keep anything ({reason})")]
    Store {
        /// The browser's name of the error.
        reason: String,
    },
    /// No random numbers.
    #[error("the browser gives no random numbers")]
    Randomness,
}

/// The running client. Clones are the same client.
#[derive(Clone, Debug)]
pub struct Client {
    hooks: Hooks,
}

impl Client {
    /// Takes the profile's lock, loads what is stored, and sets the machine going.
    ///
    /// Waits a few seconds for another tab that is just closing. `on_view` is called for the first time
    /// after this returns.
    ///
    /// # Errors
    /// See [`StartError`]; the app tells the person what to do about it.
    #[expect(clippy::unused_async, reason = "a skeleton")]
    pub async fn start(hooks: Hooks) -> Result<Self, StartError> {
        Ok(Self { hooks })
    }

    /// Passes a person's wish on.
    pub fn command(&self, command: Command) {
        drop((&self.hooks, command));
    }

    /// What to show right now.
    ///
    /// # Panics
    /// In this skeleton.
    #[must_use]
    pub fn view(&self) -> View {
        unimplemented!()
    }

    /// Lets `element` play `stream`, now or when it appears, and follow it when it changes, until
    /// [`Self::detach`]. An element plays one stream at a time.
    pub fn attach(&self, element: &HtmlMediaElement, stream: Stream) {
        let _ = (element, stream);
    }

    /// Lets `element` play nothing.
    pub fn detach(&self, element: &HtmlMediaElement) {
        let _ = element;
    }
}
