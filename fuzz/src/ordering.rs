//! The order of a set, compared with a slow implementation that is obviously correct.

use switchy_schema::{ErrorKind, Migration, MigrationId, MigrationRunner, Printable};

/// The largest number of migrations that the slow implementation can handle.
const MOST: usize = 60;

/// The parts of a migration that determine its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: MigrationId,
    pub needs: Vec<MigrationId>,
    pub needs_if_present: Vec<MigrationId>,
}

impl Node {
    pub fn migration(&self) -> Migration {
        let mut migration = Migration::from_scripts(self.id.clone(), "", None);
        migration = self.needs.iter().fold(migration, Migration::depends_on);
        self.needs_if_present.iter().fold(migration, Migration::depends_on_if_present)
    }
}

/// Decodes the bytes as a set and compares the two orders.
///
/// # Panics
/// If the crate returns another order, or if only one of the two returns an error.
pub fn check(data: &[u8]) {
    compare(&decode(data));
}

/// Decodes bytes as words: `a<-b,c` is a migration `a` that depends on `b` and `c`; `a<?b` depends on `b` if the set has it.
pub fn decode(data: &[u8]) -> Vec<Node> {
    let text = String::from_utf8_lossy(data);
    let words = text.split([' ', '\n']).filter(|word| !word.is_empty()).take(MOST);
    words
        .map(|word| {
            let mut parts = word.split('<');
            let mut node = Node {
                id: parts.next().unwrap_or_default().into(),
                needs: Vec::new(),
                needs_if_present: Vec::new(),
            };
            for part in parts {
                match part.strip_prefix('?') {
                    Some(ids) => node.needs_if_present.extend(ids.split(',').map(MigrationId::from)),
                    None => node
                        .needs
                        .extend(part.strip_prefix('-').unwrap_or(part).split(',').map(MigrationId::from)),
                }
            }
            node
        })
        .collect()
}

/// Orders the set with both implementations, and with two orders of the input.
///
/// # Panics
/// If the results differ.
pub fn compare(nodes: &[Node]) {
    let expected = slow_order(nodes);
    let forwards: Vec<Migration> = nodes.iter().map(Node::migration).collect();
    let backwards: Vec<Migration> = nodes.iter().rev().map(Node::migration).collect();
    for given in [forwards, backwards] {
        let found = MigrationRunner::new(given);
        match (found, &expected) {
            (Ok(runner), Some(expected)) => {
                let found: Vec<&MigrationId> = runner.list().iter().map(|meta| &meta.id).collect();
                assert_eq!(found, expected.iter().collect::<Vec<_>>());
            }
            (Err(error), None) => {
                assert_eq!(error.kind(), ErrorKind::Set);
                assert!(!error.to_string().contains(char::is_control), "an error is one line: {error}");
            }
            (Ok(_), None) => panic!("a set that has no order was accepted: {nodes:?}"),
            (Err(error), Some(order)) => panic!("{order:?} is an order, but: {error}"),
        }
    }
}

/// The order, found by repeated search: the next migration is the smallest of those that are left and have all their dependencies. `None`
/// if some are left at the end, or if the ids are invalid.
pub fn slow_order(nodes: &[Node]) -> Option<Vec<MigrationId>> {
    let is_usable = |node: &Node| {
        let id = node.id.as_str();
        !id.trim().is_empty() && !id.chars().any(char::is_control) && Printable(id).to_string() == id
    };
    let is_repeated = |place: usize| nodes[..place].iter().any(|other| other.id == nodes[place].id);
    if !nodes.iter().all(is_usable) || (0..nodes.len()).any(is_repeated) {
        return None;
    }
    let mut taken: Vec<MigrationId> = Vec::new();
    while taken.len() < nodes.len() {
        let is_absent = |id: &MigrationId| nodes.iter().all(|node| node.id != *id);
        let is_ready = |node: &&Node| {
            node.needs.iter().all(|need| taken.contains(need))
                && node.needs_if_present.iter().all(|need| taken.contains(need) || is_absent(need))
        };
        let left = nodes.iter().filter(|node| !taken.contains(&node.id));
        let next = left.filter(is_ready).map(|node| &node.id).min()?.clone();
        taken.push(next);
    }
    Some(taken)
}
