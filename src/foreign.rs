//! What a database holds that is not the engine's: the table of another tool, the definitions of a schema; and what can be
//! objected to believing the former.

#[cfg(feature = "adopt")]
use std::fmt;

#[cfg(feature = "adopt")]
use crate::remedy::{Remedy, Tell, Worded, Wording, behind, in_code};

/// A value in a table that is not the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number, or a truth value as 0 or 1.
    Number(i64),
    /// A text, or what the database has no better form for. A moment in time is in UTC where the database knows its zone.
    Text(String),
    /// Bytes, and texts that are not UTF-8.
    Bytes(Vec<u8>),
}

/// A table that is not the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignTable {
    /// The names of all its columns, in their order.
    pub columns: Vec<String>,
    /// Its rows, each with a value for each column that was asked for.
    pub rows: Vec<Vec<Cell>>,
}

impl ForeignTable {
    /// So many rows are read and no more: no history is so long.
    pub const MOST_ROWS: usize = 20_000;

    /// What a table holds.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Cell>>) -> Self {
        Self { columns, rows }
    }

    /// Whether it has a column, in any case.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
    }
}

/// Something in a schema, as two databases can be compared by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Definition {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its text, without what does not matter: comments, white space, the case of words and the quotes of names.
    pub text: String,
}

impl Definition {
    /// Something of a kind, by name and text.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), text: text.into() }
    }
}

/// What a person has to say yes to before a history is believed.
#[cfg(feature = "adopt")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Doubt {
    /// The tool does not keep what would have to be known, so part of the history is assumed.
    Lost,
    /// Something is applied that the set does not have. It is not recorded.
    Orphaned,
    /// A script is not the one that was applied.
    Changed,
    /// The schema is not the one that the migrations make, or they cannot be replayed.
    Unproven,
}

#[cfg(feature = "adopt")]
impl Doubt {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Orphaned, Self::Changed, Self::Unproven];

    /// The doubt as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Orphaned => "orphaned",
            Self::Changed => "changed",
            Self::Unproven => "unproven",
        }
    }
}

#[cfg(feature = "adopt")]
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What keeps a history from being taken over. Its Display is one line: the finding, then the remedy.
#[cfg(feature = "adopt")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Objection {
    /// What it is, if a person may say yes to it; nobody may to anything else.
    pub doubt: Option<Doubt>,
    /// What was found.
    pub finding: String,
    /// What a person can do: of a doubt also to accept it.
    pub remedy: Remedy,
}

#[cfg(feature = "adopt")]
impl Objection {
    /// Something that nobody can say yes to.
    pub(crate) fn new(finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { doubt: None, finding: finding.into(), remedy: remedy.into() }
    }

    /// Something that a person may say yes to, instead of doing something about it.
    pub(crate) fn doubting(doubt: Doubt, finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        let (remedy, accept) = (remedy.into(), Remedy::AcceptDoubt(doubt));
        let remedy = if doubt == Doubt::Lost { remedy.then(accept) } else { remedy.or(accept) };
        Self { doubt: Some(doubt), ..Self::new(finding, remedy) }
    }

    /// The finding, then the remedy in the words of somebody: the `Display` of an objection has those for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

#[cfg(feature = "adopt")]
impl Tell for Objection {
    fn tell(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        f.write_str(&self.finding)?;
        behind(f, Some(&self.remedy), wording)
    }
}

#[cfg(feature = "adopt")]
impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, &in_code)
    }
}
