//! Detects the tool of a history from the names and columns of tables.

use super::adoption::Adopt;
use super::form::{Form, Others};
use super::tool::Tool;
use super::tool_history::{listed, quoted};
use super::tools::{FORMS, USER_VERSION};
use crate::dialect::{Dialect, TableName};
use crate::objection::Objection;
use crate::remedy::Remedy;

/// A table that may belong to a tool, and the form in which it is read.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) form: &'static Form,
    pub(crate) table: TableName,
}

impl Chosen {
    /// The place of the history, for messages.
    pub(crate) fn place(&self) -> String {
        self.table.to_string()
    }
}

/// A table that exists.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) table: TableName,
    pub(crate) columns: Vec<String>,
}

impl Seen {
    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
    }

    fn fits(&self, form: &Form) -> bool {
        form.columns.iter().all(|column| self.has(column))
            && (form.others == Others::Allowed || self.is_all(form))
    }

    /// Whether all its columns are known.
    fn is_all(&self, form: &Form) -> bool {
        let is_known = |column: &String| form.reads().any(|known| column.eq_ignore_ascii_case(known));
        self.columns.iter().all(is_known)
    }
}

/// All tables that may contain a history, and the tables that distinguish two tools.
pub(crate) fn candidates(
    how: &Adopt,
    dialect: Dialect,
    schema: Option<&str>,
) -> (Vec<Chosen>, Vec<TableName>) {
    let in_schema = |table: TableName, schema: Option<&str>| match schema {
        Some(schema) => table.in_schema(schema).ok(),
        None => Some(table),
    };
    let (mut candidates, mut besides) = (Vec::new(), Vec::new());
    for form in FORMS.iter().filter(|form| how.tool.is_none_or(|tool| tool == form.tool)) {
        let Some(table) = how.table.clone().or_else(|| TableName::new(form.table).ok()) else { continue };
        let own = form.schema.filter(|_| dialect == Dialect::Postgres);
        for schema in [schema, own].into_iter().take(if own.is_some() { 2 } else { 1 }) {
            candidates.extend(in_schema(table.clone(), schema).map(|table| Chosen { form, table }));
        }
        let beside = form.beside.and_then(|beside| TableName::new(beside).ok());
        besides.extend(beside.and_then(|beside| in_schema(beside, schema)));
    }
    (candidates, besides)
}

/// Chooses the only history.
///
/// # Errors
/// There is none, there are several, or a table has the name of a history but not its columns.
pub(crate) fn choose(
    how: &Adopt,
    candidates: &[Chosen],
    seen: &[Seen],
    user_version: Option<i64>,
) -> Result<Chosen, Objection> {
    let find = |table: &TableName| seen.iter().find(|seen| seen.table == *table);
    let is_beside = |form: &Form| {
        let beside = |name: &str| seen.iter().any(|seen| seen.table.as_str() == name);
        form.beside.is_none_or(|name| how.tool.is_some() || beside(name))
    };
    let fits = |chosen: &&Chosen| {
        find(&chosen.table).is_some_and(|seen| seen.fits(chosen.form)) && is_beside(chosen.form)
    };
    let mut found: Vec<&Chosen> = candidates.iter().filter(fits).collect();
    if how.table.is_some() && how.tool.is_none() {
        // The name does not identify the tool, so the columns must: a table with more columns than a tool creates is
        // not that tool's.
        found.retain(|chosen| {
            chosen.form.columns.len() > 1 || find(&chosen.table).is_some_and(|seen| seen.is_all(chosen.form))
        });
        found.sort_by_key(|chosen| std::cmp::Reverse(chosen.form.columns.len()));
    }
    // The forms of one table are in the order in which they are tried.
    found = found.iter().enumerate().fold(Vec::new(), |mut kept: Vec<&Chosen>, (_, &chosen)| {
        if !kept.iter().any(|other| other.table == chosen.table) {
            kept.push(chosen);
        }
        kept
    });
    let header = || {
        let table = TableName::new(USER_VERSION.table).unwrap_or_default();
        Chosen { form: &USER_VERSION, table }
    };
    let chosen = match (&*found, how.tool) {
        (_, Some(Tool::UserVersion)) if user_version.is_some() => Ok(header()),
        (_, Some(Tool::UserVersion)) => {
            Err(Objection::new("this database has no `user_version`, which is SQLite's", Remedy::NameTool))
        }
        ([only], _) => Ok((*only).clone()),
        ([], None) if how.table.is_none() && user_version.is_some_and(|number| number != 0) => Ok(header()),
        ([], _) => Err(nothing(how, candidates, seen)),
        (several, _) => {
            let several: Vec<String> =
                several.iter().map(|chosen| format!("{} (`{}`)", chosen.form.tool, chosen.table)).collect();
            let what = format!("there are the histories of several tools: {}", several.join(", "));
            Err(Objection::new(what, Remedy::NameTool))
        }
    }?;
    misplaced(how, chosen.form.tool).map_or(Ok(chosen), Err)
}

/// The objection to an option that has no meaning for this tool.
fn misplaced(how: &Adopt, tool: Tool) -> Option<Objection> {
    if how.app.is_some() && tool != Tool::Django {
        let what = format!("an application of Django was named, and this is the history of {tool}");
        return Some(Objection::new(what, Remedy::from("name no application").or(Remedy::NameTool)));
    }
    let table = how.table.as_ref().filter(|_| tool == Tool::UserVersion)?;
    let what = format!("the table `{table}` was named, and `user_version` is a number and no table");
    Some(Objection::new(what, Remedy::from("name no table").or(Remedy::NameTool)))
}

/// Why no history was found.
fn nothing(how: &Adopt, candidates: &[Chosen], seen: &[Seen]) -> Objection {
    let is_candidate = |seen: &&Seen| candidates.iter().any(|chosen| chosen.table == seen.table);
    if let Some(strange) = seen.iter().find(is_candidate) {
        let columns: Vec<String> = strange.columns.iter().map(|column| quoted(column)).collect();
        let mut tools: Vec<&str> = candidates
            .iter()
            .filter(|chosen| chosen.table == strange.table)
            .map(|chosen| chosen.form.tool.name())
            .collect();
        tools.dedup();
        let tools = match how.table {
            Some(_) if how.tool.is_none() => "any tool that is known".to_owned(),
            _ => tools.join(", "),
        };
        let what = format!(
            "`{}` has the columns {}, which is not what {tools} makes",
            strange.table,
            listed(&columns)
        );
        return Objection::new(what, Remedy::from("look whose table it is").or(Remedy::Baseline));
    }
    let what = match (how.tool, &how.table) {
        (_, Some(table)) => format!("there is no table `{table}`"),
        (Some(tool), None) => {
            let mut tables: Vec<String> =
                candidates.iter().map(|chosen| format!("`{}`", chosen.table)).collect();
            tables.dedup();
            format!("{tool} has no history here: there is no table {}", tables.join(" or "))
        }
        (None, None) => "there is no history of a tool that is known".to_owned(),
    };
    let remedy = Remedy::from("check which database this is")
        .or(Remedy::NameToolTable.only_if("the tool was told another name"))
        .or(Remedy::Baseline);
    Objection::new(what, remedy)
}
