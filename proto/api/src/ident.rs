// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random identifiers and secrets of the API, each a type of its own so that they cannot be mixed up.
//!
//! On the wire of JSON and URLs they are unpadded base64url; in frames they are raw bytes.

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A text is not an identifier of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected {expected} bytes in base64url without padding")]
pub struct IdentError {
    expected: usize,
}

macro_rules! ident {
    ($(#[$doc:meta])* $name:ident, $len:literal, $debug:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps raw bytes, which should come from a cryptographic random source.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The text form: unpadded base64url.
            #[must_use]
            pub fn to_text(&self) -> String {
                URL_SAFE_NO_PAD.encode(self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdentError;

            fn from_str(text: &str) -> Result<Self, IdentError> {
                let wrong = IdentError { expected: $len };
                // A bound before the decoder sees anything.
                if text.len() > $len * 2 {
                    return Err(wrong);
                }
                let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) else {
                    return Err(wrong);
                };
                bytes.try_into().map(Self).map_err(|_| wrong)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&$name, &mut fmt::Formatter<'_>) -> fmt::Result = $debug;
                show(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(&self.to_text())
                } else {
                    self.0.as_slice().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                } else {
                    let bytes = <Vec<u8>>::deserialize(deserializer)?;
                    bytes
                        .try_into()
                        .map(Self)
                        .map_err(|_| D::Error::custom("wrong length of an identifier"))
                }
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        ident!($(#[$doc])* $name, $len, |_, f| f.write_str(concat!(stringify!($name), "(…)")));
    };
}

random_id!(
    /// An account at a node: random, never derived from a person.
    AccountId, 16
);
random_id!(
    /// A device of an account.
    DeviceId, 16
);
random_id!(
    /// Where envelopes for somebody are left. Random per contact and direction.
    MailboxId, 32
);
random_id!(
    /// Under this the node keeps a sealed invitation; stands behind `#` in the link.
    InvitationId, 32
);
random_id!(
    /// Permits putting envelopes into one mailbox. Handed over inside the session.
    Capability, 32
);
random_id!(
    /// Permits reading one mailbox.
    ReadKey, 32
);
random_id!(
    /// Permits taking back one parked invitation.
    WithdrawKey, 32
);
random_id!(
    /// Permits one registration at a node.
    RegistrationToken, 32
);
random_id!(
    /// Signs a device's HTTP requests in, for as long as its socket lives.
    Bearer, 32
);
random_id!(
    /// The public half of the Ed25519 key with which a device signs in at its node.
    DeviceAuthKey, 32
);
random_id!(
    /// What the node keeps of a secret: its SHA-256 under a label.
    KeyHash, 32
);

/// Secrets of which the node keeps only a hash.
trait Hashed {
    const LABEL: &'static [u8];
    fn bytes(&self) -> &[u8];
}

fn key_hash<T: Hashed>(secret: &T) -> KeyHash {
    let mut hash = Sha256::new();
    hash.update(T::LABEL);
    hash.update(secret.bytes());
    KeyHash(hash.finalize().into())
}

macro_rules! hashed {
    ($name:ident, $label:literal) => {
        impl Hashed for $name {
            const LABEL: &'static [u8] = $label;
            fn bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl $name {
            /// What the node keeps of it: SHA-256 over a label and the secret.
            #[must_use]
            pub fn hash(&self) -> KeyHash {
                key_hash(self)
            }
        }
    };
}

hashed!(Capability, b"hither/v1/capability");
hashed!(ReadKey, b"hither/v1/read-key");
hashed!(WithdrawKey, b"hither/v1/withdraw-key");
hashed!(RegistrationToken, b"hither/v1/registration");
hashed!(Bearer, b"hither/v1/bearer");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_its_text_form() {
        let id = MailboxId::from_bytes([7; 32]);
        assert_eq!(id.to_text().parse(), Ok(id));
    }

    #[test]
    fn a_text_of_another_length_is_refused() {
        let account = AccountId::from_bytes([1; 16]).to_text();
        assert!(account.parse::<MailboxId>().is_err());
        assert!("".parse::<AccountId>().is_err());
        assert!("A".repeat(10_000).parse::<AccountId>().is_err());
    }

    #[test]
    fn no_identifier_prints_itself() {
        let shown = format!("{:?}", Capability::from_bytes([0xAB; 32]));
        assert_eq!(shown, "Capability(…)");
    }

    #[test]
    fn the_same_bytes_hash_differently_for_different_purposes() {
        let write = Capability::from_bytes([9; 32]).hash();
        let read = ReadKey::from_bytes([9; 32]).hash();
        assert_ne!(write, read);
    }

    #[test]
    fn json_and_frames_carry_the_same_identifier() -> Result<(), Box<dyn std::error::Error>> {
        let id = InvitationId::from_bytes([3; 32]);
        let json = serde_json::to_string(&id)?;
        assert_eq!(serde_json::from_str::<InvitationId>(&json)?, id);
        let bytes = postcard::to_allocvec(&id)?;
        assert_eq!(postcard::from_bytes::<InvitationId>(&bytes)?, id);
        Ok(())
    }
}
