// SPDX-License-Identifier: MIT OR Apache-2.0
//! The type-length-value list of a message (RFC 8489 §14, RFC 8656 §18).

/// The number that says what an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// An address in clear; only obsolete clients read it.
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// Asks for an answer from another address or port (RFC 5780 §7.2).
    pub const CHANGE_REQUEST: Self = Self(0x0003);
    /// Who asks.
    pub const USERNAME: Self = Self(0x0006);
    /// HMAC-SHA1 over the message so far.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// Why a request was refused.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// Attributes that had to be understood and were not.
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000A);
    /// A channel number.
    pub const CHANNEL_NUMBER: Self = Self(0x000C);
    /// Seconds until an allocation expires.
    pub const LIFETIME: Self = Self(0x000D);
    /// The address of a peer.
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// What a peer sent, or shall get.
    pub const DATA: Self = Self(0x0013);
    /// The realm of the long-term credential.
    pub const REALM: Self = Self(0x0014);
    /// The server's nonce.
    pub const NONCE: Self = Self(0x0015);
    /// The address on the relay that peers send to.
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// IPv4 or IPv6 for the relayed address.
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// Asks for an even port, perhaps with its odd neighbour reserved.
    pub const EVEN_PORT: Self = Self(0x0018);
    /// The protocol between relay and peer.
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// Asks that relayed datagrams are not fragmented.
    pub const DONT_FRAGMENT: Self = Self(0x001A);
    /// HMAC-SHA256 over the message so far.
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001C);
    /// How the password becomes a key, as the client chose.
    pub const PASSWORD_ALGORITHM: Self = Self(0x001D);
    /// A hash of who asks and the realm, in place of the username.
    pub const USERHASH: Self = Self(0x001E);
    /// The sender's address as the receiver saw it.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// Claims a port that an earlier EVEN-PORT reserved.
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// Makes a message long enough to be fragmented (RFC 5780 §7.6).
    pub const PADDING: Self = Self(0x0026);
    /// Asks for the answer at another port (RFC 5780 §7.5).
    pub const RESPONSE_PORT: Self = Self(0x0027);
    /// Asks for a second relayed address of the other family.
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// Why the second relayed address was refused.
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// How a password may become a key, the best way first.
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// The sender's program, for people who read traces.
    pub const SOFTWARE: Self = Self(0x8022);
    /// Another server to ask instead.
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// CRC-32 over the message so far.
    pub const FINGERPRINT: Self = Self(0x8028);
    /// The address that the answer left from (RFC 5780 §7.3).
    pub const RESPONSE_ORIGIN: Self = Self(0x802B);
    /// The address that CHANGE-REQUEST asks to be answered from (RFC 5780 §7.4).
    pub const OTHER_ADDRESS: Self = Self(0x802C);

    /// Whether a receiver that does not know this attribute must refuse the message (RFC 8489 §14).
    #[must_use]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

/// One attribute as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: AttributeType,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// Walks over a list of attributes; ends at the first one that does not fit.
///
/// [`Message::parse`](crate::Message::parse) has already walked the list of any message, so over a message
/// it ends only at the end.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }

    /// Whether everything was consumed.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (&[k0, k1, l0, l1], rest) = self.rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length)?;
        self.rest = rest.get(padded(length)..)?;
        Some(Attribute {
            kind: AttributeType(u16::from_be_bytes([k0, k1])),
            value,
        })
    }
}

/// `length` rounded up to the next multiple of four.
pub(crate) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}
