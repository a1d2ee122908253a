//! [`Draft`]: a migration before the import is complete.

use switchy_schema::layout::Entry;

use super::script::is_idle;
use super::set::Imported;
use super::tool::Tool;
use super::wrapped;

/// The position of a migration among those of its tool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// The parts of a version: for each, the digits without leading zeros, after their number.
    Number(Vec<(usize, String)>),
    Text(String),
    Place(usize),
}

impl Order {
    /// The order of a version of one or several parts, each of digits. Missing parts count as zero.
    pub(super) fn number<'d>(parts: impl IntoIterator<Item = &'d str>) -> Self {
        let digits = parts.into_iter().map(|part| part.trim_start_matches('0'));
        let mut parts: Vec<_> = digits.map(|digits| (digits.len(), digits.to_owned())).collect();
        while parts.last().is_some_and(|(length, _)| *length == 0) {
            parts.pop();
        }
        Self::Number(parts)
    }
}

/// A migration before the import is complete.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) order: Order,
    /// The version as text. No other migration has it.
    pub(super) version: String,
    pub(super) id: String,
    pub(super) up: String,
    pub(super) down: Option<String>,
    pub(super) transaction: TransactionUse,
    pub(super) from: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Whether the tool runs a script in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionUse {
    Inside,
    Outside,
}

impl TransactionUse {
    pub(super) const fn outside_if(is_outside: bool) -> Self {
        if is_outside { Self::Outside } else { Self::Inside }
    }

    /// The transaction use of a migration. Other tools have one for each script; here both scripts share one.
    pub(super) fn of_both(up: Self, down: Option<Self>, notes: &mut Vec<String>) -> Self {
        match down {
            Some(down) if down != up => {
                let (inside, outside) = if up == Self::Outside { ("down", "up") } else { ("up", "down") };
                notes.push(format!(
                    "only its {outside} script asks to run outside a transaction; here its {inside} script does so too"
                ));
                Self::Outside
            }
            _ => up,
        }
    }
}

impl Draft {
    pub(super) fn imported(self, tool: Tool, after: Option<&str>) -> Imported {
        let Self { id, mut up, mut down, transaction, from, mut notes, .. } = self;
        if tool.leaves_transactions_to_scripts() && transaction == TransactionUse::Inside {
            let mut is_unwrapped = false;
            for script in [Some(&mut up), down.as_mut()].into_iter().flatten() {
                if let Some(inside) = wrapped::unwrapped(script) {
                    *script = inside;
                    is_unwrapped = true;
                }
            }
            if is_unwrapped {
                let note = "the BEGIN and COMMIT around it are left out, since each migration is one transaction here";
                notes.push(note.to_owned());
            }
        }
        let mut files = vec![Entry::new(format!("{id}/up.sql"), up.into_bytes())];
        match down {
            Some(down) if is_idle(&down) => {
                notes.push("its down script does nothing, so it is left out: it cannot be undone".to_owned());
            }
            Some(down) => files.push(Entry::new(format!("{id}/down.sql"), down.into_bytes())),
            None => {}
        }
        let mut metadata = Vec::new();
        if transaction == TransactionUse::Outside {
            metadata.push("run_in_transaction = false\n".to_owned());
        }
        if let Some(after) = after {
            let (tool, after) = (tool.name(), serde_json::Value::from(after));
            metadata.push(format!("# {tool} applies it after that one.\ndepends_on = [{after}]\n"));
        }
        if !metadata.is_empty() {
            files.push(Entry::new(format!("{id}/metadata.toml"), metadata.concat().into_bytes()));
        }
        Imported { id, from, files, notes }
    }
}
