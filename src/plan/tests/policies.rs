//! The verdict of each policy on each finding, in both directions.

use super::*;

/// Makes a plan under the default, `STRICT` and `DEVELOPMENT`, and compares the findings and whether the plan is accepted.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "keeps the rows short")]
fn judge(set: &str, history: &str, target: Target, expected: [&str; 3]) {
    let found = ["", "strict: ", "dev: "].map(|policy| {
        let plan = plan_of(&format!("{policy}{set}"), history, &target).unwrap();
        let outcome = if plan.refuse_if(|_| true).is_ok() { "goes" } else { "refused" };
        let said: Vec<String> = plan
            .problems
            .iter()
            .map(|problem| format!("{} {} {}", problem.verdict, problem.kind, problem.migration))
            .collect();
        [vec![outcome.to_owned()], said].concat().join("; ")
    });
    assert_eq!(found, expected, "for the set `{set}` with `{history}` applied, to {target:?}");
}

const A: &str = "2026-11-22-190907_a";
const B: &str = "2026-11-23-190907_b";

#[test]
fn a_database_ahead() {
    let refused = ["refused; refused database ahead z"; 3];
    judge(
        A,
        &format!("{A} z"),
        Latest,
        ["refused; refused database ahead z", refused[1], "goes; note database ahead z"],
    );
    judge(A, &format!("{A} z"), Back(1), refused);
    judge(A, &format!("{A} z"), Empty, refused);
    judge(A, &format!("{A} z^"), Known, ["goes"; 3]);
}

#[test]
fn a_changed_script() {
    let refused = format!("refused; refused changed {A}");
    let noted = format!("goes; note changed {A}");
    for target in [Latest, Back(1), Empty, Redo] {
        judge(A, &format!("{A}'"), target, [&refused, &refused, &noted]);
    }
    judge(&format!("{A}+"), &format!("{A}'"), Latest, ["goes"; 3]);
}

#[test]
fn an_unfinished_step() {
    let refused = format!("refused; refused dirty {A}");
    for target in [Latest, Back(1), Empty, Redo, Known] {
        judge(A, &format!("{A}*"), target, [&refused; 3]);
    }
}

#[test]
fn a_late_migration() {
    let set = format!("{A} {B}");
    let (noted, refused) =
        (format!("goes; note out of order {A}"), format!("refused; refused out of order {A}"));
    judge(&set, B, Latest, [&noted, &refused, "goes"]);
    judge(&set, B, Back(1), ["goes"; 3]);
}

#[test]
fn a_dependency_that_does_not_run_here() {
    let set = format!("{A}@postgres {B}<-{A}");
    let needs = format!("refused needs excluded {B}");
    let note = format!("note other database {A}");
    let loud = format!("refused; {needs}; {note}");
    judge(&set, "", Latest, [&loud, &loud, &format!("refused; {needs}")]);
    judge(&set, B, Back(1), ["goes"; 3]);
    let redo = format!("refused; refused needs excluded {A}");
    judge(&format!("{A}%prod"), A, Redo, [&redo; 3]);
}

#[test]
fn an_irreversible_migration() {
    let set = format!("{A}!");
    judge(&set, "", Latest, ["goes", &format!("goes; note irreversible {A}"), "goes"]);
    let refused = format!("refused; refused irreversible {A}");
    for target in [Back(1), Empty, Redo] {
        judge(&set, A, target, [&refused; 3]);
    }
    judge("", "z", Known, ["refused; refused irreversible z"; 3]);
    judge("", "z$", Known, ["refused; refused irreversible z"; 3]);
}

#[test]
fn a_stored_script_that_cannot_be_trusted() {
    judge("", "z^", Known, ["goes"; 3]);
    judge("", "z^!", Known, ["refused; refused untrusted z"; 3]);
    judge("", "z^+", Known, ["refused; refused untrusted z"; 3]);
    judge("", "z^0", Known, ["refused; refused untrusted z"; 3]);
    judge("", "z^-", Known, ["refused; refused irreversible z"; 3]);
    judge("", "y^ z^!", Known, ["refused; refused untrusted z"; 3]);
    judge("", "x^! y^ z$", Known, ["refused; refused irreversible z; refused untrusted x"; 3]);
}

#[test]
fn a_migration_for_elsewhere() {
    for (mark, kind) in [("@mysql", "other database"), ("%prod", "other environment")] {
        let noted = format!("goes; note {kind} {A}");
        judge(&format!("{A}{mark}"), "", Latest, [&noted, &noted, "goes"]);
        judge(&format!("{A}{mark} {B}"), B, Back(1), ["goes"; 3]);
    }
}

#[test]
fn names_and_files() {
    judge("a", "", Latest, ["goes", "refused; refused unconventional a", "goes"]);
    let similar = "refused; refused unconventional a; refused similar ids a";
    judge("A a", "A", Latest, ["goes", similar, "goes"]);
    judge("a", "a", Latest, ["goes"; 3]);
    judge("a", "a", Back(1), ["goes"; 3]);
    let noted = format!("goes; note unused file {A}");
    let refused = format!("refused; refused unused file {A}");
    judge(&format!("{A}#"), "", Latest, [&noted, &refused, &noted]);
    judge(&format!("{A}#"), A, Back(1), ["goes"; 3]);
}

#[test]
fn one_transaction() {
    check("batch: a b~", "", Latest, "up a b; not in batch b");
    check("batch: a b~", "a b", Empty, "down b a; not in batch b");
    check("batch: ", "y^ z^~", Known, "down z y; not in batch z");
}

#[test]
fn unknown_migrations_are_undone_newest_first() {
    check("a b", "a b", Known, "nothing");
    check("a b", "a x^ b y^ z^", Known, "down z y x");
    check("a", "x^ y^ z*", Known, "down z y x; irreversible z; dirty z");
}

#[test]
fn redo_selects_the_newest_that_nothing_needs() {
    check("a b", "", Redo, "nothing");
    check("a b", "a b", Redo, "down b; up b");
    check("a b", "b a", Redo, "down a; up a");
    check("a<-b b", "b a", Redo, "down a; up a");
    check("a b!", "a b", Redo, "down b; up b; irreversible b");
}
