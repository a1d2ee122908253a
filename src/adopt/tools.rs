//! The names of the tools' tables, the columns that identify them, and the columns that are read.

use super::form::{Form, Others};
use super::tool::Tool;
use super::{flagged, names, versions};

/// Tables that a tool, or the system it runs on, creates for itself. No migration creates them.
pub(crate) const COMPANIONS: [&str; 3] = ["ar_internal_metadata", "android_metadata", "room_master_table"];

const BASE: Form = Form {
    tool: Tool::Sqlx,
    table: "",
    schema: None,
    columns: &[],
    optional: &[],
    others: Others::Allowed,
    beside: None,
    version: names::number,
    read: versions::plain,
};

/// The engine's own table, and that of `moosicbox_schema`, from the newest form to the oldest.
const fn switchy(table: &'static str, name: &'static [&'static str]) -> Form {
    Form {
        tool: Tool::Switchy,
        table,
        columns: name,
        optional: &["checksum", "up_checksum", "status", "dirty", "place"],
        version: names::none,
        read: versions::switchy,
        ..BASE
    }
}

/// All known forms.
pub(crate) static FORMS: [Form; 19] = [
    Form {
        tool: Tool::Sqlx,
        table: "_sqlx_migrations",
        columns: &["version", "success", "checksum"],
        optional: &["description", "installed_on"],
        read: flagged::sqlx,
        ..BASE
    },
    Form {
        tool: Tool::Refinery,
        table: "refinery_schema_history",
        columns: &["version", "name", "applied_on", "checksum"],
        version: names::prefixed,
        read: versions::refinery,
        ..BASE
    },
    Form {
        tool: Tool::Diesel,
        table: "__diesel_schema_migrations",
        columns: &["version"],
        optional: &["run_on"],
        ..BASE
    },
    Form {
        tool: Tool::SeaOrm,
        table: "seaql_migrations",
        columns: &["version"],
        optional: &["applied_at"],
        version: names::moment,
        ..BASE
    },
    Form {
        tool: Tool::Goose,
        table: "goose_db_version",
        columns: &["id", "version_id", "is_applied"],
        optional: &["tstamp"],
        read: flagged::goose,
        ..BASE
    },
    Form {
        tool: Tool::GolangMigrate,
        table: "schema_migrations",
        columns: &["version", "dirty"],
        others: Others::Refused,
        read: flagged::golang_migrate,
        ..BASE
    },
    Form {
        tool: Tool::Rails,
        table: "schema_migrations",
        columns: &["version"],
        others: Others::Refused,
        beside: Some("ar_internal_metadata"),
        ..BASE
    },
    Form {
        tool: Tool::Dbmate,
        table: "schema_migrations",
        columns: &["version"],
        others: Others::Refused,
        ..BASE
    },
    Form {
        tool: Tool::Ecto,
        table: "schema_migrations",
        columns: &["version", "inserted_at"],
        others: Others::Refused,
        ..BASE
    },
    Form {
        tool: Tool::Flyway,
        table: "flyway_schema_history",
        columns: &["installed_rank", "version", "type", "script", "checksum", "success"],
        optional: &["description", "installed_on"],
        version: names::dotted,
        read: flagged::flyway,
        ..BASE
    },
    Form {
        tool: Tool::Grdb,
        table: "grdb_migrations",
        columns: &["identifier"],
        version: names::none,
        ..BASE
    },
    Form {
        tool: Tool::Django,
        table: "django_migrations",
        columns: &["id", "app", "name"],
        optional: &["applied"],
        version: names::whole,
        read: versions::django,
        ..BASE
    },
    Form {
        tool: Tool::Prisma,
        table: "_prisma_migrations",
        columns: &["migration_name", "checksum", "started_at", "finished_at", "rolled_back_at"],
        read: flagged::prisma,
        ..BASE
    },
    Form {
        tool: Tool::Drizzle,
        table: "__drizzle_migrations",
        schema: Some("drizzle"),
        columns: &["id", "hash", "created_at"],
        optional: &["name", "applied_at"],
        read: versions::drizzle,
        ..BASE
    },
    Form {
        tool: Tool::Alembic,
        table: "alembic_version",
        columns: &["version_num"],
        read: versions::alembic,
        ..BASE
    },
    switchy("__moosicbox_schema_migrations", &["name", "run_on"]),
    switchy("__moosicbox_schema_migrations", &["id", "run_on"]),
    switchy("__switchy_migrations", &["name", "run_on"]),
    switchy("__switchy_migrations", &["id", "run_on"]),
];

/// The number in the header of a SQLite file, as a table with one column.
pub(crate) static USER_VERSION: Form = Form {
    tool: Tool::UserVersion,
    table: "user_version",
    columns: &["user_version"],
    read: versions::user_version,
    ..BASE
};
