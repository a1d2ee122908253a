//! The environment variables for operators.

use std::env;

/// What the environment variables ask for. By default a database is migrated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) tracking: Tracking,
    pub(crate) scripts: Scripts,
}

/// What to do with the tracking table first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tracking {
    #[default]
    Keep,
    Drop,
}

/// What to do with the pending scripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scripts {
    #[default]
    Run,
    /// Record the scripts without running them.
    Skip,
}

pub(crate) const DROP: &str = "MOOSICBOX_DROP_MIGRATIONS_TABLE";
pub(crate) const SKIP: &str = "MOOSICBOX_SKIP_MIGRATION_EXECUTION";

impl Wishes {
    pub(crate) fn of_environment() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    /// Reads the variables. Only the value `1` has an effect.
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
