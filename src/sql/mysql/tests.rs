use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{comments, statements, versions};
use crate::sql::pieces::Piece;

/// Scripts and their statements.
const ROWS: [(&str, &[&str]); 75] = [
    // Empty scripts.
    ("", &[]),
    (" \t\r\n;;\x0b\x0c;", &[]),
    ("-- a;\n# b;\n/* c; */", &[]),
    ("/*+ no hint where a statement begins */;", &[]),
    ("\u{feff}SELECT 1;\n\u{feff}SELECT 2", &["SELECT 1", "SELECT 2"]),
    ("DELIMITER //\nDELIMITER ;\n", &[]),
    // Statement ends.
    ("SELECT 1;SELECT 2", &["SELECT 1", "SELECT 2"]),
    ("SELECT 1 -- c;\n+ 1; # d;\nx /* e; */ ;", &["SELECT 1 -- c;\n+ 1", "x"]),
    // Comments.
    ("SELECT 5--1; x", &["SELECT 5--1", "x"]),
    ("SELECT 5 --;\n; x", &["SELECT 5 --", "x"]),
    ("SELECT 5 -- ;\n; x", &["SELECT 5", "x"]),
    ("SELECT 5 --\t;\n; x", &["SELECT 5", "x"]),
    ("SELECT 5 --\n; x --", &["SELECT 5", "x"]),
    ("SELECT 5 --\x01;\n; x", &["SELECT 5", "x"]),
    ("--no blank;\n----------\nSELECT 1;", &["SELECT 1"]),
    ("SELECT 1 # ' ;\n, 2; x", &["SELECT 1 # ' ;\n, 2", "x"]),
    ("SELECT 1 /* ' /* ; */, 2; x", &["SELECT 1 /* ' /* ; */, 2", "x"]),
    ("SELECT 1 /*/ ; */; x", &["SELECT 1", "x"]),
    ("SELECT /*+ NO_INDEX(t) ; */ 1; x", &["SELECT /*+ NO_INDEX(t) ; */ 1", "x"]),
    ("SELECT 1 # c;\r\n; x", &["SELECT 1", "x"]),
    // Comments whose content a server executes.
    ("/*!40101 SET NAMES utf8 */;\nx", &["/*!40101 SET NAMES utf8 */", "x"]),
    ("/*!SELECT 1; SELECT 2*/; x", &["/*!SELECT 1; SELECT 2*/", "x"]),
    ("/*M!100100 SELECT ';*/' */; x", &["/*M!100100 SELECT ';*/' */", "x"]),
    ("SELECT 1 /*! + 1 /* ; ' */ + 1; */ + 1; x", &["SELECT 1 /*! + 1 /* ; ' */ + 1; */ + 1", "x"]),
    ("/*!999999\\- enable the sandbox mode */ \nSELECT 1;", &["SELECT 1"]),
    (
        "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 PROCEDURE p() BEGIN x; END */; y",
        &["/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 PROCEDURE p() BEGIN x; END */", "y"],
    ),
    (
        "CREATE /*!50020 DEFINER=`a`@`%` */ PROCEDURE p() BEGIN x; END; y",
        &["CREATE /*!50020 DEFINER=`a`@`%` */ PROCEDURE p() BEGIN x; END", "y"],
    ),
    // Strings and names.
    (r"SELECT 'a\';b', 'c;''d', '\\'; x", &[r"SELECT 'a\';b', 'c;''d', '\\'", "x"]),
    (r#"SELECT "a\";b", "c;""d", "'"; x"#, &[r#"SELECT "a\";b", "c;""d", "'""#, "x"]),
    (r"SELECT `a;``b`, `c\`; x", &[r"SELECT `a;``b`, `c\`", "x"]),
    ("SELECT 'ä\\€;', ü; x", &["SELECT 'ä\\€;', ü", "x"]),
    ("SELECT \\N, _utf8'a;', x'00', N';'; x", &["SELECT \\N, _utf8'a;', x'00', N';'", "x"]),
    ("SELECT '-- ', '#', '/*'; x", &["SELECT '-- ', '#', '/*'", "x"]),
    // Unclosed.
    ("x; SELECT 'a; y", &["x", "SELECT 'a; y"]),
    ("x; /* a; y", &["x", "/* a; y"]),
    ("x; /*! a; y", &["x", "/*! a; y"]),
    ("CREATE PROCEDURE p() BEGIN x; y;", &["CREATE PROCEDURE p() BEGIN x; y"]),
    // DELIMITER.
    ("DELIMITER //\nSELECT 1//\nSELECT 2 //\nDELIMITER ;\nx;", &["SELECT 1", "SELECT 2", "x"]),
    ("delimiter $$\r\nSELECT 1$$\r\ndelimiter ;\r\nx;", &["SELECT 1", "x"]),
    ("  Delimiter\t'//'\nx// DELIMITER \";\"\ny;", &["x", "y"]),
    ("DELIMITER\n$$\nSELECT 1$$\nDELIMITER \n\n ;\nx;", &["SELECT 1", "x"]),
    ("DELIMITER ;; -- c\nx;;y;;\nDELIMITER ; # c", &["x", "y"]),
    ("DELIMITER /*!*/;\nSET a=1/*!*/;\nx /*! y */ /*!*/;", &["SET a=1", "x /*! y */"]),
    ("DELIMITER #\nx# y#", &["x", "y"]),
    ("DELIMITER --\nx-- y--", &["x", "y"]),
    ("DELIMITER go\nSELECT 1go\nSELECT 2 GO go", &["SELECT 1", "SELECT 2 GO"]),
    ("DELIMITER //\nSELECT '//', `//` /* // */ -- //\n//x", &["SELECT '//', `//`", "x"]),
    ("CREATE TABLE t (\ndelimiter int); x", &["CREATE TABLE t (\ndelimiter int)", "x"]),
    ("DELIMITER //\nDROP PROCEDURE p; DROP TABLE t;\n//\nDELIMITER ;", &["DROP PROCEDURE p", "DROP TABLE t"]),
    ("DELIMITER //\nCREATE PROCEDURE p() BEGIN x; END; //\ny//", &["CREATE PROCEDURE p() BEGIN x; END", "y"]),
    // The author's delimiter decides: this is Oracle's syntax.
    (
        "DELIMITER //\nCREATE PROCEDURE p AS a INT; BEGIN x; END;\n//\ny;",
        &["CREATE PROCEDURE p AS a INT; BEGIN x; END", "y"],
    ),
    // Transactions.
    (
        "BEGIN; x; BEGIN WORK; START TRANSACTION; XA BEGIN 'a'; XA END 'a'; COMMIT",
        &["BEGIN", "x", "BEGIN WORK", "START TRANSACTION", "XA BEGIN 'a'", "XA END 'a'", "COMMIT"],
    ),
    // Bodies.
    ("CREATE PROCEDURE p() SELECT 1; x", &["CREATE PROCEDURE p() SELECT 1", "x"]),
    ("CREATE PROCEDURE p() DROP TABLE IF EXISTS t; x", &["CREATE PROCEDURE p() DROP TABLE IF EXISTS t", "x"]),
    ("CREATE PROCEDURE p() BEGIN END; x", &["CREATE PROCEDURE p() BEGIN END", "x"]),
    (
        "create or replace definer=root@localhost procedure if not exists d.p(a int) comment ';' begin x; begin y; end; end; z",
        &[
            "create or replace definer=root@localhost procedure if not exists d.p(a int) comment ';' begin x; begin y; end; end",
            "z",
        ],
    ),
    (
        "CREATE DEFINER = CURRENT_USER() FUNCTION f(a INT) RETURNS SET('a;') CHARACTER SET utf8 BEGIN RETURN 1; END; x",
        &[
            "CREATE DEFINER = CURRENT_USER() FUNCTION f(a INT) RETURNS SET('a;') CHARACTER SET utf8 BEGIN RETURN 1; END",
            "x",
        ],
    ),
    (
        "CREATE FUNCTION f() RETURNS INT RETURN CASE WHEN a THEN 1 END; x",
        &["CREATE FUNCTION f() RETURNS INT RETURN CASE WHEN a THEN 1 END", "x"],
    ),
    (
        "CREATE AGGREGATE FUNCTION f RETURNS STRING SONAME 'f.so'; x",
        &["CREATE AGGREGATE FUNCTION f RETURNS STRING SONAME 'f.so'", "x"],
    ),
    (
        "CREATE PROCEDURE p() BEGIN IF a THEN x; ELSEIF IF(b, 1, 2) THEN y; ELSE z; END IF; END; w",
        &["CREATE PROCEDURE p() BEGIN IF a THEN x; ELSEIF IF(b, 1, 2) THEN y; ELSE z; END IF; END", "w"],
    ),
    (
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN x; ELSE BEGIN END; END CASE; END; y",
        &["CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN x; ELSE BEGIN END; END CASE; END", "y"],
    ),
    (
        "CREATE PROCEDURE p() BEGIN IF CASE WHEN a THEN b ELSE c END THEN x; END IF; SET a = CASE b WHEN 1 THEN 2 END; END; y",
        &[
            "CREATE PROCEDURE p() BEGIN IF CASE WHEN a THEN b ELSE c END THEN x; END IF; SET a = CASE b WHEN 1 THEN 2 END; END",
            "y",
        ],
    ),
    (
        "CREATE PROCEDURE p() a: BEGIN b: LOOP LEAVE b; END LOOP b; `c`: WHILE 1 DO DO SLEEP(1); END WHILE `c`; END a; x",
        &[
            "CREATE PROCEDURE p() a: BEGIN b: LOOP LEAVE b; END LOOP b; `c`: WHILE 1 DO DO SLEEP(1); END WHILE `c`; END a",
            "x",
        ],
    ),
    (
        "CREATE PROCEDURE p() BEGIN REPEAT SET a = REPEAT('b', 2); UNTIL CASE WHEN a THEN 1 END = 1 END REPEAT; END; x",
        &[
            "CREATE PROCEDURE p() BEGIN REPEAT SET a = REPEAT('b', 2); UNTIL CASE WHEN a THEN 1 END = 1 END REPEAT; END",
            "x",
        ],
    ),
    (
        "CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO x; END FOR; FOR r IN (SELECT a FROM t FOR UPDATE) DO y; END FOR; END; z",
        &[
            "CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO x; END FOR; FOR r IN (SELECT a FROM t FOR UPDATE) DO y; END FOR; END",
            "z",
        ],
    ),
    (
        "CREATE PROCEDURE p() BEGIN DECLARE end INT; DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE VALUE '23000', 1051 BEGIN x; END; SELECT end, begin, t.case FROM t; SELECT @end; END; y",
        &[
            "CREATE PROCEDURE p() BEGIN DECLARE end INT; DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE VALUE '23000', 1051 BEGIN x; END; SELECT end, begin, t.case FROM t; SELECT @end; END",
            "y",
        ],
    ),
    (
        "CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET a = IF(b, 1, 2); DECLARE c CURSOR FOR SELECT 1; DECLARE EXIT HANDLER FOR c IF a THEN x; END IF; END; y",
        &[
            "CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET a = IF(b, 1, 2); DECLARE c CURSOR FOR SELECT 1; DECLARE EXIT HANDLER FOR c IF a THEN x; END IF; END",
            "y",
        ],
    ),
    (
        "CREATE PROCEDURE p() BEGIN DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t (a INT); INSERT INTO t SELECT 1 FOR UPDATE; END; x",
        &[
            "CREATE PROCEDURE p() BEGIN DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t (a INT); INSERT INTO t SELECT 1 FOR UPDATE; END",
            "x",
        ],
    ),
    (
        "CREATE TRIGGER t BEFORE UPDATE ON row FOR EACH ROW SET NEW.a = 1; x",
        &["CREATE TRIGGER t BEFORE UPDATE ON row FOR EACH ROW SET NEW.a = 1", "x"],
    ),
    (
        "CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW FOLLOWS `v` IF NEW.end THEN x; y; END IF; z",
        &["CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW FOLLOWS `v` IF NEW.end THEN x; y; END IF", "z"],
    ),
    (
        "CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW PRECEDES v l: BEGIN x; END l; y",
        &["CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW PRECEDES v l: BEGIN x; END l", "y"],
    ),
    (
        "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY ENDS NOW() ENABLE COMMENT ';' DO BEGIN x; END; ALTER EVENT e DO BEGIN y; END; DROP EVENT e",
        &[
            "CREATE EVENT IF NOT EXISTS e ON SCHEDULE EVERY 1 DAY ENDS NOW() ENABLE COMMENT ';' DO BEGIN x; END",
            "ALTER EVENT e DO BEGIN y; END",
            "DROP EVENT e",
        ],
    ),
    (
        "CREATE TABLE t (begin INT, end INT); ALTER TABLE t ADD procedure_begin INT; CREATE VIEW v AS SELECT begin FROM t; x",
        &[
            "CREATE TABLE t (begin INT, end INT)",
            "ALTER TABLE t ADD procedure_begin INT",
            "CREATE VIEW v AS SELECT begin FROM t",
            "x",
        ],
    ),
    // MariaDB only.
    (
        "BEGIN NOT ATOMIC x; BEGIN NOT ATOMIC y; END; END; z",
        &["BEGIN NOT ATOMIC x; BEGIN NOT ATOMIC y; END; END", "z"],
    ),
    (
        "IF @a THEN x; END IF; WHILE 0 DO y; END WHILE; CASE 1 WHEN 1 THEN z; END CASE; w",
        &["IF @a THEN x; END IF", "WHILE 0 DO y; END WHILE", "CASE 1 WHEN 1 THEN z; END CASE", "w"],
    ),
];

fn cut(script: &str) -> Vec<Piece<'_>> {
    statements(script).unwrap_or_else(|refused| panic!("{script:?}: {refused:?}"))
}

/// Whether a text between statements contains no part of a statement. The delimiters are those that the tests use.
fn is_between(mut text: &str) -> bool {
    loop {
        text = &text[comments::blank_len(text, true)..];
        let is_line = text.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("delimiter"));
        let below = text.get(9..).unwrap_or_default().trim_start();
        let line_end = || below.find('\n').unwrap_or(below.len());
        let delimiters = [";", "//", "$$", "#", "--", "go", "/*!*/"];
        text = if is_line {
            &below[line_end()..]
        } else if let Some(rest) = delimiters.iter().find_map(|it| text.strip_prefix(it)) {
            rest
        } else {
            return text.is_empty();
        };
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

/// Checks that a statement alone is read as in the script. Not checked are scripts with a delimiter of their own, and
/// statements that end with two dashes, which are a comment only at the end of a text.
fn check_again(script: &str, pieces: &[Piece<'_>]) {
    let has_own_delimiter = script.to_lowercase().contains("delimiter");
    for piece in pieces.iter().filter(|piece| !has_own_delimiter && !piece.text.ends_with("--")) {
        assert_eq!(cut(piece.text), [Piece { offset: 0, text: piece.text }]);
    }
}

#[test]
fn scripts_are_cut_where_the_client_ends_statements() {
    for (script, expected) in ROWS {
        let pieces = cut(script);
        let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(texts, expected, "{script:?}");
        check(script, &pieces);
        check_again(script, &pieces);
    }
}

#[test]
fn bodies_are_not_cut_with_a_delimiter_either() {
    for (_, expected) in ROWS.iter().filter(|(script, _)| !script.to_lowercase().contains("delimiter")) {
        let unclosed = expected.last().is_some_and(|last| last.ends_with("a; y"));
        let script: Vec<_> = expected.iter().flat_map(|statement| [statement, "\n$$\n"]).collect();
        let script = format!("DELIMITER $$\n{}", script.concat());
        if !unclosed && !script.contains("--\n") {
            let texts: Vec<_> = cut(&script).iter().map(|piece| piece.text).collect();
            assert_eq!(texts, *expected, "{script:?}");
        }
    }
}

#[test]
fn client_commands_are_refused_with_their_position() {
    let rows = [
        ("source a.sql", "source", "`source`"),
        ("x;\n  SOURCE a.sql;\n", "SOURCE", "`SOURCE`"),
        ("x; source a.sql", "source", "`source`"),
        ("\\. a.sql", "\\.", "`\\.`"),
        ("SELECT 1\\G", "\\G", "`\\G`"),
        ("SELECT 1 \\g\nSELECT 2;", "\\g", "`\\g`"),
        ("/*! \\c */", "\\c", "`\\c`"),
        ("system ls", "system", "`system`"),
        ("tee /f\nx;", "tee", "`tee`"),
        ("x;\ngo", "go", "`go`"),
        ("x;\nDELIMITER", "DELIMITER", "DELIMITER"),
        ("DELIMITER;", "DELIMITER", "DELIMITER"),
        ("DELIMITER \\\\", "DELIMITER", "DELIMITER"),
        ("DELIMITER ''", "DELIMITER", "DELIMITER"),
        ("DELIMITER '//\n", "DELIMITER", "DELIMITER"),
        ("DELIMITER // SELECT 1//", "DELIMITER", "DELIMITER"),
        ("DELIMITER\nSELECT 1;", "DELIMITER", "DELIMITER"),
    ];
    for (script, at, what) in rows {
        let refused = statements(script).unwrap_err();
        assert_eq!(Some(refused.offset), script.find(at), "{script:?}");
        assert!(refused.what.contains(what), "{refused:?}");
    }
    for script in [
        "SELECT 1 AS\nsource",
        "SELECT '\\G'",
        "-- \\G",
        "# source\nx",
        "/*\nsource a\n*/",
        "x(\ndelimiter 1)",
    ] {
        cut(script);
    }
}

/// Text that is difficult for a lexer.
const NASTY: [&str; 74] = [
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "\\N",
    "/*",
    "*/",
    "/*!",
    "/*!50003 ",
    "/*M!",
    "/*!999999",
    "/*+",
    "/",
    "*",
    "--",
    "-- ",
    "-",
    "#",
    "\n",
    "\r",
    " ",
    "\t",
    "\x01",
    ";",
    ";;",
    "$$",
    "//",
    "(",
    ")",
    ":",
    "@",
    ".",
    ",",
    "=",
    "ä",
    "€",
    "\u{feff}",
    "\0",
    "\nDELIMITER ",
    "\nDELIMITER //\n",
    "\nDELIMITER $$\n",
    "\nDELIMITER ;\n",
    "source",
    "CREATE ",
    " OR REPLACE ",
    " DEFINER",
    " PROCEDURE p()",
    " FUNCTION",
    " TRIGGER",
    " FOR EACH ROW ",
    " FOLLOWS ",
    " EVENT",
    " DO ",
    " BEGIN ",
    "BEGIN NOT ATOMIC ",
    " END",
    " END;",
    " IF ",
    " THEN ",
    " ELSE ",
    " CASE ",
    " LOOP ",
    " REPEAT ",
    " UNTIL ",
    " WHILE ",
    " FOR ",
    " DECLARE ",
    " HANDLER FOR ",
    "SELECT ",
    "x",
    "1",
    "go",
];

/// Complete statements of a script.
const WHOLE: [&str; 14] = [
    "SELECT 1",
    r#"SELECT 'a;''b\'', "c;\"", `d;``e\`"#,
    "/*!40101 SET a = ';' ; */",
    "INSERT INTO t VALUES (1) /* ; ' */, -- ;'\n (2), # ;'\n (5--1)",
    "CREATE PROCEDURE p() BEGIN IF a THEN x; END IF; CASE a WHEN 1 THEN y; END CASE; END",
    "CREATE DEFINER=`a`@`%` TRIGGER t BEFORE INSERT ON u FOR EACH ROW FOLLOWS v a: BEGIN x; END a",
    "CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.end = IF(1, 2, 3)",
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN REPEAT x; UNTIL a END REPEAT; END",
    "CREATE FUNCTION f() RETURNS INT BEGIN DECLARE EXIT HANDLER FOR NOT FOUND BEGIN x; END; RETURN CASE a WHEN 1 THEN 2 END; END",
    "BEGIN",
    "BEGIN NOT ATOMIC x; END",
    "XA END 'a'",
    "DROP PROCEDURE IF EXISTS p",
    "CREATE TABLE begin (end INT)",
];

#[test]
fn mysql_and_mariadb_execute_different_comments() {
    for (statement, expected) in [
        ("DROP TABLE a", &[][..]),
        ("DROP /* x */ TABLE a", &[]),
        ("DROP /*!40000 TABLE */ a /*! */", &[]),
        ("SELECT '/*!99999 ' /*!50699 , 1 */ /*!100100 , 2 */", &[]),
        ("DROP /*!50700 TEMPORARY */ TABLE a", &["DROP   TABLE a"]),
        ("DROP /*M!100100 TEMPORARY*/TABLE a", &["DROP  TABLE a"]),
        (
            "DROP /*!99999 TEMPORARY */ TABLE a /*M! , b */",
            &["DROP /*!99999 TEMPORARY */ TABLE a  ", "DROP   TABLE a /*M! , b */"],
        ),
        ("/*!80000 DROP TABLE a */", &[" "]),
        ("/*!40000 DROP /*!80000 TEMPORARY */ TABLE a */", &["/*!40000 DROP   TABLE a */"]),
        ("x /*!80000 it's /* y */ /* '*/ z */ 1", &["x   1"]),
        ("x /*!80000 it's", &["x  "]),
        ("x /*!80000 /* it's", &["x  "]),
    ] {
        assert_eq!(versions::readings(statement), expected, "{statement}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

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
            // Otherwise the delimiter is one that the test does not know.
            if !script.contains("DELIMITER ") || script.matches("DELIMITER ").count() == lines(&script) {
                check(&script, &pieces);
            }
            check_again(&script, &pieces);
        }
    }

    #[test]
    fn complete_statements_are_returned_unchanged(
        rows in vec((select(&WHOLE[..]), select(&["@", "@\n", " @; -- c;\n", "\n@--;\n", "@ # c;\n", "/* ; */@"][..])), 0..8),
        delimiter in select(&[";", "$$", "//", ";;"][..]),
    ) {
        let mut script = format!("DELIMITER {delimiter}\n");
        for (statement, end) in &rows {
            script.extend([*statement, &end.replace('@', delimiter)]);
        }
        let texts: Vec<_> = cut(&script).iter().map(|piece| piece.text).collect();
        let expected: Vec<_> = rows.iter().map(|(statement, _)| *statement).collect();
        prop_assert_eq!(texts, expected);
    }
}

/// The number of lines that set a delimiter of the tests.
fn lines(script: &str) -> usize {
    ["//\n", "$$\n", ";\n"].iter().map(|end| script.matches(&format!("DELIMITER {end}")).count()).sum()
}
