//! [`Secrets`]: values that no message may contain.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::account::StepFinding;
use crate::effect::Forecast;
use crate::fault::{BoxError, Fault};
use crate::remedy::Remedy;
use crate::sql::{folded, part};

/// The secret values of a set, with the names of their placeholders.
#[derive(Default, Clone)]
pub(crate) struct Secrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    name: String,
    /// In lower case: a database folds a name that is not quoted.
    value: String,
    /// Its parts of [`PART`] bytes.
    parts: BTreeSet<Vec<u8>>,
}

/// A part of a secret with as many bytes is masked too: a server quotes one word of it, or cuts it.
const PART: usize = 5;
/// A message with a secret of fewer bytes is not shown: with each occurrence masked, nobody could read it.
const SHORT: usize = 4;
/// What a server writes behind a text that it cut: MySQL behind 80 bytes of a statement, PostgreSQL behind 64 bytes of a value.
const CUTS: [&str; 2] = ["' at line", "..."];

impl Secrets {
    /// Adds the value of a placeholder.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let value = folded(value);
        if !value.is_empty() && !self.0.iter().any(|known| known.value == value) {
            let parts = value.as_bytes().windows(PART).map(<[u8]>::to_vec).collect();
            self.0.push(Secret { name: name.to_owned(), value, parts });
            // A value that contains another one is masked as a whole.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        }
    }

    /// A text without the secrets; `None` if it has none.
    pub(crate) fn masked(&self, text: &str) -> Option<String> {
        let lower = folded(text);
        if let Some(secret) = self.0.iter().find(|it| it.is_short() && lower.contains(&it.value)) {
            let name = &secret.name;
            return Some(format!("the message is not shown, because it has the value of `${{{name}}}`"));
        }
        // Whole values first, so that the name of the placeholder is shown and not that a part of another value is there.
        let mut masks: Vec<(Range<usize>, String)> = Vec::new();
        for find in [Secret::whole, Secret::piece] {
            for secret in &self.0 {
                let mut at = 0;
                while at < text.len() {
                    let found = find(secret, &lower, at).map(|len| widened(text, at..at + len));
                    let is_free = |range: &Range<usize>| {
                        masks.iter().all(|(known, _)| range.end <= known.start || known.end <= range.start)
                    };
                    match found.filter(is_free) {
                        Some(range) => {
                            at = range.end;
                            let is_whole = range.len() == secret.value.len();
                            let mask = format!("${{{}}}", secret.name);
                            masks.push((range, if is_whole { mask } else { "***".to_owned() }));
                        }
                        None => at += 1,
                    }
                }
            }
        }
        if masks.is_empty() {
            return None;
        }
        masks.sort_by_key(|(range, _)| range.start);
        let (mut shown, mut end) = (String::new(), 0);
        for (range, mask) in masks {
            shown.push_str(part(text, end..range.start));
            shown.push_str(&mask);
            end = range.end;
        }
        Some(shown + part(text, end..))
    }

    /// Masks a text in its place.
    pub(crate) fn mask(&self, text: &mut String) {
        if let Some(masked) = self.masked(text) {
            *text = masked;
        }
    }

    /// A fault without the secrets. The error of the driver goes if it has one, since it cannot be changed. The statement is the text of its
    /// author, which has none.
    pub(crate) fn mask_fault(&self, mut fault: Fault) -> Fault {
        if self.0.is_empty() {
            return fault;
        }
        let details = &mut fault.details;
        if let Some(masked) = self.masked(&details.message) {
            details.message = masked.into();
        }
        if let Some(remedy) = details.remedy.take() {
            let has_secret = self.masked(&remedy.to_string()).is_some();
            details.remedy = Some(if has_secret { Box::new(Remedy::from("correct it")) } else { remedy });
        }
        let is_told = |cause: &BoxError| self.masked(&format!("{cause} {cause:?}")).is_some();
        if details.cause.as_ref().is_some_and(is_told) {
            details.cause = None;
        }
        fault
    }

    /// Masks a finding in its place.
    pub(crate) fn mask_finding(&self, finding: &mut StepFinding) {
        self.mask(&mut finding.what);
    }

    /// Masks a forecast in its place.
    pub(crate) fn mask_forecast(&self, forecast: &mut Forecast) {
        forecast.failure = forecast.failure.take().map(|fault| self.mask_fault(fault));
        for quoted in &mut forecast.quoted {
            self.mask(&mut quoted.text);
        }
        for effect in &mut forecast.effects {
            self.mask(&mut effect.object);
            effect.column.iter_mut().for_each(|column| self.mask(column));
        }
        forecast.references.iter_mut().flatten().for_each(|finding| self.mask_finding(finding));
    }
}

impl Secret {
    fn is_short(&self) -> bool {
        self.value.len() < SHORT
    }

    /// The length of the value, if it is at an offset of a text in lower case.
    fn whole(&self, lower: &str, at: usize) -> Option<usize> {
        part_of(lower, at).starts_with(self.value.as_bytes()).then_some(self.value.len())
    }

    /// The length of the part of the value at an offset of a text in lower case.
    fn piece(&self, lower: &str, at: usize) -> Option<usize> {
        let is_part =
            |at: usize| part_of(lower, at).get(..PART).is_some_and(|found| self.parts.contains(found));
        if is_part(at) {
            let last = (at..lower.len()).take_while(|at| is_part(*at)).last()?;
            return Some(last - at + PART);
        }
        let is_cut = |len: &usize| {
            let (found, behind) = (part_of(lower, at).get(..*len), part_of(lower, at + len));
            found == self.value.as_bytes().get(..*len)
                && CUTS.iter().any(|cut| behind.starts_with(cut.as_bytes()))
        };
        (1..PART.min(self.value.len())).rev().find(is_cut)
    }
}

/// The bytes from an offset on.
fn part_of(text: &str, at: usize) -> &[u8] {
    text.as_bytes().get(at..).unwrap_or_default()
}

/// A range that begins and ends between two characters.
fn widened(text: &str, Range { mut start, mut end }: Range<usize>) -> Range<usize> {
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    #[test]
    fn a_secret_is_masked_with_its_parts() {
        let mut secrets = Secrets::default();
        for (name, value) in [("long", "Hunter2 zwölf"), ("a", "hunter"), ("url", "app:Hunter2 zwölf@host")]
        {
            secrets.add(name, value);
        }
        for (text, expected) in [
            ("near \"Hunter2 zwölf\": syntax error", "near \"${long}\": syntax error"),
            ("HUNTER2 ZWöLF", "${long}"),
            ("near \"unter2\"", "near \"***\""),
            ("near \"hunter2\"", "near \"${a}2\""),
            ("'app:Hunter2 zwölf@host'", "'${url}'"),
            ("near 'x, 'hun' at line 1", "near 'x, '***' at line 1"),
            ("(1, Hunt...)", "(1, ***...)"),
            ("zwölf zwöl zw", "****** zw"),
            ("Hunter2 zwölfHunter2 zwölf", "${long}${long}"),
            ("r2 zw", "***"),
            ("the hunt is on", ""),
        ] {
            assert_eq!(secrets.masked(text).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn a_finding_is_masked() {
        let mut secrets = Secrets::default();
        secrets.add("a", "hunter");
        let mut finding = StepFinding::new(ProblemKind::RowsLost, "replaces `hunter`", "keep its rows");
        secrets.mask_finding(&mut finding);
        assert_eq!(finding.what, "replaces `${a}`");
    }

    /// A secret and a message can have a byte in common that is a part of two different characters.
    #[test]
    fn a_character_is_masked_as_a_whole() {
        for (value, text) in [("éabcdxyz", "ũabcd"), ("xyzabcdé", "abcdè")] {
            let mut secrets = Secrets::default();
            secrets.add("a", value);
            assert_eq!(secrets.masked(text).as_deref(), Some("***"), "{value}");
        }
    }

    #[test]
    fn a_message_with_a_short_secret_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.add("pin", "42");
        secrets.add("none", "");
        assert_eq!(secrets.masked("no such column: a"), None);
        let shown = "the message is not shown, because it has the value of `${pin}`";
        assert_eq!(secrets.masked("near \"42\"").as_deref(), Some(shown));
        secrets.add("word", "1234");
        assert_eq!(secrets.masked("near \"1234\"").as_deref(), Some("near \"${word}\""));
    }
}
