//! The copy: the schema of the live database, in memory.

use std::collections::{BTreeMap, BTreeSet};

// The trait from rusqlite 0.35 on. Before that, `Batch` has a method of the same name and signature.
#[allow(unused_imports)]
use fallible_iterator::FallibleIterator;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Batch, Connection};

use super::objects;
use super::watch::{Rule, Watch, is_internal};
use crate::backend::sqlite::{Sqlite, fault, likeness, message};
use crate::backend::{ForecastRequest, Prepare};
use crate::dialect::{TableName, quote};
use crate::fault::Fault;
use crate::sql::{Token, Tokens, same_name};

/// The maximum size of the copy in pages of 4 KiB, since a script may fill tables.
const MAX_PAGES: u32 = 65_536;

/// The longest text or blob that a script from the database may create on the copy, in bytes.
const LONGEST_VALUE: i32 = 4 * 1024 * 1024;

/// Something that the copy lacks, and the reason.
#[derive(Debug)]
pub(super) struct Lacking {
    pub(super) name: String,
    pub(super) why: String,
}

/// A copy of the live schema.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) conn: Connection,
    pub(super) watch: Watch,
    pub(super) lacking: Vec<Lacking>,
    /// The shadow tables of virtual tables, in lower case, each with its virtual table.
    pub(super) shadows: BTreeMap<String, String>,
    /// The names of everything that was copied, in lower case.
    pub(super) copied: BTreeSet<String>,
    /// Why the forecast cannot be trusted, if there is a reason.
    pub(super) doubt: Option<String>,
}

impl Copy {
    pub(super) fn of(live: &Connection, request: &ForecastRequest<'_, Sqlite>) -> Result<Self, Fault> {
        let schema = schema(live).map_err(fault)?;
        let mut conn = Connection::open_in_memory().map_err(fault)?;
        let lacking = configure(live, &conn, request.prepare)?;
        let watch = Watch::over(&mut conn, request.tables);
        let (shadows, copied) = (BTreeMap::new(), BTreeSet::new());
        let mut copy = Self { conn, watch, lacking, shadows, copied, doubt: None };
        // One transaction saves a commit for each object.
        copy.watch.as_engine(|| copy.conn.execute_batch("BEGIN")).map_err(fault)?;
        copy.watch.rule(Rule::Copying);
        copy.create(schema)?;
        copy.watch.as_engine(|| copy.conn.execute_batch("COMMIT")).map_err(fault)?;
        copy.copied = objects::names(&copy.conn).map_err(fault)?;
        copy.watch.rule(Rule::Engine);
        copy.check_tracking_tables(request)?;
        copy.check_temporary_names(live)?;
        copy.check_pages(live)?;
        Ok(copy)
    }

    /// Whether everything of the schema was copied, and a script refers to it and not to something of the connection.
    pub(super) fn lacks_nothing(&self) -> bool {
        self.lacking.is_empty() && self.doubt.is_none()
    }

    /// Creates everything, virtual tables first: they create their own shadow tables.
    fn create(&mut self, schema: Vec<Item>) -> Result<(), Fault> {
        let (virtuals, rest) = schema.into_iter().partition::<Vec<_>, _>(|item| item.kind == Kind::Virtual);
        let (mut late, mut statistics) = (Vec::new(), Vec::new());
        for item in virtuals {
            if self.create_virtual(&item).is_err() {
                late.push(item);
            }
        }
        // A virtual table may need the table whose content it shows. A table that may be its shadow table must wait for it.
        let is_shadow = |item: &Item| late.iter().any(|late| item.is_shadow_of(late));
        let (shadows, rest) = rest.into_iter().partition::<Vec<_>, _>(is_shadow);
        let (tables, others) = rest.into_iter().partition::<Vec<_>, _>(|item| item.kind == Kind::Table);
        for item in tables {
            if is_internal(&item.name) {
                statistics.push(item.name);
            } else {
                self.create_if_missing(item)?;
            }
        }
        for item in late {
            if let Err(why) = self.create_virtual(&item) {
                self.leave_out(item, why);
            }
        }
        for item in shadows.into_iter().chain(others) {
            self.create_if_missing(item)?;
        }
        self.watch.as_engine(|| internal_tables(&self.conn, &statistics)).map_err(fault)
    }

    fn create_virtual(&mut self, item: &Item) -> Result<(), String> {
        let tables = || self.watch.as_engine(|| objects::tables(&self.conn)).map_err(|error| message(&error));
        let before = tables()?;
        self.execute(item)?;
        let shadows = tables()?.into_iter().filter(|name| !before.contains(name) && *name != item.name);
        let owned: Vec<_> = shadows.map(|name| (name.to_lowercase(), item.name.clone())).collect();
        self.shadows.extend(owned);
        Ok(())
    }

    fn create_if_missing(&mut self, item: Item) -> Result<(), Fault> {
        if item.kind == Kind::Table && self.shadows.contains_key(&item.name.to_lowercase()) {
            return Ok(());
        }
        if let Err(why) = self.execute(&item) {
            let tables = self.watch.as_engine(|| objects::tables(&self.conn)).map_err(fault)?;
            // The hook may have created it.
            if item.kind != Kind::Table || !tables.contains(&item.name) {
                self.leave_out(item, why);
            }
        }
        Ok(())
    }

    /// Runs the first statement of the item's text, as SQLite does when it reads a schema. Whatever prevents it, also a lack of memory, the
    /// copy lacks the item, and then nothing that a script does on it is certain.
    fn execute(&self, item: &Item) -> Result<(), String> {
        let denied = || self.watch.seen().denied;
        let run = || -> rusqlite::Result<()> {
            let prepared = self.watch.prepare(|| Batch::new(&self.conn, &item.sql).next())?;
            let Some(mut statement) = prepared else { return Ok(()) };
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        };
        if item.kind == Kind::Unknown {
            return Err("its text is not one that creates something".to_owned());
        }
        run().map_err(|error| denied().unwrap_or_else(|| message(&error)))
    }

    fn leave_out(&mut self, item: Item, why: String) {
        if matches!(item.kind, Kind::Trigger | Kind::Unknown) {
            // Its effect when another statement fires it is unknown.
            let what = format!("`{}` in the schema of the database cannot be copied: {why}", item.name);
            self.doubt.get_or_insert(what);
        }
        self.lacking.push(Lacking { name: item.name, why });
    }

    /// Tables of the engine have no foreign keys and no triggers. With one, SQLite would write to these tables, or would write elsewhere
    /// when the engine writes to them, and the trial would not have shown it.
    fn check_tracking_tables(&mut self, request: &ForecastRequest<'_, Sqlite>) -> Result<(), Fault> {
        let has = |sql: &str, table: &TableName| {
            self.conn.query_row(sql, [table.as_str()], |row| row.get::<_, bool>(0)).map_err(fault)
        };
        for table in request.tables {
            if has("SELECT EXISTS (SELECT 1 FROM pragma_foreign_key_list(?1, 'main'))", table)? {
                self.doubt.get_or_insert(format!("the tracking table `{table}` has a foreign key"));
            }
            let triggers = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master
                WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)";
            if has(triggers, table)? {
                self.doubt.get_or_insert(format!("the tracking table `{table}` has a trigger"));
            }
        }
        Ok(())
    }

    /// Two tables that share pages are one table in the database and two tables on the copy.
    fn check_pages(&mut self, live: &Connection) -> Result<(), Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE rootpage > 0 GROUP BY rootpage HAVING count(*) > 1)";
        if live.query_row(sql, [], |row| row.get(0)).map_err(fault)? {
            self.doubt.get_or_insert("two tables of the database have the same pages".to_owned());
        }
        Ok(())
    }

    /// A temporary object of the application hides the object of the same name in the database, and a script would refer to the temporary
    /// one. A temporary table of a script from the database must have none of these names: on the live connection it would hide a table,
    /// or be one.
    fn check_temporary_names(&mut self, live: &Connection) -> Result<(), Fault> {
        let read = || -> rusqlite::Result<Vec<String>> {
            live.prepare("SELECT name FROM sqlite_temp_master")?.query_map([], |row| row.get(0))?.collect()
        };
        let names = read().map_err(fault)?;
        if let Some(name) = names.iter().find(|name| self.copied.contains(&name.to_lowercase())) {
            let what = format!("a temporary table or view of the connection hides `{name}`");
            self.doubt.get_or_insert(what);
        }
        self.watch.forbid_temporary(names.into_iter().chain(self.copied.iter().cloned()).collect());
        Ok(())
    }

    /// Creates the tables of the engine that the live database does not have yet, so that a script that names them is noticed.
    pub(super) fn create_missing_tables(&self, tables: &[TableName]) -> Result<(), Fault> {
        let sql =
            tables.iter().map(|table| format!("CREATE TABLE IF NOT EXISTS main.{} (name);", table.quoted()));
        self.conn.execute_batch(&sql.collect::<String>()).map_err(fault)
    }

    /// The temporary objects in words. A script from the database must not leave one behind.
    pub(super) fn temporary(&self) -> Result<Vec<String>, Fault> {
        likeness::temporary(&self.conn).map_err(fault)
    }
}

/// The kind of object that a text in the schema creates. For SQLite, the text decides, not the column `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Virtual,
    Table,
    Index,
    View,
    Trigger,
    Unknown,
}

impl Kind {
    fn of(sql: &str) -> Self {
        let mut tokens = Tokens::new(sql);
        if !tokens.next().is_some_and(|first| first.is("create")) {
            return Self::Unknown;
        }
        let qualifiers = ["unique", "temp", "temporary"];
        let made = tokens.find(|token| !token.is_any(&qualifiers));
        let kinds = [
            ("virtual", Self::Virtual),
            ("table", Self::Table),
            ("index", Self::Index),
            ("view", Self::View),
            ("trigger", Self::Trigger),
        ];
        let is_made = |word: &str| made.is_some_and(|token: Token<'_>| token.is(word));
        kinds.into_iter().find(|(word, _)| is_made(word)).map_or(Self::Unknown, |(_, kind)| kind)
    }
}

/// An object in the live schema.
#[derive(Debug)]
struct Item {
    kind: Kind,
    name: String,
    sql: String,
}

impl Item {
    fn is_shadow_of(&self, other: &Self) -> bool {
        let prefix = format!("{}_", other.name.to_lowercase());
        self.kind == Kind::Table && self.name.to_lowercase().starts_with(&prefix)
    }
}

/// Everything in the live `main` that has a text, in an order in which it can be created.
fn schema(live: &Connection) -> rusqlite::Result<Vec<Item>> {
    let mut statement =
        live.prepare("SELECT name, sql FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        // Text that is not UTF-8 is left out, so that only exact copies are made.
        let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok()).map(str::to_owned);
        let (name, sql) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
        items.push(Item { kind: Kind::of(&sql), name, sql });
    }
    items.sort_by_key(|item| item.kind);
    Ok(items)
}

/// Configures a connection of the engine like the live one, as far as a schema depends on it, and blocks what it must not reach.
fn configure(
    live: &Connection,
    conn: &Connection,
    prepare: Option<&Prepare<Sqlite>>,
) -> Result<Vec<Lacking>, Fault> {
    // Setting this after the hook would delete the temporary tables of the hook.
    conn.execute_batch("PRAGMA temp_store = MEMORY").map_err(fault)?;
    likeness::prepare(conn, prepare)?;
    let lacking = detach(conn).map_err(fault)?;
    conn.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF; PRAGMA auto_vacuum = NONE; PRAGMA writable_schema = OFF; PRAGMA query_only = OFF;
        PRAGMA main.max_page_count = {MAX_PAGES}; PRAGMA temp.max_page_count = {MAX_PAGES}"
    ))
    .map_err(fault)?;
    likeness::imitate(live, conn)?;
    Ok(lacking)
}

/// Runs statements of the engine while no trigger and no foreign key acts. The connection must be outside a transaction.
pub(super) fn without_triggers(
    conn: &Connection,
    run: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let config = DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
    let triggers = conn.db_config(config)?;
    let keys: i64 = conn.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
    conn.set_db_config(config, false)?;
    conn.execute_batch("PRAGMA foreign_keys = OFF")?;
    let outcome = run(conn);
    conn.set_db_config(config, triggers)?;
    conn.execute_batch(&format!("PRAGMA foreign_keys = {keys}"))?;
    outcome
}

/// Detaches the databases that the hook attached: they are files, and the trial must not write to them.
fn detach(conn: &Connection) -> rusqlite::Result<Vec<Lacking>> {
    let sql = "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let names =
        conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut lacking = Vec::new();
    for name in names {
        conn.execute_batch(&format!("DETACH {}", quote(&name)))?;
        lacking.push(Lacking { name, why: "attached databases are not copied".to_owned() });
    }
    Ok(lacking)
}

/// Creates SQLite's internal tables, if the live database has them.
fn internal_tables(conn: &Connection, names: &[String]) -> rusqlite::Result<()> {
    let has = |name: &str| names.iter().any(|other| same_name(other, name));
    if has("sqlite_sequence") {
        let name = quote("__switchy_sequence");
        conn.execute_batch(&format!(
            "CREATE TABLE {name} (a INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE {name}"
        ))?;
    }
    if has("sqlite_stat1") {
        conn.execute_batch("ANALYZE")?;
    }
    Ok(())
}

/// Disables what only the program may use: `writable_schema`, writes to the shadow tables of virtual tables, and values that fill the
/// memory. The copy has no rows, so a script does not need long values.
#[allow(clippy::let_underscore_untyped, reason = "its type differs between versions of rusqlite")]
pub(super) fn defend(conn: &Connection, script: usize) {
    let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true);
    // A statement is also a value if SQLite returns its text.
    let longest = i32::try_from(script.saturating_mul(2)).unwrap_or(i32::MAX).max(LONGEST_VALUE);
    let _ = conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest);
}
