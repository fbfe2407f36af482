// SPDX-License-Identifier: MIT OR Apache-2.0
//! The links that people pass on. Whatever matters stands behind `#`, which browsers never send.
//!
//! | link | meaning |
//! |---|---|
//! | `{origin}/r#{registration token}` | register at this node |
//! | `{origin}/i#{invitation id}` | open an invitation parked at this node |
//! | `{origin}/i#{invitation id}.{registration token}` | the same, for somebody without an account here |

use crate::{InvitationId, RegistrationToken};

/// Longest link that is looked at, in bytes.
const MAX_LINK: usize = 2048;

/// A link that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Register at `origin`.
    Registration {
        /// `https://host[:port]`, as written.
        origin: String,
        /// Permits it.
        token: RegistrationToken,
    },
    /// Open an invitation parked at `origin`.
    Invitation {
        /// `https://host[:port]`, as written.
        origin: String,
        /// Where it is parked.
        invitation: InvitationId,
        /// Permits registering there first.
        registration: Option<RegistrationToken>,
    },
}

impl Link {
    /// The text that a person passes on.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Registration { origin, token } => format!("{origin}/r#{}", token.to_text()),
            Self::Invitation {
                origin,
                invitation,
                registration,
            } => {
                let tail = registration
                    .map(|token| format!(".{}", token.to_text()))
                    .unwrap_or_default();
                format!("{origin}/i#{}{tail}", invitation.to_text())
            }
        }
    }

    /// Understands a pasted link; surrounding white space is forgiven.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_LINK || !(text.starts_with("https://") || text.starts_with("http://")) {
            return None;
        }
        let (place, fragment) = text.split_once('#')?;
        if let Some(origin) = place.strip_suffix("/r") {
            return Some(Self::Registration {
                origin: origin.to_owned(),
                token: fragment.parse().ok()?,
            });
        }
        let origin = place.strip_suffix("/i")?;
        let (invitation, registration) = match fragment.split_once('.') {
            Some((invitation, token)) => (invitation, Some(token.parse().ok()?)),
            None => (fragment, None),
        };
        Some(Self::Invitation {
            origin: origin.to_owned(),
            invitation: invitation.parse().ok()?,
            registration,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_survive_being_passed_on() {
        let invitation = Link::Invitation {
            origin: "https://node.example".into(),
            invitation: InvitationId::from_bytes([1; 32]),
            registration: Some(RegistrationToken::from_bytes([2; 32])),
        };
        let registration = Link::Registration {
            origin: "http://localhost:8440".into(),
            token: RegistrationToken::from_bytes([3; 32]),
        };
        for link in [invitation, registration] {
            assert_eq!(Link::parse(&format!("  {}\n", link.to_text())), Some(link));
        }
    }

    #[test]
    fn anything_else_is_no_link() {
        for text in [
            "",
            "hello",
            "https://node.example/i",
            "https://node.example/i#short",
            "javascript:alert(1)/i#AAAA",
        ] {
            assert_eq!(Link::parse(text), None, "{text}");
        }
    }
}
