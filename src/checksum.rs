//! [`Checksum`]: detects that a script changed after it was applied.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 of a script's text, without byte order mark and with `LF` line ends.
///
/// What is hashed is part of the stored format (`docs/format.md`) and does not change. The text is normalised because
/// editors and `git` rewrite line ends although nobody changed the script.
///
/// # A checkout on Windows has the same checksum
///
/// ```
/// use switchy_schema::Checksum;
///
/// let unix = Checksum::of("CREATE TABLE a (b);\nCREATE TABLE c (d);\n");
/// let windows = Checksum::of("\u{feff}CREATE TABLE a (b);\r\nCREATE TABLE c (d);\r\n");
/// assert_eq!(unix, windows);
/// assert_eq!(unix.to_string().parse(), Ok(unix));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// The checksum of a script.
    pub fn of(text: &str) -> Self {
        let text = without_bom(text);
        // Searching for one byte is much faster than splitting lines.
        if !text.contains('\r') {
            return Self(Sha256::digest(text).into());
        }
        let mut hash = Sha256::new();
        let mut lines = text.split("\r\n");
        hash.update(lines.next().unwrap_or_default());
        for line in lines {
            hash.update("\n");
            hash.update(line);
        }
        Self(hash.finalize().into())
    }

    /// Whether this checksum, read from a database, is a hash of `text`: one of the engine, or one of
    /// `moosicbox_schema`, which hashes the raw bytes, in some versions after the prefix `EXEC_RAW:`.
    pub(crate) fn recognises(&self, text: &str) -> bool {
        let raw = || Self(Sha256::digest(text).into());
        let exec = || Self(Sha256::new().chain_update("EXEC_RAW:").chain_update(text).finalize().into());
        *self == Self::of(text) || *self == raw() || *self == exec()
    }

    /// The SHA-256 of bytes, without normalisation.
    pub(crate) fn of_bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The script as it is executed and hashed: without the byte order mark that some editors write at the start.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Formatting each byte by itself takes ten times as long.
        let digit = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// The text was not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a checksum is 64 hexadecimal digits")]
pub struct ParseChecksumError;

impl FromStr for Checksum {
    type Err = ParseChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(ParseChecksumError);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let (high, low) =
                (digit(pair[0]).ok_or(ParseChecksumError)?, digit(pair[1]).ok_or(ParseChecksumError)?);
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}
