// SPDX-License-Identifier: MIT OR Apache-2.0
//! OpenMLS's storage writes bytes as JSON numbers: "[12,255,…]", three to four characters for each.
//!
//! Before an entry leaves the session, every such list becomes plain bytes; before it comes back, it becomes
//! the same list again. The text in between is kept as it is, so nothing needs to be understood.
//!
//! ```text
//! version (1) ‖ ( text length (4) ‖ text ‖ list length (4) ‖ list as bytes )…
//! ```

use crate::wire::{Reader, put_bytes};

const VERSION: u8 = 1;

/// Packs an entry.
pub(crate) fn encode(entry: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION];
    let mut rest = entry;
    while !rest.is_empty() {
        let (text, list, after) = next_list(rest);
        put_bytes(&mut out, text);
        put_bytes(&mut out, &list);
        rest = after;
    }
    out
}

/// Unpacks an entry; nothing if it was not written by [`encode`].
pub(crate) fn decode(packed: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(packed);
    if reader.u8().ok()? != VERSION {
        return None;
    }
    let mut out = Vec::with_capacity(packed.len().saturating_mul(4));
    while !reader.rest().is_empty() {
        out.extend_from_slice(reader.bytes().ok()?);
        let list = reader.bytes().ok()?;
        for (index, byte) in list.iter().enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            out.extend_from_slice(byte.to_string().as_bytes());
        }
        if !list.is_empty() {
            out.push(b']');
        }
    }
    Some(out)
}

/// Splits at the first list of bytes: what is before it, the list, what is after it.
fn next_list(text: &[u8]) -> (&[u8], Vec<u8>, &[u8]) {
    let mut from = 0;
    while let Some(found) = text.iter().skip(from).position(|byte| *byte == b'[') {
        let start = from + found;
        let (before, at) = text.split_at(start);
        if let Some((list, after)) = list(at) {
            return (before, list, after);
        }
        from = start + 1;
    }
    (text, Vec::new(), &[])
}

/// Reads "[n,n,…]" with at least one n, each as decimal without leading zeros and below 256.
fn list(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"[")?;
    let mut list = Vec::new();
    loop {
        let digits = rest
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (number, after) = rest.split_at_checked(digits)?;
        if number.len() > 1 && number.starts_with(b"0") {
            return None;
        }
        list.push(core::str::from_utf8(number).ok()?.parse().ok()?);
        let (separator, after) = after.split_first()?;
        rest = after;
        match separator {
            b',' => {}
            b']' => return Some((list, rest)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_bytes_become_bytes() {
        let entry = br#"{"key":[1,20,255],"odd":[256],"zeros":[00],"none":[],"deep":[[7,8],[9]]}"#;
        let packed = encode(entry);
        assert!(packed.windows(3).any(|window| window == [1, 20, 255]));
        assert_eq!(decode(&packed).unwrap(), entry);
    }

    #[test]
    fn an_empty_entry_stays_empty() {
        assert_eq!(decode(&encode(b"")).unwrap(), b"");
        assert_eq!(decode(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_goes_in_comes_out(entry in "[\\[\\],0-9a ]{0,60}") {
            prop_assert_eq!(decode(&encode(entry.as_bytes())).unwrap(), entry.as_bytes());
        }

        #[test]
        fn no_bytes_make_decoding_panic(packed in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&packed));
        }
    }
}
