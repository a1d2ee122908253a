//! [`OwnTables`]: finds the statements of a script that change the tables of the engine, before it runs.

use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::refusal::Refusal;
use crate::sql::act::{Act, Changed, Grammar, ObjectName};
use crate::sql::pieces::Piece;
use crate::sql::{contains, same_name};
use crate::step::Atomicity;

/// The tables of the engine, and how their database reads a script.
pub(super) struct OwnTables<'a> {
    pub(super) table: &'a TableName,
    pub(super) grammar: &'a Grammar,
    /// What the database calls that which holds tables.
    pub(super) holder: &'static str,
    /// What a program that dumps the database must be told so that the dump leaves a table out.
    pub(super) leaving_out: fn(&str) -> String,
}

impl OwnTables<'_> {
    /// The refusals of statements that change a table of the engine, or drop the schema that it is in. Rows of it are protected here only
    /// where a statement that changes them is committed before the engine compares the records.
    pub(super) fn refusals(&self, pieces: &[Piece<'_>], atomicity: Atomicity) -> Vec<Refusal> {
        let mut found = Vec::new();
        let mut current = None;
        for (number, piece) in (1..).zip(pieces).filter(|(_, piece)| self.may_concern(piece.text)) {
            let tokens = (self.grammar.tokens)(piece.text);
            if let Act::SetsSchema(path) = Act::of(&tokens, self.grammar) {
                current = path.into_iter().find(|schema| schema != "$user");
                continue;
            }
            let refusals = self
                .grammar
                .in_each_reading(piece.text, &tokens, Changed::by)
                .into_iter()
                .filter_map(|changed| self.refusal(changed, current.as_deref(), atomicity));
            found.extend(refusals.map(|mut refusal| {
                refusal.fault = refusal.fault.at(piece.offset).in_statement(number, piece.text);
                refusal
            }));
        }
        found
    }

    /// Most statements need not be read.
    fn may_concern(&self, text: &str) -> bool {
        let start = text.trim_start();
        let starts = |word: &str| start.get(..word.len()).is_some_and(|start| same_name(start, word));
        let has_quote = self.table.as_str().contains(['"', '`', '\'']);
        starts("use")
            || starts("set")
            || starts("select")
            || start.starts_with("/*")
            || has_quote
            || [self.table.as_str(), TableName::LOCKS, "schema", "database"]
                .iter()
                .any(|word| contains(text, word))
    }

    fn refusal(&self, changed: Changed, current: Option<&str>, atomicity: Atomicity) -> Option<Refusal> {
        let own = self.table.schema();
        match changed {
            Changed::Rows(_) if atomicity == Atomicity::Transaction => None,
            Changed::Table(ref name) | Changed::Rows(ref name) | Changed::Writes(ref name) => {
                let what = self.described(name)?;
                let remedy = if matches!(changed, Changed::Writes(_)) {
                    "take this statement out; leave that table to the engine".to_owned()
                } else {
                    format!(
                        "leave that table to the engine; if this is a dump, make it with {}",
                        (self.leaving_out)(&name.name)
                    )
                };
                let refusal = Refusal::new(Fault::new(FaultKind::Other, what).remedy(remedy));
                match (name.schema.as_deref().or(current), own) {
                    (None, None) => Some(refusal),
                    (Some(its), Some(own)) => self.is_same(its, own).then_some(refusal),
                    (Some(only), None) | (None, Some(only)) => Some(refusal.only_in(only)),
                }
            }
            Changed::Schema(name) => {
                let what = format!(
                    "it changes the tracking table `{}`, which is in the {} `{name}`",
                    self.table, self.holder
                );
                let remedy =
                    format!("leave that {} as it is, and drop what else is in it by name", self.holder);
                let refusal = Refusal::new(Fault::new(FaultKind::Other, what).remedy(remedy));
                match own {
                    Some(own) => self.is_same(&name, own).then_some(refusal),
                    None => Some(refusal.only_in(name)),
                }
            }
        }
    }

    /// What a statement that changes a table does, if the table is the engine's.
    fn described(&self, name: &ObjectName) -> Option<String> {
        let is = |own: &str| self.is_same(&name.name, own);
        let log = self.table.log();
        if is(self.table.as_str()) {
            Some(format!("it changes the tracking table `{}`", self.table))
        } else if is(log.as_str()) {
            Some(format!("it changes the log of the tracking table, `{log}`"))
        } else if is(TableName::LOCKS) {
            Some(format!("it changes the table `{}`, which locks the tracking table", TableName::LOCKS))
        } else {
            None
        }
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        if self.grammar.folds { one == other } else { same_name(one, other) }
    }
}
