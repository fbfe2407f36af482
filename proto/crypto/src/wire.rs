// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading and writing of this crate's own layouts: big-endian numbers, fixed fields, and byte strings
//! behind a 32-bit length. Nothing is allocated before its length was checked against what is there.

/// The input ended early, or went on for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

/// A cursor over untrusted bytes.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// A byte string behind its 32-bit length.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Truncated> {
        let length = usize::try_from(self.u32()?).map_err(|_| Truncated)?;
        self.take(length)
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Checks that nothing is left.
    pub(crate) const fn end(self) -> Result<(), Truncated> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Truncated)
        }
    }

    /// Checks that only zeros are left: padding that could carry something is no padding.
    pub(crate) fn zeros(self) -> Result<(), Truncated> {
        let any = self.0.iter().fold(0, |any, byte| any | byte);
        if any == 0 { Ok(()) } else { Err(Truncated) }
    }
}

/// Appends a byte string behind its 32-bit length.
///
/// Lengths beyond 32 bits cannot occur, every caller bounds what it writes; such bytes would be cut off.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
