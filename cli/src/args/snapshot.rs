//! The options about snapshots.

#![allow(clippy::doc_markdown, reason = "these comments are printed as help texts")]

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};
use switchy_schema::{AfterFailure, Snapshot};

/// Whether a run keeps a snapshot of a SQLite database.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SnapshotOptions {
    /// Keep a copy of the SQLite database before the first step: always, if-destructive, never, or under-100MB
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub(crate) snapshot: Option<When>,
    #[command(flatten)]
    pub(crate) place: SnapshotFolder,
    /// How many snapshots to keep after a run that succeeded [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) keep_snapshots: Option<usize>,
    /// What happens to the database if the run fails: keep what was done, or restore the snapshot [default: keep]
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    pub(crate) after_failure: Option<After>,
}

/// Where the snapshots are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SnapshotFolder {
    /// The folder of the snapshots [default: beside the database]
    #[arg(long, value_name = "DIR")]
    pub(crate) snapshot_dir: Option<PathBuf>,
}

/// When a run keeps a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(pub(crate) Snapshot);

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |text: &str| {
            let units = [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
            let (number, unit) =
                units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
            number.parse::<u64>().ok()?.checked_mul(*unit)
        };
        match text {
            "always" => Ok(Self(Snapshot::Always)),
            "if-destructive" => Ok(Self(Snapshot::IfDestructive)),
            "never" => Ok(Self(Snapshot::Never)),
            other => other
                .strip_prefix("under-")
                .and_then(size)
                .map(|bytes| Self(Snapshot::IfSmallerThan(bytes)))
                .ok_or_else(|| {
                    "it is one of always, if-destructive, never, or a size such as under-100MB".to_owned()
                }),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Snapshot::Always => f.write_str("always"),
            Snapshot::IfDestructive => f.write_str("if-destructive"),
            Snapshot::IfSmallerThan(bytes) => write!(f, "under-{}kB", bytes / 1_000),
            _ => f.write_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What happens to the database if a run fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum After {
    Keep,
    Restore,
}

impl After {
    pub(crate) fn setting(self) -> AfterFailure {
        match self {
            Self::Keep => AfterFailure::Keep,
            Self::Restore => AfterFailure::Restore,
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Restore => "restore",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_for_a_snapshot_is_read_as_it_is_written() {
        let rows = [
            ("always", Some(Snapshot::Always)),
            ("if-destructive", Some(Snapshot::IfDestructive)),
            ("never", Some(Snapshot::Never)),
            ("under-100MB", Some(Snapshot::IfSmallerThan(100_000_000))),
            ("under-2GB", Some(Snapshot::IfSmallerThan(2_000_000_000))),
            ("under-", None),
            ("under-100", None),
            ("under-99999999999999999999GB", None),
            ("sometimes", None),
        ];
        for (text, expected) in rows {
            let parsed = text.parse::<When>().ok();
            assert_eq!(parsed.map(|when| when.0), expected, "{text}");
            assert!(parsed.is_none_or(|when| when.to_string().parse() == Ok(when)), "{text}");
        }
    }
}
