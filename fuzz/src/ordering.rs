//! The order of a set, compared with a slow one that is obviously right.

use switchy_schema::{ErrorKind, Migration, MigrationId, MigrationRunner};

/// More migrations than this make the slow order too slow.
const MOST: usize = 60;

/// A migration, as far as its place is concerned.
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

/// Reads the bytes as a set and compares.
///
/// # Panics
/// If the crate orders it in another way, or makes an error where there is an order, or the reverse.
pub fn check(data: &[u8]) {
    compare(&decode(data));
}

/// Bytes as words: `a<-b,c` is a migration `a` that needs `b` and `c`, `a<?b` needs `b` if the set has it.
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

/// Orders the set in both ways, and in two orders of giving it.
///
/// # Panics
/// If they differ.
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

/// The order, found by looking through everything again and again: of what is not taken yet and has all it needs, the
/// smallest. `None` if that leaves some out, or if the ids cannot be used.
pub fn slow_order(nodes: &[Node]) -> Option<Vec<MigrationId>> {
    let is_usable = |node: &Node| {
        let id = node.id.as_str();
        !id.trim().is_empty() && !id.chars().any(char::is_control)
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
