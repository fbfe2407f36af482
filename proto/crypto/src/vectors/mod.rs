// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frozen vectors, runnable wherever the crate runs: in a native test, and inside a browser.
//!
//! Ours stand in `vectors/hither.json`, inputs beside outputs, and in `docs/protocol.md`; what OpenMLS randomises
//! is frozen as bytes that must open. Those of others are for what this crate takes from others: ML-KEM-1024 and
//! ML-DSA-87 (NIST ACVP), HPKE with ML-KEM-1024 (draft-ietf-hpke-pq), SFrame (RFC 9605 appendix C).

mod foreign;
mod own;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{HeaderKey, Stretched};

pub use own::{Frozen, HITHER, freeze, recompute};

/// What a check found: nothing, or what is different.
pub type Outcome = Result<(), String>;

/// Runs every vector; some take a good part of a second.
#[must_use]
pub fn run() -> Vec<(&'static str, Outcome)> {
    let mut outcomes = own::run();
    outcomes.extend(foreign::run());
    outcomes
}

/// Seals any bytes as an invitation's content would be: the fuzzer's way behind the seal. Nothing, if they do
/// not fit.
#[must_use]
pub fn seal_as_invitation(content: &[u8], code: &Stretched) -> Option<Vec<u8>> {
    crate::invitation::seal_anything(content, code)
}

/// The key under which answers to an invitation are sealed: the fuzzer's way behind the seal.
#[must_use]
pub fn answer_key(code: &Stretched) -> HeaderKey {
    crate::invitation::envelope_key(code)
}

/// Bytes written as hexadecimal digits.
struct Hex(Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let bytes = unhex(&digits).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))?;
        Ok(Self(bytes))
    }
}

impl Hex {
    fn array<const N: usize>(&self) -> Result<[u8; N], String> {
        let array = <[u8; N]>::try_from(self.0.as_slice());
        array.map_err(|_| format!("{} bytes where {N} are expected", self.0.len()))
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = core::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-512/256, as hexadecimal digits: what stands for long outputs.
fn digest(bytes: &[u8]) -> String {
    hex(&crate::primitives::sha512_256(&[bytes]))
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| format!("the vectors do not parse: {error}"))
}

fn expect(what: &str, found: &str, expected: &str) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what} is {found}, not {expected}"))
    }
}

fn fail<E: core::fmt::Display>(error: E) -> String {
    error.to_string()
}

type Fields = BTreeMap<String, String>;
