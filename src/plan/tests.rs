//! Table tests of the planner: a set, a history, a target, and the expected steps and problems.

use std::sync::LazyLock;

use super::*;
use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Record};
use crate::id::MigrationId;
use crate::location::Location;
use crate::migration::{Meta, Migration, Origin, Unread};
use crate::placeholder::Gap;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::script_options::ScriptOptions;
use crate::step::ForeignKeys;
use crate::stored::{StoredDown, StoredScript};
use crate::target::Target::{Back, Empty, Known, Latest, Redo, Steps};
use crate::transaction_fit::{TransactionConflict, TransactionFit};

mod policies;
mod step_forecasts;

/// Makes a plan and compares it.
///
/// The set is a list of ids, each with its special properties:
///
/// ```text
/// a<-b,c      needs b and c                  a!   cannot be undone
/// a<?b        needs b if the set has it      a~   runs outside a transaction
/// a@postgres  is only for that database      a&   runs under enforced foreign keys
/// a%prod      is only for that environment   a+   accepts the text before its change
/// a$          is code without a checksum     a#   has a file beside it that nothing reads
/// a=          is not read
/// ```
///
/// `vacuum` runs outside a transaction, `setting` may run either way, `mixed` has a statement that cannot run in one, and `broken` can
/// run neither way.
///
/// It may begin with `batch:`, for one transaction, `strict:` or `dev:`, for that policy, or `prod:`, for that environment. The
/// history is a list of ids in the order in which they were applied: `a*` did not finish, `a>2` is to continue at its second
/// statement, `a'` had another text, `a?` has no checksum; `a^` has a stored script, `a^~` one that runs outside a transaction,
/// `a^!` a damaged one, `a^+` one that runs in a way of later versions, `a^0` one with a NUL, `a^-` one that undoes nothing, and `a$` is
/// undone by code.
///
/// `expected` has the steps, then the problems; or the reason why there is no plan.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "keeps the rows short")]
fn check(set: &str, history: &str, target: Target, expected: &str) {
    let found = outcome(set, history, &target);
    assert_eq!(found, expected, "for the set `{set}` with `{history}` applied, to {target:?}");
}

fn through(id: &str) -> Target {
    Target::Through(id.into())
}

fn before(id: &str) -> Target {
    Target::Before(id.into())
}

fn back_to(id: &str) -> Target {
    Target::BackTo(id.into())
}

fn outcome(set: &str, history: &str, target: &Target) -> String {
    match plan_of(set, history, target) {
        Ok(plan) => in_words(&plan),
        Err(error) => match error.failure() {
            Failure::Unknown { id, nearest: None } => format!("unknown {id}"),
            Failure::Unknown { id, nearest: Some(nearest) } => format!("unknown {id}, like {nearest}"),
            _ => error.to_string(),
        },
    }
}

fn plan_of(set: &str, history: &str, target: &Target) -> Result<Plan> {
    let (condition, set) =
        set.split_once(": ").map_or((None, set), |(condition, set)| (Some(condition), set));
    let metas = (1..).zip(words(set)).map(|(place, word)| (meta(place, word), ()));
    let (graph, _) = Graph::build(metas.collect())?;
    let history = History::new(words(history).map(record));
    let setting = Setting {
        dialect: Dialect::Sqlite,
        environment: condition.filter(|condition| !["batch", "strict", "dev"].contains(condition)),
        mode: if condition == Some("batch") { TransactionMode::Batch } else { TransactionMode::PerMigration },
        scripts: &Named(&graph),
        program: None,
        policy: match condition {
            Some("strict") => &Policy::STRICT,
            Some("dev") => &Policy::DEVELOPMENT,
            _ => &Policy::DEFAULT,
        },
    };
    plan(&graph, &history, target, setting)
}

/// Scripts whose names say whether they fit into a transaction.
#[derive(Debug)]
struct Named<'g>(&'g Graph);

impl Scripts for Named<'_> {
    fn gaps(&self, _place: usize, _direction: Direction) -> &[Gap] {
        &[]
    }

    fn literal(&self, _place: usize, _direction: Direction) -> Option<(usize, String)> {
        None
    }

    fn stored_gaps(&self, _script: &StoredScript) -> Vec<(Gap, Location)> {
        Vec::new()
    }

    fn transaction_fit(&self, place: usize, _direction: Direction) -> &TransactionFit {
        static MIXED: LazyLock<TransactionFit> =
            LazyLock::new(|| TransactionFit::Divided(TransactionConflict::new(0, "does not fit", "do")));
        static BROKEN: LazyLock<TransactionFit> = LazyLock::new(|| {
            TransactionFit::Divided(TransactionConflict::new(0, "does not fit", "do").hopeless())
        });
        match self.0.metas()[place].id.as_str() {
            "vacuum" => &TransactionFit::Outside,
            "setting" => &TransactionFit::Either,
            "mixed" => &MIXED,
            "broken" => &BROKEN,
            _ => &TransactionFit::Inside,
        }
    }

    fn refusals(&self, place: usize, _direction: Direction, _atomicity: Atomicity) -> Vec<Refusal> {
        let is_meant = |name: &str| self.0.metas()[place].id.as_str() == name;
        let fault = || Fault::new(FaultKind::Other, "it is not SQL").remedy("leave it out").at(0);
        if is_meant("client") {
            vec![Refusal::new(fault())]
        } else if is_meant("dropping") {
            vec![Refusal::new(fault()).only_in("app")]
        } else if is_meant("both") {
            vec![Refusal::new(fault()), Refusal::new(fault()).only_in("app")]
        } else {
            Vec::new()
        }
    }

    fn statements(&self, place: usize, _direction: Direction) -> Option<u32> {
        self.has_values(place, Direction::Up).then_some(4)
    }

    fn has_values(&self, place: usize, _direction: Direction) -> bool {
        self.0.metas()[place].id.as_str() == "filled"
    }

    fn text(&self, _place: usize, _direction: Direction) -> Option<&str> {
        Some("")
    }

    fn located(&self, place: usize, _direction: Direction, _offset: usize) -> (Location, String) {
        (Location::file(self.0.metas()[place].id.as_str()), "STATEMENT".to_owned())
    }
}

fn in_words(plan: &Plan) -> String {
    let mut words = Vec::new();
    if let Some(first) = plan.steps.first() {
        let mut way = first.direction;
        words.push(format!("{way}"));
        for step in &plan.steps {
            if step.direction != way {
                way = step.direction;
                words.push(format!("{way}"));
            }
            if let Some(last) = words.last_mut() {
                *last = format!("{last} {}", step.id);
            }
        }
    }
    words.extend(plan.problems.iter().map(|problem| format!("{} {}", problem.kind, problem.migration)));
    if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// The migration for a word of the set. Its script is its id.
fn meta(place: usize, word: &str) -> Meta {
    let (id, mut rest) = split(word, &['<', '!', '~', '&', '+', '#', '$', '@', '%', '=']);
    let mut migration: Migration =
        Migration::from_scripts(id.to_owned(), id.to_owned(), Some(String::new())).hashed();
    migration.meta.origin = Origin::File(format!("{place}.sql").into());
    while let Some(mark) = rest.chars().next() {
        let (value, after) = split(&rest[1..], &['<', '!', '~', '&', '+', '#', '$', '@', '%', '=']);
        let mut values = value.split(',');
        migration = match mark {
            '<' if value.starts_with('?') => {
                value[1..].split(',').fold(migration, Migration::depends_on_if_present)
            }
            '<' => value[1..].split(',').fold(migration, Migration::depends_on),
            '@' => migration.only_on(values.map(|name| match name {
                "sqlite" => Dialect::Sqlite,
                "postgres" => Dialect::Postgres,
                _ => Dialect::Mysql,
            })),
            '%' => migration.environments(values.by_ref()),
            '~' => migration.outside_transaction(),
            '&' => migration.foreign_keys(ForeignKeys::Enforced),
            '+' => migration.accept(earlier(id)),
            _ => migration,
        };
        match mark {
            '!' => migration.meta.is_reversible = false,
            '$' => migration.meta.checksum = None,
            '#' => migration.meta.unused_files.push("notes.sql".to_owned()),
            '=' => migration.meta.unread = Some(Unread::FileBesideFolders),
            _ => {}
        }
        rest = after;
    }
    migration.meta
}

/// The record for a word of the history.
fn record(word: &str) -> Record {
    let (id, marks) = split(word, &['*', '>', '\'', '?', '^', '~', '!', '+', '$']);
    let checksum = match () {
        () if marks.contains('\'') => Some(earlier(id)),
        () if marks.contains('?') => None,
        () => Some(Checksum::of(id)),
    };
    let atomicity = if marks.contains('~') { Atomicity::NonTransactional } else { Atomicity::Transaction };
    let text = if marks.contains('0') { "SELECT 1;\0" } else { "" };
    let mut script =
        StoredScript::new(&id.into(), text, ScriptOptions { atomicity, ..ScriptOptions::default() });
    if marks.contains('!') {
        script.text.push_str("DROP TABLE everything");
    }
    if marks.contains('+') {
        let later = StoredScript { options: "backwards".to_owned(), ..script.clone() };
        script = StoredScript { checksum: Some(later.expected(&id.into())), ..later };
    }
    let down = match () {
        () if marks.contains('^') => Some(StoredDown::Script(script)),
        () if marks.contains('$') => Some(StoredDown::Code),
        () => None,
    };
    let begun = Dirty::begun(Direction::Up);
    let statement = marks.split_once('>').and_then(|(_, rest)| rest.get(..1)?.parse().ok());
    let dirty = match statement {
        Some(_) => Some(begun.to_resume(statement)),
        None => marks.contains('*').then_some(begun),
    };
    let up_sql = marks.contains('-').then(|| "CREATE TABLE t (x)".to_owned());
    Record { dirty, up_sql, down, ..Record::new(id, checksum) }
}

/// The checksum of the text that a migration had before it was changed.
fn earlier(id: &str) -> Checksum {
    Checksum::of(&format!("{id}, as it was"))
}

fn split<'a>(text: &'a str, marks: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(marks).unwrap_or(text.len()))
}

#[test]
fn latest_applies_what_is_pending() {
    check("", "", Latest, "nothing");
    check("a b c", "", Latest, "up a b c");
    check("a b c", "a b", Latest, "up c");
    check("a b c<-a", "a b", Latest, "up c");
    check("a b c", "a b c", Latest, "nothing");
    check("a b c", "c b a", Latest, "nothing");
    check("a!", "", Latest, "up a");
    check("a~ b&", "", Latest, "up a b");
    check("a client b", "", Latest, "up a b client; fails client");
    check("a client dropping", "a client", Latest, "up dropping");
    check("a client", "client", Steps(1), "up a; out of order a");
    check("a client", "a client", Back(1), "down client; fails client");
}

/// What is refused only in one schema joins what is refused anywhere, each place once. The database is asked for its schema only if that
/// decides something.
#[test]
fn what_a_schema_refuses_is_added_where_it_is_the_current_one() {
    let found = |set: &str, schema: &str| {
        let plan = plan_of(set, "", &Latest).unwrap();
        let asks = plan.depends_on_schema();
        let (graph, _) = Graph::build(Vec::<(Meta, ())>::new()).unwrap();
        let setting = Setting {
            dialect: Dialect::Mysql,
            environment: None,
            mode: TransactionMode::PerMigration,
            scripts: &Named(&graph),
            program: None,
            policy: &Policy::DEFAULT,
        };
        let plan = plan.refused_in(schema, setting);
        (asks, in_words(&plan), plan.failing)
    };
    let said = |words: &str| words.to_owned();
    assert_eq!(found("a client", "app"), (false, said("up a client; fails client"), Some(1)));
    for (schema, expected) in [
        ("app", (true, said("up client dropping; fails client; fails dropping"), Some(0))),
        ("other", (true, said("up client dropping; fails client"), Some(0))),
    ] {
        assert_eq!(found("client dropping", schema), expected);
    }
    assert_eq!(found("a dropping", "APP"), (true, said("up a dropping; fails dropping"), Some(1)));
    assert_eq!(found("a dropping", "other"), (true, said("up a dropping"), None));
    assert_eq!(found("a both", "app"), (true, said("up a both; fails both"), Some(1)));
}

#[test]
fn ids_decide_between_independent_migrations() {
    check("c a b", "", Latest, "up a b c");
    check("10_x 2_x 1_x", "", Latest, "up 1_x 2_x 10_x");
    check("2_b 02_a 2_a", "", Latest, "up 02_a 2_a 2_b");
    check(
        "2017-09-23-1_c 201708041_b 2017-08-04-0_a",
        "",
        Latest,
        "up 2017-08-04-0_a 201708041_b 2017-09-23-1_c",
    );
    check("name 20170804120000_b 1_c", "", Latest, "up 1_c 20170804120000_b name");
}

#[test]
fn a_migration_runs_after_those_it_needs() {
    check("a<-b b", "", Latest, "up b a");
    check("a<-c b c", "", Latest, "up b c a");
    check("a<-d b c d<-c", "", Latest, "up b c d a");
    check("a<-b,c b<-d c<-d d", "", Latest, "up d b c a");
    check("a<-b,b b", "", Latest, "up b a");
    check("a<-c b c", "c", Latest, "up b a; out of order b");
    check("d c<-d b<-c a<-b", "", Latest, "up d c b a");
}

#[test]
fn an_optional_dependency_orders_and_requires_nothing() {
    check("a<?b b", "", Latest, "up b a");
    check("a<?z b", "", Latest, "up a b");
    check("a<-b<?c b c", "", Latest, "up b c a");
    check("a<?b b@postgres", "", Latest, "up a; other database b");
}

#[test]
fn through_ends_with_its_migration() {
    check("a b c", "", through("b"), "up a b");
    check("a b c", "a", through("b"), "up b");
    check("a b c", "a b", through("b"), "nothing");
    check("a b c", "a b c", through("a"), "nothing");
    check("a<-c b c", "", through("c"), "up b c");
    check("a<-c b c", "", through("a"), "up b c a");
    check("a b c", "a c", through("b"), "up b; out of order b");
    check("a b@postgres c", "", through("b"), "up a; other database b");
}

#[test]
fn before_leaves_its_migration_pending() {
    check("a b c", "", before("a"), "nothing");
    check("a b c", "", before("c"), "up a b");
    check("a b c", "a", before("c"), "up b");
    check("a b c", "a b c", before("b"), "nothing");
    check("a<-c b c", "", before("a"), "up b c");
    check("a<-c b c", "", before("b"), "nothing");
}

#[test]
fn steps_count_what_is_pending_and_runs_here() {
    check("a b c", "", Steps(0), "nothing");
    check("a b c", "", Steps(1), "up a");
    check("a b c", "", Steps(2), "up a b");
    check("a b c", "", Steps(usize::MAX), "up a b c");
    check("a b c", "a", Steps(1), "up b");
    check("a b c d", "a c", Steps(1), "up b; out of order b");
    check("a b c d", "a c", Steps(2), "up b d; out of order b");
    check("a@postgres b c", "", Steps(1), "up b; other database a");
    check("a b c", "a b c", Steps(1), "nothing");
}

#[test]
fn back_undoes_the_newest_first() {
    check("a b c", "a b c", Back(0), "nothing");
    check("a b c", "a b c", Back(1), "down c");
    check("a b c", "a b c", Back(2), "down c b");
    check("a b c", "a b c", Back(usize::MAX), "down c b a");
    check("a b c", "a", Back(2), "down a");
    check("a b c", "", Back(1), "nothing");
    check("a b c", "a c b", Back(1), "down b");
    check("a b c", "c b a", Back(3), "down a b c");
}

#[test]
fn nothing_is_undone_before_those_that_need_it() {
    check("a b<-a c<-b", "a b c", Back(3), "down c b a");
    check("a<-b b", "a b", Back(1), "down a");
    check("a<-b b", "a b", Back(2), "down a b");
    check("a<-c b c", "a b c", Back(1), "down b");
    check("a<-c b c", "a b c", Empty, "down b a c");
    check("a<?b b", "a b", Back(1), "down a");
    check("a b<-a", "a", Back(1), "down a");
}

#[test]
fn back_to_keeps_its_migration() {
    check("a b c", "a b c", back_to("a"), "down c b");
    check("a b c", "a b c", back_to("c"), "nothing");
    check("a b c", "a c b", back_to("c"), "down b");
    check("a b c", "a b", back_to("c"), "nothing");
    check("a b c", "", back_to("a"), "nothing");
    check("a<-b b c", "a b c", back_to("b"), "down c");
    check("a<-c b c", "a b c", back_to("b"), "down a c");
    check("a<-b b", "a b", back_to("a"), "nothing");
    check("a b<-d c d", "a b c d", back_to("b"), "down c");
}

#[test]
fn empty_undoes_everything() {
    check("a b c", "a b c", Empty, "down c b a");
    check("a b c", "b", Empty, "down b");
    check("a b", "", Empty, "nothing");
    check("", "", Empty, "nothing");
}

#[test]
fn a_target_that_the_set_does_not_have_is_an_error() {
    check("a b", "a", through("x"), "unknown x");
    check("a b", "a", before("x"), "unknown x");
    check("a b", "a", back_to("x"), "unknown x");
    check("", "", through("a"), "unknown a");
    check("a", "a x", back_to("x"), "unknown x");
    check("1_users 2_posts", "", through("2_post"), "unknown 2_post, like 2_posts");
    check("2025-01-01-000000_users 2_b", "", before("users"), "unknown users");
    check(
        "2025-01-01-000000_users",
        "",
        back_to("2025_users"),
        "unknown 2025_users, like 2025-01-01-000000_users",
    );
}

#[test]
fn a_migration_before_an_applied_one_runs_and_is_reported() {
    check("a b c", "a c", Latest, "up b; out of order b");
    check("a b c d", "d", Latest, "up a b c; out of order a; out of order b; out of order c");
    check("a b c d", "b", Latest, "up a c d; out of order a");
    check("a<-b b", "b", Latest, "up a");
    check("a b<-c c", "b", Latest, "up a c; out of order a; out of order c");
    check("a b", "x", Latest, "up a b; database ahead x");
}

#[test]
fn a_database_with_unknown_migrations_is_ahead() {
    check("a", "a x", Latest, "database ahead x");
    check("a b", "a x", Latest, "up b; database ahead x");
    check("a", "y a x", Latest, "database ahead y; database ahead x");
    check("", "x", Latest, "database ahead x");
    check("a", "x", Steps(0), "database ahead x");
}

#[test]
fn an_unknown_migration_may_be_a_pending_one_under_its_old_name() {
    let said = |set: &str, history: &str| plan_of(set, history, &Latest).unwrap().to_string();
    assert!(said("1_users", "1_user").contains("`1_users` is pending and has nearly the same name"));
    assert!(!said("1_users", "1_users 1_user").contains("is pending"));
    assert!(!said("1_users=", "1_user").contains("is pending"));
}

#[test]
fn ids_that_differ_only_in_case_are_similar() {
    let similar =
        check::similar_ids(&[meta(1, "a"), meta(2, "a"), meta(3, "A"), meta(4, "b"), meta(5, "B=")]);
    assert_eq!(similar.iter().map(|it| it.migration.as_str()).collect::<Vec<_>>(), ["A"]);
}

#[test]
fn a_rollback_is_refused_at_an_unknown_migration_only_if_it_undoes_it() {
    check("a", "a x", Back(1), "database ahead x");
    check("a", "a x", Back(2), "down a; database ahead x");
    check("a b", "x a b", Back(1), "down b");
    check("a b", "a x b", back_to("a"), "down b; database ahead x");
    check("a b", "x a b", back_to("a"), "down b");
    check("a b", "x a b", Empty, "down b a; database ahead x");
}

#[test]
fn a_dirty_migration_is_reported_for_every_target() {
    check("a", "a*", Latest, "dirty a");
    check("a b", "a*", Latest, "up b; dirty a");
    check("a b", "a*", Steps(0), "dirty a");
    check("a b", "a* b", Back(1), "down b; dirty a");
    check("a", "a*", Back(1), "down a; dirty a");
    check("a", "x*", Latest, "up a; database ahead x; dirty x");
    // What it says is to be done about the dirty step, is to be done to the changed script.
    check("a", "a*'", Latest, "dirty a");
}

#[test]
fn a_half_applied_migration_continues_where_it_is_marked_to() {
    check("a b", "a>2", Latest, "up a b");
    check("a mixed", "a mixed>2", Latest, "up mixed");
    check("a mixed", "a mixed>1", Latest, "up mixed; not in transaction mixed");
    let dry_run = |history: &str| plan_of("a b c d", history, &Latest).unwrap().to_string();
    let late = dry_run("a>2 b c");
    assert!(late.contains("`a` comes before 2 migrations already applied"), "{late}");
    let done_part = dry_run("a>2'");
    assert!(done_part.contains("the part of its script that is done was changed"), "{done_part}");
    let first = dry_run("a>1'");
    assert!(first.contains("was changed after it was applied"), "{first}");
}

#[test]
fn an_unfinished_step_says_how_far_it_got() {
    let (graph, _) = Graph::build(vec![(meta(1, "filled"), ())]).unwrap();
    let setting = Setting {
        dialect: Dialect::Sqlite,
        environment: None,
        mode: TransactionMode::PerMigration,
        scripts: &Named(&graph),
        program: None,
        policy: &Policy::DEFAULT,
    };
    let said = |id: &str, statement: Option<u32>, of: Option<u32>| {
        let dirty = Some(Dirty { statement, of, ..Dirty::begun(Direction::Up) });
        let history = History::new([Record { dirty, ..Record::new(id.to_owned(), None) }]);
        let found = check::unfinished(&graph, &history, &[], setting).remove(0);
        let is_counted_anew = found.finding.contains("its placeholders have other values");
        assert_eq!(found.remedy.unwrap().singles().contains(&&Remedy::Retry), !is_counted_anew);
        found.finding
    };
    assert_eq!(said("a", None, None), "began and did not finish");
    assert_eq!(said("a", Some(2), None), "began and did not finish, at statement 2 of its script");
    assert_eq!(said("a", Some(2), Some(2)), "began and did not finish, at statement 2 of 2 of its script");
    assert_eq!(
        said("a", Some(3), Some(2)),
        "began and did not finish, after the last statement of its script"
    );
    // The script has four statements with the values that its placeholders have now.
    assert_eq!(
        said("filled", Some(2), Some(4)),
        "began and did not finish, at statement 2 of 4 of its script"
    );
    assert_eq!(
        said("filled", Some(1), Some(5)),
        "began and did not finish, at statement 1 of 5 of its script"
    );
    let anew = said("filled", Some(2), Some(5));
    let expected =
        "at statement 2 of 5 of its script, which now has 4, since its placeholders have other values";
    assert!(anew.ends_with(expected), "{anew}");
}

#[test]
fn a_text_that_changed_after_it_was_applied_is_found() {
    check("a b", "a' b", Latest, "changed a");
    check("a b c", "a' b'", Latest, "up c; changed a; changed b");
    check("a b", "a b'", Back(1), "down b; changed b");
    check("a b", "a' b", Back(1), "down b");
    check("a b", "a' b", back_to("a"), "down b");
}

#[test]
fn an_unknown_or_accepted_checksum_is_no_change() {
    check("a", "a?", Latest, "nothing");
    check("a$", "a'", Latest, "nothing");
    check("a$", "a?", Latest, "nothing");
    check("a+", "a'", Latest, "nothing");
    check("a+", "a", Latest, "nothing");
    check("a+ b", "a' b'", Latest, "changed b");
    check("a+ b", "a' b", Empty, "down b a");
}

#[test]
fn a_migration_for_another_database_or_environment_does_not_run() {
    check("a@postgres", "", Latest, "other database a");
    check("a@postgres,mysql b", "", Latest, "up b; other database a");
    check("a@postgres,sqlite", "", Latest, "up a");
    check("a%prod", "", Latest, "other environment a");
    check("prod: a%prod", "", Latest, "up a");
    check("test: a%prod", "", Latest, "other environment a");
    check("test: a%prod,test", "", Latest, "up a");
    check("prod: a@mysql%prod", "", Latest, "other database a");
    check("a@mysql%prod", "", Latest, "other database a");
}

#[test]
fn an_applied_migration_that_does_not_run_here_can_stay_or_be_undone() {
    check("a@postgres", "a", Latest, "nothing");
    check("a%prod", "a", Latest, "nothing");
    check("a%prod", "a", Back(1), "down a");
    check("a@postgres", "a", Back(1), "down a; irreversible a");
    check("a b@postgres", "a", Back(1), "down a");
}

#[test]
fn a_dependency_that_does_not_run_here_is_refused() {
    check("a@postgres b<-a", "", Latest, "up b; needs excluded b; other database a");
    check("a%prod b<-a", "", Latest, "up b; needs excluded b; other environment a");
    check("prod: a%prod b<-a", "", Latest, "up a b");
    check("a@postgres b<?a", "", Latest, "up b; other database a");
    check("a@postgres b<-a", "a", Latest, "up b");
    check("a@postgres b@postgres<-a", "", Latest, "other database a; other database b");
    check("a@postgres b<-a c", "", before("b"), "other database a");
    check("a@postgres b<-a c<-b", "", Latest, "up b c; needs excluded b; other database a");
}

#[test]
fn a_batch_refuses_what_cannot_share_a_transaction() {
    check("batch: a vacuum", "", Latest, "up a vacuum; not in batch vacuum");
    check("batch: a setting", "", Latest, "up a setting");
    check("batch: a b", "", Latest, "up a b");
    check("batch: a b~", "", Latest, "up a b; not in batch b");
    check("batch: a~", "", Latest, "up a; not in batch a");
    check("batch: a b~", "", Steps(1), "up a");
    check("batch: a~ b", "a", Latest, "up b");
    check("batch: a b& c", "", Latest, "up a b c; not in batch b");
    check("batch: a& b c", "", Latest, "up a b c; not in batch b; not in batch c");
    check("batch: a& b&", "", Latest, "up a b");
    check("batch: a b~", "a b", Empty, "down b a; not in batch b");
    check("batch: a b&", "a b", Empty, "down b a; not in batch a");
}

#[test]
fn an_irreversible_migration_is_reported_if_it_would_be_undone() {
    check("a!", "a", Back(1), "down a; irreversible a");
    check("a! b", "a b", Empty, "down b a; irreversible a");
    check("a! b!", "a b", Empty, "down b a; irreversible b; irreversible a");
    check("a! b", "a b", Back(1), "down b");
    check("a! b", "a b", back_to("a"), "down b");
}

#[test]
fn an_unused_file_is_reported_when_its_migration_runs() {
    check("a# b", "", Latest, "up a b; unused file a");
    check("a# b", "a", Latest, "up b");
    check("a# b", "", Steps(0), "nothing");
}

#[test]
fn all_findings_are_listed_with_the_refused_ones_first() {
    check(
        "batch: a b c@postgres d<-c e~ f# g%prod",
        "x b' y*",
        Latest,
        "up a d e f; database ahead x; database ahead y; dirty y; changed b; needs excluded d; not in batch e; \
         out of order a; other database c; other environment g; unused file f",
    );
    check(
        "batch: a! b~ c",
        "z b' c*",
        Empty,
        "down c b; database ahead z; dirty c; changed b; not in batch b",
    );
}

#[test]
fn a_missing_dependency_is_an_error() {
    check(
        "a<-z",
        "",
        Latest,
        "`a` needs `z`, which is not in the set; add it, correct the name, or use depends_on_if_present",
    );
    check(
        "1_users 2_posts<-1_user",
        "",
        Latest,
        "`2_posts` needs `1_user`, which is not in the set, the nearest is `1_users`; \
         add it, correct the name, or use depends_on_if_present",
    );
    check(
        "a<-y,z",
        "y z",
        Empty,
        "2 problems: \
         (1) `a` needs `y`, which is not in the set; add it, correct the name, or use depends_on_if_present; \
         (2) `a` needs `z`, which is not in the set; add it, correct the name, or use depends_on_if_present",
    );
}

#[test]
fn a_cycle_is_an_error_that_lists_it() {
    let round = |path: &str| {
        let (id, _) = path.split_once(' ').unwrap_or_default();
        format!("`{id}` needs itself: `{path}`; remove one depends_on of these")
    };
    check("a<-a", "", Latest, &round("a -> a"));
    check("a<-b b<-a", "a b", Latest, &round("a -> b -> a"));
    check("a<-b b<-c c<-a", "", Latest, &round("a -> b -> c -> a"));
    check("a<?b b<-a", "", Latest, &round("a -> b -> a"));
    check("a<-b b<-a c<-a d", "", Latest, &round("a -> b -> a"));
    check("a<-b b<-c c<-b", "", Latest, &round("b -> c -> b"));
    let two = format!("2 problems: (1) {}; (2) {}", round("a -> b -> a"), round("c -> b -> c"));
    check("a<-b b<-a,c c<-b", "", Latest, &two);
    check(
        "a<-b b<-a c<-d d<-c",
        "",
        Latest,
        &format!("2 problems: (1) {}; (2) {}", round("a -> b -> a"), round("c -> d -> c")),
    );
}

#[test]
fn an_id_is_printable_and_defined_once() {
    let twice = "`a` is defined twice, in 1.sql and in 2.sql; rename one of them";
    check("a a", "", Latest, twice);
    check("a b a", "a", Latest, &twice.replace('2', "3"));
    check(
        "a a a",
        "",
        Latest,
        &format!("2 problems: (1) {twice}; (2) {}", twice.replace('2', "3").replace('1', "2")),
    );
    check("02_a 2_a", "", Latest, "up 02_a 2_a");
    check("!", "", Latest, "`` is no id, in 1.sql; name it");
    check("\u{a0}", "", Latest, "`\u{a0}` is no id, in 1.sql; name it");
    check("a b\tc", "", Latest, "`b\\tc` holds a control character, in 2.sql; rename it");
    check(
        "a b\u{202e}c",
        "",
        Latest,
        "`b\\u{202e}c` holds a character that reorders or splits a line of text, in 2.sql; rename it",
    );
}

#[test]
fn all_problems_of_a_set_are_reported_at_once() {
    check(
        "a a b<-z c<-c",
        "",
        Latest,
        "3 problems: (1) `a` is defined twice, in 1.sql and in 2.sql; rename one of them; \
         (2) `b` needs `z`, which is not in the set; add it, correct the name, or use depends_on_if_present; \
         (3) `c` needs itself: `c -> c`; remove one depends_on of these",
    );
}

#[test]
fn a_step_lists_its_dependencies_in_order() {
    let plan = plan_of("d<-c,b<?a,z c<-b b a", "", &Latest).unwrap();
    let needs = |id: &str| {
        let step = plan.steps.iter().find(|step| step.id == id).unwrap();
        step.needs.iter().map(MigrationId::to_string).collect::<Vec<_>>()
    };
    assert_eq!(needs("d"), ["a", "b", "c"]);
    assert_eq!(needs("c"), ["b"]);
    assert!(needs("a").is_empty());
}

#[test]
fn a_plan_knows_the_history_it_was_made_for() {
    let digest = |history: &str| plan_of("a b c", history, &Latest).unwrap().digest;
    assert_eq!(digest(""), HistoryDigest::EMPTY);
    assert_eq!(digest("a b"), digest("b a"));
    assert_ne!(digest("a b"), digest("a c"));
    assert_ne!(digest("a"), digest("a'"));
    assert_ne!(digest("a"), digest("a*"));
    assert_ne!(digest("a"), digest("a?"));
    assert_eq!(plan_of("a b c", "a b", &Latest).unwrap().already, 2);
}

#[test]
fn a_plan_is_the_same_only_for_the_same_history_and_the_same_steps() {
    let is_same = |own: (&str, &str), other: (&str, &str)| {
        let [own, other] = [own, other].map(|(set, history)| plan_of(set, history, &Latest).unwrap());
        own.is_same(&other)
    };
    assert!(is_same(("a b c", "a"), ("a b c", "a")));
    assert!(!is_same(("a b c", "a"), ("a b c", "a?")), "another history");
    assert!(!is_same(("a b", "a"), ("a c", "a")), "another step");
    assert!(!is_same(("a b", "a"), ("a b c", "a")), "one step more");
    assert!(!is_same(("a b", "a"), ("batch: a b", "a")), "another way to commit");
}

#[test]
fn the_dry_run_marks_the_step_that_fails_and_those_after_it() {
    let plan = plan_of("a b c d", "", &Latest).unwrap();
    let plan = Plan { failing: Some(1), ..plan };
    assert_eq!(plan.failing_step().unwrap().id, "b");
    assert_eq!(
        plan.to_string(),
        "4 steps, with 0 migrations applied before:\n  \
         1. up a (1.sql)\n  \
         2. up b (2.sql)\n     \
         fails, as the problem below says\n  \
         3. up c (3.sql)\n     \
         is not reached, since step 2 fails\n  \
         4. up d (4.sql)\n     \
         is not reached, since step 2 fails"
    );
}

#[test]
fn the_dry_run_lists_steps_and_findings() {
    let dry_run =
        |set: &str, history: &str, target: Target| plan_of(set, history, &target).unwrap().to_string();
    assert_eq!(dry_run("a", "a", Latest), "nothing to do, with 1 migration applied");
    assert_eq!(dry_run("a b", "a", Latest), "1 step, with 1 migration applied before:\n  1. up b (2.sql)");
    assert_eq!(
        dry_run("a c@sqlite,mysql<-a,b b~", "", Latest),
        "3 steps, with 0 migrations applied before:\n  \
         1. up a (1.sql)\n  \
         2. up b; outside a transaction (3.sql)\n  \
         3. up c; needs a, b; only on sqlite, mysql (2.sql)"
    );
    assert_eq!(
        dry_run("batch: a b c! d%prod,test", "b", Latest),
        "2 steps in one transaction, with 1 migration applied before:\n  \
         1. up a (1.sql)\n  \
         2. up c (3.sql)\n  \
         note, out of order: `a` comes before 1 migration already applied\n  \
         note, other environment: `d` is only for prod, test and does not run on sqlite without an environment"
    );
    assert_eq!(
        dry_run("a@mysql", "", Latest),
        "nothing to do, with 0 migrations applied\n  \
         note, other database: `a` is only for mysql and does not run on sqlite without an environment"
    );
    assert_eq!(
        dry_run("a!", "a", Back(1)),
        "1 step, with 1 migration applied before:\n  \
         1. down a (1.sql)\n  \
         refused, irreversible: `a` has nothing that undoes it; \
         write one (`SELECT 1;` says that there is nothing to undo), or go back less far"
    );
}

#[test]
fn a_script_that_cannot_run_in_a_transaction_is_found_before_the_first_step() {
    check("a mixed", "", Latest, "up a mixed; not in transaction mixed");
    check("a mixed~", "", Latest, "up a mixed");
    check("a mixed", "mixed", Latest, "up a; out of order a");
    check("a mixed", "", Steps(1), "up a");
    check("broken mixed", "", Latest, "up broken mixed; not in transaction broken; not in transaction mixed");
    check("broken~", "", Latest, "up broken; not in transaction broken");
    check("a vacuum", "", Latest, "up a vacuum");
    check("a mixed", "a mixed", Empty, "down mixed a; not in transaction mixed");
    let plan = plan_of("vacuum", "", &Latest).unwrap();
    assert!(plan.to_string().contains("vacuum; outside a transaction"), "{plan}");
}

#[test]
fn an_unread_migration_does_not_run_and_is_reported() {
    check("a b=", "", Latest, "up a; unused file b");
    check("a b=", "a b", Latest, "nothing");
    check("a b= c<-b", "", Latest, "up a c; needs excluded c; unused file b");
}
