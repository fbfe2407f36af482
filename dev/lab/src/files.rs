// SPDX-License-Identifier: MIT OR Apache-2.0
//! A web server for a handful of fixed pages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::LabError;

/// Longest request line and header that is read.
const LINE_LIMIT: usize = 16 * 1024;

/// Serves pages on a free port of the loopback interface until the process ends.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
}

#[derive(Debug)]
struct Served {
    kind: &'static str,
    contents: Vec<u8>,
}

impl FileServer {
    /// Serves each `(path, contents)`; the kind follows from the path's ending.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub fn start<P, C>(pages: impl IntoIterator<Item = (P, C)>) -> Result<Self, LabError>
    where
        P: Into<String>,
        C: Into<Vec<u8>>,
    {
        let listener =
            TcpListener::bind("127.0.0.1:0").map_err(LabError::io("listen on the loopback"))?;
        let address = listener
            .local_addr()
            .map_err(LabError::io("learn the port"))?;
        let pages: BTreeMap<String, Served> = pages
            .into_iter()
            .map(|(path, contents)| {
                let path = path.into();
                let kind = kind_of(&path);
                let contents = contents.into();
                (path, Served { kind, contents })
            })
            .collect();
        let pages = Arc::new(pages);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&pages);
                // A browser that hangs up early is its own affair.
                thread::spawn(move || drop(answer(stream, &pages)));
            }
        });
        Ok(Self { address })
    }

    /// The address of `path`, as a browser writes it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }
}

fn answer(stream: TcpStream, pages: &BTreeMap<String, Served>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let request = line(&mut reader)?;
    while !line(&mut reader)?.is_empty() {}
    let target = request.split(' ').nth(1).unwrap_or_default();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let missing = Served {
        kind: "text/plain",
        contents: b"not here".to_vec(),
    };
    let (status, served) = match pages.get(path) {
        Some(served) => ("200 OK", served),
        None => ("404 Not Found", &missing),
    };
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        served.kind,
        served.contents.len(),
    )?;
    stream.write_all(&served.contents)
}

fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::io::Read::take(reader, LINE_LIMIT as u64).read_until(b'\n', &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        _ => "text/html; charset=utf-8",
    }
}
