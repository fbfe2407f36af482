// SPDX-License-Identifier: MIT OR Apache-2.0
//! One end of a virtual link, with the system's network left out: frames as they are.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::frame::Frame;
use super::namespace::Namespace;
use crate::LabError;

/// `ETH_P_ALL`, in the byte order of the network, in which the system wants it.
pub(super) const EVERYTHING: i32 = 0x0003_u16.to_be() as i32;

/// What may pile up while a busy machine does not let us read.
const PILE: usize = 4 << 20;

/// Room for a frame of a link with the usual MTU.
const FRAME: usize = 2048;

/// A packet socket (packet(7)) on one interface.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
}

impl Wire {
    /// Opens an interface of this namespace.
    pub(super) fn open(namespace: &Namespace, interface: &str) -> Result<Self, LabError> {
        let socket = namespace.inside(|| open(interface))?;
        let socket = socket.map_err(LabError::io(format!("open the link {interface}")))?;
        Ok(Self { socket })
    }

    /// The next packet that has come; `None` when there is none.
    pub(super) fn receive(&self) -> Option<Frame> {
        loop {
            let mut bytes = vec![0; FRAME];
            match (&self.socket).read(&mut bytes) {
                Ok(length) => {
                    bytes.truncate(length);
                    // What is no packet (there should be none on the link) is passed over.
                    if let Some(frame) = Frame::parse(bytes) {
                        return Some(frame);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends a packet. One that the link does not take is lost, as on any link.
    pub(super) fn send(&self, frame: &mut Frame) {
        let _lost = self.socket.send(frame.emit());
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open(interface: &str) -> io::Result<Socket> {
    // Nothing is received before it is bound to its interface.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERYTHING)))?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &PILE)?;
    let address = address_of(interface)?;
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

/// The interface as packet(7) knows it.
fn address_of(interface: &str) -> io::Result<LinkAddr> {
    let mut all = getifaddrs()?;
    all.find_map(|one| {
        let named = one.interface_name == interface;
        let address = one.address.filter(|_| named)?;
        address.as_link_addr().copied()
    })
    .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
}
