//! [`Entry`]: a file of a set.

use std::borrow::Cow;

/// A file: its path from the root of the set, with `/` between the parts, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Entry {
    /// The path from the root of the set.
    pub path: String,
    /// The content.
    pub bytes: Cow<'static, [u8]>,
}

impl Entry {
    /// A file with this content.
    pub fn new(path: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { path: path.into(), bytes: bytes.into() }
    }
}
