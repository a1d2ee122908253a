//! [`Filled`]: a script with the values of its placeholders.

use std::fmt;
use std::ops::Range;

use super::unfit::unfit;
use super::{Mark, Placeholder, Placeholders, Secrecy, marks};
use crate::account::{StatementPlace, StepFinding};
use crate::dialect::Dialect;
use crate::effect::{Forecast, Trust};
use crate::fault::Fault;
use crate::id::MigrationId;
use crate::location::Location;
use crate::notice::Notice;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::Remedy;
use crate::sql::part;

/// A script with the values of its placeholders. The database reads it; everything that is stored or shown is the text before.
pub(crate) struct Filled {
    sql: String,
    pieces: Vec<Piece>,
    /// What prevents it from being run.
    gaps: Vec<Gap>,
    /// The name of a secret that is in it.
    secret: Option<String>,
}

/// A value, and what it replaces.
#[derive(Debug)]
struct Piece {
    in_sql: Range<usize>,
    in_source: Range<usize>,
}

/// A `${...}` that cannot be replaced.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    /// Its offset in the script, in bytes.
    pub(crate) offset: usize,
    /// The words before the place in the finding, and behind it.
    pub(crate) finding: (String, String),
    pub(crate) remedy: Remedy,
}

/// The values are left out.
impl fmt::Debug for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filled")
            .field("pieces", &self.pieces)
            .field("gaps", &self.gaps)
            .finish_non_exhaustive()
    }
}

impl Gap {
    /// The finding about it.
    pub(crate) fn problem(&self, id: &MigrationId, at: Location) -> Problem {
        let (before, behind) = &self.finding;
        let finding = format!("{before} at {at}{behind}");
        Problem::new(ProblemKind::Placeholder, id, finding, self.remedy.clone()).at(at)
    }
}

impl Filled {
    /// Replaces the placeholders in a script; `None` if it has none.
    pub(crate) fn of(
        script: &str,
        dialect: Dialect,
        placeholders: &Placeholders,
        own: &[Placeholder],
    ) -> Option<Self> {
        let marks = marks(script, dialect);
        if marks.is_empty() {
            return None;
        }
        let mut filled = Self { sql: String::new(), pieces: Vec::new(), gaps: Vec::new(), secret: None };
        let mut end = 0;
        for mark in &marks {
            let (in_source, value) = if mark.is_escaped(script) {
                (mark.range.start - 1..mark.range.end, Ok(part(script, mark.range.clone())))
            } else {
                (mark.range.clone(), filled.value(mark, placeholders, own))
            };
            filled.sql.push_str(part(script, end..in_source.start));
            let start = filled.sql.len();
            match value {
                Ok(value) => filled.sql.push_str(value),
                Err(gap) => filled.note(*gap),
            }
            end = in_source.end;
            filled.pieces.push(Piece { in_sql: start..filled.sql.len(), in_source });
        }
        filled.sql.push_str(part(script, end..));
        Some(filled)
    }

    /// The value of a placeholder, or why there is none.
    fn value<'p>(
        &mut self,
        mark: &Mark<'_>,
        placeholders: &'p Placeholders,
        own: &'p [Placeholder],
    ) -> Result<&'p str, Box<Gap>> {
        let name = mark.content;
        let gap = |finding: String, behind: &str, remedy: Remedy| {
            Box::new(Gap { offset: mark.range.start, finding: (finding, behind.to_owned()), remedy })
        };
        let as_text = || format!("write `\\${{{name}}}` if it is text");
        if !Placeholder::is_name(name) {
            let behind = ", which is no placeholder: a name has letters, digits and `_`";
            return Err(gap(format!("has `${{{name}}}`"), behind, as_text().into()));
        }
        let Some((placeholder, value)) = placeholders.find(own, name) else {
            let declare = Remedy::DeclarePlaceholder { name: name.to_owned() };
            return Err(gap(format!("has `${{{name}}}`"), ", which is not declared", declare.or(as_text())));
        };
        if placeholder.secrecy == Secrecy::Secret && placeholders.trust == Trust::Database {
            let behind = ", and a script out of the database gets no secret";
            let with_script = "use the version of the program that has the migration";
            return Err(gap(format!("needs the secret `${{{name}}}`"), behind, with_script.into()));
        }
        let Some(value) = value else {
            let name = name.to_owned();
            let give = match placeholder.secrecy {
                Secrecy::Public => Remedy::GivePlaceholder { name },
                Secrecy::Secret => Remedy::GiveSecret { name },
            };
            return Err(gap(format!("needs a value for `${{{}}}`", mark.content), "", give));
        };
        if let Some((why, remedy)) = unfit(value, mark.within, placeholder.secrecy, placeholder.form) {
            let finding = format!("cannot use the value of `${{{name}}}`");
            return Err(gap(finding, &format!(": it {why}"), remedy.into()));
        }
        if placeholder.secrecy == Secrecy::Secret {
            self.secret.get_or_insert_with(|| name.to_owned());
        }
        Ok(value)
    }

    /// Adds a gap, unless the same is known from another place.
    fn note(&mut self, gap: Gap) {
        if !self.gaps.iter().any(|known| known.finding == gap.finding) {
            self.gaps.push(gap);
        }
    }

    /// The script that runs; `None` if something prevents that.
    pub(crate) fn sql(&self) -> Option<&str> {
        self.gaps.is_empty().then_some(&*self.sql)
    }

    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The name of a secret placeholder that it has, if it has one.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// The offset in the script as its author wrote it. In a value, it is where its placeholder begins.
    pub(crate) fn offset(&self, offset: usize) -> usize {
        let behind = self.pieces.partition_point(|piece| piece.in_sql.start <= offset);
        match behind.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            Some(piece) if offset < piece.in_sql.end => piece.in_source.start,
            Some(piece) => piece.in_source.end + (offset - piece.in_sql.end),
            None => offset,
        }
    }

    /// Changes a statement of the script that runs to the text as its author wrote it. One that a backend changed cannot be found, and is left
    /// out if it may have a secret.
    fn move_statement(&self, source: &str, statement: &mut String, offset: Option<usize>) {
        match self.statement(source, statement, offset) {
            Some(written) => written.clone_into(statement),
            None if self.secret.is_some() => "...".clone_into(statement),
            None => {}
        }
    }

    /// A statement as its author wrote it.
    fn statement<'s>(&self, source: &'s str, statement: &str, offset: Option<usize>) -> Option<&'s str> {
        let holds =
            |start: &usize| offset.is_none_or(|offset| (*start..=*start + statement.len()).contains(&offset));
        let start = self.sql.match_indices(statement).map(|(start, _)| start).find(holds)?;
        let end = start + statement.len();
        let within =
            self.pieces.iter().find(|piece| (piece.in_sql.start + 1..piece.in_sql.end).contains(&end));
        let end = within.map_or_else(|| self.offset(end), |piece| piece.in_source.end);
        let is_at_value = self.pieces.iter().rfind(|piece| piece.in_sql.start == start);
        let start = is_at_value.map_or_else(|| self.offset(start), |piece| piece.in_source.start);
        Some(part(source, start..end))
    }

    /// A fault in terms of the script as its author wrote it.
    pub(crate) fn fault_in(&self, source: &str, mut fault: Fault) -> Fault {
        let details = &mut fault.details;
        if let Some((_, statement)) = &mut details.statement {
            self.move_statement(source, statement, details.offset);
        }
        details.offset = details.offset.map(|offset| self.offset(offset));
        fault
    }

    /// A notice in terms of the script as its author wrote it.
    pub(crate) fn move_notice(&self, notice: &mut Notice) {
        notice.offset = notice.offset.map(|offset| self.offset(offset));
    }

    /// A finding in terms of the script as its author wrote it.
    pub(crate) fn move_finding(&self, source: &str, finding: &mut StepFinding) {
        if let Some(by) = &mut finding.by {
            self.move_place(source, by);
        }
    }

    /// The place of a statement in terms of the script as its author wrote it.
    pub(crate) fn move_place(&self, source: &str, by: &mut StatementPlace) {
        self.move_statement(source, &mut by.text, Some(by.offset));
        by.offset = self.offset(by.offset);
    }

    /// A forecast in terms of the script as its author wrote it.
    pub(crate) fn move_forecast(&self, source: &str, forecast: &mut Forecast) {
        forecast.failure = forecast.failure.take().map(|fault| self.fault_in(source, fault));
        for quoted in &mut forecast.quoted {
            self.move_statement(source, &mut quoted.statement, Some(quoted.offset));
            quoted.offset = self.offset(quoted.offset);
        }
        for finding in forecast.references.iter_mut().flatten() {
            self.move_finding(source, finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::notice::Severity;

    fn filled(source: &str, placeholder: Placeholder) -> Filled {
        let placeholders = Placeholders { declared: vec![placeholder], ..Placeholders::default() };
        Filled::of(source, Dialect::Sqlite, &placeholders, &[]).unwrap()
    }

    #[test]
    fn what_happens_in_a_script_is_told_in_the_words_of_its_author() {
        for (source, value, (statement, offset), expected) in [
            ("SELECT ${v} FROM a", "some", ("SELECT some FROM a", 3), ("SELECT ${v} FROM a", 3)),
            ("SELECT ${v} FROM a", "some", ("SELECT some FROM a", 9), ("SELECT ${v} FROM a", 7)),
            ("SELECT ${v} FROM a", "some", ("SELECT some FROM a", 12), ("SELECT ${v} FROM a", 12)),
            ("SELECT ${v})", "some", ("SELECT some)", 11), ("SELECT ${v})", 11)),
            ("SELECT a; SELECT ${v}", "a", ("SELECT a", 17), ("SELECT ${v}", 17)),
            ("SELECT 1${v}", "; SELECT 2", ("SELECT 1", 7), ("SELECT 1", 7)),
            ("SELECT 1${v}", "; SELECT 2", ("SELECT 2", 17), ("${v}", 8)),
            ("${v}", "SELECT 1; SELECT 2", ("SELECT 1", 0), ("${v}", 0)),
            ("SELECT ${v}", "some", ("SELECT other", 0), ("SELECT other", 0)),
        ] {
            let filled = filled(source, Placeholder::new("v").default(value).raw());
            let fault = Fault::new(FaultKind::Other, "it failed").at(offset).in_statement(1, statement);
            let moved = filled.fault_in(source, fault).details;
            let text = moved.statement.map(|(_, text)| text);
            assert_eq!((text.as_deref(), moved.offset), (Some(expected.0), Some(expected.1)), "{source}");

            let mut notice = Notice::new(Severity::Notice, "1", "a notice", offset);
            filled.move_notice(&mut notice);
            assert_eq!(notice.offset, Some(expected.1), "{source}");

            let mut finding = StepFinding::new(ProblemKind::RowsLost, "loses rows", "keep them");
            finding.by = Some(StatementPlace { number: 1, offset, text: statement.to_owned() });
            filled.move_finding(source, &mut finding);
            let by = finding.by.map(|by| (by.text, by.offset));
            assert_eq!(by, Some((expected.0.to_owned(), expected.1)), "{source}");
        }
    }

    /// A backend may have changed it.
    #[test]
    fn a_statement_that_is_not_in_the_script_is_left_out_if_it_may_have_a_secret() {
        for (placeholder, expected) in
            [(Placeholder::new("v"), "SELECT other"), (Placeholder::new("v").secret(), "...")]
        {
            let source = "SELECT '${v}'";
            let fault = Fault::new(FaultKind::Other, "it failed").in_statement(1, "SELECT other");
            let fault = filled(source, placeholder.default("some")).fault_in(source, fault);
            assert_eq!(fault.details.statement, Some((1, expected.to_owned())));
        }
    }
}
