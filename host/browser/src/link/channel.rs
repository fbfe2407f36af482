// SPDX-License-Identifier: MIT OR Apache-2.0
//! The data channel of a link: reliable, ordered, and polite about the browser's buffer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use crate::listen::Listener;

/// Its name. The other side opens no other one.
pub(super) const LABEL: &str = "hither";

/// What browsers take in one message (`a=max-message-size`).
pub(super) const MAX_MESSAGE: usize = 256 * 1024;

/// Bytes in the browser's buffer beyond which we wait. It throws at 16 MiB.
const HIGH_WATER: u32 = 1024 * 1024;

/// Bytes that wait here; with more, the other side is not reading.
const MAX_WAITING: usize = 8 * 1024 * 1024;

/// What the channel tells its link.
pub(super) enum ChannelEvent {
    Opened,
    Closed,
    Message(Vec<u8>),
}

/// Dropped, it is closed, and nothing more is heard of it.
pub(super) struct Channel {
    outlet: Rc<Outlet>,
    _listeners: [Listener; 4],
}

struct Outlet {
    channel: RtcDataChannel,
    waiting: RefCell<Waiting>,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// The channel does not take it.
pub(super) struct Full;

impl Channel {
    pub(super) fn new(channel: RtcDataChannel, report: impl Fn(ChannelEvent) + 'static) -> Self {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(HIGH_WATER / 2);
        let outlet = Rc::new(Outlet {
            channel: channel.clone(),
            waiting: RefCell::default(),
        });
        let report = Rc::new(report);
        let (opened, closed, arrived) = (Rc::clone(&report), Rc::clone(&report), report);
        let flushed = Rc::clone(&outlet);
        let listeners = [
            Listener::new(&channel, "open", move |_: JsValue| {
                opened(ChannelEvent::Opened);
            }),
            Listener::new(&channel, "close", move |_: JsValue| {
                closed(ChannelEvent::Closed);
            }),
            Listener::new(&channel, "message", move |event: MessageEvent| {
                if let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>() {
                    arrived(ChannelEvent::Message(Uint8Array::new(&buffer).to_vec()));
                }
            }),
            Listener::new(&channel, "bufferedamountlow", move |_: JsValue| {
                flushed.flush();
            }),
        ];
        Self {
            outlet,
            _listeners: listeners,
        }
    }

    /// Sends, now or when there is room.
    pub(super) fn send(&self, message: Vec<u8>) -> Result<(), Full> {
        if self.outlet.channel.ready_state() != RtcDataChannelState::Open {
            // It closes, and says so; or it is not open yet, and nobody was told that it is.
            return Ok(());
        }
        let mut waiting = self.outlet.waiting.borrow_mut();
        if waiting.bytes.saturating_add(message.len()) > MAX_WAITING {
            return Err(Full);
        }
        waiting.bytes += message.len();
        waiting.messages.push_back(message);
        drop(waiting);
        self.outlet.flush();
        Ok(())
    }
}

impl Outlet {
    fn flush(&self) {
        while self.channel.buffered_amount() < HIGH_WATER {
            let mut waiting = self.waiting.borrow_mut();
            let Some(message) = waiting.messages.pop_front() else {
                return;
            };
            waiting.bytes -= message.len();
            drop(waiting);
            if self.channel.send_with_u8_array(&message).is_err() {
                // Only when it is closing: then `close` follows and the message counts as lost.
                return;
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.outlet.channel.close();
    }
}
