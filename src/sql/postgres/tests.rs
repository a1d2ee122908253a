use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{lexer, statements};
use crate::sql::pieces::Piece;

/// Scripts and their statements.
const ROWS: [(&str, &[&str]); 76] = [
    // Empty scripts.
    ("", &[]),
    (" \t\r\n\x0c", &[]),
    (";;; ;", &[]),
    ("-- only a comment", &[]),
    ("/* ; */ -- ;\n;", &[]),
    ("\u{feff}", &[]),
    ("\u{feff}-- c\nSELECT 1;\n\u{feff}SELECT 2", &["SELECT 1", "SELECT 2"]),
    // Lines that `pg_dump` writes for `psql`.
    ("--\n\\restrict aB3\nSELECT 1;\r\n\\unrestrict aB3\r\n", &["SELECT 1"]),
    // Statement ends.
    ("SELECT 1", &["SELECT 1"]),
    ("SELECT 1;SELECT 2;", &["SELECT 1", "SELECT 2"]),
    ("SELECT 1\r\n;\r\nSELECT 2\r\n", &["SELECT 1", "SELECT 2"]),
    ("SELECT 1; -- tail;\n/* tail; */", &["SELECT 1"]),
    ("SELECT 1 -- inside;\n, 2;", &["SELECT 1 -- inside;\n, 2"]),
    ("-- a;\n/* b; */ SELECT 1 /* c; */;", &["SELECT 1"]),
    ("SELECT 1; ; SELECT 2 ;", &["SELECT 1", "SELECT 2"]),
    // A comment ends at a carriage return too.
    ("-- c\rSELECT 1;", &["SELECT 1"]),
    ("SELECT 1 --;\r;SELECT 2", &["SELECT 1", "SELECT 2"]),
    // Comments.
    ("SELECT 1 /* a /* b; */ c; */ + 1; SELECT 2", &["SELECT 1 /* a /* b; */ c; */ + 1", "SELECT 2"]),
    ("/*/*;*/;*/SELECT 1", &["SELECT 1"]),
    ("/***;***/SELECT 1", &["SELECT 1"]),
    ("/*/;*/SELECT 1;", &["SELECT 1"]),
    ("SELECT 2 */* c; */ 3; x", &["SELECT 2 */* c; */ 3", "x"]),
    ("SELECT 5 +-- c;\n1; x", &["SELECT 5 +-- c;\n1", "x"]),
    ("SELECT 1 -- ' /*\n; x", &["SELECT 1", "x"]),
    ("SELECT 1 /* ' -- */; x", &["SELECT 1", "x"]),
    // Strings.
    ("SELECT 'a;b'; x", &["SELECT 'a;b'", "x"]),
    ("SELECT 'it''s;'; x", &["SELECT 'it''s;'", "x"]),
    (r"SELECT 'a\'; x", &[r"SELECT 'a\'", "x"]),
    (r"SELECT E'a\';b'; x", &[r"SELECT E'a\';b'", "x"]),
    (r"SELECT e'a\\'; x", &[r"SELECT e'a\\'", "x"]),
    (r"SELECT E'\''';'; x", &[r"SELECT E'\''';'", "x"]),
    (r"SELECT E'a''\';'; x", &[r"SELECT E'a''\';'", "x"]),
    (r"SELECT nameE'a\'; x", &[r"SELECT nameE'a\'", "x"]),
    (r"SELECT U&'\0061;\'; x", &[r"SELECT U&'\0061;\'", "x"]),
    (r#"SELECT U&"a;""\", 1; x"#, &[r#"SELECT U&"a;""\", 1"#, "x"]),
    (r"SELECT B'01', X'1F', N';', b'\'; x", &[r"SELECT B'01', X'1F', N';', b'\'", "x"]),
    ("SELECT 'a -- b', '/*'; x", &["SELECT 'a -- b', '/*'", "x"]),
    ("SELECT 'ä;€'; y€z; x", &["SELECT 'ä;€'", "y€z", "x"]),
    ("SELECT E'\\ä;'; x", &["SELECT E'\\ä;'", "x"]),
    // Strings in several parts.
    ("SELECT E'a'\n  '\\';'; x", &["SELECT E'a'\n  '\\';'", "x"]),
    ("SELECT E'a' -- c'\n -- d'\n '\\';'; x", &["SELECT E'a' -- c'\n -- d'\n '\\';'", "x"]),
    ("SELECT E'a' '\\'; x", &["SELECT E'a' '\\'", "x"]),
    ("SELECT E'a' /* c\n */ '\\'; x", &["SELECT E'a' /* c\n */ '\\'", "x"]),
    ("SELECT 'a'\n;\n'\\'; x", &["SELECT 'a'", "'\\'", "x"]),
    // Names.
    (r#"SELECT "a;b", "c"";d", "e'f"; x"#, &[r#"SELECT "a;b", "c"";d", "e'f""#, "x"]),
    (r#"SELECT "a\"; x"#, &[r#"SELECT "a\""#, "x"]),
    // Dollar quotes.
    ("DO $$ BEGIN; END; $$; x", &["DO $$ BEGIN; END; $$", "x"]),
    ("DO $a$ ; $$ ; $b$ ; $a$; x", &["DO $a$ ; $$ ; $b$ ; $a$", "x"]),
    ("DO $a$ ; $A$ ; $b$a$; x", &["DO $a$ ; $A$ ; $b$a$", "x"]),
    ("DO $$ ' \" /* -- $$; x", &["DO $$ ' \" /* -- $$", "x"]),
    ("SELECT a$b$; c$b$; x", &["SELECT a$b$", "c$b$", "x"]),
    ("SELECT $1; SELECT $1$$;$$; x", &["SELECT $1", "SELECT $1$$;$$", "x"]),
    ("SELECT 1$$;$$; x", &["SELECT 1$$;$$", "x"]),
    ("SELECT $1$; $1$; x", &["SELECT $1$", "$1$", "x"]),
    ("SELECT $ä_1$;$ä_1$; x", &["SELECT $ä_1$;$ä_1$", "x"]),
    ("SELECT $a b$; $a b$", &["SELECT $a b$", "$a b$"]),
    // Unclosed.
    ("SELECT 1; SELECT 'a; SELECT 2", &["SELECT 1", "SELECT 'a; SELECT 2"]),
    ("SELECT $$a; $a$; x", &["SELECT $$a; $a$; x"]),
    ("SELECT 1; /* a; /* b */ SELECT 2", &["SELECT 1", "/* a; /* b */ SELECT 2"]),
    ("SELECT (1; SELECT 2;", &["SELECT (1; SELECT 2"]),
    // Parentheses.
    (
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; DELETE FROM u;); x",
        &["CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; DELETE FROM u;)", "x"],
    ),
    ("SELECT 1); SELECT (2); x", &["SELECT 1)", "SELECT (2)", "x"]),
    // Bodies.
    (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; x",
        &["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "x"],
    ),
    (
        "create or replace procedure p() begin /* c */ atomic select case a when 1 then 2 end; end; x",
        &["create or replace procedure p() begin /* c */ atomic select case a when 1 then 2 end; end", "x"],
    ),
    (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT a end; SELECT 1 AS case; END; x",
        &[
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT a end; SELECT 1 AS case; END",
            "x",
        ],
    ),
    ("CREATE PROCEDURE begin() BEGIN ATOMIC END; x", &["CREATE PROCEDURE begin() BEGIN ATOMIC END", "x"]),
    (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ; ; RETURN 1; END; x",
        &["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ; ; RETURN 1; END", "x"],
    ),
    (
        "CREATE /* /* a */ ; */ FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; x",
        &["CREATE /* /* a */ ; */ FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "x"],
    ),
    ("CREATE FUNCTION f() RETURNS int RETURN 1; x", &["CREATE FUNCTION f() RETURNS int RETURN 1", "x"]),
    (
        "CREATE FUNCTION f() RETURNS int AS 'BEGIN ATOMIC; END' LANGUAGE plpgsql; x",
        &["CREATE FUNCTION f() RETURNS int AS 'BEGIN ATOMIC; END' LANGUAGE plpgsql", "x"],
    ),
    (
        "CREATE TABLE function (begin int, atomic int); x",
        &["CREATE TABLE function (begin int, atomic int)", "x"],
    ),
    ("BEGIN; SELECT CASE WHEN a THEN 1 END; END; x", &["BEGIN", "SELECT CASE WHEN a THEN 1 END", "END", "x"]),
    // `COPY` on the server alone.
    (
        "COPY t FROM '/stdin'; COPY t TO '/stdout'; COPY (SELECT * FROM stdin) TO '/f'; SELECT a FROM stdin; x",
        &[
            "COPY t FROM '/stdin'",
            "COPY t TO '/stdout'",
            "COPY (SELECT * FROM stdin) TO '/f'",
            "SELECT a FROM stdin",
            "x",
        ],
    ),
    // Backslashes in plain strings.
    (
        r"SET standard_conforming_strings = off; SELECT 'a\';', U&'\', b'\'; SET standard_conforming_strings TO on; SELECT '\'; x",
        &[
            "SET standard_conforming_strings = off",
            r"SELECT 'a\';', U&'\', b'\'",
            "SET standard_conforming_strings TO on",
            r"SELECT '\'",
            "x",
        ],
    ),
    (
        r"SET LOCAL standard_conforming_strings = off; SELECT '\';'; COMMIT; SELECT '\'; x",
        &["SET LOCAL standard_conforming_strings = off", r"SELECT '\';'", "COMMIT", r"SELECT '\'", "x"],
    ),
    ("SELECT ARRAY[1;2]; x", &["SELECT ARRAY[1", "2]", "x"]),
];

fn cut(script: &str) -> Vec<Piece<'_>> {
    statements(script).unwrap_or_else(|refused| panic!("{script:?}: {refused:?}"))
}

/// Whether a text between statements contains no part of a statement.
fn is_between(mut text: &str) -> bool {
    loop {
        text = &text[lexer::blank_len(text, true)..];
        match text.strip_prefix(';') {
            Some(rest) => text = rest,
            None => return text.is_empty(),
        }
    }
}

fn check(script: &str, pieces: &[Piece<'_>]) {
    let mut at = 0;
    for piece in pieces {
        assert!(!piece.text.is_empty() && piece.offset >= at, "{script:?}: {pieces:?}");
        assert!(script[piece.offset..].starts_with(piece.text), "{script:?}: {piece:?}");
        assert!(is_between(&script[at..piece.offset]), "{script:?}: {:?}", &script[at..piece.offset]);
        at = piece.offset + piece.text.len();
    }
    assert!(is_between(&script[at..]), "{script:?}: {:?}", &script[at..]);
}

/// Checks that a statement alone is read as in the script, if the script does not change how strings are read.
fn check_again(pieces: &[Piece<'_>]) {
    for piece in pieces {
        assert_eq!(cut(piece.text), [Piece { offset: 0, text: piece.text }]);
    }
}

#[test]
fn scripts_are_cut_where_the_server_ends_statements() {
    for (script, expected) in ROWS {
        let pieces = cut(script);
        let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(texts, expected, "{script:?}");
        check(script, &pieces);
        if !script.contains("standard_conforming") {
            check_again(&pieces);
        }
    }
}

#[test]
fn psql_commands_are_refused_with_their_position() {
    let rows = [
        ("\\i a.sql", "\\i a.sql", "`\\i`"),
        ("SELECT 1;\n\\connect db\nSELECT 2;", "\\connect", "`\\connect`"),
        ("  \\copy t FROM 'f'", "\\copy", "`\\copy`"),
        ("SELECT 1 \\gset x_", "\\gset", "`\\gset`"),
        ("SELECT 1 \\; SELECT 2;", "\\;", "`\\;`"),
        ("SELECT (1 \\g", "\\g", "`\\g`"),
        ("SELECT 1 -- c\n\\.\n", "\\.", "`\\.`"),
        ("SELECT 1; COPY t (a, b) FROM STDIN;\n1\t'\n\\.\n", "COPY", "FROM STDIN"),
        ("copy binary \"t\" from /* c */ stdin with (format csv)", "copy", "FROM STDIN"),
        ("COPY t FROM STDOUT;", "COPY", "FROM STDIN"),
        ("SELECT 1; COPY (SELECT 1) TO STDOUT", "COPY", "TO STDOUT"),
        ("copy t to stdin", "copy", "TO STDOUT"),
    ];
    for (script, at, what) in rows {
        let refused = statements(script).unwrap_err();
        assert_eq!(Some(refused.offset), script.find(at), "{script:?}");
        assert!(refused.what.contains(what), "{refused:?}");
    }
    for script in ["SELECT '\\i'", "SELECT $$\\i$$", "-- \\i\nSELECT \"\\i\"", "/*\n\\i\n*/"] {
        cut(script);
    }
}

/// Text that is difficult for a lexer.
const NASTY: [&str; 56] = [
    "'",
    "''",
    "\"",
    "$",
    "$$",
    "$a$",
    "a$",
    "$1",
    "1",
    "E'",
    "e",
    "U&'",
    "U&\"",
    "B'",
    "N'",
    "\\'",
    "\\\\",
    "/*",
    "*/",
    "/",
    "*",
    "--",
    "-",
    "\n",
    "\r",
    " ",
    "\t",
    "\x0b",
    ";",
    ";;",
    "(",
    ")",
    "ä",
    "€",
    "\u{feff}",
    "\0",
    "BEGIN ",
    "ATOMIC ",
    " END",
    "END;",
    "CASE ",
    "CREATE ",
    "FUNCTION ",
    "OR REPLACE ",
    "PROCEDURE ",
    "COPY ",
    " FROM ",
    "STDIN",
    "AS ",
    "SET ",
    "standard_conforming_strings",
    "=off;",
    "=on;",
    "x",
    "_",
    ".",
];

/// Complete statements of a script.
const WHOLE: [&str; 12] = [
    "SELECT 1",
    "SELECT 'a;''b', E'\\';', \"c;\"\"d\"",
    "SELECT E'a'\n'\\';'",
    "DO $do$ BEGIN; $$;$$ END; $do$",
    "INSERT INTO t /* ; /* ; */ ' */ VALUES (';') -- '\n, ($$;$$)",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT a end; END",
    "CREATE OR REPLACE PROCEDURE begin() BEGIN ATOMIC END",
    "BEGIN",
    "END",
    "SELECT a$b$, $1, 'ü'",
    "SELECT U&'\\', b'01', n'\\'",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_cut_without_loss(script in any::<String>()) {
        if let Ok(pieces) = statements(&script) {
            check(&script, &pieces);
        }
    }

    #[test]
    fn nasty_texts_are_cut_without_loss(parts in vec(select(&NASTY[..]), 0..24)) {
        let script = parts.concat();
        if let Ok(pieces) = statements(&script) {
            check(&script, &pieces);
            if !script.to_lowercase().contains("standard_conforming_strings") {
                check_again(&pieces);
            }
        }
    }

    #[test]
    fn complete_statements_are_returned_unchanged(
        rows in vec((select(&WHOLE[..]), select(&[";", " ;\n", ";; -- c;\n", "/* ; */;", "\n--\n;\r\n"][..])), 0..8)
    ) {
        let script: String = rows.iter().flat_map(|(statement, end)| [*statement, *end]).collect();
        let texts: Vec<_> = cut(&script).iter().map(|piece| piece.text).collect();
        let expected: Vec<_> = rows.iter().map(|(statement, _)| *statement).collect();
        prop_assert_eq!(texts, expected);
    }
}
