//! Where the rows of replaced tables go.

use std::collections::HashMap;

use super::lineage::{Lineage, Replacement};
use crate::sql::Token;
use crate::sql::act::{Act, ObjectName};

/// What the statements of a script do with the rows of a replaced table.
#[derive(Default)]
pub(super) struct Copies {
    /// Whether rows of the old table are copied to another table before the drop, and from there to the new one.
    pub(super) may_be_copied: bool,
    /// The places of the statements that delete rows of the new table after it got some.
    pub(super) deletions: Vec<usize>,
    /// The other tables to which rows are copied, and which the script drops.
    pub(super) dropped: Vec<ObjectName>,
    /// Whether a statement deletes rows of the new table in a way that cannot be counted.
    pub(super) is_emptied: bool,
    /// Whether no statement after the drop writes to the new table.
    pub(super) is_complete: bool,
}

/// The copies of each replaced table.
pub(super) fn find(
    replacements: &[Replacement],
    words: Vec<Vec<Token<'_>>>,
    acts: &[Act],
    lineage: &Lineage,
) -> Vec<Copies> {
    if replacements.is_empty() {
        return Vec::new();
    }
    let words = Words::of(words);
    replacements.iter().map(|replacement| copies(replacement, acts, lineage, &words)).collect()
}

fn copies(replacement: &Replacement, acts: &[Act], lineage: &Lineage, words: &Words<'_>) -> Copies {
    let Replacement { home, by, old, heirs, .. } = replacement;
    let mut copies = Copies { is_complete: true, ..Copies::default() };
    let is_heir =
        |name: &ObjectName, place| lineage.holder_at(name, place).is_some_and(|it| heirs.contains(&it));
    let old_names = [old, home].map(|name| name.name.to_lowercase());
    let heir_names = heirs.iter().flat_map(|heir| lineage.names_of(*heir));
    let (mut targets, mut fills) = (Vec::new(), Vec::new());
    for place in words.statements([old, home].into_iter().chain(heir_names)) {
        let to = match &acts[place] {
            Act::AddsRows(Some(to)) => Some((to, is_heir(to, place))),
            Act::Creates { kind: "table", name, .. } => {
                let created = lineage.created_at(name, place);
                Some((name, created.is_some_and(|it| heirs.contains(&it))))
            }
            // What is deleted before the table gets the rows of the old one is not missing.
            Act::Deletes(from) if is_heir(from, place) && !fills.is_empty() => {
                copies.deletions.push(place);
                copies.is_complete &= place < *by;
                None
            }
            Act::DeletesUncounted(from) if from.iter().any(|from| is_heir(from, place)) => {
                copies.is_emptied |= !fills.is_empty();
                None
            }
            _ => None,
        };
        match to {
            Some((_, true)) => {
                copies.is_complete &= place < *by;
                if words.copies_rows(place) {
                    fills.push(place);
                }
            }
            Some((to, false))
                if place < *by && words.copies_rows(place) && words.reads(place, &old_names) =>
            {
                targets.push(to);
            }
            _ => {}
        }
    }
    for to in targets {
        let name = [to.name.to_lowercase()];
        copies.may_be_copied |= fills.iter().any(|fill| words.reads(*fill, &name));
        if !lineage.keeps(to) {
            copies.dropped.push(to.clone());
        }
    }
    // What is undone was not deleted.
    if acts.contains(&Act::Undoes) {
        copies.deletions.clear();
    }
    copies
}

/// The words of a script.
struct Words<'a> {
    statements: Vec<Vec<Token<'a>>>,
    /// The statements that have a word, in lower case and without quotes. A text in quotes is a word too.
    places: HashMap<String, Vec<usize>>,
    /// The statements with a text in quotes, which may name anything.
    texts: Vec<usize>,
}

impl<'a> Words<'a> {
    fn of(statements: Vec<Vec<Token<'a>>>) -> Self {
        let (mut places, mut texts) = (HashMap::<String, Vec<usize>>::new(), Vec::new());
        for (place, statement) in statements.iter().enumerate() {
            for token in statement {
                let Some(word) = token.spelling() else { continue };
                if word.contains('$') {
                    texts.push(place);
                }
                let known = places.entry(bare(word)).or_default();
                if known.last() != Some(&place) {
                    known.push(place);
                }
            }
        }
        texts.dedup();
        Self { statements, places, texts }
    }

    /// The statements that may name one of these, in order.
    fn statements<'n>(&self, names: impl Iterator<Item = &'n ObjectName>) -> Vec<usize> {
        let of =
            |name: &ObjectName| self.places.get(&name.name.to_lowercase()).into_iter().flatten().copied();
        let mut places: Vec<usize> = names.flat_map(of).chain(self.texts.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Whether a statement that creates or fills a table does so with rows of others: `AS SELECT`, `AS TABLE`.
    fn copies_rows(&self, place: usize) -> bool {
        let words = &self.statements[place];
        let tables = words.iter().filter(|token| token.is("table")).count();
        let is_created = words.first().is_some_and(|first| first.is("create"));
        words.iter().any(|token| token.is("select")) || tables > usize::from(is_created)
    }

    /// Whether a statement may read one of these tables: their names stand behind what it writes to.
    fn reads(&self, place: usize, names: &[String]) -> bool {
        let words = &self.statements[place];
        let writes = words.first().is_some_and(|first| first.is_any(&["insert", "replace"]));
        let begins = words.iter().position(|token| token.is_any(&["select", "table", "from"]));
        let read = match begins {
            Some(begins) if writes => &words[begins..],
            None if writes => &[],
            _ => &words[..],
        };
        let mut read = read.iter().filter_map(|token| token.spelling());
        read.any(|word| {
            let word = bare(word);
            names.iter().any(|name| if word.contains('$') { word.contains(name) } else { word == *name })
        })
    }
}

/// A word in lower case, without the quotes of a name.
fn bare(word: &str) -> String {
    word.trim_matches(['"', '`']).to_lowercase()
}
