//! [`Watch`]: SQLite's authorizer on the copy. It records what each statement does, and denies what a script must not do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ffi};

use super::access::Access;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::sql::same_name;

/// The number of steps of SQLite's virtual machine that a script may take: some seconds.
const PATIENCE: u64 = 50_000_000;

/// The number of steps that a statement over rows may take: some hundredths of a second.
const SHORT_PATIENCE: u64 = 5_000_000;

/// The number of steps between two checks.
const STRIDE: i32 = 10_000;

/// What is allowed at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everything: the statement is the engine's.
    Engine,
    /// Creating what the schema of the live database defines, which anybody may have written.
    Copying,
    /// What scripts of the program do, but nothing outside the copy.
    Program,
    /// What a script from the database may do.
    Database,
}

/// What a statement does.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// The tables and views that it deletes from, directly or by a trigger, by their current names.
    pub(super) deletes: Vec<String>,
    /// The tables and views whose rows it writes in any way, directly or by a trigger.
    pub(super) writes: Vec<String>,
    /// Whether it changes the schema.
    pub(super) is_schema: bool,
    /// Whether it may remove or change something in the schema, or creates a virtual table, which is identified only by its name.
    pub(super) may_remove: bool,
    /// Whether it writes to the schema table. DDL does so; any other statement that does so edits the schema by hand.
    pub(super) writes_schema: bool,
    /// The table that it alters.
    pub(super) altered: Option<String>,
    /// The tables and functions that it uses.
    pub(super) access: Access,
    /// What it must not do, as a clause.
    pub(super) denied: Option<String>,
}

impl Seen {
    /// The failure of a statement that does what it must not do.
    pub(super) fn denial(&self) -> Option<Fault> {
        self.denied.clone().map(|denied| Fault::new(FaultKind::Other, denied))
    }
}

#[derive(Debug)]
struct State {
    rule: Rule,
    /// Whether a statement is being prepared. While a statement runs, the modules of virtual tables prepare others.
    is_preparing: bool,
    seen: Seen,
    tables: Vec<String>,
    /// The names that temporary tables must not have.
    forbidden_names: Vec<String>,
    /// What the statement drops.
    dropped: Vec<String>,
    steps: u64,
    patience: u64,
}

/// The authorizer, and what it has recorded.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<State>>);

impl Watch {
    /// Watches a connection from now on. Only statements of the engine run on it before a [rule](Self::rule) is set.
    pub(super) fn over(conn: &mut Connection, tables: &[TableName]) -> Self {
        let tables = tables.iter().map(|table| table.as_str().to_owned()).collect();
        let state = State {
            rule: Rule::Engine,
            is_preparing: false,
            seen: Seen::default(),
            tables,
            forbidden_names: Vec::new(),
            dropped: Vec::new(),
            steps: 0,
            patience: PATIENCE,
        };
        let watch = Self(Arc::new(Mutex::new(state)));
        let (authorizer, progress) = (watch.clone(), watch.clone());
        install(
            conn,
            move |context| authorizer.lock().judge(&context),
            move || progress.lock().is_exhausted(),
        );
        watch
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the rule for what follows, and resets the count of steps.
    pub(super) fn rule(&self, rule: Rule) {
        let mut state = self.lock();
        state.rule = rule;
        state.steps = 0;
    }

    /// Runs a statement with less patience than a script has. The statement does not count as one of the script's steps.
    pub(super) fn briefly<R>(&self, run: impl FnOnce() -> R) -> R {
        let before = {
            let mut state = self.lock();
            state.patience = SHORT_PATIENCE;
            std::mem::take(&mut state.steps)
        };
        let done = run();
        let mut state = self.lock();
        (state.patience, state.steps) = (PATIENCE, before);
        done
    }

    /// Sets the names that no temporary table of a script from the database may have.
    pub(super) fn forbid_temporary(&self, names: Vec<String>) {
        self.lock().forbidden_names = names;
    }

    /// Runs statements of the engine.
    pub(super) fn as_engine<R>(&self, body: impl FnOnce() -> R) -> R {
        let rule = std::mem::replace(&mut self.lock().rule, Rule::Engine);
        let done = body();
        self.lock().rule = rule;
        done
    }

    /// Prepares a statement, and records what it does.
    pub(super) fn prepare<R>(&self, prepare: impl FnOnce() -> R) -> R {
        {
            let mut state = self.lock();
            state.seen = Seen::default();
            state.dropped.clear();
            state.is_preparing = true;
        }
        let prepared = prepare();
        self.lock().is_preparing = false;
        prepared
    }

    /// What the statement that was prepared last does.
    pub(super) fn seen(&self) -> Seen {
        let state = self.lock();
        let mut seen = state.seen.clone();
        // Dropping a table deletes from it and from the schema table. Only what foreign keys and triggers delete in addition counts.
        let is_part = |table: &str| among_all(&state.dropped, table) || is_internal(table);
        if !state.dropped.is_empty() {
            seen.deletes.retain(|table| !is_part(table));
        }
        if state.steps > PATIENCE {
            seen.denied.get_or_insert_with(|| "it runs too long".to_owned());
        }
        seen
    }
}

/// Installs the hooks. They return nothing up to rusqlite 0.40 and a `Result` from 0.41 on.
#[allow(clippy::let_unit_value, reason = "it is `()` in some versions")]
#[allow(clippy::let_underscore_untyped, reason = "its type differs between versions")]
fn install(
    conn: &mut Connection,
    authorizer: impl FnMut(AuthContext<'_>) -> Authorization + Send + 'static,
    progress: impl FnMut() -> bool + Send + 'static,
) {
    // It fails only on a connection that is not the engine's own.
    let _ = conn.authorizer(Some(authorizer));
    let _ = conn.progress_handler(STRIDE, Some(progress));
}

impl State {
    fn is_exhausted(&mut self) -> bool {
        self.steps += u64::from(STRIDE.unsigned_abs());
        self.rule != Rule::Engine && self.steps > self.patience
    }

    fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        if self.is_preparing {
            self.note(context);
        }
        let denied = match self.rule {
            Rule::Engine => return Authorization::Allow,
            Rule::Program => return in_program(&context.action, self.is_preparing),
            Rule::Copying => (!is_copying(&context.action, self.is_preparing))
                .then(|| "a schema cannot contain such a statement".to_owned()),
            Rule::Database => on_tables(&context.action, &self.tables)
                .or_else(|| hides_table(&context.action, &self.forbidden_names))
                .or_else(|| forbidden(&context.action, self.is_preparing)),
        };
        let Some(denied) = denied else { return Authorization::Allow };
        self.seen.denied.get_or_insert(denied);
        Authorization::Deny
    }

    fn note(&mut self, context: &AuthContext<'_>) {
        self.seen.access.note(context);
        if let AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } = context.action
        {
            self.seen.writes_schema |= among(&["sqlite_master", "sqlite_schema"], table_name);
            self.seen.writes.push(table_name.to_owned());
        }
        match context.action {
            AuthAction::Delete { table_name } if context.database_name == Some("main") => {
                self.seen.deletes.push(table_name.to_owned());
            }
            AuthAction::DropTable { table_name: name }
            | AuthAction::DropVtable { table_name: name, .. }
            | AuthAction::DropView { view_name: name }
            | AuthAction::DropIndex { index_name: name, .. }
            | AuthAction::DropTrigger { trigger_name: name, .. } => {
                self.dropped.push(name.to_owned());
                (self.seen.is_schema, self.seen.may_remove) = (true, true);
            }
            AuthAction::AlterTable { table_name, .. } => {
                (self.seen.is_schema, self.seen.may_remove) = (true, true);
                self.seen.altered = Some(table_name.to_owned());
            }
            AuthAction::CreateTable { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::CreateTempTable { .. }
            | AuthAction::CreateTempView { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateTempTrigger { .. } => self.seen.is_schema = true,
            AuthAction::CreateVtable { .. }
            | AuthAction::DropTempTable { .. }
            | AuthAction::DropTempView { .. }
            | AuthAction::DropTempIndex { .. }
            | AuthAction::DropTempTrigger { .. } => {
                (self.seen.is_schema, self.seen.may_remove) = (true, true);
            }
            _ => {}
        }
    }
}

/// The pragmas that return information, whatever their argument.
pub(super) const INFORMATIONAL: [&str; 16] = [
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// The pragmas that a script from the database may use with any value.
const ANY_VALUE: [&str; 8] = [
    "application_id",
    "defer_foreign_keys",
    "foreign_keys",
    "legacy_alter_table",
    "optimize",
    "recursive_triggers",
    "user_version",
    "wal_checkpoint",
];

/// The pragmas that return information if they have no value. The modules of virtual tables use some of them.
const WITHOUT_VALUE: [&str; 8] = [
    "auto_vacuum",
    "data_version",
    "encoding",
    "freelist_count",
    "journal_mode",
    "page_count",
    "page_size",
    "schema_version",
];

/// The modules that store everything in the database, or only read it.
const MODULES: [&str; 8] = ["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly", "fts4aux", "fts5vocab"];

/// The functions that reach outside the database.
const EXTERNAL: [&str; 2] = ["load_extension", "fts3_tokenizer"];

fn among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| same_name(known, name))
}

/// A script of the program may do anything, but during the trial, what would reach outside the copy has no effect. Ignoring it keeps the
/// statement whole: the pragma does nothing, and the function returns NULL.
fn in_program(action: &AuthAction<'_>, is_preparing: bool) -> Authorization {
    match *action {
        // A prepared `ATTACH` has opened nothing yet, and the engine runs none.
        AuthAction::Attach { .. } if !is_preparing => Authorization::Deny,
        AuthAction::Function { function_name } if among(&EXTERNAL, function_name) => Authorization::Ignore,
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) }
            if !among(&INFORMATIONAL, pragma_name)
                && !among(&["legacy_alter_table", "writable_schema"], pragma_name) =>
        {
            Authorization::Ignore
        }
        _ => Authorization::Allow,
    }
}

/// Whether an action is part of creating the objects of a schema.
fn is_copying(action: &AuthAction<'_>, is_preparing: bool) -> bool {
    match *action {
        AuthAction::CreateTable { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::Insert { .. }
        | AuthAction::Update { .. }
        | AuthAction::Delete { .. }
        | AuthAction::Read { .. }
        | AuthAction::Reindex { .. } => true,
        // No schema has a `CREATE TABLE ... AS SELECT`; the modules of virtual tables read what they have created.
        AuthAction::Select => !is_preparing,
        AuthAction::Function { function_name } => !among(&EXTERNAL, function_name),
        AuthAction::Pragma { pragma_name, pragma_value } => pragma(pragma_name, pragma_value).is_none(),
        _ => false,
    }
}

fn among_all(names: &[String], name: &str) -> bool {
    names.iter().any(|known| same_name(known, name))
}

/// The reason to deny a temporary table with the name of a table that the connection has.
fn hides_table(action: &AuthAction<'_>, names: &[String]) -> Option<String> {
    match action {
        AuthAction::CreateTempTable { table_name } if among_all(names, table_name) => Some(format!(
            "it creates the temporary table `{table_name}`, and the connection already has an object of that name"
        )),
        _ => None,
    }
}

/// What an action does to one of the engine's tables, other than reading it.
fn on_tables(action: &AuthAction<'_>, tables: &[String]) -> Option<String> {
    let (verb, names) = match *action {
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => ("writes to", [table_name, ""]),
        AuthAction::DropTable { table_name }
        | AuthAction::DropTempTable { table_name }
        | AuthAction::DropVtable { table_name, .. } => ("drops", [table_name, ""]),
        AuthAction::DropView { view_name } | AuthAction::DropTempView { view_name } => {
            ("drops", [view_name, ""])
        }
        AuthAction::AlterTable { table_name, .. } => ("alters", [table_name, ""]),
        AuthAction::CreateTable { table_name }
        | AuthAction::CreateTempTable { table_name }
        | AuthAction::CreateVtable { table_name, .. } => ("takes the name of", [table_name, ""]),
        AuthAction::CreateView { view_name } => ("takes the name of", [view_name, ""]),
        AuthAction::CreateIndex { index_name, table_name }
        | AuthAction::CreateTempIndex { index_name, table_name } => {
            ("creates an index on", [table_name, index_name])
        }
        AuthAction::DropIndex { table_name, .. } | AuthAction::DropTempIndex { table_name, .. } => {
            ("drops an index of", [table_name, ""])
        }
        AuthAction::CreateTrigger { trigger_name, table_name } => {
            ("creates a trigger on", [table_name, trigger_name])
        }
        AuthAction::DropTrigger { table_name, .. } => ("drops a trigger of", [table_name, ""]),
        _ => return None,
    };
    let table = tables.iter().find(|table| among(&names, table))?;
    Some(format!("it {verb} the tracking table `{table}`"))
}

/// What a script from the database must not do. This includes everything that is not known to be harmless.
fn forbidden(action: &AuthAction<'_>, is_preparing: bool) -> Option<String> {
    let words = match *action {
        // SQLite reports the file only if its name is written as a plain string.
        AuthAction::Attach { .. } | AuthAction::Unknown { code: ffi::SQLITE_ATTACH, .. } => {
            "attaches a database".to_owned()
        }
        AuthAction::Detach { .. } | AuthAction::Unknown { code: ffi::SQLITE_DETACH, .. } => {
            "detaches a database".to_owned()
        }
        AuthAction::Transaction { .. } if is_preparing => "ends or begins a transaction".to_owned(),
        AuthAction::Savepoint { .. } if is_preparing => "sets or ends a savepoint".to_owned(),
        AuthAction::Function { function_name } if same_name(function_name, "load_extension") => {
            "loads an extension".to_owned()
        }
        AuthAction::Function { function_name } if among(&EXTERNAL, function_name) => {
            format!("calls the function `{function_name}`")
        }
        AuthAction::Pragma { pragma_name, pragma_value } => return pragma(pragma_name, pragma_value),
        AuthAction::CreateTempTrigger { trigger_name, .. } => {
            format!("creates the temporary trigger `{trigger_name}`")
        }
        AuthAction::CreateTempView { view_name } => format!("creates the temporary view `{view_name}`"),
        AuthAction::CreateVtable { module_name, .. } if !among(&MODULES, module_name) => {
            format!("creates a virtual table of the module `{module_name}`")
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
            if !is_writable(table_name) =>
        {
            format!("writes to the internal table `{table_name}`")
        }
        _ if is_plain(action) => return None,
        _ => "does something that is not known to be harmless".to_owned(),
    };
    Some(format!("it {words}"))
}

/// Whether an action is of a known kind that a script may do. A later version of SQLite may add kinds.
fn is_plain(action: &AuthAction<'_>) -> bool {
    matches!(
        action,
        AuthAction::Select
            | AuthAction::Read { .. }
            | AuthAction::Recursive
            | AuthAction::Function { .. }
            | AuthAction::Insert { .. }
            | AuthAction::Update { .. }
            | AuthAction::Delete { .. }
            | AuthAction::CreateTable { .. }
            | AuthAction::CreateTempTable { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateTrigger { .. }
            | AuthAction::AlterTable { .. }
            | AuthAction::DropTable { .. }
            | AuthAction::DropTempTable { .. }
            | AuthAction::DropVtable { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropTempIndex { .. }
            | AuthAction::DropView { .. }
            | AuthAction::DropTempView { .. }
            | AuthAction::DropTrigger { .. }
            | AuthAction::DropTempTrigger { .. }
            | AuthAction::Reindex { .. }
            | AuthAction::Analyze { .. }
            // From the modules of virtual tables, while a statement runs.
            | AuthAction::Savepoint { .. }
    )
}

/// Whether a script may write to a table. This includes the internal tables that hold the schema: SQLite itself writes to them for DDL,
/// and refuses all other writes to them while `writable_schema` is off. It also includes the internal tables that everybody may change.
fn is_writable(table: &str) -> bool {
    let own = [
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
        "sqlite_temp_schema",
        "sqlite_sequence",
        "sqlite_stat1",
        "sqlite_stat3",
        "sqlite_stat4",
    ];
    !is_internal(table) || among(&own, table)
}

/// Whether SQLite reserves a name for itself.
pub(super) fn is_internal(name: &str) -> bool {
    name.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"sqlite_"))
}

/// The reason why a script from the database may not use a pragma; `None` if it may.
fn pragma(name: &str, value: Option<&str>) -> Option<String> {
    let is_mode = |value: &str| among(&["wal", "delete", "truncate", "persist"], value);
    let is_allowed = match value {
        _ if among(&INFORMATIONAL, name) || among(&ANY_VALUE, name) => true,
        None => among(&WITHOUT_VALUE, name),
        Some(value) => same_name(name, "journal_mode") && is_mode(value),
    };
    let verb = if value.is_some() { "changes" } else { "uses" };
    (!is_allowed).then(|| format!("it {verb} the pragma `{name}`"))
}
