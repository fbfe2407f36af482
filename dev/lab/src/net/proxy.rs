// SPDX-License-Identifier: MIT OR Apache-2.0
//! A proxy that opens connections on behalf of clients who have no other way out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::backbone::Backbone;
use super::host::Host;
use super::router::{Plug, Router};
use crate::LabError;

/// Where it listens.
const PORT: u16 = 3128;

/// Connections at a time.
const MOST: usize = 128;

/// Bytes of a request's head.
const HEAD: usize = 8192;

/// How long a client may take for its request, and a server to accept.
const PATIENCE: Duration = Duration::from_secs(10);

/// An HTTP proxy that knows CONNECT (RFC 9110 §9.3.6) and nothing else. It ends when it is dropped.
#[derive(Debug)]
pub struct ConnectProxy {
    host: Host,
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    _plug: Plug,
}

impl ConnectProxy {
    pub(super) fn new(
        name: &str,
        router: &Router,
        backbone: &Arc<Backbone>,
    ) -> Result<Self, LabError> {
        let host = Host::new(name, backbone.place()?)?;
        let plug = router.plug(host.namespace(), "lan")?;
        let ipv4 = plug
            .ipv4
            .ok_or_else(|| LabError::Unexpected("a proxy needs IPv4".to_owned()))?;
        let addresses = plug.addresses("lan");
        host.namespace()
            .ip(&format!("{addresses}link set lan up\n"))?;
        host.namespace().wait_for_link("lan")?;
        plug.wait_for_link()?;
        let address = SocketAddr::new(ipv4.into(), PORT);
        let listener = host.inside(|| TcpListener::bind(address))?;
        let listener = listener.map_err(LabError::io("open a proxy's port"))?;
        let proxy = Self {
            host,
            address,
            opened: Arc::default(),
            ended: Arc::default(),
            _plug: plug,
        };
        let (opened, ended) = (Arc::clone(&proxy.opened), Arc::clone(&proxy.ended));
        // Threads that a thread starts are in its namespace.
        proxy.host.inside(|| {
            thread::spawn(move || serve(&listener, &opened, &ended));
        })?;
        Ok(proxy)
    }

    /// Where clients of the router find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Chromium's flag for it.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--proxy-server=http://{}", self.address)
    }

    /// The machine that it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// How many connections it has opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the one who accepts.
        let address = self.address;
        let _woken = self
            .host
            .inside(|| TcpStream::connect_timeout(&address, PATIENCE));
    }
}

fn serve(listener: &TcpListener, opened: &Arc<AtomicUsize>, ended: &AtomicBool) {
    let open = Arc::new(());
    for client in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        if Arc::strong_count(&open) > MOST {
            continue;
        }
        let (open, opened) = (Arc::clone(&open), Arc::clone(opened));
        thread::spawn(move || {
            // Whatever goes wrong between two others ends their connection.
            let _ended = carry(&client, &opened);
            drop(open);
        });
    }
}

/// One connection, to its end.
fn carry(mut client: &TcpStream, opened: &AtomicUsize) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let Some(target) = target(&head(client)?) else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    let Ok(server) = TcpStream::connect_timeout(&target, PATIENCE) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    opened.fetch_add(1, Ordering::Relaxed);
    client.set_read_timeout(None)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n")?;
    thread::scope(|scope| {
        scope.spawn(|| pass_on(&server, client));
        pass_on(client, &server);
    });
    Ok(())
}

/// From one to the other until it ends, and then says so.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    let _ended = io::copy(&mut from, &mut to);
    let _told = to.shutdown(Shutdown::Write);
    let _deaf = from.shutdown(Shutdown::Read);
}

/// A request's head, to the empty line. What a client sends before it has an answer is not waited for.
fn head(mut client: &TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// Whom `CONNECT` asks for. Names are not resolved: there are none in the laboratory.
fn target(head: &[u8]) -> Option<SocketAddr> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    (words.next()? == "CONNECT").then_some(())?;
    words.next()?.parse().ok()
}
