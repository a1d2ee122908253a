//! [`Act`]: what a statement for a server does to tables and other objects, read from its words.

use super::Token;

/// What a statement does to tables and other objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// It creates an object.
    Creates {
        kind: &'static str,
        name: Name,
        is_temporary: bool,
        /// `OR REPLACE`: an object of that name is dropped first.
        replaces: bool,
        /// `IF NOT EXISTS`: it does nothing if there is an object of that name.
        may_exist: bool,
    },
    /// It drops objects.
    Drops {
        kind: &'static str,
        names: Vec<Name>,
        /// `IF EXISTS`: it does nothing for a name without an object.
        may_lack: bool,
    },
    /// It renames tables, one after the other.
    Renames(Vec<(Name, Name)>),
    /// It changes the definition of an existing object in another way, so that what refers to it may break.
    Alters,
    /// It changes rows of one table.
    Updates(Name),
    /// It deletes rows of one table.
    Deletes(Name),
    /// It may delete rows of every table that it names.
    Empties,
    /// It adds rows, perhaps those of another table, to this table if it is known.
    Copies(Option<Name>),
    /// It may do anything to rows that it does not name: it calls a routine.
    Calls,
    /// It does none of these.
    Other,
}

/// A name, and the schema that is written before it.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// Names are compared without their case, since some servers do so.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        let schema = |name: &Self| name.schema.as_ref().map(|schema| schema.to_lowercase());
        self.name.to_lowercase() == other.name.to_lowercase() && schema(self) == schema(other)
    }
}

impl Eq for Name {}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// How a server reads the names in a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    /// The character around a quoted name, which is doubled inside.
    pub(crate) quote: char,
    /// Whether a name without quotes is in lower case, however it is written.
    pub(crate) folds: bool,
    /// Whether a table that `ALTER TABLE` renames stays in its schema; else, it moves to the current one.
    pub(crate) stays_in_schema: bool,
}

/// The objects that have a definition.
const KINDS: [&str; 13] = [
    "table",
    "index",
    "view",
    "trigger",
    "function",
    "procedure",
    "sequence",
    "type",
    "domain",
    "schema",
    "database",
    "extension",
    "event",
];

impl Act {
    /// What a statement does. Quoted tokens include their quotes.
    pub(crate) fn of(tokens: &[Token<'_>], spelling: Spelling) -> Self {
        let mut words = Words { rest: tokens, spelling };
        words.act().unwrap_or(Self::Other)
    }
}

/// The tokens of a statement that are not read yet.
#[derive(Clone, Copy)]
struct Words<'t, 'a> {
    rest: &'t [Token<'a>],
    spelling: Spelling,
}

impl<'a> Words<'_, 'a> {
    fn act(&mut self) -> Option<Act> {
        let all = self.rest;
        let first = self.next()?;
        let Token::Word(first) = first else { return Some(Act::Copies(None)) };
        match first.to_ascii_lowercase().as_str() {
            "create" => self.creation(),
            "drop" => self.dropping(),
            "alter" => Some(self.alteration().unwrap_or_else(|| {
                let breaks = ["drop", "rename", "type", "change", "modify", "schema", "replace"];
                let may_break = all.iter().any(|token| breaks.iter().any(|word| token.is(word)));
                if may_break { Act::Alters } else { Act::Other }
            })),
            "rename" => {
                self.skip(&["table", "tables"]).then_some(())?;
                self.renames()
            }
            "delete" => Some(self.deletion().unwrap_or(Act::Empties)),
            "truncate" => Some(Act::Empties),
            "insert" | "replace" => {
                while self.skip(&["low_priority", "delayed", "high_priority", "ignore", "into"]) {}
                Some(Act::Copies(self.name()))
            }
            "copy" | "table" | "values" => Some(Act::Copies(None)),
            "update" => {
                self.skip(&["only"]);
                Some(Act::Updates(self.name()?))
            }
            "select" | "with" | "do" | "call" | "merge" | "execute" | "begin" | "explain" => {
                let empties = ["delete", "truncate", "merge", "drop"];
                // A body in quotes is one token.
                let is_meant = |token: &Token<'_>| {
                    let text = token.spelling().unwrap_or_default().to_ascii_lowercase();
                    empties.iter().any(|word| text.contains(word))
                };
                let calls = !first.eq_ignore_ascii_case("select") || calls_routine(all);
                Some(if all.iter().any(is_meant) {
                    Act::Empties
                } else if calls {
                    Act::Calls
                } else {
                    Act::Copies(None)
                })
            }
            _ => None,
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn is_at(&self, words: &[&str]) -> bool {
        self.rest.first().is_some_and(|token| words.iter().any(|word| token.is(word)))
    }

    /// Skips one of these words, and returns whether it was next.
    fn skip(&mut self, words: &[&str]) -> bool {
        let is_next = self.is_at(words);
        if is_next {
            self.next();
        }
        is_next
    }

    fn skip_mark(&mut self, mark: u8) -> bool {
        let is_next = self.rest.first() == Some(&Token::Mark(mark));
        if is_next {
            self.next();
        }
        is_next
    }

    /// Skips `IF EXISTS` or `IF NOT EXISTS`, and returns whether it was next.
    fn skip_exists(&mut self) -> bool {
        let is_next = self.skip(&["if"]);
        if is_next {
            self.skip(&["not"]);
            self.skip(&["exists"]);
        }
        is_next
    }

    fn kind(&mut self) -> Option<&'static str> {
        KINDS.into_iter().find(|kind| self.skip(&[kind]))
    }

    /// The next name, with its schema. Words that cannot be names here must be skipped before.
    fn name(&mut self) -> Option<Name> {
        let mut parts = vec![self.part()?];
        while self.skip_mark(b'.') {
            parts.push(self.part()?);
        }
        let name = parts.pop()?;
        Some(Name { schema: parts.pop(), name })
    }

    fn part(&mut self) -> Option<String> {
        let quote = self.spelling.quote;
        match self.next()? {
            Token::Word(name) if self.spelling.folds => Some(name.to_lowercase()),
            Token::Word(name) => Some(name.to_owned()),
            Token::Quoted(quoted) => {
                let name = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
                Some(name.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Token::Mark(_) => None,
        }
    }

    fn creation(&mut self) -> Option<Act> {
        const OPTIONS: [&str; 8] =
            ["global", "local", "unlogged", "unique", "materialized", "recursive", "aggregate", "foreign"];
        let (mut is_temporary, mut replaces) = (false, false);
        let kind = loop {
            if let Some(kind) = self.kind() {
                break kind;
            } else if self.skip(&["temp", "temporary"]) {
                is_temporary = true;
            } else if self.skip(&["or"]) {
                replaces = self.skip(&["replace"]);
            } else if self.skip(&["definer", "algorithm"]) {
                // `DEFINER = a@b`
                self.skip_mark(b'=');
                self.next()?;
                if self.skip_mark(b'@') {
                    self.next()?;
                }
            } else if self.skip(&["sql"]) {
                self.skip(&["security"]);
                self.next()?;
            } else if !self.skip(&OPTIONS) && !self.skip(&["fulltext", "spatial", "constraint"]) {
                return None;
            }
        };
        // `CREATE EVENT TRIGGER`
        if kind == "event" && self.is_at(&["trigger"]) {
            return None;
        }
        self.skip(&["concurrently"]);
        let may_exist = self.skip_exists();
        // `CREATE INDEX ON t`, `CREATE SCHEMA AUTHORIZATION a`
        if self.is_at(&["on", "authorization"]) {
            return None;
        }
        Some(Act::Creates { kind, name: self.name()?, is_temporary, replaces, may_exist })
    }

    fn dropping(&mut self) -> Option<Act> {
        self.skip(&["materialized", "foreign"]);
        let kind = self.kind()?;
        self.skip(&["concurrently"]);
        let may_lack = self.skip_exists();
        let mut names = vec![self.name()?];
        loop {
            // `DROP FUNCTION f(INT), g`
            if self.skip_mark(b'(') {
                while !self.skip_mark(b')') {
                    self.next()?;
                }
            }
            if !self.skip_mark(b',') {
                return Some(Act::Drops { kind, names, may_lack });
            }
            names.push(self.name()?);
        }
    }

    /// `ALTER TABLE a RENAME TO b`, `ALTER TABLE a ADD c INT, RENAME b`, `ALTER TABLE a SET SCHEMA b`.
    fn alteration(&mut self) -> Option<Act> {
        self.skip(&["online", "ignore"]);
        self.skip(&["table"]).then_some(())?;
        self.skip_exists();
        self.skip(&["only"]);
        let from = self.name()?;
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                token if token.is("rename") => {
                    if self.skip(&["column", "index", "key", "constraint", "attribute"]) {
                        continue;
                    }
                    let is_explicit = self.skip(&["to", "as"]) || self.skip_mark(b'=');
                    let mut to = self.name()?;
                    if self.spelling.stays_in_schema {
                        to.schema.clone_from(&from.schema);
                    }
                    // `RENAME a TO b` is about a column.
                    if is_explicit || !self.is_at(&["to"]) {
                        return Some(Act::Renames(vec![(from, to)]));
                    }
                }
                token if token.is("set") && self.skip(&["schema"]) => {
                    let to = Name { schema: Some(self.name()?.name), name: from.name.clone() };
                    return Some(Act::Renames(vec![(from, to)]));
                }
                _ => {}
            }
        }
        None
    }

    /// `RENAME TABLE a TO b, c TO d`, after the first two words.
    fn renames(&mut self) -> Option<Act> {
        let mut pairs = Vec::new();
        loop {
            self.skip_exists();
            let from = self.name()?;
            // `WAIT 10`
            while !self.skip(&["to"]) {
                self.next()?;
            }
            pairs.push((from, self.name()?));
            if !self.skip_mark(b',') {
                return Some(Act::Renames(pairs));
            }
        }
    }

    /// A deletion from one table, after the first word.
    fn deletion(&mut self) -> Option<Act> {
        while self.skip(&["low_priority", "quick", "ignore", "history"]) {}
        self.skip(&["from"]).then_some(())?;
        self.skip(&["only"]);
        let table = self.name()?;
        // `DELETE FROM a, b USING ...`, `DELETE FROM a.* USING ...`
        let is_one = !self.skip_mark(b',') && !self.skip_mark(b'.');
        is_one.then_some(Act::Deletes(table))
    }
}

/// Whether a query calls a function other than these, which change no rows.
fn calls_routine(words: &[Token<'_>]) -> bool {
    const HARMLESS: [&str; 18] = [
        "setval",
        "nextval",
        "currval",
        "set_config",
        "current_setting",
        "pg_get_serial_sequence",
        "max",
        "min",
        "count",
        "sum",
        "coalesce",
        "greatest",
        "now",
        "exists",
        "in",
        "from",
        "as",
        "values",
    ];
    let is_call = |pair: &[Token<'_>]| {
        pair[1] == Token::Mark(b'(')
            && pair[0]
                .spelling()
                .is_some_and(|name| !HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known)))
    };
    words.windows(2).any(is_call)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: Spelling = Spelling { quote: '"', folds: true, stays_in_schema: true };
    const BACKTICKS: Spelling = Spelling { quote: '`', folds: false, stays_in_schema: false };

    /// What a statement does, in words.
    fn said(act: &Act) -> String {
        let list = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match act {
            Act::Creates { kind, name, is_temporary, replaces, may_exist } => {
                let marks = [(*is_temporary, " temporary"), (*replaces, " replaces"), (*may_exist, " may")];
                let marks: String = marks.iter().filter(|(has, _)| *has).map(|(_, mark)| *mark).collect();
                format!("creates {kind} {name}{marks}")
            }
            Act::Drops { kind, names, may_lack } => {
                format!("drops {kind} {}{}", list(names), if *may_lack { " may" } else { "" })
            }
            Act::Renames(pairs) => {
                let pairs = pairs.iter().map(|(from, to)| format!("{from} to {to}"));
                format!("renames {}", pairs.collect::<Vec<_>>().join(", "))
            }
            Act::Alters => "alters".to_owned(),
            Act::Updates(table) => format!("updates {table}"),
            Act::Deletes(table) => format!("deletes {table}"),
            Act::Empties => "empties".to_owned(),
            Act::Copies(Some(to)) => format!("copies to {to}"),
            Act::Copies(None) => "copies".to_owned(),
            Act::Calls => "calls".to_owned(),
            Act::Other => String::new(),
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn standard_statements_do_what_their_words_say() {
        for (statement, expected) in [
            ("CREATE TABLE a (b INT)", "creates table a"),
            ("CREATE UNLOGGED TABLE IF NOT EXISTS S.\"A b\" AS SELECT 1", "creates table s.A b may"),
            ("CREATE TEMP TABLE a (b INT)", "creates table a temporary"),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", "creates view v replaces"),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1", "creates view v"),
            ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)", "creates index i may"),
            ("CREATE INDEX ON a (b)", ""),
            ("CREATE PUBLICATION p FOR TABLE a", ""),
            ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", ""),
            ("CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE sql AS 'DELETE FROM a'", "creates function f"),
            ("DROP TABLE a, b.c CASCADE", "drops table a b.c"),
            ("DROP TABLE IF EXISTS \"a\"\"b\"", "drops table a\"b may"),
            ("DROP FUNCTION f(INT, TEXT), g", "drops function f g"),
            ("DROP MATERIALIZED VIEW v", "drops view v"),
            ("DROP OWNED BY a", ""),
            ("ALTER TABLE IF EXISTS ONLY s.a RENAME TO b", "renames s.a to s.b"),
            ("ALTER TABLE a RENAME b TO c", "alters"),
            ("ALTER TABLE a RENAME COLUMN b TO c", "alters"),
            ("ALTER TABLE a SET SCHEMA s", "renames a to s.a"),
            ("ALTER TABLE a ADD COLUMN b INT DEFAULT (1)", ""),
            ("ALTER TABLE a ALTER b TYPE bigint", "alters"),
            ("ALTER TYPE e ADD VALUE 'drop'", "alters"),
            ("DELETE FROM ONLY a WHERE b = 1", "deletes a"),
            ("DELETE FROM a USING b WHERE a.c = b.c", "deletes a"),
            ("UPDATE ONLY a SET b = 1", "updates a"),
            ("TRUNCATE a, b", "empties"),
            ("INSERT INTO a SELECT * FROM b", "copies to a"),
            ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "empties"),
            ("WITH one AS (SELECT 1) INSERT INTO a SELECT * FROM one", "calls"),
            ("MERGE INTO a USING b ON a.c = b.c WHEN MATCHED THEN DELETE", "empties"),
            ("DO $$ BEGIN DELETE FROM a; END $$", "empties"),
            ("DO $$ BEGIN PERFORM f(); END $$", "calls"),
            ("SELECT setval('a_id_seq', (SELECT max(id) FROM a))", "copies"),
            ("SELECT purge(7)", "calls"),
            ("(SELECT 1)", "copies"),
            ("COMMENT ON TABLE a IS 'b'", ""),
        ] {
            let tokens = crate::sql::postgres::tokens(statement);
            assert_eq!(said(&Act::of(&tokens, STANDARD)), expected, "{statement}");
        }
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn statements_in_backticks_do_what_their_words_say() {
        for (statement, expected) in [
            ("CREATE TABLE `A``b` (c INT)", "creates table A`b"),
            ("CREATE OR REPLACE TABLE a (b INT)", "creates table a replaces"),
            (
                "CREATE DEFINER=`a`@`%` TRIGGER t BEFORE DELETE ON a FOR EACH ROW SET @b = 1",
                "creates trigger t",
            ),
            ("CREATE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW v AS SELECT 1", "creates view v"),
            ("CREATE TEMPORARY TABLE a LIKE b", "creates table a temporary"),
            ("CREATE FULLTEXT INDEX i ON a (b)", "creates index i"),
            ("/*!40000 DROP TABLE IF EXISTS `a` */", "drops table a may"),
            ("DROP INDEX i ON a", "drops index i"),
            ("RENAME TABLE a TO b, `c` TO d.e", "renames a to b, c to d.e"),
            ("ALTER TABLE x.a RENAME b", "renames x.a to b"),
            ("ALTER TABLE a ADD b INT, RENAME TO c", "renames a to c"),
            ("ALTER TABLE a ADD COLUMN b INT, RENAME AS c", "renames a to c"),
            ("ALTER TABLE a RENAME INDEX b TO c, RENAME COLUMN d TO e", "alters"),
            ("ALTER ONLINE TABLE a ENGINE = InnoDB", ""),
            ("DELETE LOW_PRIORITY QUICK FROM a WHERE b = 1", "deletes a"),
            ("DELETE a, b FROM a JOIN b USING (c)", "empties"),
            ("DELETE FROM a, b USING a JOIN b USING (c)", "empties"),
            ("INSERT IGNORE INTO a SELECT * FROM b", "copies to a"),
            ("REPLACE a VALUES (1)", "copies to a"),
            ("CALL p()", "calls"),
        ] {
            let tokens = crate::sql::mysql::tokens(statement);
            assert_eq!(said(&Act::of(&tokens, BACKTICKS)), expected, "{statement}");
        }
    }
}
