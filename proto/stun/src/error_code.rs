// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a request was refused (RFC 8489 §14.8, RFC 8656 §19).

/// A refusal's number, 300 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u16);

impl ErrorCode {
    /// Ask another server; it comes along.
    pub const TRY_ALTERNATE: Self = Self(300);
    /// The request is malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// No credential, or a wrong one.
    pub const UNAUTHENTICATED: Self = Self(401);
    /// The relay's policy forbids it.
    pub const FORBIDDEN: Self = Self(403);
    /// An attribute that had to be understood was not.
    pub const UNKNOWN_ATTRIBUTE: Self = Self(420);
    /// The five-tuple already has an allocation, or has none.
    pub const ALLOCATION_MISMATCH: Self = Self(437);
    /// The nonce is no longer good; a new one comes along.
    pub const STALE_NONCE: Self = Self(438);
    /// The relay has no address of this family.
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self(440);
    /// The allocation belongs to another username.
    pub const WRONG_CREDENTIALS: Self = Self(441);
    /// The relay does not speak this protocol to peers.
    pub const UNSUPPORTED_TRANSPORT_PROTOCOL: Self = Self(442);
    /// The peer is of another family than the relayed address.
    pub const PEER_ADDRESS_FAMILY_MISMATCH: Self = Self(443);
    /// The username has as many allocations as it may have.
    pub const ALLOCATION_QUOTA_REACHED: Self = Self(486);
    /// The relay has nothing left to give.
    pub const INSUFFICIENT_CAPACITY: Self = Self(508);

    /// Reads the value of an ERROR-CODE attribute, without its reason phrase.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (&[_, _, class, number], _) = value.split_first_chunk()?;
        let class = class & 0x07;
        if !(3..=6).contains(&class) || number > 99 {
            return None;
        }
        Some(Self(u16::from(class) * 100 + u16::from(number)))
    }

    /// The value of an ERROR-CODE attribute with an empty reason phrase: whoever floods the relay with
    /// requests in another's name shall not be rewarded with long answers.
    #[must_use]
    pub fn emit(self) -> [u8; 4] {
        let (class, number) = (self.0 / 100, self.0 % 100);
        // Both fit: the code is below 700.
        [0, 0, class.to_be_bytes()[1], number.to_be_bytes()[1]]
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}
