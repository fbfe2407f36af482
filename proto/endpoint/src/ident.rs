// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names for things inside one client. Random, local, never sent unless their type says so.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! local_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// 32 lower-case hexadecimal digits, for element ids and routes.
            #[must_use]
            pub fn to_hex(&self) -> String {
                const DIGITS: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied();
                self.0
                    .iter()
                    .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
                    .flatten()
                    .collect()
            }

            /// Reads what [`Self::to_hex`] wrote.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                if text.len() != 32 || !text.is_ascii() {
                    return None;
                }
                let mut bytes = [0; 16];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
                }
                Some(Self(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

local_id!(
    /// A contact in this client. The other side has another one for us.
    ContactId
);
local_id!(
    /// An invitation that this client made.
    InvitationKey
);
local_id!(
    /// A call. Sent inside the session; both sides know it.
    CallId
);

/// A peer connection of the host, numbered within one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// A message within one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    /// Whether this person wrote it.
    pub mine: bool,
    /// Position among the messages of its writer, from 1.
    pub number: u64,
}
