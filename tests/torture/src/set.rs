//! The migrations, and the three programs that have some of them.
//!
//! Each script writes to the ledger, an ordinary table, so a script that ran twice, or in part, is seen.

use rusqlite::Connection;
use switchy_schema::{Direction, Migration, Record};

/// Something in the schema that a statement makes, and another one removes.
pub(crate) struct Effect {
    /// A query whose result is 1 if it is there.
    pub(crate) query: String,
    made_by: u32,
    undone_by: u32,
}

/// What a migration appends to the text of each row that is there. Its down script removes it.
pub(crate) struct Mark {
    pub(crate) text: &'static str,
    made_by: u32,
}

/// One migration. In a script, the statement `S` writes to the ledger.
pub(crate) struct Step {
    pub(crate) id: &'static str,
    kind: Kind,
    up: Vec<&'static str>,
    down: Vec<&'static str>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) marks: Vec<Mark>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Atomic,
    NonTransactional,
    Code,
}

/// A program, which has some of the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Old,
    /// Newer, and without the migration `05_late`, which is merged later.
    Branch,
    New,
}

impl Program {
    fn has(self, id: &str) -> bool {
        match self {
            Self::Old => id < "08" && id != "05_late",
            Self::Branch => id < "11" && id != "05_late",
            Self::New => true,
        }
    }

    pub(crate) fn migrations(self) -> Vec<Migration> {
        steps().iter().filter(|step| self.has(step.id)).map(Step::migration).collect()
    }
}

/// How far a migration is, according to its record.
fn is_there(record: Option<&Record>, made_by: u32, undone_by: u32) -> bool {
    let Some(record) = record else { return false };
    record.dirty.as_ref().is_none_or(|dirty| {
        let next = dirty.statement.unwrap_or(1);
        match dirty.direction {
            Direction::Up => made_by < next,
            Direction::Down => undone_by >= next,
        }
    })
}

impl Effect {
    pub(crate) fn is_due(&self, record: Option<&Record>) -> bool {
        is_there(record, self.made_by, self.undone_by)
    }
}

impl Mark {
    /// Whether rows may have the mark. All marks are removed by the first statement of a down script.
    pub(crate) fn is_due(&self, record: Option<&Record>) -> bool {
        is_there(record, self.made_by, 1)
    }
}

impl Step {
    fn new(id: &'static str, up: &[&'static str], down: &[&'static str]) -> Self {
        Self {
            id,
            kind: Kind::Atomic,
            up: up.to_vec(),
            down: down.to_vec(),
            effects: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// With a table, an index or a trigger that the up and the down script make and drop.
    fn makes(mut self, name: &str) -> Self {
        let at = |script: &[&str], verb: &str| {
            let is_it =
                |sql: &&str| sql.starts_with(verb) && sql.split([' ', ';', '(']).any(|word| word == name);
            script.iter().position(is_it).map_or(0, |at| u32::try_from(at).unwrap_or(0) + 1)
        };
        let query = format!("SELECT count(*) FROM sqlite_master WHERE name = '{name}'");
        let (made_by, undone_by) = (at(&self.up, "CREATE"), at(&self.down, "DROP"));
        assert!(made_by > 0 && undone_by > 0, "{}: {name}", self.id);
        self.effects.push(Effect { query, made_by, undone_by });
        self
    }

    fn has(mut self, query: &str) -> Self {
        self.effects.push(Effect { query: query.to_owned(), made_by: 1, undone_by: 1 });
        self
    }

    fn marks(mut self, text: &'static str, made_by: u32) -> Self {
        self.marks.push(Mark { text, made_by });
        self
    }

    pub(crate) fn is_atomic(&self) -> bool {
        self.kind != Kind::NonTransactional
    }

    /// The numbers of the statements that write to the ledger.
    pub(crate) fn ledger(&self, direction: Direction) -> Vec<u32> {
        (1..)
            .zip(self.statements(direction))
            .filter(|(_, sql)| **sql == "S")
            .map(|(number, _)| number)
            .collect()
    }

    fn statements(&self, direction: Direction) -> &[&'static str] {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn script(&self, direction: Direction) -> String {
        let id = self.id;
        let statement = |(number, sql): (u32, &&str)| match *sql {
            "S" => format!("INSERT INTO ledger VALUES (stamp(), '{id}', '{direction}', {number});\n"),
            sql => format!("{sql};\n"),
        };
        (1..).zip(self.statements(direction)).map(statement).collect()
    }

    fn migration(&self) -> Migration {
        let (up, down) = (self.script(Direction::Up), self.script(Direction::Down));
        let down = Some(down).filter(|down| !down.is_empty());
        match self.kind {
            Kind::Code => Migration::function(self.id, move |conn: &Connection| conn.execute_batch(&up))
                .undo(move |conn: &Connection| conn.execute_batch(down.as_deref().unwrap_or_default())),
            Kind::Atomic => Migration::from_scripts(self.id, up, down),
            Kind::NonTransactional => Migration::from_scripts(self.id, up, down).outside_transaction(),
        }
    }
}

const LEDGER: &str = "CREATE TABLE ledger (stamp INTEGER PRIMARY KEY, migration, direction, statement)";
const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL, rev INTEGER NOT NULL)";
const STRICTER: &str = "CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL CHECK (body LIKE 'note %'), rev INTEGER NOT NULL,
    points INTEGER NOT NULL DEFAULT 0)";
const LOOSER: &str =
    "CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL, rev INTEGER NOT NULL,
    points INTEGER NOT NULL DEFAULT 0)";
const FILL: &str = "INSERT INTO new_notes (id, body, rev, points) SELECT id, body, rev, points FROM notes";
const DROP: &str = "DROP TABLE notes";
const RENAME: &str = "ALTER TABLE new_notes RENAME TO notes";
const INDEX: &str = "CREATE INDEX by_rev ON notes (rev)";

/// All migrations, in order. The first one creates what the writers use, and has no down script.
pub(crate) fn steps() -> Vec<Step> {
    vec![
        Step::new("01_notes", &[LEDGER, NOTES, "S"], &[])
            .has("SELECT count(*) FROM sqlite_master WHERE name = 'notes'"),
        Step::new("02_index", &["S", INDEX], &["S", "DROP INDEX by_rev"]).makes("by_rev"),
        Step::new(
            "03_code",
            &["UPDATE notes SET body = body || '+3'", "S"],
            &["UPDATE notes SET body = replace(body, '+3', '')", "S"],
        )
        .kind(Kind::Code)
        .marks("+3", 1),
        Step::new(
            "04_column",
            &["ALTER TABLE notes ADD points INTEGER NOT NULL DEFAULT 0", "UPDATE notes SET points = points + 1", "S"],
            &["S", "ALTER TABLE notes DROP COLUMN points"],
        )
        .has("SELECT count(*) FROM pragma_table_info('notes') WHERE name = 'points'"),
        Step::new(
            "05_late",
            &["CREATE TABLE late AS SELECT id FROM notes", "UPDATE notes SET body = body || '+5'", "S"],
            &["UPDATE notes SET body = replace(body, '+5', '')", "S", "DROP TABLE late"],
        )
        .makes("late")
        .marks("+5", 2),
        Step::new("06_rebuild", &[STRICTER, FILL, DROP, RENAME, INDEX, "S"], &["S", LOOSER, FILL, DROP, RENAME, INDEX])
            .has("SELECT count(*) FROM sqlite_master WHERE name = 'notes' AND sql LIKE '%LIKE ''note%'"),
        Step::new(
            "07_outside",
            &[
                "S",
                "CREATE TABLE outside_a (x)",
                "S",
                "UPDATE notes SET body = body || '+7'",
                "S",
                "CREATE INDEX outside_by_body ON notes (body)",
                "S",
            ],
            &[
                "UPDATE notes SET body = replace(body, '+7', '')",
                "S",
                "DROP INDEX outside_by_body",
                "S",
                "DROP TABLE outside_a",
                "S",
            ],
        )
        .kind(Kind::NonTransactional)
        .makes("outside_a")
        .makes("outside_by_body")
        .marks("+7", 4),
        Step::new(
            "08_trigger",
            &[
                "CREATE TABLE audit (id)",
                "CREATE TRIGGER audit_insert AFTER INSERT ON notes BEGIN INSERT INTO audit VALUES (new.id); END",
                "S",
            ],
            &["S", "DROP TRIGGER audit_insert", "DROP TABLE audit"],
        )
        .makes("audit")
        .makes("audit_insert"),
        Step::new(
            "09_children",
            &[
                "CREATE TABLE children (note REFERENCES notes ON DELETE CASCADE)",
                "INSERT INTO children SELECT id FROM notes",
                "S",
            ],
            &["S", "DROP TABLE children"],
        )
        .makes("children"),
        Step::new(
            "10_data",
            &["S", "UPDATE notes SET body = body || '+10'", "S"],
            &["UPDATE notes SET body = replace(body, '+10', '')", "S"],
        )
        .marks("+10", 2),
        Step::new("11_vacuum", &["S", "VACUUM", "S", "CREATE TABLE packed (x)", "S"], &["DROP TABLE packed", "S"])
            .kind(Kind::NonTransactional)
            .makes("packed"),
        Step::new(
            "12_last",
            &["CREATE TABLE totals AS SELECT count(*) AS n FROM notes", "S", "UPDATE notes SET body = body || '+12'"],
            &["UPDATE notes SET body = replace(body, '+12', '')", "DROP TABLE totals", "S"],
        )
        .makes("totals")
        .marks("+12", 3),
    ]
}
