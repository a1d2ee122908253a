//! What scripts take away on a server: their words say what a statement drops, and the catalogue what that is and what goes with it.

mod callers;
mod deleting_triggers;
mod inventory;
mod names;
mod sql_mode;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use self::callers::Callers;
use self::deleting_triggers::DeletingTriggers;
pub(super) use self::inventory::{Inventory, Surroundings};
use self::names::Names;
use self::sql_mode::leniency;
pub(super) use self::write::Write;
use crate::effect::{Effect, EffectKind, Evidence, Forecast, PlannedScript, Trust};
use crate::error::Abridged;
use crate::fault::{Fault, FaultKind};
use crate::sql::Token;
use crate::sql::act::{Act, Changed, Dropped, Grammar, Loss, ObjectName};
use crate::sql::pieces::{Piece, Refused};

/// Splits a script into its statements.
type Split = for<'t> fn(&'t str) -> Result<Vec<Piece<'t>>, Refused>;

/// How a server reads scripts.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) split: Split,
    pub(super) grammar: &'static Grammar,
}

/// What each of these scripts takes away, if they run one after the other.
pub(super) fn forecasts(
    server: &mut dyn Inventory,
    scripts: &[PlannedScript<'_>],
    reading: Reading,
) -> Result<Vec<Forecast>, Fault> {
    let current = server.current_schema()?;
    let mut reader = Reader {
        server,
        reading,
        names: Names::new(current.clone()),
        current,
        path: None,
        created: BTreeSet::new(),
        functions: BTreeMap::new(),
        triggers: DeletingTriggers::default(),
        callers: Callers::default(),
        made: BTreeMap::new(),
        has_renamed: false,
        is_known: true,
        is_lenient: false,
        effects: Vec::new(),
    };
    Ok(scripts.iter().map(|script| reader.forecast(script)).collect())
}

/// What has been read so far.
struct Reader<'s> {
    server: &'s mut dyn Inventory,
    reading: Reading,
    /// The tables, by the names that they have at this point.
    names: Names,
    current: Option<String>,
    /// The schemas in which names are looked up, if a script has set them.
    path: Option<Vec<String>>,
    /// The objects that the scripts created, by their kinds and names.
    created: BTreeSet<(&'static str, String)>,
    /// Whether functions that were asked about may change rows, by their names.
    functions: BTreeMap<String, bool>,
    triggers: DeletingTriggers,
    callers: Callers,
    /// What the functions call that the scripts created, by their names; `None` for one that may change rows.
    made: BTreeMap<String, Option<Vec<ObjectName>>>,
    /// Whether the script makes MySQL change values that do not fit, instead of refusing them.
    is_lenient: bool,
    /// Whether a column may have another name than in the catalogue.
    has_renamed: bool,
    /// Whether the catalogue and the scripts say what is there: nothing ran before that cannot be read.
    is_known: bool,
    /// The effects of the script that is being read.
    effects: Vec<Effect>,
}

impl Reader<'_> {
    fn forecast(&mut self, script: &PlannedScript<'_>) -> Forecast {
        self.effects = Vec::new();
        // The settings of a script end with it.
        (self.path, self.is_lenient) = (None, false);
        self.names.forget_temporary();
        match script.text.map(self.reading.split) {
            None => self.doubt(),
            // It is refused.
            Some(Err(_)) => {}
            Some(Ok(pieces)) => pieces.iter().for_each(|piece| self.read(piece.text)),
        }
        Forecast {
            effects: std::mem::take(&mut self.effects),
            failure: (script.trust == Trust::Database)
                .then(|| Fault::new(FaultKind::Other, "a server has no copy to try it out on")),
            ..Forecast::new()
        }
    }

    fn read(&mut self, text: &str) {
        let grammar = self.reading.grammar;
        let tokens = (grammar.tokens)(text);
        let before = self.is_lenient;
        if let Some(is_lenient) = leniency(&tokens).filter(|_| !grammar.folds) {
            self.is_lenient = is_lenient;
        }
        for loss in grammar.in_each_reading(text, &tokens, Loss::of) {
            self.lose(loss, text);
        }
        if self.callers.are_in(self.server, text, &tokens) {
            self.doubt();
            self.add([Effect::new(EffectKind::Unread, Abridged(text).to_string(), Evidence::Catalog)]);
        }
        for table in grammar.in_each_reading(text, &tokens, Changed::by) {
            if let Changed::Rows(table) = table {
                self.fire(&table, &tokens);
            }
        }
        let is_alter = tokens.first().is_some_and(|first| first.is("alter"));
        self.has_renamed |= is_alter && tokens.iter().any(|token| token.is("rename"));
        // `SET STATEMENT sql_mode = '' FOR ALTER TABLE ...`
        if tokens.get(1).is_some_and(|second| second.is("statement")) {
            self.is_lenient = before;
        }
        let act = Act::of(&tokens, grammar);
        match &act {
            Act::SetsSchema(path) => {
                self.path = Some(path.iter().filter(|schema| *schema != "$user").cloned().collect());
            }
            Act::Creates { kind, name, .. } => {
                if *kind == "function" {
                    self.make(name, Loss::calls_of_function(&tokens, grammar));
                }
                self.created.insert((kind, name.name.to_lowercase()));
            }
            _ => {
                let made = Dropped::made(&tokens, grammar);
                self.created.extend(made.map(|(kind, name)| (kind, name.name.to_lowercase())));
            }
        }
        self.triggers.follow(&act, &tokens, grammar);
        if grammar.is_ambiguous(text, &tokens) {
            // Which tables are there now depends on the server.
            self.doubt();
        } else {
            self.names.follow(&act, self.path.as_deref(), &mut self.effects);
        }
    }

    fn lose(&mut self, mut loss: Loss, text: &str) {
        let is_unread = match &loss {
            Loss::Unread => true,
            Loss::Calls(called) => self.calls_unread(called),
            _ => false,
        };
        if is_unread {
            self.doubt();
            return self.add([Effect::new(EffectKind::Unread, Abridged(text).to_string(), Evidence::Text)]);
        }
        if matches!(loss, Loss::Server(_)) {
            return self.add(as_written(&loss, self.reading.grammar));
        }
        if let Loss::Type(retyped) = &mut loss {
            retyped.is_lenient |= self.is_lenient;
        }
        let Some(loss) = self.names.as_before(loss, self.path.as_deref()) else { return };
        let surroundings = Surroundings { current: self.current.as_deref(), path: self.path.as_deref() };
        let effects = match self.server.lost(&loss, surroundings) {
            Ok(Some(effects)) => effects,
            Ok(None) if self.is_missing(&loss) => Vec::new(),
            // Without an answer of the catalogue, the text has to do.
            Ok(None) | Err(_) => as_written(&loss, self.reading.grammar),
        };
        self.add(effects);
    }

    /// Notes the triggers that a statement fires by writing to a table, if they delete something. A statement that deletes is asked about
    /// itself.
    fn fire(&mut self, table: &ObjectName, tokens: &[Token<'_>]) {
        let mut write = Write::of(tokens);
        if write.events.is_empty() {
            return;
        }
        // The catalogue has the names of columns as they were.
        if self.has_renamed || !self.is_known || !self.reading.grammar.folds {
            write.names.clear();
        }
        let surroundings = Surroundings { current: self.current.as_deref(), path: self.path.as_deref() };
        let before = |table: &ObjectName| match self
            .names
            .as_before(Loss::Overwritten(table.clone()), surroundings.path)
        {
            Some(Loss::Overwritten(table)) => Some(table),
            _ => None,
        };
        let server = &mut *self.server;
        let by_script = self.triggers.of_scripts(table, &write, |emptied| {
            let Some(emptied) = before(emptied) else { return false };
            let is_there = server.lost(&Loss::Overwritten(emptied), surroundings);
            is_there.is_ok_and(|found| found.is_some())
        });
        let by_catalogue =
            before(table).and_then(|table| self.triggers.of_catalogue(server, &table, write, surroundings));
        let found = [(by_catalogue, Evidence::Catalog), (by_script, Evidence::Text)];
        for (trigger, evidence) in found {
            let shown = |trigger| Effect::new(EffectKind::Unread, format!("{trigger} ON {table}"), evidence);
            self.add(trigger.map(shown));
        }
    }

    /// From here on it is not known what is there.
    fn doubt(&mut self) {
        self.is_known = false;
        self.names.forget_vacant();
    }

    fn add(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            let is_same = |known: &Effect| {
                (known.kind, &known.object, &known.column) == (effect.kind, &effect.object, &effect.column)
            };
            if !self.effects.iter().any(is_same) {
                self.effects.push(effect);
            }
        }
    }

    /// Whether a statement calls a function that may change rows.
    fn calls_unread(&mut self, called: &[ObjectName]) -> bool {
        let mut all = called.to_vec();
        let mut place = 0;
        while let Some(name) = all.get(place) {
            match self.made.get(&name.name.to_lowercase()) {
                Some(None) => return true,
                Some(Some(calls)) => {
                    for call in calls {
                        if !all.contains(call) {
                            all.push(call.clone());
                        }
                    }
                }
                None => {}
            }
            place += 1;
        }
        // The rows of a table are thousands of statements with the same functions, and most words before a parenthesis are none: one question
        // is for all that are new.
        let is_new = |name: &&ObjectName| !self.functions.contains_key(&name.key());
        let new: Vec<ObjectName> = all.iter().filter(is_new).cloned().collect();
        let may_any = !new.is_empty() && self.server.has_unread(&new).unwrap_or(false);
        let is_one = new.len() == 1;
        for name in new {
            let mut may_change = || self.server.has_unread(std::slice::from_ref(&name)).unwrap_or(false);
            let may_change = may_any && (is_one || may_change());
            self.functions.insert(name.key(), may_change);
        }
        all.iter().any(|name| self.functions.get(&name.key()) == Some(&true))
    }

    /// Remembers what a function calls that a script creates. Several functions can have one name.
    fn make(&mut self, name: &ObjectName, calls: Option<Vec<ObjectName>>) {
        let known = self.made.entry(name.name.to_lowercase()).or_insert_with(|| Some(Vec::new()));
        match (known.as_mut(), calls) {
            (Some(known), Some(calls)) => known.extend(calls),
            _ => *known = None,
        }
    }

    /// Whether what is not there now is not there either when the statement runs, so that nothing is lost.
    fn is_missing(&self, loss: &Loss) -> bool {
        let is_created =
            |kind: &'static str, name: &ObjectName| self.created.contains(&(kind, name.name.to_lowercase()));
        self.is_known
            && match loss {
                Loss::Object(Dropped { kind, name, if_exists, .. }) => *if_exists || is_created(kind, name),
                Loss::Column { table, if_exists, .. } => *if_exists || is_created("table", table),
                Loss::Rows { table, .. } | Loss::Overwritten(table) | Loss::Replaced(table) => {
                    is_created("table", table)
                }
                _ => true,
            }
    }
}

/// The kind and the name of an object, for messages.
pub(super) fn described(kind: &str, name: &str) -> String {
    format!("{kind} `{name}`")
}

/// The effects of a loss without the catalogue.
fn as_written(loss: &Loss, grammar: &Grammar) -> Vec<Effect> {
    let effect = |kind, object: String| vec![Effect::new(kind, object, Evidence::Text)];
    match loss {
        Loss::Object(Dropped { kind, name, cascades, is_replaced, .. }) => {
            let shown = name.name.clone();
            match *kind {
                "table" if *is_replaced => effect(EffectKind::ReplacesTable, shown),
                "table" => effect(EffectKind::DropsTable, shown),
                "view" => effect(EffectKind::DropsView, shown),
                "index" => effect(EffectKind::DropsIndex, shown),
                "trigger" => effect(EffectKind::DropsTrigger, shown),
                "database" => effect(EffectKind::DropsDatabase, shown),
                // On MySQL, a schema is a database.
                "schema" if !grammar.folds => effect(EffectKind::DropsDatabase, shown),
                "schema" if *cascades => effect(EffectKind::DropsSchema, shown),
                kind @ ("sequence" | "role" | "user" | "publication" | "subscription") => {
                    effect(EffectKind::DropsObject, described(kind, &shown))
                }
                kind if *cascades => effect(EffectKind::DropsDependents, format!("{kind} `{shown}`")),
                _ => Vec::new(),
            }
        }
        Loss::Column { table, column, .. } => {
            vec![Effect::new(EffectKind::DropsColumn, table.name.clone(), Evidence::Text).column(column)]
        }
        Loss::Rows { table, .. } => effect(EffectKind::DeletesRows, table.name.clone()),
        Loss::Overwritten(table) | Loss::Replaced(table) => {
            effect(EffectKind::OverwritesRows, table.name.clone())
        }
        Loss::Moved(table) => effect(EffectKind::MovesRows, table.name.clone()),
        Loss::Volatile(table) => effect(EffectKind::MakesVolatile, table.name.clone()),
        Loss::Server(what) => effect(EffectKind::DropsObject, (*what).to_owned()),
        Loss::Owned(roles) => effect(EffectKind::DropsOwned, roles.join(", ")),
        // Whether another type can cut values depends on the one before.
        Loss::Type(_) | Loss::Charset { .. } | Loss::Calls(_) | Loss::Unread => Vec::new(),
    }
}
