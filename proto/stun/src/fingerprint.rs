// SPDX-License-Identifier: MIT OR Apache-2.0
//! The checksum that tells STUN from other traffic on the same port (RFC 8489 §14.7).

use crate::message::HEADER_LEN;

const XOR: u32 = 0x5354_554E;

/// The value of a FINGERPRINT that follows `before`.
///
/// `length` is what the header's length field must say: everything up to and including the fingerprint.
pub(crate) fn compute(before: &[u8], length: u16) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    update_with_length(before, length, |bytes| crc.update(bytes));
    (crc.finalize() ^ XOR).to_be_bytes()
}

/// Feeds `before` to `update` as if its header's length field said `length`.
pub(crate) fn update_with_length(before: &[u8], length: u16, mut update: impl FnMut(&[u8])) {
    debug_assert!(
        before.len() >= HEADER_LEN,
        "a message begins with its header"
    );
    update(before.get(..2).unwrap_or_default());
    update(&length.to_be_bytes());
    update(before.get(4..).unwrap_or_default());
}
