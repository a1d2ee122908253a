//! [`Body`] and [`Trigger`]: the routine or trigger that a statement creates.

use super::quoted::text_inside;
use super::words::Words;
use super::{Grammar, ObjectName};
use crate::sql::Token;

/// What a new routine or trigger does when it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// The tables that it deletes rows of.
    pub(crate) emptied: Vec<ObjectName>,
    /// The routines that it calls.
    pub(crate) calls: Vec<ObjectName>,
}

/// A trigger that a statement creates, or a rule that acts as one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) table: ObjectName,
    /// `INSERT`, `UPDATE` and `DELETE`, as far as they fire it.
    pub(crate) events: Vec<&'static str>,
    /// The columns of `UPDATE OF`; none if all columns count.
    pub(crate) columns: Vec<String>,
    pub(crate) body: Body,
}

impl Body {
    /// What a routine does, by the tokens of the statement that creates it. A text in its body counts only if it can be run.
    pub(crate) fn of(tokens: &[Token<'_>], grammar: &Grammar) -> Self {
        let mut body = Self { emptied: Vec::new(), calls: Vec::new() };
        body.add(tokens, grammar);
        // On PostgreSQL the body of a function is a text.
        for text in texts(tokens).filter(|_| grammar.folds) {
            let tokens = (grammar.tokens)(&text);
            body.add(&tokens, grammar);
            for run in texts(&tokens).filter(|_| tokens.iter().any(|token| token.is("execute"))) {
                let run = (grammar.tokens)(&run);
                if run.first().is_some_and(|first| first.is_any(&["delete", "truncate", "with"])) {
                    body.add(&run, grammar);
                }
            }
        }
        body
    }

    fn add(&mut self, tokens: &[Token<'_>], grammar: &Grammar) {
        self.emptied.extend(Words::new(tokens, grammar).emptied_here());
        self.calls.extend(Words::new(tokens, grammar).called());
        // `CALL p`
        for place in (1..tokens.len()).filter(|place| tokens[place - 1].is("call")) {
            self.calls.extend(Words::new(&tokens[place..], grammar).name());
        }
    }
}

/// The texts among these tokens, without their quotes.
fn texts(tokens: &[Token<'_>]) -> impl Iterator<Item = String> {
    let quoted = tokens.iter().filter(|token| matches!(token, Token::Quoted(_)));
    quoted.filter_map(|token| {
        let quoted = token.spelling()?;
        let text = text_inside(quoted)?;
        Some(if quoted.ends_with('\'') { text.replace("''", "'") } else { text.to_owned() })
    })
}

/// The events that fire a trigger, as words and as they are written.
const EVENTS: [(&str, &str); 3] = [("insert", "INSERT"), ("update", "UPDATE"), ("delete", "DELETE")];

impl Trigger {
    /// A rule of PostgreSQL with its name, which acts as a trigger does: `CREATE RULE a AS ON INSERT TO b DO ALSO DELETE FROM c`
    pub(crate) fn of_rule(tokens: &[Token<'_>], grammar: &Grammar) -> Option<(String, Self)> {
        let mut words = Words::new(tokens, grammar);
        words.skip(&["create"]).then_some(())?;
        if words.skip(&["or"]) {
            words.skip(&["replace"]);
        }
        words.skip(&["rule"]).then_some(())?;
        let name = words.name()?.name;
        (words.skip(&["as"]) && words.skip(&["on"])).then_some(())?;
        let (_, event) = EVENTS.into_iter().find(|(event, _)| words.skip(&[event]))?;
        words.skip(&["to"]).then_some(())?;
        let table = words.name()?;
        let body = Body::of(words.rest, grammar);
        Some((name, Self { table, events: vec![event], columns: Vec::new(), body }))
    }

    /// The kind, the name and the table of the trigger or rule that a statement drops. On MySQL it does not name the table.
    pub(crate) fn dropped(
        tokens: &[Token<'_>],
        grammar: &Grammar,
    ) -> Option<(&'static str, ObjectName, Option<ObjectName>)> {
        let mut words = Words::new(tokens, grammar);
        words.skip(&["drop"]).then_some(())?;
        let kind = ["trigger", "rule"].into_iter().find(|kind| words.skip(&[kind]))?;
        words.skip_exists();
        let name = words.name()?;
        Some((kind, name, if words.skip(&["on"]) { words.name() } else { None }))
    }

    /// A trigger, by the tokens of the statement that creates it: `CREATE TRIGGER a BEFORE INSERT OR UPDATE OF b ON c ...`
    pub(crate) fn of(tokens: &[Token<'_>], grammar: &Grammar) -> Option<Self> {
        let time = tokens.iter().position(|token| token.is_any(&["before", "after", "instead"]))?;
        let on = time + tokens.get(time..)?.iter().position(|token| token.is("on"))?;
        let head = tokens.get(time..on)?;
        let is_fired = |(event, _): &(&str, &str)| head.iter().any(|token| token.is(event));
        let events = EVENTS.into_iter().filter(is_fired).map(|(_, event)| event).collect();
        let of = head.iter().position(|token| token.is("of") && !head[0].is("instead"));
        let named = of.map_or(&[][..], |of| &head[of + 1..]).iter().take_while(|token| !token.is("or"));
        let columns = named.filter_map(|token| Words::new(&[*token], grammar).part()).collect();
        let mut words = Words::new(tokens.get(on + 1..)?, grammar);
        Some(Self { table: words.name()?, events, columns, body: Body::of(words.rest, grammar) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(statement: &str, grammar: &Grammar) -> Option<String> {
        let list = |names: &[ObjectName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let it = Trigger::of(&(grammar.tokens)(statement), grammar)?;
        let events = it.events.join(" ");
        let columns = it.columns.join(" ");
        Some(format!(
            "{} {events} ({columns}), {}, {}",
            it.table,
            list(&it.body.emptied),
            list(&it.body.calls)
        ))
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn triggers_of_mysql() {
        for (statement, expected) in [
            ("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW DELETE FROM b", "a INSERT (), b, "),
            (
                "CREATE DEFINER = x@y TRIGGER IF NOT EXISTS t BEFORE DELETE ON s.a FOR EACH ROW BEGIN CALL p; CALL q(1); END",
                "s.a DELETE (), , q p q",
            ),
            ("CREATE TRIGGER t AFTER UPDATE ON a FOR EACH ROW SET @x = f(1)", "a UPDATE (), , f"),
        ] {
            let said = said(statement, &crate::sql::mysql::GRAMMAR);
            assert_eq!(said.as_deref(), Some(expected), "{statement}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn triggers_of_postgres() {
        for (statement, expected) in [
            (
                "CREATE TRIGGER t AFTER INSERT OR UPDATE OF x, \"Y\" ON a FOR EACH ROW EXECUTE FUNCTION s.f()",
                "a INSERT UPDATE (x Y), , s.f",
            ),
            ("CREATE TRIGGER t INSTEAD OF DELETE ON v EXECUTE PROCEDURE f()", "v DELETE (), , f"),
        ] {
            let said = said(statement, &crate::sql::postgres::GRAMMAR);
            assert_eq!(said.as_deref(), Some(expected), "{statement}");
        }
        let function = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM b; PERFORM g(1); RETURN new; END$$";
        let grammar = &crate::sql::postgres::GRAMMAR;
        let body = Body::of(&(grammar.tokens)(function), grammar);
        assert_eq!(body.emptied.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b"]);
        assert!(body.calls.iter().any(|call| call.name == "g"), "{:?}", body.calls);
    }
}
