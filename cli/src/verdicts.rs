//! [`Verdicts`]: what happens with findings, as the flags and the configuration file say.

use switchy_schema::{MigrationRunner, ProblemKind, Verdict};

use crate::args::{PolicyName, VerdictFlags, allowable, kind, word};
use crate::failure::{Failure, Result};
use crate::session::Database;
use crate::setting::{Setting, Source};

/// The policy, and the kinds of findings that are treated differently.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) policy: Option<Setting<PolicyName>>,
    pub(crate) allow: Option<Setting<Vec<ProblemKind>>>,
    pub(crate) deny: Option<Setting<Vec<ProblemKind>>>,
}

impl Verdicts {
    /// The flags; where there is no flag, the keys of the configuration file.
    ///
    /// # Errors
    /// The file names a kind that does not exist, or allows one that must not be allowed.
    pub(crate) fn gather(
        flags: &VerdictFlags,
        (policy, allow, deny): (Option<PolicyName>, Option<Vec<String>>, Option<Vec<String>>),
        of_file: &dyn Fn() -> Source,
    ) -> Result<Self> {
        let kinds = |key: &'static str, flags: &[ProblemKind], names: Option<Vec<String>>| {
            if !flags.is_empty() {
                return Ok(Some(Setting { value: flags.to_vec(), source: Source::Flag(key) }));
            }
            let parse = if key == "allow" { allowable } else { kind };
            let named = |name: &String| {
                parse(name).map_err(|why| Failure::usage(format!("{}: {key} `{name}`: {why}", of_file())))
            };
            let value = names.map(|names| names.iter().map(named).collect::<Result<Vec<_>>>());
            Ok::<_, Failure>(value.transpose()?.map(|value| Setting { value, source: of_file() }))
        };
        let by_flag = flags.policy.map(|value| Setting { value, source: Source::Flag("policy") });
        Ok(Self {
            policy: by_flag.or_else(|| policy.map(|value| Setting { value, source: of_file() })),
            allow: kinds("allow", &flags.allow, allow)?,
            deny: kinds("deny", &flags.deny, deny)?,
        })
    }

    /// Whether the strict policy was chosen.
    pub(crate) fn is_strict(&self) -> bool {
        self.policy.as_ref().is_some_and(|setting| setting.value == PolicyName::Strict)
    }

    /// The runner with these verdicts. What is not set stays as the runner has it.
    pub(crate) fn apply<B: Database>(&self, runner: MigrationRunner<B>) -> MigrationRunner<B> {
        let policy = self.policy.as_ref().map(|setting| setting.value.policy());
        self.apply_kinds(match policy {
            Some(policy) => runner.policy(policy),
            None => runner,
        })
    }

    /// The runner with the verdicts on single kinds.
    pub(crate) fn apply_kinds<B: Database>(&self, mut runner: MigrationRunner<B>) -> MigrationRunner<B> {
        let is_flag = |setting: &Option<Setting<Vec<ProblemKind>>>| {
            setting.as_ref().is_some_and(|setting| matches!(setting.source, Source::Flag(_)))
        };
        let mut lists = [(&self.allow, Verdict::Allow), (&self.deny, Verdict::Deny)];
        // A flag overrides the file. Otherwise what is refused is refused.
        if is_flag(&self.allow) && !is_flag(&self.deny) {
            lists.reverse();
        }
        for (kinds, verdict) in lists {
            for kind in kinds.iter().flat_map(|setting| &setting.value) {
                runner = runner.verdict(*kind, verdict);
            }
        }
        runner
    }

    /// The kinds as one text.
    pub(crate) fn names(kinds: &[ProblemKind]) -> String {
        kinds.iter().map(|kind| word(*kind)).collect::<Vec<_>>().join(", ")
    }
}
