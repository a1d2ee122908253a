//! `--policy`, `--allow` and `--deny`

use clap::{Args, ValueEnum};
use serde::Deserialize;
use switchy_schema::{Direction, Policy, ProblemKind, Verdict};

/// What happens with findings.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct VerdictFlags {
    /// What happens with findings: development, default or strict [default: default]
    #[arg(long, global = true, value_name = "NAME", hide_possible_values = true)]
    pub(crate) policy: Option<PolicyName>,
    /// Allow a kind of finding, such as unconventional; can be repeated
    #[arg(long, global = true, value_name = "KIND", value_parser = allowable)]
    pub(crate) allow: Vec<ProblemKind>,
    /// Refuse a kind of finding, such as out-of-order; can be repeated
    #[arg(long, global = true, value_name = "KIND", value_parser = kind)]
    pub(crate) deny: Vec<ProblemKind>,
}

/// The name of a policy of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PolicyName {
    Development,
    Default,
    Strict,
}

impl PolicyName {
    pub(crate) fn policy(self) -> Policy {
        match self {
            Self::Development => Policy::DEVELOPMENT,
            Self::Default => Policy::DEFAULT,
            Self::Strict => Policy::STRICT,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Default => "default",
            Self::Strict => "strict",
        }
    }
}

/// The name of a kind as one word.
pub(crate) fn word(kind: ProblemKind) -> String {
    kind.name().replace(' ', "-")
}

/// The kind with this name; spaces, dashes and underscores are the same.
///
/// # Errors
/// There is no such kind. The error names all of them.
pub(crate) fn kind(name: &str) -> Result<ProblemKind, String> {
    let word = |name: &str| name.trim().to_lowercase().replace([' ', '_'], "-");
    let named = ProblemKind::ALL.into_iter().find(|kind| word(kind.name()) == word(name));
    named.ok_or_else(|| {
        let known: Vec<String> = ProblemKind::ALL.into_iter().map(self::word).collect();
        format!("there is no kind of finding with this name; the kinds are {}", known.join(", "))
    })
}

/// The kind with this name, if it may be allowed.
///
/// # Errors
/// There is no such kind, or allowing it would lose rows or leave an unknown schema.
pub(crate) fn allowable(name: &str) -> Result<ProblemKind, String> {
    let kind = kind(name)?;
    let allowed = Policy::DEFAULT.with(kind, Verdict::Allow);
    if kind == ProblemKind::RowsLost {
        let why = "rows would be lost and nobody would be told";
        let instead =
            "set allow = [\"destructive\"] in the metadata of the migration that is meant to lose them";
        return Err(format!("`{}` cannot be allowed for all migrations, since {why}; {instead}", word(kind)));
    }
    if allowed.verdict(kind, Direction::Up) == Verdict::Deny {
        let why = "such a run cannot be carried out, or would leave an unknown schema";
        return Err(format!("`{}` cannot be allowed, since {why}; correct what it is about", word(kind)));
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_and_refused_if_it_must_not_be_allowed() {
        assert_eq!(allowable("Out of_order"), Ok(ProblemKind::OutOfOrder));
        assert_eq!(allowable("unconventional"), Ok(ProblemKind::Unconventional));
        assert!(kind("nothing").unwrap_err().contains("unconventional, odd-version"));
        for name in ["rows-lost", "dirty", "fails", "missing dependency"] {
            assert!(allowable(name).unwrap_err().contains("cannot be allowed"), "{name}");
            assert!(kind(name).is_ok(), "{name}");
        }
    }
}
