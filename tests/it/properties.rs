//! Properties of every set, every history and every target.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rusqlite::Connection;
use switchy_schema::test_utils::{rows, schema};
use switchy_schema::{Checksum, Migration, MigrationId, MigrationRunner, State, Target};

use super::fuzz::ordering::{Node, compare, slow_order};

fn quick(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

// ---- generated inputs -------------------------------------------------------------------------------------------

/// Ids with all characters that matter for their order: digits, dashes, zeros, underscores, other alphabets.
fn id() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "0",
        "00",
        "1",
        "2",
        "9",
        "10",
        "-",
        "--",
        "_",
        "_a",
        "a",
        "B",
        "é",
        "٣",
        "漢",
        "2025",
        "-01",
        " ",
        "'",
        "999999999",
        "1000000000",
        "20250101120000",
        "e\u{301}",
    ]);
    vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

/// A set without cycles, whose ids are independent of the dependencies.
fn set() -> impl Strategy<Value = Vec<Node>> {
    let ids = btree_set(id().prop_filter("an id is not blank", |id| !id.trim().is_empty()), 0..9);
    let ids = ids.prop_map(|ids| ids.into_iter().collect::<Vec<_>>()).prop_shuffle();
    (ids, vec((any::<Index>(), any::<Index>(), any::<bool>()), 0..9)).prop_map(|(ids, edges)| {
        let mut nodes = nodes_of(&ids);
        if nodes.is_empty() {
            return nodes;
        }
        for (one, other, is_firm) in edges {
            let (one, other) = (one.index(nodes.len()), other.index(nodes.len()));
            if one != other {
                let need = nodes[one.min(other)].id.clone();
                let node = &mut nodes[one.max(other)];
                if is_firm { node.needs.push(need) } else { node.needs_if_present.push(need) }
            }
        }
        nodes
    })
}

/// Any set, including duplicate ids, blank ids, cycles and missing dependencies.
fn anything() -> impl Strategy<Value = Vec<Node>> {
    let letter = || select(vec!["a", "b", "c", "d", "1_e", "f", "02_g", "h", " ", "i\n"]);
    let node = (letter(), vec(letter(), 0..2), vec(letter(), 0..2));
    let ids = |ids: Vec<&str>| ids.into_iter().map(MigrationId::from).collect();
    vec(
        node.prop_map(move |(id, needs, needs_if_present)| Node {
            id: id.into(),
            needs: ids(needs),
            needs_if_present: ids(needs_if_present),
        }),
        0..7,
    )
}

fn nodes_of(ids: &[String]) -> Vec<Node> {
    let node = |id: &String| Node { id: id.as_str().into(), needs: vec![], needs_if_present: vec![] };
    ids.iter().map(node).collect()
}

/// A target, with a migration of the set.
#[derive(Debug, Clone)]
struct Somewhere(u8, usize, Index);

fn somewhere() -> impl Strategy<Value = Somewhere> {
    (0..7_u8, 0..5_usize, any::<Index>()).prop_map(|(kind, count, which)| Somewhere(kind, count, which))
}

impl Somewhere {
    fn target(&self, nodes: &[Node]) -> Target {
        let id = || nodes[self.2.index(nodes.len())].id.clone();
        match self.0 {
            2 => Target::Steps(self.1),
            3 => Target::Back(self.1),
            4 if !nodes.is_empty() => Target::Through(id()),
            5 if !nodes.is_empty() => Target::Before(id()),
            6 if !nodes.is_empty() => Target::BackTo(id()),
            1 => Target::Empty,
            _ => Target::Latest,
        }
    }
}

// ---- the model --------------------------------------------------------------------------------------------------

/// A runner whose up and down scripts fail if a dependency is not applied.
fn runner(nodes: &[Node]) -> MigrationRunner {
    let table = |id: &MigrationId| format!("\"table {id}\"");
    let migration = |node: &Node| {
        let own = table(&node.id);
        let touch = |need: &MigrationId| format!("INSERT INTO {own} SELECT x FROM {};\n", table(need));
        let touch: String = node.needs.iter().map(touch).collect();
        let up = format!("CREATE TABLE {own} (x);\n{touch}");
        let down = format!("{touch}DROP TABLE {own};");
        let migration = Migration::from_scripts(node.id.clone(), up, Some(down));
        let migration = node.needs.iter().fold(migration, Migration::depends_on);
        node.needs_if_present.iter().fold(migration, Migration::depends_on_if_present)
    };
    MigrationRunner::new(nodes.iter().map(migration).collect::<Vec<_>>()).unwrap()
}

fn memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

fn applied(runner: &MigrationRunner, conn: &Connection) -> Vec<MigrationId> {
    runner.history(conn).unwrap().records().iter().map(|record| record.id.clone()).collect()
}

/// The part of a set that an older version of the program has; it includes all dependencies of its members.
fn older(nodes: &[Node], keep: &[bool]) -> Vec<Node> {
    let mut kept: Vec<Node> = Vec::new();
    for (node, keep) in nodes.iter().zip(keep.iter().chain(std::iter::repeat(&true))) {
        let mut needs = node.needs.iter();
        if *keep && needs.all(|need| kept.iter().any(|node| node.id == *need)) {
            kept.push(node.clone());
        }
    }
    kept
}

/// A slow model of a run: the list of applied migrations after it.
fn model(nodes: &[Node], mut applied: Vec<MigrationId>, target: &Target) -> Vec<MigrationId> {
    let order = slow_order(nodes).unwrap();
    let place = |id: &MigrationId| order.iter().position(|other| other == id).unwrap();
    let (end, count) = match target {
        Target::Latest => (order.len(), usize::MAX),
        Target::Through(id) => (place(id) + 1, usize::MAX),
        Target::Before(id) => (place(id), usize::MAX),
        Target::Steps(count) => (order.len(), *count),
        Target::Back(count) => return undone(nodes, applied, *count, |_| true),
        Target::BackTo(id) => {
            let stays = applied.iter().position(|other| other == id).unwrap_or(applied.len());
            // These stay: the target, its dependencies, and older migrations that depend on nothing that is undone.
            let goes = |other: &MigrationId| {
                let goes = |id: &MigrationId| applied[..].iter().skip(stays + 1).any(|later| later == id);
                let needed = all_needs(nodes, &applied, id);
                !needed.contains(other)
                    && all_needs(nodes, &applied, other)
                        .iter()
                        .any(|need| goes(need) && !needed.contains(need))
            };
            let goes: Vec<MigrationId> = applied.iter().filter(|id| goes(id)).cloned().collect();
            return undone(nodes, applied, usize::MAX, |id| goes.contains(id));
        }
        _ => return Vec::new(),
    };
    let pending: Vec<_> =
        order[..end].iter().filter(|id| !applied.contains(id)).take(count).cloned().collect();
    applied.extend(pending);
    applied
}

fn needs<'a>(nodes: &'a [Node], id: &MigrationId) -> impl Iterator<Item = &'a MigrationId> {
    let node = nodes.iter().find(|node| node.id == *id);
    node.into_iter().flat_map(|node| node.needs.iter().chain(&node.needs_if_present))
}

/// A migration and all its applied dependencies, direct and indirect. The dependencies of one that is not applied do not count: its
/// dependents were applied without it.
fn all_needs(nodes: &[Node], applied: &[MigrationId], id: &MigrationId) -> Vec<MigrationId> {
    let mut found = vec![id.clone()];
    let mut next = 0;
    while let Some(id) = found.get(next).cloned() {
        found.extend(needs(nodes, &id).filter(|need| applied.contains(need)).cloned());
        next += 1;
    }
    found
}

/// Undoes this many of the candidates, each time the newest that no applied migration depends on.
fn undone(
    nodes: &[Node],
    mut applied: Vec<MigrationId>,
    count: usize,
    may_go: impl Fn(&MigrationId) -> bool,
) -> Vec<MigrationId> {
    for _ in 0..count {
        let is_needed =
            |id: &MigrationId| applied.iter().any(|other| needs(nodes, other).any(|need| need == id));
        let Some(newest) = applied.iter().rposition(|id| may_go(id) && !is_needed(id)) else { break };
        applied.remove(newest);
    }
    applied
}

// ---- ids and checksums ------------------------------------------------------------------------------------------

/// A second implementation of the sort key of ids: the class of the version, the version, the whole id.
fn key(id: &str) -> (bool, u64, String, String) {
    let stamp: String = id.split('_').next().unwrap().chars().filter(|&c| c != '-').collect();
    let digits = stamp.trim_start_matches('0').len();
    let is_dashed = id.split('_').next().unwrap().contains('-');
    // A date from 1900-01-01 on, optionally with one more digit.
    let is_date = matches!(stamp.len(), 8 | 9)
        && stamp.parse().is_ok_and(|_: u64| {
            let [year, month, day] =
                [&stamp[..4], &stamp[4..6], &stamp[6..8]].map(|part| part.parse::<u64>().unwrap());
            (1900..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
        });
    let is_all_digits = !stamp.is_empty() && stamp.chars().all(|c| c.is_ascii_digit());
    let is_number = is_all_digits && digits <= 9 && !is_dashed && !is_date;
    let number = if is_number { stamp.parse().unwrap() } else { 0 };
    (!is_number, number, if is_number { String::new() } else { stamp }, id.to_owned())
}

proptest! {
    #![proptest_config(quick(600))]

    #[test]
    fn the_order_of_ids_is_total(a in id(), b in id(), c in id()) {
        let [x, y, z] = [&a, &b, &c].map(|id| MigrationId::from(id.as_str()));
        prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
        prop_assert_eq!(x.partial_cmp(&y), Some(x.cmp(&y)));
        prop_assert_eq!(x.cmp(&y).is_eq(), x == y);
        prop_assert_eq!(x == y, a == b);
        let mut sorted = [&x, &y, &z];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
        prop_assert!(!(x < y && y < z) || x < z);
    }

    #[test]
    fn ids_are_ordered_by_class_then_version_then_text(a in id(), b in id()) {
        let [x, y] = [&a, &b].map(|id| MigrationId::from(id.as_str()));
        prop_assert_eq!(x.cmp(&y), key(&a).cmp(&key(&b)));
    }

    #[test]
    fn an_id_is_its_stamp_and_its_name(text in id()) {
        let id = MigrationId::from(text.as_str());
        let is_whole = id.stamp() == text && id.name().is_empty();
        prop_assert!(is_whole || [id.stamp(), id.name()].join("_") == text);
        prop_assert!(!id.stamp().contains('_'));
    }

    #[test]
    fn a_checksum_does_not_see_line_ends_and_the_byte_order_mark_and_sees_everything_else(
        a in script(),
        b in script(),
    ) {
        let seen = |text: &str| text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        prop_assert_eq!(Checksum::of(&a) == Checksum::of(&b), seen(&a) == seen(&b));
    }

    #[test]
    fn a_checkout_with_other_line_ends_has_the_same_checksum(lines in vec("[^\r\n]{0,6}", 0..5), mark in any::<bool>()) {
        let mark = if mark { "\u{feff}" } else { "" };
        let windows = format!("{mark}{}", lines.join("\r\n"));
        let unix = lines.join("\n");
        prop_assume!(!unix.starts_with('\u{feff}'));
        prop_assert_eq!(Checksum::of(&windows), Checksum::of(&unix));
    }

    #[test]
    fn a_checksum_is_read_as_it_is_written(text in script()) {
        let checksum = Checksum::of(&text);
        prop_assert_eq!(checksum.to_string().parse(), Ok(checksum));
        prop_assert_eq!(checksum.to_string().to_uppercase().parse(), Ok(checksum));
        prop_assert!(checksum.to_string()[1..].parse::<Checksum>().is_err());
        prop_assert_eq!(format!("{checksum:?}"), format!("Checksum({checksum})"));
    }

    #[test]
    fn the_checksum_of_a_migration_is_that_of_its_text(text in script()) {
        let runner = MigrationRunner::new([Migration::from_scripts("1_a", text.clone(), None)]).unwrap();
        prop_assert_eq!(runner.list()[0].checksum, Some(Checksum::of(&text)));
    }
}

/// Short texts made of few pieces, so that two of them often differ only in their line endings.
fn script() -> impl Strategy<Value = String> {
    vec(select(vec!["\r\n", "\n", "\r", "\u{feff}", "a", " "]), 0..4).prop_map(|pieces| pieces.concat())
}

// ---- the order --------------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(quick(300))]

    #[test]
    fn every_migration_comes_after_those_it_needs(nodes in set()) {
        let runner = runner(&nodes);
        let ids: Vec<&MigrationId> = runner.list().iter().map(|meta| &meta.id).collect();
        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), nodes.len());
        for (place, meta) in runner.list().iter().enumerate() {
            for need in meta.depends_on.iter().chain(&meta.depends_on_if_present) {
                prop_assert!(ids[..place].contains(&need), "{need} is not before {}", meta.id);
            }
        }
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_of_the_source(
        (nodes, shuffled) in set().prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle())),
    ) {
        let order = |nodes: &[Node]| runner(nodes).list().iter().map(|meta| meta.id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(order(&nodes), order(&shuffled));
    }

    #[test]
    fn the_order_is_the_slow_one(nodes in set()) {
        compare(&nodes);
    }

    #[test]
    fn a_set_is_refused_exactly_if_the_slow_order_finds_no_end(nodes in anything()) {
        compare(&nodes);
    }
}

// ---- plans and runs ---------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(quick(120))]

    #[test]
    fn a_run_ends_where_the_model_ends(
        nodes in set(),
        keep in vec(any::<bool>(), 9),
        past in vec(somewhere(), 0..3),
        tours in vec(somewhere(), 1..5),
    ) {
        let conn = memory();
        let before = older(&nodes, &keep);
        let mut expected = Vec::new();
        for (nodes, tours) in [(&before, past), (&nodes, tours)] {
            let runner = runner(nodes);
            for tour in tours {
                let target = tour.target(nodes);
                expected = model(nodes, expected, &target);
                runner.run_to(&conn, target.clone()).unwrap();
                prop_assert_eq!(&applied(&runner, &conn), &expected, "{:?}", target);
            }
        }
    }

    #[test]
    fn a_run_does_what_the_plan_says_and_the_plan_does_nothing(nodes in set(), tours in vec(somewhere(), 1..4)) {
        let (runner, conn) = (runner(&nodes), memory());
        for tour in tours {
            let target = tour.target(&nodes);
            let before = (schema(&conn), applied(&runner, &conn), conn.total_changes());
            let plan = runner.plan(&conn, target.clone()).unwrap();
            prop_assert_eq!((schema(&conn), applied(&runner, &conn), conn.total_changes()), before);
            let report = runner.run_to(&conn, target).unwrap();
            let planned: Vec<_> = plan.steps().iter().map(|step| (step.direction, &step.id)).collect();
            let done: Vec<_> = report.applied.iter().map(|done| (done.direction, &done.id)).collect();
            prop_assert_eq!(planned, done);
            prop_assert_eq!(plan.already(), report.already);
        }
    }

    #[test]
    fn a_run_to_a_place_leaves_nothing_to_plan(nodes in set(), start in somewhere(), end in somewhere()) {
        let (runner, conn) = (runner(&nodes), memory());
        runner.run_to(&conn, start.target(&nodes)).unwrap();
        let target = end.target(&nodes);
        prop_assume!(!matches!(target, Target::Steps(_) | Target::Back(_)));
        runner.run_to(&conn, target.clone()).unwrap();
        let plan = runner.plan(&conn, target).unwrap();
        prop_assert!(plan.steps().is_empty() && plan.problems().is_empty(), "{plan}");
    }

    #[test]
    fn up_and_down_again_leaves_what_was_there(nodes in set(), first in 0..9_usize) {
        let (runner, conn) = (runner(&nodes), memory());
        runner.run_to(&conn, Target::Steps(first)).unwrap();
        let before = (schema(&conn), applied(&runner, &conn));
        let report = runner.run(&conn).unwrap();
        runner.run_to(&conn, Target::Back(report.applied.len())).unwrap();
        prop_assert_eq!((schema(&conn), applied(&runner, &conn)), before);
    }

    #[test]
    fn some_steps_and_some_more_are_their_sum(nodes in set(), n in 0..5_usize, m in 0..5_usize, back in 0..9_usize) {
        for step in [Target::Steps as fn(usize) -> Target, Target::Back] {
            let (runner, one, other) = (runner(&nodes), memory(), memory());
            for conn in [&one, &other] {
                runner.run(conn).unwrap();
                runner.run_to(conn, Target::Back(back)).unwrap();
            }
            runner.run_to(&one, step(n)).unwrap();
            runner.run_to(&one, step(m)).unwrap();
            runner.run_to(&other, step(n + m)).unwrap();
            prop_assert_eq!(applied(&runner, &one), applied(&runner, &other));
            prop_assert_eq!(schema(&one), schema(&other));
        }
    }

    #[test]
    fn through_is_before_and_one_more(nodes in set(), start in somewhere(), which in any::<Index>()) {
        prop_assume!(!nodes.is_empty());
        let (runner, conn) = (runner(&nodes), memory());
        runner.run_to(&conn, start.target(&nodes)).unwrap();
        let id = nodes[which.index(nodes.len())].id.clone();
        let ids = |target: Target| -> Vec<MigrationId> {
            runner.plan(&conn, target).unwrap().steps().iter().map(|step| step.id.clone()).collect()
        };
        let mut expected = ids(Target::Before(id.clone()));
        if !runner.is_applied(&conn, id.clone()).unwrap() {
            expected.push(id.clone());
        }
        prop_assert_eq!(ids(Target::Through(id.clone())), expected);

        // From there, the rest are the steps to `Latest`, and a rollback to it has no steps.
        runner.run_to(&conn, Target::Through(id.clone())).unwrap();
        prop_assert!(runner.is_applied(&conn, id.clone()).unwrap());
        let last = runner.list().last().unwrap().id.clone();
        prop_assert_eq!(ids(Target::Latest), ids(Target::Through(last)));
        prop_assert_eq!(runner.pending(&conn).unwrap(), ids(Target::Latest));
    }

    #[test]
    fn after_any_runs_a_start_finds_nothing_to_do_by_looking_at_the_newest_record(
        nodes in set(),
        keep in vec(any::<bool>(), 9),
        past in vec(somewhere(), 0..3),
        tours in vec(somewhere(), 0..4),
    ) {
        let conn = memory();
        let before = older(&nodes, &keep);
        for (nodes, tours) in [(&before, past), (&nodes, tours)] {
            let runner = runner(nodes);
            for tour in tours {
                runner.run_to(&conn, tour.target(nodes)).unwrap();
            }
        }
        let runner = runner(&nodes);
        runner.run(&conn).unwrap();

        conn.execute_batch("PRAGMA query_only = ON").unwrap();
        let report = runner.run(&conn).unwrap();
        prop_assert!(report.is_up_to_date() && report.notes.is_empty());
        prop_assert_eq!(report.already, nodes.len());
        conn.execute_batch("PRAGMA query_only = OFF").unwrap();
        if nodes.len() > 1 {
            // The oldest record is wrong. A start does not read it, but everything that reads it reports this.
            let hash = Checksum::of("another text").to_string();
            conn.execute_batch(&format!(
                "UPDATE __switchy_migrations SET checksum = '{hash}'
                 WHERE rowid = (SELECT min(rowid) FROM __switchy_migrations)"
            )).unwrap();
            let status = runner.status(&conn).unwrap();
            let changed = status.entries.iter().filter(|entry| matches!(entry.state, State::Changed(_)));
            prop_assert_eq!(changed.count(), 1);
            prop_assert!(runner.run(&conn).unwrap().is_up_to_date());
        }
    }

    #[test]
    fn the_history_keeps_the_order_of_application_and_one_record_for_each(nodes in set(), tours in vec(somewhere(), 1..5)) {
        let (runner, conn) = (runner(&nodes), memory());
        for tour in tours {
            runner.run_to(&conn, tour.target(&nodes)).unwrap();
        }
        let history = applied(&runner, &conn);
        prop_assert_eq!(history.iter().collect::<BTreeSet<_>>().len(), history.len());
        if !history.is_empty() {
            let names: Vec<String> = history.iter().map(ToString::to_string).collect();
            prop_assert_eq!(rows(&conn, "SELECT name FROM __switchy_migrations ORDER BY rowid"), names);
        }
        let dates: Vec<String> = runner.history(&conn).unwrap().records().iter().map(|record| record.run_on.clone()).collect();
        prop_assert!(dates.is_sorted(), "{dates:?}");
    }
}
