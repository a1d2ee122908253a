//! [`Settings`]: what a script sets in the session of a client, and how it is set back.

use mysql::Conn;

use super::query::{column, fault, run};
use super::settings::{VOLATILE, set_role, variables};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::mysql::{GRAMMAR, statements};
use crate::sql::{Token, mentions};

/// The settings of the session that a script may change.
pub(super) struct Settings {
    /// The variables that it names.
    variables: Vec<String>,
    /// Statements for what is no variable.
    others: Vec<String>,
}

impl Settings {
    /// Reads a script. The session says which variables there are, and which of them it may set.
    pub(super) fn of(conn: &mut Conn, script: &str) -> Result<Self, Fault> {
        let mut named = variables(conn, "")?;
        named.retain(|name, _| !VOLATILE.contains(&name.as_str()) && mentions(script, name));
        let may_set = |name: &String| run(conn, &format!("SET SESSION {name} = @@SESSION.{name}")).is_ok();
        let variables = named.into_keys().filter(may_set).collect();
        let pieces = statements(script).unwrap_or_default();
        let pieces: Vec<Vec<Token<'_>>> = pieces.iter().map(|piece| (GRAMMAR.tokens)(piece.text)).collect();
        let sets = |what: &[&str]| {
            let is_one = |two: &[Token<'_>]| two[0].is("set") && two[1].is_any(what);
            pieces.iter().any(|tokens| tokens.windows(2).any(is_one))
        };
        let mut others = Vec::new();
        if sets(&["names", "charset", "character"]) {
            others.push("SET NAMES utf8mb4".to_owned());
        }
        if sets(&["role"]) {
            let role = column::<String>(conn, "SELECT CURRENT_ROLE()").map_err(fault)?;
            others.push(set_role(role.as_deref()));
        }
        if pieces.iter().any(|tokens| tokens.first().is_some_and(|first| first.is("use"))) {
            let database = column::<String>(conn, "SELECT DATABASE()").map_err(fault)?;
            others.extend(database.map(|database| format!("USE {}", quote_in(&database, '`'))));
        }
        Ok(Self { variables, others })
    }

    /// The statement that keeps the variables before the script.
    pub(super) fn remembered(&self) -> String {
        self.assigned(|name| format!("@switchy_{name} = @@SESSION.{name}"))
    }

    /// The statements that set everything back after the script.
    pub(super) fn set_back(&self) -> String {
        let variables = self.assigned(|name| format!("SESSION {name} = @switchy_{name}"));
        let others = self.others.iter().map(|other| format!("{other};"));
        others.chain((!variables.is_empty()).then_some(variables)).collect::<Vec<_>>().join("\n")
    }

    fn assigned(&self, assignment: impl Fn(&String) -> String) -> String {
        if self.variables.is_empty() {
            return String::new();
        }
        format!("SET {};", self.variables.iter().map(assignment).collect::<Vec<_>>().join(", "))
    }
}
