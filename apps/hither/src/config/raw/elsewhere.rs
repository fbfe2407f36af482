// SPDX-License-Identifier: MIT OR Apache-2.0
//! Relays elsewhere, as operators name them.

use serde::Deserialize;

use crate::node::grants::host_of;

/// The port of STUN and TURN (RFC 8656 §16).
const TURN: u16 = 3478;

/// The URLs of one relay elsewhere (RFC 7064 §3.1, RFC 7065 §3.1).
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Elsewhere {
    pub(super) urls: Vec<String>,
}

impl TryFrom<String> for Elsewhere {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "write a host, a host with a port, or a turn:, turns: or stun: URL";
        let is_url = ["turn:", "turns:", "stun:"]
            .iter()
            .find_map(|scheme| Some((*scheme, text.strip_prefix(scheme)?)));
        let Some((scheme, rest)) = is_url else {
            let host = host_of(&text).ok_or(wrong)?;
            let authority = match host == text {
                true => format!("{host}:{TURN}"),
                false => text,
            };
            let url = |transport| format!("turn:{authority}?transport={transport}");
            return Ok(Self {
                urls: vec![url("udp"), url("tcp")],
            });
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match scheme {
            "stun:" => query.is_empty(),
            "turns:" => ["", "transport=tcp"].contains(&query),
            _ => ["", "transport=udp", "transport=tcp"].contains(&query),
        };
        match host_of(authority) {
            Some(_) if transport => Ok(Self { urls: vec![text] }),
            Some(_) | None => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_elsewhere_is_a_host_or_a_url() {
        let urls = |text: &str| Elsewhere::try_from(text.to_owned()).map(|found| found.urls);
        assert_eq!(
            urls("turn.example.org").unwrap(),
            [
                "turn:turn.example.org:3478?transport=udp",
                "turn:turn.example.org:3478?transport=tcp"
            ]
        );
        assert_eq!(
            urls("[2a00:1::1]:5").unwrap()[0],
            "turn:[2a00:1::1]:5?transport=udp"
        );
        for whole in [
            "turns:turn.example.org:443?transport=tcp",
            "turn:a?transport=udp",
            "stun:a:3478",
        ] {
            assert_eq!(urls(whole).unwrap(), [whole]);
        }
        for wrong in [
            "",
            "a b",
            "a/b",
            "https://a",
            "turns:a?transport=udp",
            "turn:",
            "stun:a?x",
        ] {
            assert!(urls(wrong).is_err(), "{wrong}");
        }
    }
}
