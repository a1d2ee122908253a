//! Accounts of several steps, and what an account says.

use super::*;

fn change(table: &str, fate: Fate) -> TableChange {
    TableChange::new(table, fate)
}

fn account(tables: impl Into<Vec<TableChange>>, created: &[(&'static str, &str)]) -> Account {
    let created = created.iter().map(|&(kind, name)| SchemaObject::new(kind, name)).collect();
    Account { tables: tables.into(), created, ..Account::default() }
}

/// The fates of the tables in the account of two steps.
fn fates(first: impl Into<Vec<TableChange>>, later: &Account) -> Vec<(String, Fate)> {
    let mut sum = account(first, &[]);
    sum.extend(later);
    sum.tables.into_iter().map(|table| (table.table, table.fate)).collect()
}

#[test]
fn the_counts_of_two_steps_are_added() {
    let by = |number| StatementPlace { number, offset: 0, text: String::new() };
    let counted = |factor: u64| TableChange {
        rows_before: Some(factor),
        rows_after: Some(2 * factor),
        inserted: 3 * factor,
        updated: 4 * factor,
        upserted: 5 * factor,
        deleted: 6 * factor,
        lost: 7 * factor,
        missing_keys: vec![factor.to_string()],
        by: Some(by(u32::try_from(factor).unwrap())),
        ..change("t", Fate::Kept)
    };
    let mut sum = account([counted(1)], &[]);
    sum.extend(&account([counted(100)], &[]));
    let expected = TableChange {
        rows_before: Some(1),
        rows_after: Some(200),
        missing_keys: vec!["1".to_owned(), "100".to_owned()],
        by: Some(by(1)),
        ..counted(101)
    };
    assert_eq!(sum.tables, [expected]);
}

#[test]
fn a_table_that_one_step_drops_and_another_creates_is_replaced() {
    let owned = |name: &str, fate| (name.to_owned(), fate);
    let dropped = || TableChange { rows_before: Some(3), ..change("t", Fate::Dropped) };

    let later = account([change("T", Fate::Created)], &[("table", "T")]);
    assert_eq!(fates([dropped()], &later), [owned("t", Fate::Replaced)]);
    let later = account([], &[("table", "t")]);
    assert_eq!(fates([dropped()], &later), [owned("t", Fate::Replaced)], "no row was written to it");
    let later = account([], &[("index", "t")]);
    assert_eq!(fates([dropped()], &later), [owned("t", Fate::Dropped)], "an index has the name");
    let later = account([], &[("table", "u")]);
    assert_eq!(fates([dropped()], &later), [owned("t", Fate::Dropped)], "another table was created");
    let later = account([change("t", Fate::Created)], &[("table", "t")]);
    assert_eq!(fates([change("t", Fate::Kept)], &later)[0], owned("t", Fate::Kept), "it was not dropped");
}

#[test]
fn a_table_that_was_renamed_goes_by_its_last_name() {
    let owned = |name: &str, fate| (name.to_owned(), fate);
    let renamed = TableChange { renamed_to: Some("t".to_owned()), deleted: 2, ..change("u", Fate::Kept) };
    let mut sum = account([change("t", Fate::Dropped), renamed], &[]);
    sum.extend(&account([TableChange { deleted: 5, ..change("t", Fate::Kept) }], &[]));
    let deleted: Vec<_> = sum.tables.iter().map(|table| (&*table.table, table.fate, table.deleted)).collect();
    assert_eq!(deleted, [("t", Fate::Replaced, 7), ("u", Fate::Kept, 7)]);
    assert!(sum.renames("u") && !sum.renames("t"));

    let kept = [change("v", Fate::Kept)];
    let later = account([change("w", Fate::Kept)], &[]);
    assert_eq!(fates(kept, &later), [owned("v", Fate::Kept), owned("w", Fate::Kept)]);
}

#[test]
fn only_a_replaced_table_that_had_rows_and_was_not_counted_since_is_counted() {
    let rows = [
        (Fate::Replaced, Some(3), None, true),
        (Fate::Replaced, Some(0), None, false),
        (Fate::Replaced, None, None, false),
        (Fate::Replaced, Some(3), Some(3), false),
        (Fate::Kept, Some(3), None, false),
        (Fate::Dropped, Some(3), None, false),
    ];
    for (fate, rows_before, rows_after, expected) in rows {
        let mut account = account([TableChange { rows_before, rows_after, ..change("t", fate) }], &[]);
        assert_eq!(account.uncounted().count() == 1, expected, "{fate:?} {rows_before:?} {rows_after:?}");
    }
}

#[test]
fn a_table_is_written_if_any_row_was() {
    let none = change("t", Fate::Kept);
    assert!(!none.is_written());
    assert!(TableChange { inserted: 1, ..none.clone() }.is_written());
    assert!(TableChange { updated: 1, ..none.clone() }.is_written());
    assert!(TableChange { upserted: 1, ..none.clone() }.is_written());
    assert!(TableChange { deleted: 1, ..none }.is_written());
}

#[test]
fn a_table_is_replaced_under_its_own_name() {
    assert!(change("t", Fate::Replaced).is_replaced("T"));
    assert!(!change("t", Fate::Replaced).is_replaced("u"));
    assert!(!change("t", Fate::Kept).is_replaced("t"));
}

#[test]
fn a_column_is_known_by_its_last_name() {
    let renamed = |table: &str, is_new, column: &str, to: Option<&str>| ColumnChange {
        table: table.to_owned(),
        is_new,
        column: column.to_owned(),
        to: to.map(str::to_owned),
    };
    let columns = vec![
        renamed("t", false, "a", Some("b")),
        renamed("u", false, "b", Some("wrong")),
        renamed("t", false, "B", Some("c")),
        renamed("t", false, "d", None),
        renamed("t", true, "e", Some("f")),
    ];
    let account = Account { columns, ..Account::default() };
    let now = |fate, column| account.column(&change("t", fate), column);
    assert_eq!(now(Fate::Kept, "a").as_deref(), Some("c"));
    assert_eq!(now(Fate::Kept, "d"), None);
    assert_eq!(now(Fate::Kept, "e").as_deref(), Some("e"), "that table is another one");
    assert_eq!(now(Fate::Replaced, "e").as_deref(), Some("f"));
    assert_eq!(account.column(&change("u", Fate::Replaced), "e").as_deref(), Some("e"));
}

#[test]
fn an_account_says_what_was_taken_away_or_overwritten() {
    let said = |change: TableChange| account([change], &[]).to_string();
    let kept = || change("t", Fate::Kept);
    assert_eq!(said(TableChange { inserted: 3, ..kept() }), "");
    assert_eq!(said(TableChange { updated: 2, ..kept() }), "updated 2 rows of `t`");
    assert_eq!(said(TableChange { upserted: 1, ..kept() }), "inserted or changed 1 row of `t`");
    assert_eq!(said(TableChange { inserted: 3, ..change("t", Fate::Created) }), "");
    assert_eq!(said(TableChange { deleted: 1, ..kept() }), "deleted 1 row of `t`");
    assert_eq!(said(TableChange { lost: 2, ..kept() }), "deleted 2 rows of `t`");
    assert_eq!(said(TableChange { lost: 2, deleted: 1, ..kept() }), "deleted 3 rows of `t`");
    let replaced =
        |rows_after| TableChange { rows_before: Some(3), rows_after, ..change("t", Fate::Replaced) };
    assert_eq!(said(replaced(Some(1))), "replaced `t`: 3 rows before, 1 after");
    assert_eq!(said(replaced(None)), "replaced `t`");
    let dropped = |rows_before| TableChange { rows_before, ..change("t", Fate::Dropped) };
    assert_eq!(said(dropped(Some(3))), "dropped `t`, which had 3 rows");
    assert_eq!(said(dropped(None)), "dropped `t`");

    let objects = [("table", "t"), ("index", "i"), ("view", "v")];
    let dropped = objects.map(|(kind, name)| SchemaObject::new(kind, name)).into();
    let column = |table: &str, is_new, to: Option<&str>| ColumnChange {
        table: table.to_owned(),
        is_new,
        column: "c".to_owned(),
        to: to.map(str::to_owned),
    };
    let columns = vec![column("o", false, None), column("o", false, Some("d")), column("n", true, None)];
    let tables = vec![change("t", Fate::Dropped)];
    let account = Account { tables, dropped, columns, ..Account::default() };
    let said = "dropped `t`, dropped the column `c` of `o`, dropped the index `i`, dropped the view `v`";
    assert_eq!(account.to_string(), said);
}

#[test]
fn lost_rows_are_refused_with_what_keeps_them() {
    let lost = |fate, lost, keys: &[&str]| TableChange {
        rows_before: Some(9),
        rows_after: Some(9 - lost),
        lost,
        missing_keys: keys.iter().map(ToString::to_string).collect(),
        ..change("t", fate)
    };
    let what = |change: TableChange| change.finding().map(|finding| finding.what);
    assert_eq!(what(lost(Fate::Kept, 0, &[])), None);
    let some = account([lost(Fate::Kept, 0, &[]), lost(Fate::Kept, 1, &[]), lost(Fate::Kept, 2, &[])], &[]);
    assert_eq!(some.lost().map(|table| table.lost).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(what(TableChange { rows_after: None, ..lost(Fate::Kept, 1, &[]) }), None);
    let replaces = |rest: &str| Some(format!("replaces `t`, which had 9 rows, with a table of {rest}"));
    assert_eq!(what(lost(Fate::Replaced, 1, &["7"])), replaces("8 rows; 7 is missing"));
    assert_eq!(what(lost(Fate::Replaced, 2, &["7", "8"])), replaces("7 rows; 7, 8 are missing"));
    assert_eq!(what(lost(Fate::Replaced, 3, &["7", "8"])), replaces("6 rows; 7, 8, ... are missing"));

    let [by_rebuild, by_trigger] =
        [Fate::Replaced, Fate::Kept].map(|fate| lost(fate, 1, &[]).refusal().to_string());
    let rebuilt = "it replaces `t`, which had 9 rows, with a table of 8 rows";
    assert!(by_rebuild.starts_with(rebuilt), "{by_rebuild}");
    assert!(by_trigger.starts_with("it deletes 1 row of `t` through a trigger"), "{by_trigger}");
    let advice = |fate| lost(fate, 1, &[]).refusal().advice().unwrap().to_string();
    assert!(
        advice(Fate::Replaced).starts_with("copy the missing rows by hand"),
        "{}",
        advice(Fate::Replaced)
    );
    assert!(advice(Fate::Kept).starts_with("drop the trigger by hand"), "{}", advice(Fate::Kept));
}

#[test]
fn a_finding_knows_its_statement() {
    let place = StatementPlace { number: 2, offset: 9, text: "DELETE FROM t".to_owned() };
    let finding = StepFinding::new(ProblemKind::RowsLost, "deletes rows", "put them back").by(place.clone());
    assert_eq!(finding.by, Some(place));
}

#[test]
fn the_account_of_a_step_has_what_all_its_parts_did() {
    let part = |table: &str| Execution {
        account: account([change(table, Fate::Kept)], &[("table", table)]),
        findings: vec![StepFinding::new(ProblemKind::RowsLost, table, "put them back")],
        ..Execution::default()
    };
    let mut whole = part("t");
    whole.extend(part("u"));
    let tables: Vec<_> = whole.account.tables.iter().map(|table| &*table.table).collect();
    let found: Vec<_> = whole.findings.iter().map(|finding| &*finding.what).collect();
    assert_eq!((tables, found), (vec!["t", "u"], vec!["t", "u"]));
}
