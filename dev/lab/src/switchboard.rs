// SPDX-License-Identifier: MIT OR Apache-2.0
//! A signalling server for calls with nothing of ours in them: it serves one page, and carries what two of them say
//! to each other over WebSockets, as the server of any other product would.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket, accept};

use crate::connection::lock;
use crate::{Host, LabError};

/// Where it listens: the port that every network lets through.
const PORT: u16 = 443;

/// What a page asks to know whether its socket is still there, and what it is told.
const PING: &str = "{\"ping\":true}";
const PONG: &str = "{\"pong\":true}";

/// What is kept for somebody who is not connected right now.
const MOST_KEPT: usize = 256;

/// Two seats, called `a` and `b` in the address of their sockets; what is said at one is heard at the other.
#[derive(Debug)]
pub struct Switchboard {
    host: Host,
}

#[derive(Debug, Default)]
struct Seat {
    socket: Option<WebSocket<TcpStream>>,
    kept: Vec<Message>,
}

#[derive(Debug)]
struct Served {
    page: &'static str,
    seats: [Mutex<Seat>; 2],
}

impl Switchboard {
    /// Serves this page on a host of a laboratory, for as long as the process lives; the host is its own.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub fn start(host: Host, page: &'static str) -> Result<Self, LabError> {
        let address = IpAddr::from(host.ipv4());
        let listener = host
            .inside(|| TcpListener::bind(SocketAddr::from((address, PORT))))?
            .map_err(LabError::io("listen for signals"))?;
        let served = Arc::new(Served {
            page,
            seats: Default::default(),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A browser that hangs up is its own affair.
                thread::spawn(move || drop(served.answer(stream)));
            }
        });
        Ok(Self { host })
    }

    /// The page, as the one who sits at `seat`. A browser has to be told that it is trustworthy, see
    /// [`Switchboard::trust`].
    #[must_use]
    pub fn url(&self, seat: &str) -> String {
        format!("{}/#{seat}", self.origin())
    }

    /// The argument with which a browser lets the page use camera and microphone.
    #[must_use]
    pub fn trust(&self) -> String {
        format!(
            "--unsafely-treat-insecure-origin-as-secure={}",
            self.origin()
        )
    }

    fn origin(&self) -> String {
        format!("http://{}:{PORT}", self.host.ipv4())
    }
}

impl Served {
    fn answer(&self, mut stream: TcpStream) -> Result<(), tungstenite::Error> {
        stream.set_nodelay(true)?;
        let mut request = [0; 2048];
        let length = stream.peek(&mut request)?;
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        match request.split(' ').nth(1) {
            Some("/a") => self.sit_down(0, stream),
            Some("/b") => self.sit_down(1, stream),
            _ => {
                // All of it has to be read before the line is closed in order.
                let _request = stream.read(&mut [0; 2048])?;
                let body = self.page;
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                )?;
                Ok(())
            }
        }
    }

    fn sit_down(&self, seat: usize, stream: TcpStream) -> Result<(), tungstenite::Error> {
        let writing = stream.try_clone()?;
        // Every refusal of a handshake is the end of it: sockets here wait.
        let Ok(mut reading) = accept(stream) else {
            return Ok(());
        };
        let mut own = WebSocket::from_raw_socket(writing, Role::Server, None);
        {
            let mut seat = lock(&self.seats[seat]);
            for message in std::mem::take(&mut seat.kept) {
                own.send(message)?;
            }
            seat.socket = Some(own);
        }
        loop {
            let message = reading.read()?;
            if message.to_text().is_ok_and(|text| text == PING) {
                lock(&self.seats[seat]).hand(Message::text(PONG));
            } else if message.is_text() {
                lock(&self.seats[1 - seat]).hand(message);
            }
        }
    }
}

impl Seat {
    /// To whoever sits here; if nobody does, to the next one.
    fn hand(&mut self, message: Message) {
        let handed = match &mut self.socket {
            Some(socket) => socket.send(message.clone()).is_ok(),
            None => false,
        };
        if !handed {
            self.socket = None;
            if self.kept.len() < MOST_KEPT {
                self.kept.push(message);
            }
        }
    }
}
