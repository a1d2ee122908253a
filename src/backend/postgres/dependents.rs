//! What is dropped with an object, as `pg_depend` says.

use postgres::{Client, Row};

use super::estimate::ESTIMATE;
use super::{fault, query};
use crate::backend::server_forecast::{Surroundings, described};
use crate::dialect::quote;
use crate::effect::{Effect, EffectKind, Evidence};
use crate::fault::Fault;

/// An object that a statement drops. Names of relations and types are quoted.
pub(super) enum Root {
    Schema(String),
    Extension(String),
    Server(String),
    Wrapper(String),
    Language(String),
    Type(String),
    Relation {
        name: String,
        relkinds: &'static str,
    },
    Column {
        table: String,
        column: String,
    },
    Trigger {
        table: String,
        name: String,
    },
    Constraint {
        table: String,
        name: String,
    },
    Collation {
        schema: Option<String>,
        name: String,
    },
    /// All routines of a name, whatever their arguments.
    Routine {
        schema: Option<String>,
        name: String,
    },
    /// Everything that a role owns in this database.
    Owner(String),
}

/// Which dependent objects a statement drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Those that are a part of another object; others prevent the statement.
    Parts,
    /// All: `CASCADE`.
    All,
}

impl Root {
    /// The query of the object as a row of `pg_depend` names it, and its two values.
    fn query(&self) -> (&'static str, [Option<&str>; 2]) {
        match self {
            Self::Schema(name) => (
                "SELECT 'pg_catalog.pg_namespace'::regclass::oid, oid, 0 FROM pg_catalog.pg_namespace WHERE nspname = $1",
                [Some(name), None],
            ),
            Self::Extension(name) => (
                "SELECT 'pg_catalog.pg_extension'::regclass::oid, oid, 0 FROM pg_catalog.pg_extension WHERE extname = $1",
                [Some(name), None],
            ),
            Self::Server(name) => (
                "SELECT 'pg_catalog.pg_foreign_server'::regclass::oid, oid, 0 FROM pg_catalog.pg_foreign_server WHERE srvname = $1",
                [Some(name), None],
            ),
            Self::Wrapper(name) => (
                "SELECT 'pg_catalog.pg_foreign_data_wrapper'::regclass::oid, oid, 0 FROM pg_catalog.pg_foreign_data_wrapper
                WHERE fdwname = $1",
                [Some(name), None],
            ),
            Self::Language(name) => (
                "SELECT 'pg_catalog.pg_language'::regclass::oid, oid, 0 FROM pg_catalog.pg_language WHERE lanname = $1",
                [Some(name), None],
            ),
            Self::Type(name) => (
                "SELECT 'pg_catalog.pg_type'::regclass::oid, oid, 0 FROM pg_catalog.pg_type
                WHERE oid = pg_catalog.to_regtype($1)",
                [Some(name), None],
            ),
            Self::Relation { name, relkinds } => (
                "SELECT 'pg_catalog.pg_class'::regclass::oid, oid, 0 FROM pg_catalog.pg_class
                WHERE oid = pg_catalog.to_regclass($1) AND relkind::text = ANY (pg_catalog.string_to_array($2, ','))",
                [Some(name), Some(relkinds)],
            ),
            Self::Column { table, column } => (
                "SELECT 'pg_catalog.pg_class'::regclass::oid, attrelid, attnum::int FROM pg_catalog.pg_attribute
                WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2 AND attnum > 0 AND NOT attisdropped",
                [Some(table), Some(column)],
            ),
            Self::Trigger { table, name } => (
                "SELECT 'pg_catalog.pg_trigger'::regclass::oid, oid, 0 FROM pg_catalog.pg_trigger
                WHERE tgrelid = pg_catalog.to_regclass($1) AND tgname = $2 AND NOT tgisinternal",
                [Some(table), Some(name)],
            ),
            Self::Constraint { table, name } => (
                "SELECT 'pg_catalog.pg_constraint'::regclass::oid, oid, 0 FROM pg_catalog.pg_constraint
                WHERE conrelid = pg_catalog.to_regclass($1) AND conname = $2",
                [Some(table), Some(name)],
            ),
            Self::Routine { schema, name } => (
                "SELECT 'pg_catalog.pg_proc'::regclass::oid, p.oid, 0 FROM pg_catalog.pg_proc p
                JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE p.proname = $1 AND CASE WHEN $2 IS NULL THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname = $2 END",
                [Some(name), schema.as_deref()],
            ),
            Self::Collation { schema, name } => (
                "SELECT 'pg_catalog.pg_collation'::regclass::oid, c.oid, 0 FROM pg_catalog.pg_collation c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                WHERE c.collname = $1 AND CASE WHEN $2 IS NULL THEN pg_catalog.pg_collation_is_visible(c.oid) ELSE n.nspname = $2 END",
                [Some(name), schema.as_deref()],
            ),
            Self::Owner(name) => (
                "SELECT classid, objid, objsubid FROM pg_catalog.pg_shdepend
                WHERE deptype = 'o' AND refclassid = 'pg_catalog.pg_authid'::regclass
                AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                AND refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = CASE
                    WHEN $1 IN ('current_user', 'current_role') THEN current_user WHEN $1 = 'session_user' THEN session_user ELSE $1 END)",
                [Some(name), None],
            ),
        }
    }
}

/// The tables, columns, views and triggers that are dropped with an object, and what else `CASCADE` takes with it; `None` if there is no such
/// object.
///
/// An object goes with one that it depends on. If one goes that is internal to another one, such as the rule of a view, that one goes too
/// (`findDependentObjects` in `dependency.c`).
pub(super) fn dependents(
    client: &mut Client,
    root: &Root,
    kinds: Kinds,
    surroundings: Surroundings<'_>,
) -> Result<Option<Vec<Effect>>, Fault> {
    let (root, values) = root.query();
    let cascades = kinds == Kinds::All;
    let kinds = match kinds {
        Kinds::Parts => "'a', 'i', 'e', 'x', 'P', 'S'",
        Kinds::All => "'n', 'a', 'i', 'e', 'x', 'P', 'S'",
    };
    let takes = if cascades { "true" } else { "false" };
    let sql = format!(
        "WITH RECURSIVE root (classid, objid, objsubid) AS ({root}), gone (classid, objid, objsubid) AS (
            SELECT classid, objid, objsubid FROM root
            UNION
            SELECT next.classid, next.objid, next.objsubid FROM gone, LATERAL (
                SELECT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d
                WHERE d.refclassid = gone.classid AND d.refobjid = gone.objid AND gone.objsubid IN (0, d.refobjsubid)
                AND d.deptype IN ({kinds})
                UNION ALL
                SELECT d.refclassid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d
                WHERE d.classid = gone.classid AND d.objid = gone.objid AND gone.objsubid IN (0, d.objsubid) AND d.deptype = 'i'
            ) AS next
        ), taken AS (
            SELECT DISTINCT d.classid, d.objid FROM gone JOIN pg_catalog.pg_depend d
            ON d.refclassid = gone.classid AND d.refobjid = gone.objid AND gone.objsubid IN (0, d.refobjsubid)
            WHERE d.deptype = 'n' AND {takes} AND d.objsubid = 0
            AND EXISTS (SELECT FROM gone g WHERE g.classid = d.classid AND g.objid = d.objid AND g.objsubid = 0)
            AND NOT EXISTS (SELECT FROM root r WHERE r.classid = d.classid AND r.objid = d.objid)
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend p JOIN gone g
                ON p.refclassid = g.classid AND p.refobjid = g.objid AND g.objsubid IN (0, p.refobjsubid)
                WHERE p.classid = d.classid AND p.objid = d.objid
                AND (p.deptype <> 'n' OR p.refclassid = 'pg_catalog.pg_namespace'::regclass))
            AND d.classid NOT IN ('pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_rewrite'::regclass)
            AND NOT (d.classid = 'pg_catalog.pg_class'::regclass
                AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind IN ('r', 'p', 'f', 'v', 'm')))
        ), relations AS (
            SELECT objid FROM gone WHERE classid = 'pg_catalog.pg_class'::regclass AND objsubid = 0
        )
        SELECT 1, '', '', $2::text, (SELECT pg_catalog.count(*)::text FROM root)
        UNION ALL
        SELECT 2, n.nspname::text, c.relname::text, c.relkind::text, {ESTIMATE} FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid IN (SELECT objid FROM relations) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
        UNION ALL
        SELECT 3, n.nspname::text, c.relname::text, a.attname::text, NULL FROM gone
        JOIN pg_catalog.pg_class c ON c.oid = gone.objid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = gone.objid AND a.attnum = gone.objsubid
        WHERE gone.classid = 'pg_catalog.pg_class'::regclass AND gone.objsubid > 0 AND NOT a.attisdropped
        AND c.relkind IN ('r', 'p', 'f', 'c') AND c.oid NOT IN (SELECT objid FROM relations)
        UNION ALL
        SELECT 4, n.nspname::text, t.tgname::text, NULL, NULL FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND c.oid NOT IN (SELECT objid FROM relations)
        AND t.oid IN (SELECT objid FROM gone WHERE classid = 'pg_catalog.pg_trigger'::regclass)
        UNION ALL
        SELECT 5, i.schema, i.identity, i.type, NULL FROM taken, LATERAL pg_catalog.pg_identify_object(taken.classid, taken.objid, 0) i
        ORDER BY 1, 2, 3, 4"
    );
    let rows = query(client, &sql, &values).map_err(fault)?;
    let is_there =
        rows.iter().any(|row| row.get::<_, i32>(0) == 1 && row.get::<_, Option<&str>>(4) != Some("0"));
    Ok(is_there.then(|| rows.iter().filter_map(|row| effect(row, surroundings)).collect()))
}

fn effect(row: &Row, surroundings: Surroundings<'_>) -> Option<Effect> {
    let detail: Option<&str> = row.get(3);
    let kind = match row.get::<_, i32>(0) {
        2 if matches!(detail, Some("v" | "m")) => EffectKind::DropsView,
        2 => EffectKind::DropsTable,
        3 => EffectKind::DropsColumn,
        4 => EffectKind::DropsTrigger,
        5 => return Some(taken(detail.unwrap_or_default(), row.get(2), surroundings)),
        _ => return None,
    };
    let rows = row.get::<_, Option<&str>>(4).and_then(|rows| rows.parse().ok());
    let effect = Effect::new(kind, surroundings.shown(row.get(1), row.get(2)), Evidence::Catalog);
    let column = detail.filter(|_| kind == EffectKind::DropsColumn).map(str::to_owned);
    Some(Effect { rows: rows.filter(|_| kind == EffectKind::DropsTable), column, ..effect })
}

/// What `CASCADE` takes, by its type and its name as `pg_identify_object` says them: `policy` and `a on public.b`.
fn taken(kind: &str, identity: &str, surroundings: Surroundings<'_>) -> Effect {
    let mut identity = format!(" {identity}");
    if let Some(current) = surroundings.current {
        for before in [" ", "(", ","] {
            identity = identity.replace(&format!("{before}{}.", shown_as(current)), before);
        }
    }
    let identity = identity.trim_start();
    let kind = kind.trim_start_matches("table ");
    if kind == "index" {
        return Effect::new(EffectKind::DropsIndex, identity, Evidence::Catalog);
    }
    let object = match (identity.strip_prefix("for "), identity.rsplit_once(" on ")) {
        (Some(column), _) => format!("{kind} of `{column}`"),
        (None, Some((name, table))) => format!("{kind} `{name}` of `{table}`"),
        (None, None) => described(kind, identity),
    };
    Effect::new(EffectKind::DropsObject, object, Evidence::Catalog)
}

/// A name as the server shows it: in quotes if it needs them.
fn shown_as(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if is_plain { name.to_owned() } else { quote(name) }
}
