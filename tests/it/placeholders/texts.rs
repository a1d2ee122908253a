//! What is replaced in a script, and which values may stand where.

use super::{findings, in_memory, runner, value};

/// Runs `SELECT` with this text, where `name` is a table with one column `c` that has `x`.
#[track_caller]
fn check(expression: &str, expected: &str) {
    let script = format!("CREATE TABLE x (c); INSERT INTO x VALUES ('x'); CREATE TABLE made AS {expression}");
    let conn = in_memory();
    runner(&script).placeholder_value("name", "x").run(&conn).unwrap();
    assert_eq!(value(&conn, "SELECT * FROM made"), expected, "{expression}");
}

#[test]
fn only_an_exact_placeholder_is_replaced() {
    check("SELECT '${name}'", "x");
    check("SELECT '${name}${name}-${prefix}'", "xx-app");
    check("SELECT c FROM ${name}", "x");
    check("SELECT c FROM \"${name}\"", "x");
    check("SELECT c FROM [${name}]", "x");
    check("SELECT '\\${name}'", "${name}");
    check("SELECT '\\\\${name}'", "\\${name}");
    check("SELECT '$name $(name) {name} ${} ${ name } $${name}'", "$name $(name) {name} ${} ${ name } $x");
    check("SELECT '${a + b} ${\"x\"}'", "${a + b} ${\"x\"}");
    check("SELECT 'a' -- ${nothing}\n /* ${nothing} ' */ || '${name}' -- '", "ax");
    check("SELECT '-- ${name} /* ' || '*/'", "-- x /* */");
    check("SELECT 'it''s ${name}' || \"${name}\".c FROM x", "it's xx");
    check("SELECT 'ä${name}ö' || '名${prefix}'", "äxö名app");
}

/// The finding about a value where it stands for `${name}` in a script, if it is refused.
#[track_caller]
fn refusal(script: &str, given: &str) -> Option<String> {
    let error = runner(script).placeholder_value("name", given).run(&in_memory()).err()?;
    let found = findings(&error).remove(0);
    found.contains("cannot use the value of `${name}` at").then_some(found)
}

/// Whether a value is refused in a script where it stands for `${name}`.
#[track_caller]
fn refuses(script: &str, given: &str) -> bool {
    refusal(script, given).is_some()
}

#[test]
fn a_value_cannot_end_what_it_is_a_part_of() {
    let (string, bare, name) = (
        "CREATE TABLE a AS SELECT '${name}'",
        "CREATE TABLE a AS SELECT ${name}",
        "CREATE TABLE \"${name}\" (b)",
    );
    for value in ["it's", "back\\slash", "two\nlines", "nul\0", "esc\u{1b}"] {
        assert!(refuses(string, value), "{value:?} in a string");
    }
    for value in ["", "a; b -- c /* d # e", "\"", "$$", "tab\t", "ä"] {
        assert!(!refuses(string, value), "{value:?} in a string");
    }
    for value in ["1; DROP TABLE b", "1 -- ", "1 /* ", "'1'", "\"a\"", "`a`", "1 \\", "$$", "1 # 2", "1\n"] {
        assert!(refuses(bare, value), "{value:?} without quotes");
    }
    for value in ["1", "1 + 2", "-5", "max(1, 2)", "1, 2"] {
        assert!(!refuses(bare, value), "{value:?} without quotes");
    }
    for value in ["a\"b", "a]b", "a;b"] {
        assert!(refuses(name, value), "{value:?} in a name");
    }
    assert!(!refuses(name, "a b"));
    let (in_string, elsewhere) = (
        "has a quote or a backslash, which could end the string",
        "has a character that could end the string, name",
    );
    assert!(refusal(string, "it's").unwrap().contains(in_string));
    assert!(refusal(bare, "it's").unwrap().contains(elsewhere));
}

#[test]
fn a_raw_value_is_any_sql_of_one_line() {
    let raw = |script: &str, given: &str| {
        let raw = switchy_schema::Placeholder::new("name").raw();
        let conn = in_memory();
        runner(script).placeholder(raw).placeholder_value("name", given).run(&conn).map(|_| conn)
    };
    let conn = raw("CREATE TABLE a AS SELECT ${name}", "'it''s' AS b; CREATE TABLE c (d)").unwrap();
    assert_eq!(value(&conn, "SELECT b FROM a"), "it's");
    assert_eq!(value(&conn, "SELECT count(*) || '' FROM c"), "0");
    assert!(findings(&raw("SELECT ${name}", "1\n").unwrap_err())[0].contains("a line break"));
    // Its statements are those of the script, so one that the engine refuses is refused.
    let error = raw("CREATE TABLE a AS SELECT ${name} AS b", "1; COMMIT").unwrap_err();
    assert!(findings(&error)[0].starts_with("not in transaction: `1_a`"), "{error}");
}
