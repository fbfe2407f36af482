// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tap on the line to a relay: datagrams pass both ways and are written down.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::LabError;
use crate::connection::lock;

/// Largest datagram.
const MAX: usize = 64 * 1024;

/// A port on the loopback interface that passes everything on to a relay. It works until the process
/// ends.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Opens a tap on the line to `relay`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub fn on(relay: SocketAddr) -> Result<Self, LabError> {
        let front = socket()?;
        let address = front
            .local_addr()
            .map_err(LabError::io("learn the port of a tap"))?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tap = Self {
            address,
            seen: Arc::clone(&seen),
        };
        let front = Arc::new(front);
        thread::spawn(move || {
            let mut lines = BTreeMap::new();
            let mut datagram = vec![0; MAX];
            while let Ok((length, client)) = front.recv_from(&mut datagram) {
                write_down(&seen, &datagram[..length]);
                let line = match lines.get(&client) {
                    Some(line) => Arc::clone(line),
                    None => {
                        let Ok(line) = open(relay, client, &front, &seen) else {
                            continue;
                        };
                        lines.insert(client, Arc::clone(&line));
                        line
                    }
                };
                // What a full line loses, the network might have lost as well.
                drop(line.send(&datagram[..length]));
            }
        });
        Ok(tap)
    }

    /// Where clients reach the relay now.
    #[must_use]
    pub fn url(&self) -> String {
        format!("turn:{}?transport=udp", self.address)
    }

    /// Every datagram so far.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        lock(&self.seen).clone()
    }
}

/// A line of its own for each client, so that the relay can tell them apart.
fn open(
    relay: SocketAddr,
    client: SocketAddr,
    front: &Arc<UdpSocket>,
    seen: &Arc<Mutex<Vec<u8>>>,
) -> Result<Arc<UdpSocket>, LabError> {
    let line = Arc::new(socket()?);
    line.connect(relay)
        .map_err(LabError::io("reach the relay"))?;
    let (back, front, seen) = (Arc::clone(&line), Arc::clone(front), Arc::clone(seen));
    thread::spawn(move || {
        let mut datagram = vec![0; MAX];
        // A relay that is not there yet refuses, and may be there for the next one.
        loop {
            let Ok(length) = back.recv(&mut datagram) else {
                continue;
            };
            write_down(&seen, &datagram[..length]);
            drop(front.send_to(&datagram[..length], client));
        }
    });
    Ok(line)
}

fn socket() -> Result<UdpSocket, LabError> {
    UdpSocket::bind("127.0.0.1:0").map_err(LabError::io("open a tap"))
}

fn write_down(seen: &Mutex<Vec<u8>>, datagram: &[u8]) {
    let mut seen = lock(seen);
    seen.extend_from_slice(datagram);
    seen.push(b'\n');
}
