// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node that cannot be trusted: it stands in front of a real one, writes down what it carries, and
//! alters what it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use hither_api::{ServerFrame, TurnGrant};

use crate::connection::lock;
use crate::{LabError, Node};

/// Longest line of a head that is read.
const LINE_LIMIT: u64 = 64 * 1024;

/// Everything below this is written down; the rest is the client's own code.
const API: &str = "/api/";

/// Where invitations are parked.
const INVITATIONS: &str = "/api/v1/invitations/";

/// Where envelopes are put.
const MAILBOXES: &str = "/api/v1/mailboxes/";

/// No envelope of a signal is longer; one of a message is, by its signature alone.
const LARGEST_SIGNAL: usize = 4096;

/// A node between the clients and the node. Dropping it closes its port.
#[derive(Debug)]
pub struct Meddler {
    address: SocketAddr,
    mind: Arc<Mind>,
    listening: Option<JoinHandle<()>>,
}

/// What it knows and what it is up to.
#[derive(Debug)]
struct Mind {
    upstream: SocketAddr,
    seen: Mutex<Vec<u8>>,
    posts: Mutex<Vec<Post>>,
    corrupt: Mutex<usize>,
    swap: Mutex<Option<(String, String)>>,
    /// Parked invitations that were fetched, by their target, and whether they are handed out for ever.
    hoard: Mutex<BTreeMap<String, Vec<u8>>>,
    hands_out_hoard: AtomicBool,
    ends: AtomicBool,
    relay: Mutex<Option<String>>,
}

/// An envelope as a client put it into a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    head: String,
    /// The envelope.
    pub envelope: Vec<u8>,
}

impl Meddler {
    /// Takes the place `listen`, in front of `node`.
    ///
    /// # Errors
    ///
    /// When the place is taken.
    pub fn before(node: &Node, listen: SocketAddr) -> Result<Self, LabError> {
        let upstream = node.address()?;
        let listener =
            TcpListener::bind(listen).map_err(LabError::io("listen in front of the node"))?;
        let address = listener
            .local_addr()
            .map_err(LabError::io("learn the port"))?;
        let mind = Arc::new(Mind {
            upstream,
            seen: Mutex::default(),
            posts: Mutex::default(),
            corrupt: Mutex::default(),
            swap: Mutex::default(),
            hoard: Mutex::default(),
            hands_out_hoard: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            relay: Mutex::default(),
        });
        let thinking = Arc::clone(&mind);
        let listening = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if thinking.ends.load(Ordering::SeqCst) {
                    break;
                }
                let mind = Arc::clone(&thinking);
                // A browser that hangs up early is its own affair.
                thread::spawn(move || drop(serve(stream, &mind)));
            }
        });
        Ok(Self {
            address,
            mind,
            listening: Some(listening),
        })
    }

    /// An address of the node as clients know it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Every byte of the API that was carried so far: heads, bodies, and frames of sockets unmasked.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        lock(&self.mind.seen).clone()
    }

    /// The envelopes that were put into mailboxes so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.mind.posts).clone()
    }

    /// Alters one byte in each of the next `count` envelopes that carry more than a signal.
    pub fn corrupt(&self, count: usize) {
        *lock(&self.mind.corrupt) = count;
    }

    /// How many envelopes are still to be altered.
    #[must_use]
    pub fn still_to_corrupt(&self) -> usize {
        *lock(&self.mind.corrupt)
    }

    /// Hands out what is asked for under one name when another is asked for; `None` ends it.
    pub fn swap(&self, swap: Option<(&str, &str)>) {
        *lock(&self.mind.swap) = swap.map(|(asked, given)| (asked.to_owned(), given.to_owned()));
    }

    /// From now on, hands out invitations that were fetched before although they are used up.
    pub fn hand_out_used_invitations(&self) {
        self.mind.hands_out_hoard.store(true, Ordering::SeqCst);
    }

    /// Names another relay than the node does, and no other.
    pub fn name_relay(&self, url: &str) {
        *lock(&self.mind.relay) = Some(url.to_owned());
    }

    /// Puts an envelope into its mailbox once more.
    ///
    /// # Errors
    ///
    /// When the node does not take it.
    pub fn post_again(&self, post: &Post) -> Result<(), LabError> {
        let answer = ask(&self.mind, &post.head, &post.envelope)
            .map_err(LabError::io("put an envelope once more"))?;
        if answer.starts_with(b"HTTP/1.1 2") {
            Ok(())
        } else {
            let line = answer
                .split(|byte| *byte == b'\r')
                .next()
                .unwrap_or_default();
            Err(LabError::Unexpected(
                String::from_utf8_lossy(line).into_owned(),
            ))
        }
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.mind.ends.store(true, Ordering::SeqCst);
        // Wakes whoever waits for a client.
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}

impl Mind {
    /// Remembers an invitation that the node handed out, or hands out what it remembers.
    fn hoard(&self, head: &str, target: &str, answer: Vec<u8>) -> Vec<u8> {
        if !(head.starts_with("GET") && target.starts_with(INVITATIONS)) {
            return answer;
        }
        let mut hoard = lock(&self.hoard);
        if answer.starts_with(b"HTTP/1.1 200") {
            hoard.insert(target.to_owned(), answer.clone());
        }
        match hoard.get(target) {
            Some(kept) if self.hands_out_hoard.load(Ordering::SeqCst) => kept.clone(),
            _ => answer,
        }
    }

    fn write_down(&self, bytes: &[u8]) {
        let mut seen = lock(&self.seen);
        seen.extend_from_slice(bytes);
        seen.push(b'\n');
    }

    fn wants_to_corrupt(&self) -> bool {
        let mut left = lock(&self.corrupt);
        let wants = *left > 0;
        *left = left.saturating_sub(1);
        wants
    }
}

fn serve(stream: TcpStream, mind: &Arc<Mind>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader)?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    if value(&head, "upgrade").is_some() {
        return carry_socket(reader, &head, mind);
    }
    let length = value(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;

    let mut head = without(&head, "connection") + "connection: close\r\n";
    if target.starts_with(MAILBOXES) && head.starts_with("POST") {
        let post = Post {
            head: head.clone(),
            envelope: body.clone(),
        };
        lock(&mind.posts).push(post);
        if body.len() > LARGEST_SIGNAL
            && mind.wants_to_corrupt()
            && let Some(byte) = body.last_mut()
        {
            *byte ^= 1;
        }
    }
    if let Some((asked, given)) = &*lock(&mind.swap) {
        head = head.replace(asked, given);
    }
    let answer = mind.hoard(&head, &target, ask(mind, &head, &body)?);
    if target.starts_with(API) {
        for bytes in [head.as_bytes(), &body, &answer] {
            mind.write_down(bytes);
        }
    }
    reader.into_inner().write_all(&answer)
}

/// One request, one answer.
fn ask(mind: &Mind, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(mind.upstream)?;
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(b"\r\n")?;
    upstream.write_all(body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A head without its last, empty line.
fn read_head(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.take(LINE_LIMIT).read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            return Ok(head);
        }
        head.push_str(&line);
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn without(head: &str, name: &str) -> String {
    let other = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default();
        !key.eq_ignore_ascii_case(name)
    };
    head.split_inclusive("\r\n").filter(other).collect()
}

// ---- sockets (RFC 6455)

fn carry_socket(
    mut client: BufReader<TcpStream>,
    head: &str,
    mind: &Arc<Mind>,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(mind.upstream)?;
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(b"\r\n")?;
    let mut to_client = client.get_ref().try_clone()?;
    let mut node = BufReader::new(upstream.try_clone()?);
    let answer = read_head(&mut node)?;
    to_client.write_all(answer.as_bytes())?;
    to_client.write_all(b"\r\n")?;

    let listening = Arc::clone(mind);
    thread::spawn(move || {
        while let Ok(frame) = Frame::read(&mut client) {
            listening.write_down(&frame.payload());
            if upstream.write_all(&frame.raw).is_err() {
                break;
            }
        }
        drop(upstream.shutdown(Shutdown::Both));
    });
    while let Ok(frame) = Frame::read(&mut node) {
        mind.write_down(&frame.payload());
        let frame = renamed_relay(&frame, mind).unwrap_or(frame);
        if to_client.write_all(&frame.raw).is_err() {
            break;
        }
    }
    to_client.shutdown(Shutdown::Both)
}

/// The node's frame with another relay in it, if it names one.
fn renamed_relay(frame: &Frame, mind: &Mind) -> Option<Frame> {
    let url = lock(&mind.relay).clone()?;
    let with = |turn: TurnGrant| TurnGrant {
        urls: vec![url],
        ..turn
    };
    let renamed = match ServerFrame::parse(&frame.payload()).ok()? {
        ServerFrame::Welcome { bearer, role, turn } => ServerFrame::Welcome {
            bearer,
            role,
            turn: with(turn),
        },
        ServerFrame::TurnGrant(turn) => ServerFrame::TurnGrant(with(turn)),
        _ => return None,
    };
    Some(Frame::binary(&renamed.emit()))
}

/// A frame as it came, and where its payload begins.
#[derive(Debug)]
struct Frame {
    raw: Vec<u8>,
    payload_at: usize,
    mask: Option<[u8; 4]>,
}

impl Frame {
    fn read(from: &mut impl Read) -> std::io::Result<Self> {
        let mut raw = vec![0; 2];
        from.read_exact(&mut raw)?;
        let masked = raw[1] & 0x80 != 0;
        let extended = match raw[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = usize::from(raw[1] & 0x7f);
        if extended > 0 {
            let bytes = more(from, &mut raw, extended)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
        }
        let mask = if masked {
            more(from, &mut raw, 4)?.try_into().ok()
        } else {
            None
        };
        let payload_at = raw.len();
        more(from, &mut raw, length)?;
        Ok(Self {
            raw,
            payload_at,
            mask,
        })
    }

    fn binary(payload: &[u8]) -> Self {
        let mut raw = vec![0x82, 127];
        raw.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        if let Ok(length) = u16::try_from(payload.len()) {
            raw.truncate(1);
            if length < 126 {
                raw.extend_from_slice(&length.to_be_bytes()[1..]);
            } else {
                raw.push(126);
                raw.extend_from_slice(&length.to_be_bytes());
            }
        }
        let payload_at = raw.len();
        raw.extend_from_slice(payload);
        Self {
            raw,
            payload_at,
            mask: None,
        }
    }

    fn payload(&self) -> Vec<u8> {
        let mask = self.mask.unwrap_or_default();
        let bytes = self.raw[self.payload_at..].iter().zip(mask.iter().cycle());
        bytes.map(|(byte, mask)| byte ^ mask).collect()
    }
}

/// Reads `length` more bytes, keeps them, and gives them back.
fn more(from: &mut impl Read, raw: &mut Vec<u8>, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    raw.extend_from_slice(&bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_back() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
            let frame = Frame::binary(&payload);
            let read = Frame::read(&mut frame.raw.as_slice()).expect("a frame");
            assert_eq!(read.payload(), payload, "{length}");
            assert_eq!(read.raw, frame.raw, "{length}");
        }
    }

    #[test]
    fn a_masked_frame_is_unmasked() {
        // RFC 6455 §5.7: "Hello", masked.
        let raw = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        let frame = Frame::read(&mut raw.as_slice()).expect("a frame");
        assert_eq!(frame.payload(), b"Hello");
    }

    #[test]
    fn a_header_is_found_and_left_out_whatever_its_case() {
        let head = "GET / HTTP/1.1\r\nHost: here\r\nConnection: keep-alive\r\n";
        assert_eq!(value(head, "host"), Some("here"));
        assert_eq!(
            without(head, "connection"),
            "GET / HTTP/1.1\r\nHost: here\r\n"
        );
    }
}
