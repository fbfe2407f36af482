// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client: one machine, the world around it, and the order in which they talk.
//!
//! Whatever happens is an [`Input`] and waits in a queue. Whoever puts the first one in works the queue off:
//! one input into the machine, then everything out of it. So no JavaScript is called while the machine is
//! borrowed, and a call that comes back from there only puts another input into the queue.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use hither_crypto::stretch::{StretchParams, Stretched};
use hither_endpoint::network::ProbeEvent;
use hither_endpoint::{
    Command, Config, Endpoint, Event, HttpResponse, LinkEvent, SocketAction, SocketEvent, Transmit,
    View, WriteBatch,
};
use hither_sansio::Instant;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{EventTarget, HtmlMediaElement};

use crate::listen::{Listener, Timer};
use crate::probe::Probes;
use crate::socket::Socket;
use crate::store::Store;
use crate::sys::{get, text, window};
use crate::workers::StretchWorker;
use crate::{Links, Stream, clock, device, http, lock};

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
pub struct Client(Rc<Inner>);

impl Client {
    /// Takes the profile's lock, loads what is stored, and sets the machine going.
    ///
    /// Waits a few seconds for another tab that is just closing. `on_view` is called for the first time
    /// after this returns.
    ///
    /// # Errors
    /// See [`StartError`]; the app tells the person what to do about it.
    pub async fn start(hooks: Hooks) -> Result<Self, StartError> {
        if !window().is_secure_context() {
            return Err(StartError::Insecure);
        }
        lock::take().await?;
        let store = Store::open().await?;
        let records = store.load().await?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| StartError::Randomness)?;
        let user_agent = window().navigator().user_agent().unwrap_or_default();
        let config = Config {
            stretch: StretchParams::VAULT_BROWSER,
            device_label: device::label(&user_agent),
        };
        let machine = Endpoint::new(config, records, seed, clock::now());
        let inner = Inner::around(machine, store, hooks);
        inner.listen();
        inner.show_soon();
        inner.drain();
        Ok(Self(inner))
    }

    /// Passes a person's wish on.
    pub fn command(&self, command: Command) {
        self.0.feed(Input::Command(command));
    }

    /// What to show right now.
    #[must_use]
    pub fn view(&self) -> View {
        self.0.machine.borrow().view()
    }

    /// Lets `element` play `stream`, now or when it appears, and follow it when it changes, until
    /// [`Self::detach`]. An element plays one stream at a time. Everything but [`Stream::RemoteSound`] is
    /// played without sound.
    pub fn attach(&self, element: &HtmlMediaElement, stream: Stream) {
        self.0.links.attach(element, stream);
    }

    /// Lets `element` play nothing.
    pub fn detach(&self, element: &HtmlMediaElement) {
        self.0.links.detach(element);
    }
}

/// One thing that happened.
enum Input {
    Command(Command),
    Http(HttpResponse),
    Socket(SocketEvent),
    Link(LinkEvent),
    Probe(ProbeEvent),
    Stretched(u32, Option<Stretched>),
    Written(u64),
    WriteFailed(u64),
    Timeout,
}

struct Inner {
    machine: RefCell<Endpoint>,
    inputs: RefCell<VecDeque<Input>>,
    draining: Cell<bool>,
    hooks: Hooks,
    store: Store,
    socket: Socket,
    links: Links,
    probes: Probes,
    stretching: StretchWorker,
    timer: RefCell<Option<(Instant, Timer)>>,
    to_show: Cell<bool>,
    showing: RefCell<Option<Timer>>,
    show: Closure<dyn Fn()>,
    listeners: RefCell<Vec<Listener>>,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("inputs", &self.inputs.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn around(machine: Endpoint, store: Store, hooks: Hooks) -> Rc<Self> {
        Rc::new_cyclic(|inner: &Weak<Self>| {
            let on_socket = {
                let inner = inner.clone();
                move |event| feed(&inner, Input::Socket(event))
            };
            let on_link = {
                let inner = inner.clone();
                move |event| feed(&inner, Input::Link(event))
            };
            let on_probe = {
                let inner = inner.clone();
                move |event| feed(&inner, Input::Probe(event))
            };
            let on_stretched = {
                let inner = inner.clone();
                move |id, key| feed(&inner, Input::Stretched(id, key))
            };
            let show = {
                let inner = inner.clone();
                move || {
                    if let Some(inner) = inner.upgrade() {
                        inner.show();
                    }
                }
            };
            Self {
                machine: RefCell::new(machine),
                inputs: RefCell::default(),
                draining: Cell::default(),
                hooks,
                store,
                socket: Socket::new(Rc::new(on_socket)),
                links: Links::new(Rc::new(on_link)),
                probes: Probes::new(Rc::new(on_probe)),
                stretching: StretchWorker::new(Rc::new(on_stretched)),
                timer: RefCell::default(),
                to_show: Cell::default(),
                showing: RefCell::default(),
                show: Closure::new(show),
                listeners: RefCell::default(),
            }
        })
    }

    /// What the window says about the network and about being looked at.
    fn listen(self: &Rc<Self>) {
        let window = window();
        let mut listeners = vec![
            self.listen_to(&window, "online", || true),
            self.listen_to(&window, "offline", || true),
        ];
        if let Some(document) = window.document() {
            listeners.push(self.listen_to(&document, "visibilitychange", || !hidden()));
        }
        // Not in every browser.
        let connection = get(&window.navigator(), "connection");
        if let Ok(connection) = connection.dyn_into::<EventTarget>() {
            // It also tells every new estimate of the bandwidth, which is no other network.
            let kind = RefCell::new(text(&connection, "type"));
            let another = {
                let connection = connection.clone();
                move || {
                    let now = text(&connection, "type");
                    kind.replace(now.clone()) != now
                }
            };
            listeners.push(self.listen_to(&connection, "change", another));
        }
        self.listeners.replace(listeners);
    }

    /// Looks at the network again at each `event` that matters.
    fn listen_to(
        self: &Rc<Self>,
        target: &EventTarget,
        event: &'static str,
        matters: impl Fn() -> bool + 'static,
    ) -> Listener {
        let inner = Rc::downgrade(self);
        Listener::new(target, event, move |_: JsValue| {
            if matters() {
                feed(&inner, Input::Command(Command::NetworkChanged));
            }
        })
    }
}

fn feed(inner: &Weak<Inner>, input: Input) {
    if let Some(inner) = inner.upgrade() {
        inner.feed(input);
    }
}

// The loop.
impl Inner {
    fn feed(self: &Rc<Self>, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        if self.draining.replace(true) {
            return;
        }
        while let Some(input) = self.next() {
            self.handle(input);
            self.drain();
        }
        self.draining.set(false);
    }

    fn next(&self) -> Option<Input> {
        self.inputs.borrow_mut().pop_front()
    }

    fn handle(&self, input: Input) {
        let mut machine = self.machine.borrow_mut();
        let now = clock::now();
        match input {
            Input::Command(command) => machine.handle_command(command, now),
            Input::Http(response) => machine.handle_http(response, now),
            Input::Socket(event) => machine.handle_socket(event, now),
            Input::Link(event) => machine.handle_link(event, now),
            Input::Probe(event) => machine.handle_probe(event, now),
            Input::Stretched(id, key) => machine.handle_stretched(id, key, now),
            Input::Written(number) => machine.handle_written(number, now),
            Input::WriteFailed(number) => machine.handle_write_failed(number, now),
            Input::Timeout => machine.handle_timeout(now),
        }
    }

    /// Everything out of the machine, in the order that it asks for.
    fn drain(self: &Rc<Self>) {
        while let Some(batch) = self.poll(Endpoint::poll_write) {
            self.write(&batch);
        }
        while let Some(transmit) = self.poll(Endpoint::poll_transmit) {
            self.transmit(transmit);
        }
        while let Some(event) = self.poll(Endpoint::poll_event) {
            self.tell(event);
        }
        self.set_timer();
    }

    /// Borrows the machine no longer than it takes.
    fn poll<T>(&self, poll: impl FnOnce(&mut Endpoint) -> T) -> T {
        poll(&mut self.machine.borrow_mut())
    }

    fn write(self: &Rc<Self>, batch: &WriteBatch) {
        let number = batch.number;
        let written = self.store.write(batch);
        let inner = Rc::downgrade(self);
        spawn_local(async move {
            let input = match written.await {
                Ok(()) => Input::Written(number),
                Err(error) => {
                    tracing::warn!(%error, "a write failed");
                    Input::WriteFailed(number)
                }
            };
            feed(&inner, input);
        });
    }

    fn transmit(self: &Rc<Self>, transmit: Transmit) {
        match transmit {
            Transmit::Http(request) => {
                let inner = Rc::downgrade(self);
                spawn_local(async move { feed(&inner, Input::Http(http::run(request).await)) });
            }
            Transmit::Socket(action) => {
                // The vault is open: calls are near.
                if matches!(action, SocketAction::Open { .. }) {
                    self.links.warm_up();
                }
                self.socket.carry_out(action);
            }
            Transmit::Link(action) => self.links.carry_out(action),
            Transmit::Probe(action) => self.probes.carry_out(action),
            Transmit::Stretch(job) => self.stretching.derive(&job),
            _ => tracing::error!("the machine asks for something unknown"),
        }
    }

    fn tell(self: &Rc<Self>, event: Event) {
        match event {
            Event::ViewChanged => return self.show_soon(),
            Event::Locked => {
                self.links.drop_everything();
                self.probes.stop();
                self.stretching.stop();
            }
            _ => {}
        }
        (self.hooks.on_event)(event);
    }

    fn set_timer(self: &Rc<Self>) {
        let Some((at, _reason)) = self.machine.borrow().poll_timeout() else {
            drop(self.timer.take());
            return;
        };
        if self
            .timer
            .borrow()
            .as_ref()
            .is_some_and(|(set, _)| *set == at)
        {
            return;
        }
        let wait = at.saturating_since(clock::now().instant).as_millis();
        let inner = Rc::downgrade(self);
        let ring = move || {
            if let Some(inner) = inner.upgrade() {
                drop(inner.timer.take());
                inner.feed(Input::Timeout);
            }
        };
        // A longer wait rings early; the machine then says again how long.
        let millis = i32::try_from(wait).unwrap_or(i32::MAX);
        self.timer.replace(Some((at, Timer::new(millis, ring))));
    }
}

/// How long a view may wait for an animation frame, milliseconds. A page that is not looked at gets none.
const FRAME_PATIENCE: i32 = 120;

// Showing.
impl Inner {
    fn show_soon(&self) {
        if self.to_show.replace(true) {
            return;
        }
        let show: &js_sys::Function = self.show.as_ref().unchecked_ref();
        let asked = window().request_animation_frame(show);
        if hidden() || asked.is_err() {
            self.show_after(0, show);
        } else {
            self.show_after(FRAME_PATIENCE, show);
        }
    }

    fn show_after(&self, millis: i32, show: &js_sys::Function) {
        let show = show.clone();
        let timer = Timer::new(millis, move || {
            drop(show.call0(&JsValue::UNDEFINED));
        });
        self.showing.replace(Some(timer));
    }

    fn show(&self) {
        if self.to_show.replace(false) {
            let view = self.machine.borrow().view();
            (self.hooks.on_view)(view);
        }
    }
}

fn hidden() -> bool {
    window()
        .document()
        .is_some_and(|document| document.hidden())
}
