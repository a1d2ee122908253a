//! Remedies in terms of the command line. The engine words them for programmers.

use switchy_schema::{Direction, Doubt, Remedy};

use crate::placeholders::variable;
use crate::setting::FILE;

/// The text of a remedy for a user of the command line.
pub(crate) fn in_shell(remedy: &Remedy) -> String {
    let text = match remedy {
        Remedy::Text(text) => text,
        Remedy::Either(remedies) => return either(remedies),
        Remedy::Then(remedies)
            if remedies.iter().rev().skip(1).any(|remedy| matches!(remedy, Remedy::Either(_))) =>
        {
            return all(remedies).join("; then ");
        }
        Remedy::Then(remedies) => return all(remedies).join(", then "),
        Remedy::If { condition, remedy } if remedy.singles().len() > 1 => {
            return format!("if {condition}, {}", in_shell(remedy));
        }
        Remedy::If { condition, remedy } => return format!("{} if {condition}", in_shell(remedy)),
        Remedy::Run => "apply what is pending with `migrate`",
        Remedy::RollBack => "undo it with `rollback` or `downgrade`",
        Remedy::Downgrade => "undo it with `downgrade`",
        Remedy::PlanAgain => "run the command again",
        Remedy::PerMigration => "leave out `--batch`",
        Remedy::Confirm => "accept the plan, on a terminal or with `--yes`",
        Remedy::WaitLonger => "wait longer with `--lock-timeout`",
        Remedy::Retry => "run `repair retry` to continue where it stopped",
        Remedy::RetryFrom { statement: Some(statement) } => {
            return format!("run `repair retry --from {statement}`");
        }
        Remedy::RetryFrom { statement: None } => {
            "run `repair retry --from` to name the statement to continue with"
        }
        Remedy::MarkDone { direction: Direction::Up } => "run `repair done` once it is done by hand",
        Remedy::MarkDone { direction: Direction::Down } => "run `repair done` once it is undone by hand",
        Remedy::Forget => "run `repair forget` to run it again anyway",
        Remedy::Accept => "run `repair accept` to accept it only in this database",
        Remedy::AssumeApplied => "run `repair assume` to count a single migration as applied",
        Remedy::Baseline => "run `baseline` with the last migration that is applied",
        Remedy::RepairDrift => "run `drift --repair`",
        Remedy::RepairNamed => "run `drift --repair` with its name",
        Remedy::ShowDriftSql => "choose among the statements that `drift --sql` prints",
        Remedy::IgnoreInDrift => "leave it out with `drift --ignore`",
        Remedy::AcceptDoubt(Doubt::Lost) => "say yes, on a terminal or with `--yes`",
        Remedy::AcceptDoubt(doubt) => return format!("go on with `--accept {doubt}`"),
        Remedy::NameTool => "name the tool with `--from`",
        Remedy::NameToolTable => "name the table with `--from-table`",
        Remedy::NameApp => "name the application whose migrations the set has with `--app`",
        Remedy::ChooseTable => "choose another name with `--table`, under which nothing is applied yet",
        Remedy::UseTable => "read that table itself with `--table`, which says what to do about it",
        Remedy::RaiseStoredLimits => "raise the limit with `--max-time`, `--max-rows` or `--max-growth`",
        Remedy::ChooseLockFile => "run as a user that may write there",
        Remedy::SnapshotFolder => "choose another folder with `--snapshot-dir`",
        Remedy::NoSnapshot => "run with `--snapshot=never`",
        Remedy::Register => {
            "if it belongs to an application, which this command line cannot load, use a binary of that application with these commands, as cli/README.md describes"
        }
        Remedy::SetMetadata { key, value, purpose } => {
            let purpose = purpose.map_or(String::new(), |purpose| format!(" {purpose}"));
            return format!("set {key} = {value} in its metadata{purpose}");
        }
        Remedy::GivePlaceholder { name } => {
            let variable = variable::of(name);
            return format!("give one with the environment variable {variable} or with `--set`");
        }
        // Other users of the machine can read arguments.
        Remedy::GiveSecret { name } => {
            return format!("give one with the environment variable {}", variable::of(name));
        }
        Remedy::DeclarePlaceholder { name } => {
            return format!("declare {name} under [placeholders] in {FILE} or in its metadata");
        }
        Remedy::CreateFolder => "make one with `init`",
        Remedy::ImportFolder => "convert the folder with `import`",
        Remedy::MakeManifest => "write the manifest again with `manifest`",
        Remedy::Program { what, with: _ } => return format!("have the program {what}"),
    };
    text.to_owned()
}

/// `a, or b`; `a, b, or c`
fn either(remedies: &[Remedy]) -> String {
    let mut all = all(remedies);
    let Some(last) = all.pop() else { return String::new() };
    if all.is_empty() { last } else { format!("{}, or {last}", all.join(", ")) }
}

fn all(remedies: &[Remedy]) -> Vec<String> {
    remedies.iter().map(in_shell).collect()
}

#[cfg(test)]
mod tests;
