//! [`Uncopied`]: the columns that a rebuild does not copy, although both tables have them.

use rusqlite::Connection;

use super::affinity::{changes_as_float, changes_as_number, is_floating};
use super::definition::Definition;
use super::successor::is_primary;
use crate::account::StepFinding;
use crate::backend::sqlite::client::literal;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::query::value;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{Token, Tokens, same_name};

/// How many rows of the new table are looked at first.
const FIRST_ROWS: u32 = 100;

/// How many rows of which every value differs are looked for under another number.
const TRIED: u32 = 20;

/// A table that is about to be dropped, and the one that will take its name.
pub(super) struct Uncopied<'t> {
    pub(super) conn: &'t Connection,
    pub(super) old: &'t str,
    pub(super) new: &'t str,
    /// The definition of the old one.
    pub(super) definition: &'t Definition,
    /// The rows of the new one, and the statements that filled it from other tables.
    pub(super) rows: u64,
    pub(super) copies: &'t [(Option<u64>, String)],
    /// How many rows other statements changed in the new one.
    pub(super) changed: u64,
}

/// A column of both tables.
pub(super) struct Column {
    pub(super) name: String,
    /// Its default in the new one.
    default: Option<String>,
    /// Its old type, and its new one.
    types: [String; 2],
    /// Whether it belongs to the primary key of either one.
    is_key: bool,
}

impl Column {
    /// What a row that does not set it has, as an expression. A time, for example, is another one when it is asked for again, so that of
    /// the first row is taken.
    pub(super) fn usual(&self, table: &str) -> String {
        match &self.default {
            None => "NULL".to_owned(),
            Some(_) if self.is_computed() => {
                format!("(SELECT {} FROM main.{table} LIMIT 1)", quote(&self.name))
            }
            Some(default) => format!("({})", expression(default)),
        }
    }

    /// Whether a row of the new table has something else, as an expression.
    fn is_other(&self, table: &str) -> String {
        format!("{} IS NOT {}", quote(&self.name), self.usual(table))
    }

    pub(super) fn is_computed(&self) -> bool {
        self.default.as_deref().is_some_and(is_computed)
    }
}

impl Uncopied<'_> {
    /// The findings about a table with this name, each with its column.
    pub(super) fn findings(&self, table: &str) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let (mut shared, generated) = self.shared()?;
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        let mut findings = self.numbered(table, &shared)?;
        let key: Vec<&Column> = shared.iter().filter(|column| column.is_key).collect();
        if !key.is_empty() {
            let same = |column: &&Column| format!("new.{0} = old.{0}", quote(&column.name));
            let rows = format!(
                "main.{} AS old JOIN main.{} AS new ON {}",
                quote(self.old),
                quote(self.new),
                key.iter().map(same).collect::<Vec<_>>().join(" AND ")
            );
            findings.extend(self.rounded(table, &shared, &rows)?);
            findings.extend(self.computed(table, &generated, &rows)?);
        }
        self.retain_comparable(&mut shared);
        if shared.is_empty() {
            return Ok(findings);
        }
        for (column, had) in self.emptied(&shared)? {
            findings.push((column.name.clone(), self.finding(table, column, had)));
        }
        if let Some((key, number)) = self.renumbered(&shared)? {
            let finding = Self::renumbering(table, &key, number);
            findings.push((key, finding));
        }
        Ok(findings)
    }

    /// The finding about a column that has nothing of the values that it had.
    pub(super) fn finding(&self, table: &str, column: &Column, had: u64) -> StepFinding {
        let name = &column.name;
        let values = if had == 1 { "1 value".to_owned() } else { format!("{had} values") };
        let words = if self.has_others() {
            format!("replaces `{table}` and does not copy {values} of its column `{name}`")
        } else {
            let has = if column.default.is_some() { "only its default" } else { "none" };
            format!("replaces `{table}`, whose column `{name}` had {values} and has {has} now")
        };
        StepFinding::new(ProblemKind::ValuesChanged, words, format!("copy `{name}` into the new table"))
    }

    /// The finding about a primary key, given a number that belongs to another row now or to none.
    pub(super) fn renumbering(table: &str, key: &str, number: i64) -> StepFinding {
        StepFinding::new(
            ProblemKind::ValuesChanged,
            format!(
                "replaces `{table}` and numbers its rows anew, so {key} = {number} is not the row that it was"
            ),
            "copy the primary key into the new table, so that what refers to a row finds it",
        )
    }

    /// Whether the new table has rows that were not copied.
    fn has_others(&self) -> bool {
        let copied: Option<u64> = self.copies.iter().map(|(rows, _)| *rows).sum();
        !self.copies.is_empty() && copied.is_some_and(|copied| copied < self.rows)
    }

    /// Whether no statement gave a row that was copied a value of a column, although rows that were added may have one.
    fn is_left_out(&self, column: &Column) -> bool {
        let name = quote(&column.name);
        let is_out = |(_, own): &(Option<u64>, String)| lists(own, &name) == Some(false);
        self.changed == 0 && self.has_others() && self.copies.iter().all(is_out)
    }

    /// The columns that both have, and the names of those that are generated in the new one and were not in the old one. Other generated columns
    /// of the new one are left out.
    pub(super) fn shared(&self) -> rusqlite::Result<(Vec<Column>, Vec<String>)> {
        let mut columns = self.conn.prepare(
            "SELECT new.name, new.dflt_value, old.type, new.type, old.pk + new.pk > 0, new.hidden > 0
            FROM pragma_table_xinfo(?1, 'main') AS old
            JOIN pragma_table_xinfo(?2, 'main') AS new ON new.name = old.name COLLATE NOCASE
            WHERE old.hidden <> 1 AND (new.hidden = 0 OR new.hidden IN (2, 3) AND old.hidden = 0)",
        )?;
        let mut rows = columns.query([self.old, self.new])?;
        let (mut stored, mut generated) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let types = [row.get(2)?, row.get(3)?];
            let column = Column { name: row.get(0)?, default: row.get(1)?, types, is_key: row.get(4)? };
            if row.get(5)? { generated.push(column.name) } else { stored.push(column) }
        }
        Ok((stored, generated))
    }

    /// The columns of which each copied row has the default or `NULL` now, and how many other values they had.
    fn emptied<'c>(&self, shared: &'c [Column]) -> rusqlite::Result<Vec<(&'c Column, u64)>> {
        let [old, new] = [self.old, self.new].map(quote);
        let empty = self.empty(shared)?;
        let values = |column: &Column| {
            format!("sum({} IS NOT NULL AND {})", quote(&column.name), column.is_other(&new))
        };
        let had = self.numbers(&empty, values, &format!("main.{old}"), 0)?;
        Ok(empty.into_iter().zip(had).filter(|(_, had)| *had > 0).collect())
    }

    /// The columns of which each copied row has the default or `NULL` now. The first rows usually have others; the new table is read at most
    /// once for the columns that do not show it.
    pub(super) fn empty<'c>(&self, shared: &'c [Column]) -> rusqlite::Result<Vec<&'c Column>> {
        let new = quote(self.new);
        let has_values = |column: &Column| format!("max({})", column.is_other(&new));
        let names = shared.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
        let first = format!("(SELECT {names} FROM main.{new} LIMIT {FIRST_ROWS})");
        let (left_out, mut empty): (Vec<&Column>, Vec<&Column>) =
            shared.iter().partition(|column| self.is_left_out(column));
        for from in [first, format!("main.{new}")] {
            let has_values = self.numbers(&empty, has_values, &from, 1)?;
            empty =
                empty.into_iter().zip(has_values).filter(|(_, has)| *has == 0).map(|(it, _)| it).collect();
        }
        empty.extend(left_out);
        Ok(empty)
    }

    /// Leaves the columns whose values show whether they were copied. The computed default of a single row may be a value that was.
    pub(super) fn retain_comparable(&self, columns: &mut Vec<Column>) {
        columns.retain(|column| !column.is_key && (self.rows > 1 || !column.is_computed()));
    }

    /// The findings about columns whose type makes numbers of texts now. A text that a number has too, such as `36`, is not changed.
    fn numbered(&self, table: &str, shared: &[Column]) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let mut findings = Vec::new();
        for Column { name: column, types: [was, is], .. } in shared {
            if !self.definition.is_number_in(self.conn, self.new, [was, is])? {
                continue;
            }
            let name = quote(column);
            let where_new = format!(
                "EXISTS (SELECT 1 FROM main.{} WHERE typeof({name}) IN ('integer', 'real'))",
                quote(self.new)
            );
            let from = format!("main.{} WHERE {where_new}", quote(self.old));
            if let Some((texts, sample)) = self.changed(&from, &name, &changes_as_number(&name))? {
                let what = if texts == 1 {
                    format!("the text {sample} became a number")
                } else {
                    format!("{texts} texts such as {sample} became numbers")
                };
                findings.push((column.clone(), retyped(table, (column, was, is), &what, Kept::Texts)));
            }
        }
        Ok(findings)
    }

    /// The findings about columns whose type makes `REAL` of whole numbers now, which has 53 bits for them, given the rows of both tables.
    fn rounded(
        &self,
        table: &str,
        shared: &[Column],
        rows: &str,
    ) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let mut findings = Vec::new();
        for Column { name: column, types: [was, is], .. } in shared {
            if !is_floating(is) || is_floating(was) {
                continue;
            }
            let [old, new] = ["old", "new"].map(|table| format!("{table}.{}", quote(column)));
            let condition = format!("{} AND {new} = CAST({old} AS REAL)", changes_as_float(&old));
            if let Some((numbers, sample)) = self.changed(rows, &old, &condition)? {
                let what = if numbers == 1 {
                    format!("the number {sample} was rounded")
                } else {
                    format!("{numbers} numbers such as {sample} were rounded")
                };
                findings.push((column.clone(), retyped(table, (column, was, is), &what, Kept::Numbers)));
            }
        }
        Ok(findings)
    }

    /// The findings about columns that are generated now and have other values than were stored, given the rows of both tables. A difference that
    /// a calculation with `REAL` makes does not count.
    fn computed(
        &self,
        table: &str,
        generated: &[String],
        rows: &str,
    ) -> rusqlite::Result<Vec<(String, StepFinding)>> {
        let mut findings = Vec::new();
        for column in generated {
            let [old, new] = ["old", "new"].map(|table| format!("{table}.{}", quote(column)));
            let condition = format!(
                "{old} IS NOT NULL AND ({new} IS NULL OR {old} <> {new}
                    AND NOT (typeof({new}) = 'real' AND abs({old} - {new}) <= abs({new}) * 1e-12))"
            );
            if let Some((gone, sample)) = self.changed(rows, &old, &condition)? {
                let gone = if gone == 1 { "1 row".to_owned() } else { format!("{gone} rows") };
                let what = format!(
                    "replaces `{table}`, whose column `{column}` is computed now, with another value than was stored in {gone}, such as {sample}"
                );
                let remedy = "keep the stored values in a column of their own if they matter";
                findings.push((column.clone(), StepFinding::new(ProblemKind::ValuesChanged, what, remedy)));
            }
        }
        Ok(findings)
    }

    /// How many rows meet a condition, and a value of one of them; `None` if there are none, or the condition cannot be evaluated.
    fn changed(&self, from: &str, value: &str, condition: &str) -> rusqlite::Result<Option<(i64, String)>> {
        let sql = format!(
            "SELECT number, CASE typeof(sample) WHEN 'blob' THEN quote(sample) ELSE CAST(sample AS TEXT) END FROM
                (SELECT sum({condition}) AS number, min(CASE WHEN {condition} THEN {value} END) AS sample FROM {from})"
        );
        let read = self
            .conn
            .query_row(&sql, [], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<String>>(1)?)));
        let Some((Some(number @ 1..), Some(sample))) = known(read)? else { return Ok(None) };
        let sample: String = sample.chars().take(40).collect();
        Ok(Some((number, format!("`{sample}`"))))
    }

    /// An aggregate of each column, or `unknown` if it cannot be read, for example without a collation of the application.
    fn numbers(
        &self,
        columns: &[&Column],
        aggregate: impl Fn(&Column) -> String,
        from: &str,
        unknown: u64,
    ) -> rusqlite::Result<Vec<u64>> {
        let read = |columns: &[&Column]| -> rusqlite::Result<Option<Vec<u64>>> {
            let all: Vec<String> = columns.iter().map(|column| aggregate(column)).collect();
            let sql = format!("SELECT {} FROM {from}", all.join(", "));
            known(self.conn.query_row(&sql, [], |row| {
                let number = |place| row.get::<_, Option<i64>>(place);
                (0..columns.len())
                    .map(|place| Ok(number(place)?.unwrap_or_default().unsigned_abs()))
                    .collect()
            }))
        };
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(numbers) = read(columns)? {
            return Ok(numbers);
        }
        let alone = |column: &&Column| Ok(read(&[*column])?.map_or(unknown, |numbers| numbers[0]));
        columns.iter().map(alone).collect()
    }

    /// The primary key, and a number that belongs to another row than before or to none, if the rows were copied without their numbers.
    fn renumbered(&self, shared: &[Column]) -> rusqlite::Result<Option<(String, i64)>> {
        let key = self.definition.key();
        let [key] = &*key else { return Ok(None) };
        let is_given = |(_, own): &(Option<u64>, String)| lists(own, key) != Some(false);
        if self.copies.is_empty()
            || self.copies.iter().any(is_given)
            || !self.definition.numbers_rows()
            || !is_primary(self.conn, self.new, std::slice::from_ref(key))?
        {
            return Ok(None);
        }
        let [old, new] = [self.old, self.new].map(quote);
        let each = |form: &dyn Fn(&str) -> String, between: &str| {
            shared.iter().map(|column| form(&quote(&column.name))).collect::<Vec<_>>().join(between)
        };
        let differ = each(&|name| format!("old.{name} IS NOT new.{name}"), " AND ");
        let given = each(&|name| format!("new.{name}"), ", ");
        let is_other = each(&|name| format!("other.{name} IS here.{name}"), " AND ");
        // If all values of a row differ, they may have been changed on purpose. So it must also be another row of the old table.
        let sql = format!(
            "SELECT coalesce(
                (SELECT old.{key} FROM main.{old} AS old LEFT JOIN main.{new} AS new ON new.{key} = old.{key} WHERE new.{key} IS NULL LIMIT 1),
                (SELECT here.{key} FROM (
                    SELECT old.{key}, {given} FROM main.{old} AS old JOIN main.{new} AS new ON new.{key} = old.{key} WHERE {differ} LIMIT {TRIED}
                ) AS here WHERE EXISTS (SELECT 1 FROM main.{old} AS other WHERE other.{key} <> here.{key} AND {is_other}) LIMIT 1))"
        );
        let number: Option<Option<i64>> = known(value(self.conn, &sql, &[]))?;
        Ok(number.flatten().map(|number| (key.trim_matches('"').to_owned(), number)))
    }
}

/// What the old type of a column kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    Texts,
    Numbers,
}

/// The finding about a column whose new type changes values, in words, given what the old type kept.
pub(super) fn retyped(
    table: &str,
    (column, was, is): (&str, &str, &str),
    values: &str,
    kept: Kept,
) -> StepFinding {
    let was = if was.is_empty() { "had no type".to_owned() } else { format!("was {was}") };
    let reason = match kept {
        Kept::Texts => "its texts matter",
        Kept::Numbers => "its numbers must stay exact",
    };
    StepFinding::new(
        ProblemKind::ValuesChanged,
        format!("replaces `{table}`, whose column `{column}` {was} and is {is} now: {values}"),
        format!("keep the type of `{column}` if {reason}"),
    )
}

/// Whether a default may be another value when it is asked for again.
pub(super) fn is_computed(default: &str) -> bool {
    default.contains('(') || default.to_ascii_lowercase().starts_with("current_")
}

/// A default as an expression. SQLite takes a name without quotes, or in double quotes, for a text.
pub(super) fn expression(default: &str) -> String {
    let mut tokens = Tokens::new(default);
    let text = match (tokens.next(), tokens.next()) {
        (Some(Token::Word(word)), None) if !word.starts_with(|first: char| first.is_ascii_digit()) => {
            let is_value = ["null", "true", "false"].iter().any(|value| same_name(word, value));
            (!is_value).then(|| word.to_owned())
        }
        (Some(quoted @ Token::Quoted(_)), None) if !default.starts_with('\'') => {
            quoted.spelling().map(str::to_owned)
        }
        _ => None,
    };
    text.map_or_else(|| default.to_owned(), |text| literal(Some(&text)))
}

/// Whether the list of columns of an `INSERT` has a column, which is quoted; `None` if there is no list.
pub(super) fn lists(own: &str, column: &str) -> Option<bool> {
    let mut tokens = Tokens::new(own).skip_while(|token| !token.is("into")).skip(1).peekable();
    tokens.next()?;
    while tokens.next_if(|token| *token == Token::Mark(b'.') || token.is("as")).is_some() {
        tokens.next()?;
    }
    tokens.next_if_eq(&Token::Mark(b'('))?;
    let names = tokens.take_while(|token| *token != Token::Mark(b')'));
    Some(names.filter_map(Token::spelling).any(|name| same_name(&quote(name), column)))
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn the_columns_of_an_insert_are_read() {
        let rows = [
            ("INSERT INTO n (a, b) SELECT a, b FROM o", Some(false)),
            ("INSERT OR IGNORE INTO main.n AS x (\"ID\", b) SELECT * FROM o", Some(true)),
            ("REPLACE INTO [n](b,id) SELECT * FROM o", Some(true)),
            ("INSERT INTO n SELECT * FROM o", None),
            ("INSERT INTO n DEFAULT VALUES", None),
            ("INSERT INTO", None),
        ];
        for (own, expected) in rows {
            assert_eq!(lists(own, "\"id\""), expected, "{own}");
        }
    }
}
