//! What `test_utils` needs from PostgreSQL.

use std::path::Path;
use std::time::Duration;

use postgres::config::Config;
use postgres::error::SqlState;
use postgres::{Client, NoTls, SimpleQueryMessage};

use super::Postgres;
use super::query::{fault, query, refused_as};
use crate::backend::programs::{folder_of, word};
use crate::backend::{Catalog, ServerCommands, TestConnection, TestDriver, TestServer};
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::schema::Definition;

impl TestConnection for Client {
    type Backend = Postgres;
}

impl TestDriver for Postgres {
    type Connection = Client;
    type Error = postgres::Error;

    fn borrow(conn: &mut Client) -> &mut Client {
        conn
    }

    fn fault_of(error: postgres::Error) -> Fault {
        fault(error)
    }

    fn rows(conn: &mut &mut Client, sql: &str) -> Result<Vec<String>, Fault> {
        let messages = conn.simple_query(sql).map_err(fault)?;
        let row = |message: &SimpleQueryMessage| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            let values = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
            Some(values.collect::<Vec<_>>().join("|"))
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    fn count(conn: &mut &mut Client, table: &str) -> Option<u64> {
        let count = |conn: &mut &mut Client, table: &str| {
            let rows = Self::rows(conn, &format!("SELECT count(*) FROM {table}")).ok()?;
            rows.first()?.parse().ok()
        };
        count(conn, &quote(table)).or_else(|| {
            let (schema, name) = table.split_once('.')?;
            count(conn, &format!("{}.{}", quote(schema), quote(name)))
        })
    }

    fn definitions_beyond(
        conn: &mut &mut Client,
        schema: Option<&str>,
        without: &[&str],
    ) -> Result<Vec<Definition>, Fault> {
        let schemas = "SELECT n.nspname::text, quote_ident(n.nspname) FROM pg_namespace n
            WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> coalesce($1, current_schema(), '')
            AND NOT EXISTS (SELECT 1 FROM pg_depend e
                WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')
            ORDER BY 1";
        let extensions = "SELECT extname::text, quote_ident(extname) FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";
        let mut definitions = Vec::new();
        for extension in query(conn, extensions, &[]).map_err(fault)? {
            let (name, quoted): (String, String) = (extension.get(0), extension.get(1));
            definitions.push(Definition::new("extension", name, format!("CREATE EXTENSION {quoted}")));
        }
        for other in query(conn, schemas, &[schema]).map_err(fault)? {
            let (name, quoted): (String, String) = (other.get(0), other.get(1));
            // Each database has this one, whether it is used or not.
            if name != "public" {
                definitions.push(Definition::new("schema", &name, format!("CREATE SCHEMA {quoted}")));
            }
            let content = Self::schema(conn, Some(&name), without)?.unwrap_or_default();
            let content = content.definitions().iter();
            definitions.extend(content.map(|definition| qualified(&name, &quoted, definition)));
        }
        Ok(definitions)
    }
}

/// A definition, named with its schema.
fn qualified(schema: &str, quoted: &str, definition: &Definition) -> Definition {
    let within = |name: &str| format!("{schema}.{name}");
    let sql = format!("-- in the schema {quoted}\n{}", definition.sql);
    Definition::new(&*definition.kind, within(&definition.name), sql)
        .known_as(within(&format!("{}.{}", definition.table, definition.name)))
        .of_table(within(&definition.table))
}

impl TestServer for Postgres {
    const SERVER: &'static str = "PostgreSQL";
    const PACKAGE: &'static str = "postgresql";
    const URL_VARIABLE: &'static str = "SWITCHY_TEST_POSTGRES_URL";
    const EXAMPLE_URL: &'static str = "postgres://user:password@localhost:5432";

    fn commands() -> Option<ServerCommands> {
        // Debian has a folder for each version.
        let folder = folder_of(&["initdb", "postgres"], &[("/usr/lib/postgresql", "bin")])?;
        let (install, run) = (word(&folder.join("initdb")), word(&folder.join("postgres")));
        Some(ServerCommands {
            // The user has a name that no schema of an application has, since `"$user"` is the first schema of the search path.
            install: format!("{install} -D data -U postgres -A trust -E UTF8 --locale=C --no-sync"),
            // The segments of shared memory are files in the folder, so that those of a killed server are removed with it. The port is
            // part of the name of the socket, and `PGPORT` would set it. `CREATE DATABASE` writes half a segment of the log, and most of its
            // time would be filling segments with zeros.
            run: format!(
                "{run} -D data -k \"$folder\" -c listen_addresses='' -c port=5432 -c fsync=off -c wal_init_zero=off \
                 -c max_connections=200 -c dynamic_shared_memory_type=mmap"
            ),
        })
    }

    fn private_address(folder: &Path) -> String {
        let host = folder.display().to_string().replace('\\', "\\\\").replace('\'', "\\'");
        let host = if host.contains([' ', '\'']) { format!("'{host}'") } else { host };
        format!("host={host} port=5432 user=postgres dbname=postgres")
    }

    fn with_database(address: &str, database: &str) -> Option<String> {
        let changed = if address.contains("://") {
            let (place, options) = address.split_once('?').unwrap_or((address, ""));
            let (scheme, rest) = place.split_once("://")?;
            let host = rest.split('/').next()?;
            // An option would count more than the path.
            let options =
                options.split('&').filter(|option| !option.starts_with("dbname=") && !option.is_empty());
            let options = options.collect::<Vec<_>>().join("&");
            let options = if options.is_empty() { options } else { format!("?{options}") };
            format!("{scheme}://{host}/{database}{options}")
        } else {
            // The last one counts.
            format!("{address} dbname={database}")
        };
        let config: Config = changed.parse().ok()?;
        (config.get_dbname() == Some(database)).then_some(changed)
    }

    fn connect(address: &str) -> Result<Client, Fault> {
        // The driver's error can contain a part of the address, which can be a part of the password.
        let unread = |_| Fault::new(FaultKind::Other, "the address cannot be read");
        let mut config: Config = address.parse().map_err(unread)?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        config.connect(NoTls).map_err(fault)
    }

    fn create(address: &str, database: &str) -> Result<(), Fault> {
        let mut client = administrator(address)?;
        client.batch_execute(&format!("CREATE DATABASE {}", quote(database))).map_err(fault)
    }

    fn remove(address: &str, database: &str) -> Result<(), Fault> {
        let mut client = administrator(address)?;
        let remove = format!("DROP DATABASE IF EXISTS {}", quote(database));
        match client.batch_execute(&format!("{remove} WITH (FORCE)")).map_err(fault) {
            // PostgreSQL 12 and older.
            Err(error) if refused_as(&error, &SqlState::SYNTAX_ERROR) => {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = $1 AND pid <> pg_backend_pid()";
                query(&mut client, end, &[Some(database)]).map_err(fault)?;
                client.batch_execute(&remove).map_err(fault)
            }
            outcome => outcome,
        }
    }
}

/// A connection that creates and removes databases: to the database of the address, or otherwise to the one that every server has.
fn administrator(address: &str) -> Result<Client, Fault> {
    let named = address.parse::<Config>().is_ok_and(|config| config.get_dbname().is_some());
    let maintenance = if named { None } else { Postgres::with_database(address, "postgres") };
    let mut client = Postgres::connect(maintenance.as_deref().unwrap_or(address))?;
    client.batch_execute("SET statement_timeout = '300s'").map_err(fault)?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_address_is_replaced() {
        for (address, expected) in [
            ("postgres://localhost", "postgres://localhost/new"),
            (
                "postgres://a:b%2Fc@host:5433/old?sslmode=disable",
                "postgres://a:b%2Fc@host:5433/new?sslmode=disable",
            ),
            ("postgresql:///old?host=/run/a&dbname=older", "postgresql:///new?host=/run/a"),
            ("host=/run/a user=b dbname=old", "host=/run/a user=b dbname=old dbname=new"),
        ] {
            assert_eq!(Postgres::with_database(address, "new").as_deref(), Some(expected), "{address}");
        }
        for address in ["host", "postgres://a:secret/word@host/old"] {
            assert_eq!(Postgres::with_database(address, "new"), None, "{address}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        let error =
            Postgres::connect("host=localhost password=my secret").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the address cannot be read"));
    }

    #[test]
    fn a_folder_with_a_space_is_one_word_of_an_address() {
        let config: Config = Postgres::private_address(Path::new("/tmp/it's a")).parse().unwrap();
        assert_eq!(config.get_hosts(), [postgres::config::Host::Unix("/tmp/it's a".into())]);
    }
}
