//! [`Set`]: what an import reads and makes.

use switchy_schema::layout::Entry;

/// A file: its path relative to the folder of the other tool, with `/` between the parts, and its content if an import may need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// The result of an import.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set {
    /// The migrations, in the order in which they are applied.
    pub(crate) migrations: Vec<Imported>,
    pub(crate) skipped: Vec<Skipped>,
}

/// An imported migration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) id: String,
    /// The files that it was made from.
    pub(crate) from: Vec<String>,
    /// The files of the migration, in a folder named after its id.
    pub(crate) files: Vec<Entry>,
    /// Notes for the author.
    pub(crate) notes: Vec<String>,
}

/// A file that is not imported, and why it is not needed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) file: String,
    pub(crate) why: String,
}

/// A file that cannot be imported, but must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The path, with `:` and the line number if the error concerns one line.
    pub(crate) file: String,
    pub(crate) why: String,
}
