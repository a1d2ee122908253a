//! How a script handles transactions: [`shape`] derives it from what each statement does to a transaction.

/// What a statement does to a transaction, as far as its first words show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// It begins a transaction.
    Begins,
    /// It begins a transaction unlike the engine's: with an isolation level.
    BeginsOwn,
    /// It sets the isolation level of the current or the next transaction.
    Isolates,
    /// From here on, transactions begin and end automatically, or no longer do.
    Chains,
    /// It commits a transaction.
    Commits,
    /// It ends a transaction in another way: it rolls it back, or begins the next one.
    Ends,
    /// It sets a savepoint, which can begin a transaction if none is open.
    Saves,
    /// It changes a session setting.
    Sets,
    /// It changes a setting that cannot always be changed in a transaction.
    SetsOutside,
    /// It changes a setting that cannot be changed in a transaction.
    SetsOnlyOutside,
    /// It cannot run in a transaction.
    Refuses,
    /// Any other statement.
    Other,
}

/// How a script handles transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It leaves transactions to its caller.
    Plain,
    /// It is one transaction, begun and ended by these two statements. Outside them, it has at most session settings.
    One(Ends),
    /// It is one transaction, and outside it are settings that cannot be changed in a transaction.
    Surrounded,
    /// It ends every transaction that it begins.
    Own,
    /// It ends a transaction that it did not begin, and finally begins one that it does not end. A script does this to
    /// leave the transaction of its caller.
    Escapes(Ends),
    /// It begins a transaction at this statement and does not end it.
    Unfinished(u32),
    /// At this statement, it ends a transaction that it did not begin, or begins one inside another.
    Unmatched(u32),
}

/// Two statements of a script, by their numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Ends {
    /// Whether a statement is one of them.
    pub(crate) fn has(self, number: u32) -> bool {
        number == self.first || number == self.last
    }
}

/// How a script with these statements handles transactions.
pub(crate) fn shape(statements: &[Control]) -> Shape {
    let controls: Vec<(u32, Control)> = (1..)
        .zip(statements.iter().copied())
        .filter(|(_, control)| {
            matches!(
                control,
                Control::Begins | Control::BeginsOwn | Control::Commits | Control::Ends | Control::Chains
            )
        })
        .collect();
    let (Some(&(first, first_is)), Some(&(last, last_is))) = (controls.first(), controls.last()) else {
        return Shape::Plain;
    };
    let ends = Ends { first, last };
    if statements.contains(&Control::Chains) {
        return Shape::Own;
    }
    let isolates = statements.contains(&Control::Isolates);
    if let ([(_, Control::Begins), (_, Control::Commits)], false) = (&controls[..], isolates) {
        let around = || statements.iter().zip(1..).filter(|(_, number)| *number < first || *number > last);
        let is = |kinds: &[Control]| around().all(|(control, _)| kinds.contains(control));
        if is(&[Control::Sets]) {
            return Shape::One(ends);
        }
        if is(&[Control::Sets, Control::SetsOutside, Control::SetsOnlyOutside]) {
            return Shape::Surrounded;
        }
    }
    let begins = |control| matches!(control, Control::Begins | Control::BeginsOwn);
    // As if the script ran after the `BEGIN` of its caller.
    let escapes = first_is == Control::Commits
        && last_is == Control::Begins
        && controls.windows(2).all(|two| begins(two[0].1) != begins(two[1].1));
    if escapes {
        return Shape::Escapes(ends);
    }
    let mut open = None;
    for (number, control) in controls {
        open = match (begins(control), open) {
            (true, None) => Some(number),
            (false, Some(_)) => None,
            (true, Some(_)) | (false, None) => return Shape::Unmatched(number),
        };
    }
    open.map_or(Shape::Own, Shape::Unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_script_follows_from_its_statements() {
        let ends = |first, last| Ends { first, last };
        let rows = [
            ("", Shape::Plain),
            ("o s p", Shape::Plain),
            ("b c", Shape::One(ends(1, 2))),
            ("b o o c", Shape::One(ends(1, 4))),
            ("s s b o c s", Shape::One(ends(3, 5))),
            ("s p b o c s", Shape::Surrounded),
            ("b o c P", Shape::Surrounded),
            ("i b o c", Shape::Own),
            ("b i o c", Shape::Own),
            ("i o", Shape::Plain),
            ("a o c a", Shape::Own),
            ("o b o c", Shape::Own),
            ("b o c o", Shape::Own),
            ("b o c b o c", Shape::Own),
            ("b o r", Shape::Own),
            ("B o c", Shape::Own),
            ("c o b", Shape::Escapes(ends(1, 3))),
            ("o c o b o", Shape::Escapes(ends(2, 4))),
            ("c s b o c s b", Shape::Escapes(ends(1, 7))),
            ("b o", Shape::Unfinished(1)),
            ("b o c b o", Shape::Unfinished(4)),
            ("o c o", Shape::Unmatched(2)),
            ("c", Shape::Unmatched(1)),
            ("b b c c", Shape::Unmatched(2)),
            ("b o c c", Shape::Unmatched(4)),
            ("r o b", Shape::Unmatched(1)),
            ("c b b", Shape::Unmatched(1)),
        ];
        for (statements, expected) in rows {
            let controls: Vec<Control> = statements
                .split_whitespace()
                .map(|word| match word {
                    "b" => Control::Begins,
                    "B" => Control::BeginsOwn,
                    "c" => Control::Commits,
                    "r" => Control::Ends,
                    "s" => Control::Sets,
                    "p" => Control::SetsOutside,
                    "P" => Control::SetsOnlyOutside,
                    "i" => Control::Isolates,
                    "a" => Control::Chains,
                    _ => Control::Other,
                })
                .collect();
            assert_eq!(shape(&controls), expected, "{statements}");
        }
    }
}
