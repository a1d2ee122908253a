//! Crashes that are specific to MySQL and MariaDB.

use std::thread;
use std::time::Duration;

use switchy_schema::{Direction, Lock, Mysql};

use super::kills::wait_until;
use super::{Kind, Program, Script, finish};
use crate::servers::own_mysql;

/// A statement that drops several tables drops them one by one, so a killed server may leave some of them.
#[test]
fn tables_of_which_some_are_gone_are_noticed() {
    let Some(server) = own_mysql() else { return };
    let names: Vec<String> = (1..=40).map(|number| format!("t{number}")).collect();
    let names = names.join(", ");
    let all = format!("DROP TABLE {names} => no table t40");
    let set = [Script::atomic::<Mysql>("1_it", &["row 1", &all, "row 2"], &[])];
    for round in 0..3 {
        let database = Mysql::fresh(&server.database);
        Mysql::prepare(&database);
        let mut conn = database.connect();
        names.split(", ").for_each(|name| Mysql::run(&mut conn, &format!("CREATE TABLE {name} (n int)")));
        let mut program = Program::start::<Mysql>(&database, &set, Direction::Up, &Lock::default(), "never");
        program.hear("ready").unwrap();
        program.go_on();
        // A quick server may be done with it before this is read.
        let has_begun =
            "SELECT 1 FROM __switchy_migrations WHERE mark IS NOT NULL OR statement > 2 OR dirty = 0";
        wait_until("the drop", || Mysql::try_rows(&mut conn, has_begun).is_ok_and(|rows| !rows.is_empty()));
        thread::sleep(Duration::from_millis(round * 4));
        server.kill();
        server.restart();
        let mut conn = database.connect();
        let tables =
            Mysql::rows(&mut conn, "SHOW TABLES LIKE 't%'").iter().filter(|name| *name != "trace").count();
        let by_hand = format!("DROP TABLE IF EXISTS {names}; from 3");
        let (_, told) = finish::<Mysql>(&set, &mut conn, Direction::Up, &by_hand, "a part");
        let is_part = (1..40).contains(&tables);
        assert_eq!(told.contains("since a part of it is done"), is_part, "{tables} left: {told}");
        assert!(is_part || told.is_empty(), "{tables} left: {told}");
    }
}
