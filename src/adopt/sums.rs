//! The checksums of other tools.

use std::hash::Hasher as _;

use sha2::{Digest, Sha256, Sha384};
use siphasher::sip::SipHasher13;

use crate::checksum::{Checksum, without_bom};

/// A checksum that a tool computed from the script that it applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sum {
    /// sqlx: SHA-384 of the bytes.
    Sha384(Vec<u8>),
    /// Prisma, Drizzle: SHA-256 of the text, as hexadecimal digits.
    Sha256(String),
    /// refinery: SipHash-1-3 of the name, the version and the script.
    Sip { sum: u64, name: String, version: i64 },
    /// Flyway: CRC-32 of the lines without their ends.
    Crc32(i32),
    /// The checksum of the engine, or of `moosicbox_schema`.
    Ours(Checksum),
}

impl Sum {
    /// Whether a script has this checksum, as it is or with other line ends or a byte order mark, which editors and
    /// `git` change.
    pub(super) fn fits(&self, script: &str) -> bool {
        match self {
            Self::Sha384(bytes) => variants(script).any(|text| *bytes == Sha384::digest(text)[..]),
            Self::Sha256(digits) => sha256_forms(script).any(|sum| sum.eq_ignore_ascii_case(digits)),
            Self::Sip { sum, name, version } => {
                // refinery writes a version as eight bytes with its feature `int8-versions`, and as four bytes without
                // it.
                let wide = version.to_le_bytes();
                let narrow = i32::try_from(*version).map(i32::to_le_bytes).ok();
                variants(script).any(|text| {
                    let fits = |version: &[u8]| *sum == sip(name, version, &text);
                    fits(&wide) || narrow.is_some_and(|narrow| fits(&narrow))
                })
            }
            Self::Crc32(sum) => *sum == crc32(script),
            Self::Ours(sum) => variants(script).any(|text| sum.recognises(&text)),
        }
    }
}

/// The SHA-256 of a script in each of its forms, as lower-case hexadecimal digits. A Drizzle script may have breakpoint
/// marks that were changed to comments for MySQL.
pub(super) fn sha256_forms(script: &str) -> impl Iterator<Item = String> {
    const OURS: &str = "-- statement-breakpoint";
    let theirs = script.contains(OURS).then(|| script.replace(OURS, "--> statement-breakpoint"));
    let variants =
        variants(script).chain(theirs.into_iter().flat_map(|script| variants(&script).collect::<Vec<_>>()));
    variants.map(|text| Checksum::from_bytes(Sha256::digest(text).into()).to_string())
}

/// The forms that a script may have had when it was hashed.
fn variants(script: &str) -> impl Iterator<Item = String> {
    let bare = without_bom(script);
    let unix = bare.replace("\r\n", "\n");
    let windows = unix.replace('\n', "\r\n");
    let bodies = [bare.to_owned(), unix, windows];
    bodies.into_iter().flat_map(|body| [format!("\u{feff}{body}"), body])
}

/// Hashes the parts as Rust's `Hash` does: 0xFF follows a text.
fn sip(name: &str, version: &[u8], script: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in [name.as_bytes(), &[0xff], version, script.as_bytes(), &[0xff]] {
        hasher.write(part);
    }
    hasher.finish()
}

/// Reads lines as Java does: `CR`, `LF` or both together end a line.
fn crc32(script: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    without_bom(script).split(['\r', '\n']).for_each(|line| hasher.update(line.as_bytes()));
    i32::from_ne_bytes(hasher.finalize().to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "CREATE TABLE users (name TEXT);\nCREATE TABLE notes (text TEXT);\n";

    /// The checksums are from `sha384sum`, `sha256sum`, Python's `zlib.crc32`, and Python's `hash` of bytes, which is
    /// also SipHash-1-3.
    #[test]
    fn checksums_match_with_any_line_ends() {
        let sha384 = "57912eb5d762e15d7f306a4b5656cbe6a17801ffb116208d9172e02a647dcf5e5c45419fd0e70018125006a39061fd47";
        let sha384 =
            (0..48).map(|at| u8::from_str_radix(&sha384[2 * at..2 * at + 2], 16).unwrap_or_default());
        let sip = |sum| Sum::Sip { sum, name: "users".into(), version: 7 };
        let sums = [
            Sum::Sha384(sha384.collect()),
            Sum::Sha256("5C64D459a16b7575d12a903bbe110ace6f0a860bc2e8ca74e1fd0a7f8e59e1a3".into()),
            sip(2_626_459_542_367_254_536),
            sip(13_178_618_714_992_454_937),
            Sum::Crc32(1_726_543_536),
            Sum::Ours(Checksum::of(SCRIPT)),
        ];
        let windows = SCRIPT.replace('\n', "\r\n");
        for sum in sums {
            for text in [SCRIPT, &windows, &format!("\u{feff}{SCRIPT}"), &format!("\u{feff}{windows}")] {
                assert!(sum.fits(text), "{sum:?} {text:?}");
            }
            assert!(!sum.fits(&SCRIPT.replace("name", "mane")), "{sum:?}");
            assert!(!sum.fits(""), "{sum:?}");
        }
    }

    #[test]
    fn refinery_checksums_include_name_and_version() {
        let sum = sip("users", &7_i32.to_le_bytes(), SCRIPT);
        assert!(Sum::Sip { sum, name: "users".into(), version: 7 }.fits(SCRIPT));
        assert!(!Sum::Sip { sum, name: "notes".into(), version: 7 }.fits(SCRIPT));
        assert!(!Sum::Sip { sum, name: "users".into(), version: 8 }.fits(SCRIPT));
        assert!(!Sum::Sip { sum, name: "users".into(), version: i64::MAX }.fits(SCRIPT));
    }
}
