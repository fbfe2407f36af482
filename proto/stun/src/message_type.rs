// SPDX-License-Identifier: MIT OR Apache-2.0
//! Class and method, and how they share the first two bytes (RFC 8489 §5, RFC 8656 §17).

/// What kind of message this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Asks for an answer.
    Request,
    /// Asks for none.
    Indication,
    /// The answer to a request that was granted.
    Success,
    /// The answer to a request that was refused.
    Error,
}

/// What a message is about: a number below 2^12, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(u16);

impl Method {
    /// Which address do you see me at? (RFC 8489 §2)
    pub const BINDING: Self = Self(0x001);
    /// Make an allocation (RFC 8656 §7).
    pub const ALLOCATE: Self = Self(0x003);
    /// Keep, or end, an allocation (RFC 8656 §8).
    pub const REFRESH: Self = Self(0x004);
    /// Client to relay: data for a peer (RFC 8656 §11).
    pub const SEND: Self = Self(0x006);
    /// Relay to client: data from a peer (RFC 8656 §11).
    pub const DATA: Self = Self(0x007);
    /// Let a peer's address reach the client (RFC 8656 §10).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// Give a peer a channel number (RFC 8656 §12).
    pub const CHANNEL_BIND: Self = Self(0x009);

    /// The method with this number; only its lowest twelve bits count.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number & 0x0FFF)
    }

    /// The method's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Class and method together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType {
    /// The kind.
    pub class: Class,
    /// The subject.
    pub method: Method,
}

impl MessageType {
    /// Reads the first sixteen bits of a message; `None` if the two highest are not zero.
    #[must_use]
    pub const fn parse(bits: u16) -> Option<Self> {
        if bits & 0xC000 != 0 {
            return None;
        }
        let class = match bits & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let method = (bits & 0x000F) | ((bits & 0x00E0) >> 1) | ((bits & 0x3E00) >> 2);
        Some(Self {
            class,
            method: Method::new(method),
        })
    }

    /// The first sixteen bits of a message.
    #[must_use]
    pub const fn emit(self) -> u16 {
        let class = match self.class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let method = self.method.number();
        class | (method & 0x000F) | ((method & 0x0070) << 1) | ((method & 0x0F80) << 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_below_the_two_zero_bits_survives_the_round_trip() {
        for bits in 0..0x4000 {
            let parsed = MessageType::parse(bits).unwrap();
            assert_eq!(parsed.emit(), bits);
        }
    }

    #[test]
    fn the_two_highest_bits_must_be_zero() {
        assert_eq!(MessageType::parse(0x4001), None);
        assert_eq!(MessageType::parse(0x8001), None);
    }

    #[test]
    fn an_allocate_error_is_0x0113() {
        let allocate_error = MessageType {
            class: Class::Error,
            method: Method::ALLOCATE,
        };
        assert_eq!(allocate_error.emit(), 0x0113);
    }
}
