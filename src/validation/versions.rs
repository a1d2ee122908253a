//! Versions that sort far from the others, for example because of a typing error.

use crate::id::{MigrationId, Version};
use crate::problem::{Problem, ProblemKind};
use crate::sql::part;

/// The distance from which versions count as far apart: years between two dates, or the factor between two numbers.
const FAR: u32 = 10;

/// A finding for each version that probably does not sort where its author expects.
pub(super) fn odd<'m>(ids: impl IntoIterator<Item = &'m MigrationId>) -> Vec<Problem> {
    let mut ids: Vec<&MigrationId> = ids.into_iter().collect();
    ids.sort();
    let mut found: Vec<Problem> =
        clusters(&ids).filter_map(|(id, finding)| Some(problem(id, finding?))).collect();
    found.extend(ids.iter().filter_map(|id| Some(problem(id, unpadded(id, &ids)?))));
    found
}

fn problem(id: &MigrationId, finding: String) -> Problem {
    let remedy = "if it should run somewhere else, rename it before it is applied anywhere; docs/format.md says how versions sort";
    Problem::new(ProblemKind::OddVersion, id, finding, remedy)
}

/// The sorted ids, each with a finding if it is in a small group far from all others.
fn clusters<'s>(ids: &'s [&MigrationId]) -> impl Iterator<Item = (&'s MigrationId, Option<String>)> {
    let groups: Vec<&[&MigrationId]> = ids.chunk_by(|a, b| !are_far_apart(a, b)).collect();
    let largest = groups.iter().map(|group| group.len()).max().unwrap_or_default();
    let mut start = 0;
    groups.into_iter().flat_map(move |group| {
        let (before, after) = (start, ids.len() - start - group.len());
        start += group.len();
        let is_odd = largest >= 3 && group.len() * 4 <= ids.len();
        group.iter().map(move |&id| {
            // Zero is a common version for what must come first.
            let is_meant = Version::of(id.stamp()) == Version::Sequence(0);
            (id, (is_odd && !is_meant).then(|| place(id, before, after)))
        })
    })
}

fn place(id: &MigrationId, before: usize, after: usize) -> String {
    let what = match Version::of(id.stamp()) {
        Version::Sequence(number) => format!("the sequence number {number}"),
        Version::Text(text) => format!("the text `{}`", text.replace('-', "")),
    };
    match (before, after) {
        (0, after) => format!("sorts far from the others, before all {after} of them, as {what}"),
        (before, 0) => format!("sorts far from the others, after all {before} of them, as {what}"),
        (before, after) => {
            format!("sorts far from the others, {before} before it and {after} after it, as {what}")
        }
    }
}

fn are_far_apart(a: &MigrationId, b: &MigrationId) -> bool {
    match (Version::of(a.stamp()), Version::of(b.stamp())) {
        (Version::Sequence(a), Version::Sequence(b)) => b / FAR > a + FAR,
        (Version::Text(a), Version::Text(b)) => {
            year(a).zip(year(b)).is_some_and(|(a, b)| a.abs_diff(b) > FAR)
        }
        _ => true,
    }
}

/// The year that a version begins with, if it is a date.
fn year(version: &str) -> Option<u32> {
    let digits: String = version.chars().filter(|&c| c != '-').collect();
    let is_date = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_date.then(|| part(&digits, ..4).parse().ok()).flatten()
}

/// The finding about a date whose month, day or time lacks a leading zero, if that changes its place. The ids are sorted.
fn unpadded(id: &MigrationId, ids: &[&MigrationId]) -> Option<String> {
    let parts: Vec<&str> = id.stamp().split('-').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() < 3 || parts[0].len() != 4 || !parts.iter().all(is_number) {
        return None;
    }
    let widths = [4, 2, 2].into_iter().chain(std::iter::repeat(parts.last().map_or(0, |last| last.len())));
    let padded: Vec<String> =
        parts.iter().zip(widths).map(|(part, width)| format!("{part:0>width$}")).collect();
    let padded = padded.join("-");
    let meant = MigrationId::from(format!("{padded}_{}", id.name()));
    let place = |of: &MigrationId| ids.partition_point(|other| **other < *of);
    // The place among the others, without the id itself.
    let meant = place(&meant) - usize::from(*id < meant);
    (place(id) != meant).then(|| {
        format!(
            "sorts as the text `{}` and not by its date, which would be `{padded}`",
            id.stamp().replace('-', "")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of a set, separated by spaces, and the expected odd ids among them.
    #[track_caller]
    fn check(ids: &str, expected: &str) {
        let ids: Vec<MigrationId> = ids.split(' ').map(MigrationId::from).collect();
        let found: Vec<String> = odd(&ids).iter().map(|problem| problem.migration.to_string()).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn an_id_far_from_all_others_is_found() {
        check("2024-01-01_a 2024-02-01_b 2024-03-01_c 2204-04-01_d", "2204-04-01_d");
        check("2024-01-01_a 2024-02-01_b 2024-03-01_c 0204-04-01_d", "0204-04-01_d");
        check("20240101_a 20240201_b 20240301_c 5_d", "5_d");
        check("1_a 2_b 3_c 4_d 2024-03-13_e", "2024-03-13_e");
        check("1_a 2_b 3_c 4_d 1000_e", "1000_e");
        check("0001_a 0002_b 0003_c 00400_d", "00400_d");
    }

    #[test]
    fn a_common_or_intended_version_is_not_found() {
        check("1_a", "");
        check("1_a 2024-03-13_b", "");
        check("1_a 2_b 3_c 2024-01-01_d 2024-01-02_e", "");
        check("00000000000000_setup 2024-01-01_a 2024-02-01_b 2024-03-01_c", "");
        check("2018-01-14-171611_a 2024-03-13_170000_b 20240314_c 20240315120000_d", "");
        check("1_a 2_b 10_c 20_d 100_e", "");
        check("a b c d 1_e", "1_e");
        check("init users posts", "");
    }

    #[test]
    fn a_date_without_leading_zeros_is_found_if_it_sorts_elsewhere() {
        check("2020-12-7-190800_a 2020-12-08-100000_b 2020-12-19-100000_c", "2020-12-7-190800_a");
        check("2020-12-7-190800_a 2020-12-06-100000_b 2021-01-19-100000_c", "");
        check("2020-1-07_a 2020-02-07_b", "2020-1-07_a");
    }
}
