//! What an operator asks for by environment variables.

use std::env;

/// What is asked for. Without it a database is simply migrated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) tracking: Tracking,
    pub(crate) scripts: Scripts,
}

/// What becomes of the tracking table first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tracking {
    #[default]
    Keep,
    Drop,
}

/// What becomes of the scripts that are pending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scripts {
    #[default]
    Run,
    /// They are recorded and not run.
    Skip,
}

pub(crate) const DROP: &str = "MOOSICBOX_DROP_MIGRATIONS_TABLE";
pub(crate) const SKIP: &str = "MOOSICBOX_SKIP_MIGRATION_EXECUTION";

impl Wishes {
    pub(crate) fn of_environment() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    /// Only `1` asks for anything.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name| variable(name).as_deref() == Some("1");
        Self {
            tracking: if is_set(DROP) { Tracking::Drop } else { Tracking::Keep },
            scripts: if is_set(SKIP) { Scripts::Skip } else { Scripts::Run },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_one_asks_for_anything() {
        for (drop, skip, tracking, scripts) in [
            (None, None, Tracking::Keep, Scripts::Run),
            (Some("0"), Some("true"), Tracking::Keep, Scripts::Run),
            (Some("1"), Some(""), Tracking::Drop, Scripts::Run),
            (Some(" 1"), Some("1"), Tracking::Keep, Scripts::Skip),
            (Some("1"), Some("1"), Tracking::Drop, Scripts::Skip),
        ] {
            let variable = |name: &str| match name {
                "MOOSICBOX_DROP_MIGRATIONS_TABLE" => drop.map(str::to_owned),
                "MOOSICBOX_SKIP_MIGRATION_EXECUTION" => skip.map(str::to_owned),
                _ => None,
            };
            assert_eq!(Wishes::of(variable), Wishes { tracking, scripts }, "{drop:?} {skip:?}");
        }
    }
}
