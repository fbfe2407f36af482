// SPDX-License-Identifier: MIT OR Apache-2.0
//! The WebSocket to the node: one, binary.

use std::cell::RefCell;
use std::rc::Rc;

use hither_api::limits::MAX_SERVER_FRAME;
use hither_endpoint::{SocketAction, SocketEvent};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, MessageEvent, WebSocket};

use crate::listen::Listener;

/// Unsent bytes beyond which the socket counts as dead.
const MAX_UNSENT: u32 = 4 * 1024 * 1024;

/// Where events go.
type Report = Rc<dyn Fn(SocketEvent)>;

/// The socket, if there is one.
pub(crate) struct Socket {
    report: Report,
    open: RefCell<Option<Open>>,
}

/// Dropped, it is closed, and nothing more is heard of it.
struct Open {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl Drop for Open {
    fn drop(&mut self) {
        // Fails only for close codes that we do not give.
        drop(self.socket.close());
    }
}

impl core::fmt::Debug for Socket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    /// None yet.
    pub(crate) fn new(report: Report) -> Self {
        Self {
            report,
            open: RefCell::new(None),
        }
    }

    /// Does what the machine asks for.
    pub(crate) fn carry_out(&self, action: SocketAction) {
        match action {
            SocketAction::Open { url } => self.open(&url),
            SocketAction::Send(frame) => self.send(&frame),
            SocketAction::Close => drop(self.open.take()),
        }
    }

    fn open(&self, url: &str) {
        drop(self.open.take());
        match WebSocket::new(url) {
            Ok(socket) => {
                socket.set_binary_type(BinaryType::Arraybuffer);
                let listeners = self.listen(&socket);
                self.open.replace(Some(Open {
                    socket,
                    _listeners: listeners,
                }));
            }
            Err(_) => (self.report)(SocketEvent::Closed),
        }
    }

    fn listen(&self, socket: &WebSocket) -> [Listener; 3] {
        let on = |report: &Report| Rc::clone(report);
        let (opened, arrived, closed) = (on(&self.report), on(&self.report), on(&self.report));
        let peer = socket.clone();
        [
            Listener::new(socket, "open", move |_: JsValue| {
                opened(SocketEvent::Opened);
            }),
            Listener::new(socket, "message", move |event: MessageEvent| {
                match frame(&event) {
                    Some(frame) => arrived(SocketEvent::Frame(frame)),
                    // Neither text nor anything longer is in the protocol. `close` follows.
                    None => drop(peer.close()),
                }
            }),
            Listener::new(socket, "close", move |_: JsValue| {
                closed(SocketEvent::Closed);
            }),
        ]
    }

    fn send(&self, frame: &[u8]) {
        let dead = match &*self.open.borrow() {
            Some(open) if open.socket.ready_state() == WebSocket::OPEN => {
                open.socket.buffered_amount() > MAX_UNSENT
                    || open.socket.send_with_u8_array(frame).is_err()
            }
            // Not open yet, or closing: the machine hears of it, or has.
            _ => false,
        };
        if dead {
            drop(self.open.take());
            (self.report)(SocketEvent::Closed);
        }
    }
}

fn frame(event: &MessageEvent) -> Option<Vec<u8>> {
    let buffer = event.data().dyn_into::<ArrayBuffer>().ok()?;
    let length = usize::try_from(buffer.byte_length()).ok()?;
    (length <= MAX_SERVER_FRAME).then(|| Uint8Array::new(&buffer).to_vec())
}
