//! Where the rows of replaced tables go.

use std::collections::HashMap;

use super::lineage::{Lineage, Replacement};
use crate::sql::Token;
use crate::sql::act::{Act, Grammar, ObjectName};
use crate::sql::pieces::Piece;

/// The statements of a script that copy or delete the rows of a replaced table, by their places.
#[derive(Default)]
pub(super) struct Copies {
    /// Whether a statement before the drop may have copied rows of the old table.
    pub(super) may_be_copied: bool,
    /// Those that delete rows of the new table after it got some.
    pub(super) deletions: Vec<usize>,
    /// Those that copy whole rows to other tables, which stay.
    pub(super) elsewhere: Vec<usize>,
    /// The other tables to which rows are copied, and which the script drops.
    pub(super) dropped: Vec<ObjectName>,
    /// Whether a statement deletes rows of the new table in a way that cannot be counted.
    pub(super) is_emptied: bool,
    /// Whether no statement after the drop writes to the new table.
    pub(super) is_complete: bool,
}

impl Copies {
    /// The statements whose row counts are needed.
    pub(super) fn counting(&self) -> impl Iterator<Item = usize> {
        self.deletions.iter().chain(&self.elsewhere).copied()
    }
}

/// The copies of each replaced table.
pub(super) fn find(
    replacements: &[Replacement],
    pieces: &[Piece<'_>],
    acts: &[Act],
    lineage: &Lineage,
    grammar: &Grammar,
) -> Vec<Copies> {
    if replacements.is_empty() {
        return Vec::new();
    }
    let words = Words::of(pieces, grammar);
    replacements.iter().map(|replacement| copies(replacement, acts, lineage, &words)).collect()
}

fn copies(replacement: &Replacement, acts: &[Act], lineage: &Lineage, words: &Words<'_>) -> Copies {
    let Replacement { home, by, old, heirs, .. } = replacement;
    let mut copies = Copies { is_complete: true, ..Copies::default() };
    let is_heir = |name: &ObjectName| heirs.contains(name);
    let old_names = [old, home].map(|name| name.name.to_lowercase());
    let mut first_copy = None;
    for place in words.statements([old, home].into_iter().chain(heirs)) {
        match &acts[place] {
            Act::AddsRows(Some(to)) if is_heir(to) => {
                if words.copies_rows(place) {
                    first_copy.get_or_insert(place);
                }
                copies.is_complete &= place < *by;
            }
            Act::Creates { kind: "table", name, .. } if is_heir(name) && words.copies_rows(place) => {
                first_copy.get_or_insert(place);
            }
            _ => {}
        }
        let reads = place < *by && words.reads(place, &old_names);
        match &acts[place] {
            Act::AddsRows(Some(to)) | Act::Creates { kind: "table", name: to, .. } if reads => {
                if !words.copies_rows(place) {
                    continue;
                }
                copies.may_be_copied = true;
                let is_temporary = matches!(&acts[place], Act::Creates { is_temporary: true, .. });
                if is_heir(to) {
                    continue;
                }
                if is_temporary || !lineage.keeps(to) {
                    copies.dropped.push(to.clone());
                } else if words.copies_whole_rows(place, &old_names) {
                    copies.elsewhere.push(place);
                }
            }
            Act::AddsRows(None) | Act::Calls if reads => copies.may_be_copied = true,
            // What is deleted before the table gets the rows of the old one is not missing.
            Act::Deletes(from) if is_heir(from) && first_copy.is_some() => {
                copies.deletions.push(place);
                copies.is_complete &= place < *by;
            }
            Act::DeletesUncounted(from) if from.iter().any(is_heir) => {
                copies.is_emptied |= first_copy.is_some();
            }
            _ => {}
        }
    }
    // What is undone was not deleted. Rows of a part of the new table are in it.
    if acts.contains(&Act::Undoes) {
        copies.deletions.clear();
    }
    if words.makes_parts {
        copies.elsewhere.clear();
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
    /// Whether a table is a part of another one: a partition, or a child.
    makes_parts: bool,
}

impl<'a> Words<'a> {
    fn of(pieces: &[Piece<'a>], grammar: &Grammar) -> Self {
        let statements: Vec<Vec<Token<'a>>> =
            pieces.iter().map(|piece| (grammar.tokens)(piece.text)).collect();
        let (mut places, mut texts) = (HashMap::<String, Vec<usize>>::new(), Vec::new());
        let mut makes_parts = false;
        for (place, statement) in statements.iter().enumerate() {
            for token in statement {
                makes_parts |= token.is_any(&["partition", "inherits", "inherit"]);
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
        Self { statements, places, texts, makes_parts }
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

    fn has(&self, place: usize, word: &str) -> bool {
        self.statements[place].iter().any(|token| token.is(word))
    }

    /// Whether a statement that creates or fills a table does so with rows of others: `AS SELECT`, `AS TABLE`.
    fn copies_rows(&self, place: usize) -> bool {
        let words = &self.statements[place];
        let tables = words.iter().filter(|token| token.is("table")).count();
        let is_created = words.first().is_some_and(|first| first.is("create"));
        self.has(place, "select") || tables > usize::from(is_created)
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

    /// Whether a statement copies whole rows of one of these tables, and of no other: `SELECT * FROM it WHERE ...`.
    fn copies_whole_rows(&self, place: usize, names: &[String]) -> bool {
        let words = &self.statements[place];
        let Some(select) = words.iter().position(|token| token.is("select")) else { return false };
        let rest = &words[select + 1..];
        let [Token::Mark(b'*'), from, source @ ..] = rest else { return false };
        let source: Vec<Token<'_>> =
            source.iter().copied().take_while(|token| !token.is_any(&["where", "order"])).collect();
        let table = match source[..] {
            [table] | [_, Token::Mark(b'.'), table] => table.spelling(),
            _ => None,
        };
        let others = ["join", "group", "limit", "having", "union", "except", "intersect"];
        let is_plain = from.is("from") && !rest.iter().any(|token| token.is_any(&others));
        is_plain && table.is_some_and(|table| names.contains(&bare(table)))
    }
}

/// A word in lower case, without the quotes of a name.
fn bare(word: &str) -> String {
    word.trim_matches(['"', '`']).to_lowercase()
}
