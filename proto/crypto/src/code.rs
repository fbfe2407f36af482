// SPDX-License-Identifier: MIT OR Apache-2.0
//! The code that opens an invitation: 128 random bits as twelve words of the English BIP-0039 list.
//!
//! It is always generated, never chosen: that, together with [`crate::stretch`], is the answer to guessing.
//! Four of the 132 bits that twelve words hold are a checksum, so a mistyped code is mostly noticed at once.

use bip0039::Mnemonic;
use bip0039::language::{English, Language as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identity::random;
use crate::secret::Secret;
use crate::stretch::{Stretch, StretchParams};

/// Words of a code.
const WORDS: usize = 12;

/// 128 secret bits, read to somebody as twelve words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Secret<16>);

impl Code {
    /// Draws a new code.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(random(rng))
    }

    /// The code behind sixteen bytes, as a QR code carries them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The twelve words, with a space between them.
    #[must_use]
    pub fn to_words(&self) -> Zeroizing<String> {
        // Sixteen bytes are a length that BIP-0039 knows.
        let mnemonic = Mnemonic::<English>::from_entropy(self.0.as_bytes().as_slice());
        Zeroizing::new(mnemonic.map(Mnemonic::into_phrase).unwrap_or_default())
    }

    /// Reads what a person typed: any case, and between the words anything that is not a letter.
    ///
    /// # Errors
    /// If there are not twelve words, one of them is not on the list, or they do not belong together.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text
            .split(|char: char| !char.is_alphabetic())
            .filter(|word| !word.is_empty())
            .collect();
        if words.len() != WORDS {
            return Err(CodeError::WordCount { found: words.len() });
        }
        let unknown = |word: &&str| English::index_of(word).is_none();
        if let Some(index) = words.iter().position(unknown) {
            let nearest = words.get(index).and_then(|word| nearest(word));
            return Err(CodeError::UnknownWord {
                position: index + 1,
                nearest,
            });
        }
        let phrase = Zeroizing::new(words.join(" "));
        let mnemonic = Mnemonic::<English>::from_normalized_phrase(phrase.as_str())
            .map_err(|_| CodeError::Checksum)?;
        let bytes = Zeroizing::new(mnemonic.into_entropy());
        let bytes = bytes.first_chunk().ok_or(CodeError::Checksum)?;
        Ok(Self(Secret::from_bytes(*bytes)))
    }

    /// The job that turns the code into the key of the invitation with this salt.
    #[must_use]
    pub fn stretch(&self, salt: [u8; 16]) -> Stretch {
        Stretch {
            password: Zeroizing::new(self.0.as_bytes().to_vec()),
            salt,
            params: StretchParams::INVITATION,
        }
    }
}

/// The word of the list that was most likely meant: the only one with the same first four letters, else one
/// at most two letters away.
fn nearest(word: &str) -> Option<&'static str> {
    let words = English::words();
    let start: String = word.chars().take(4).collect();
    if let Some(found) = words
        .iter()
        .find(|known| start.len() == 4 && known.starts_with(&start))
    {
        return Some(found);
    }
    words
        .iter()
        .map(|known| (distance(word, known), *known))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Levenshtein distance; the first argument is cut to 16 characters, the list's words have at most eight.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.chars().take(16).enumerate() {
        let mut left = index + 1;
        let mut next = vec![left];
        for (pair, to) in row.windows(2).zip(&b) {
            let &[diagonal, above] = pair else { continue };
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// Why what was typed is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not twelve words.
    #[error("a code has 12 words, here are {found}")]
    WordCount {
        /// How many there are.
        found: usize,
    },
    /// A word that is not on the list.
    #[error("word {position} is not one of the words of a code")]
    UnknownWord {
        /// Which one, counted from 1.
        position: usize,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Every word is on the list, but together they are no code.
    #[error("a word is wrong or in the wrong place")]
    Checksum,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn words_and_bytes_are_the_same_code() {
        let code = Code::from_bytes(*b"sixteen letters!");
        assert_eq!(Code::parse(&code.to_words()).unwrap(), code);
        assert_eq!(*Code::from_bytes([0; 16]).to_words(), ABANDON);
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let numbered: String = ABANDON
            .split(' ')
            .enumerate()
            .map(|(index, word)| format!("{}. {},\n", index + 1, word.to_uppercase()))
            .collect();
        assert_eq!(Code::parse(&numbered).unwrap(), Code::from_bytes([0; 16]));
        let hyphens = format!("  {}  ", ABANDON.replace(' ', "-"));
        assert_eq!(Code::parse(&hyphens).unwrap(), Code::from_bytes([0; 16]));
    }

    #[test]
    fn what_is_wrong_with_a_code_is_said() {
        assert_eq!(
            Code::parse("abandon about"),
            Err(CodeError::WordCount { found: 2 })
        );
        assert_eq!(Code::parse(""), Err(CodeError::WordCount { found: 0 }));
        assert_eq!(
            Code::parse(&ABANDON.replace("about", "abuot")),
            Err(CodeError::UnknownWord {
                position: 12,
                nearest: Some("about")
            })
        );
        assert_eq!(
            Code::parse(&ABANDON.replacen("abandon", "xylophonist", 1)),
            Err(CodeError::UnknownWord {
                position: 1,
                nearest: None
            })
        );
        assert_eq!(
            Code::parse(&ABANDON.replace("about", "abandon")),
            Err(CodeError::Checksum)
        );
    }

    #[test]
    fn the_distance_of_words_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
