//! How a script handles transactions: [`shape`] reads it off what each of its statements does to one.

/// What a statement does to a transaction, as far as its first words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// It begins a transaction.
    Begins,
    /// It begins one that is not like the engine's: with an isolation level.
    BeginsOwn,
    /// It is about how the next transaction is, or the one it is in: an isolation level.
    Isolates,
    /// From here on transactions begin and end by themselves, or no longer do.
    Chains,
    /// It ends one, and keeps what was done.
    Commits,
    /// It ends one in another way: it takes back what was done, or begins the next one.
    Ends,
    /// It sets a savepoint, which outside a transaction can begin one.
    Saves,
    /// It sets something of the session.
    Sets,
    /// It sets something that cannot always be set in a transaction.
    SetsOutside,
    /// It sets something that cannot be set in a transaction.
    SetsOnlyOutside,
    /// It cannot run in a transaction.
    Refuses,
    /// Any other.
    Other,
}

/// How a script handles transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It leaves them to who runs it.
    Plain,
    /// It is one transaction, which these two of its statements begin and end. Around them are at most settings of the session.
    One(Ends),
    /// It is one transaction, and around it are settings that cannot be in one.
    Surrounded,
    /// Each transaction that it begins it ends.
    Own,
    /// It ends a transaction that it did not begin, and at its end begins one that it does not end. So a script gets out of the transaction of
    /// who runs it.
    Escapes(Ends),
    /// It begins one that it does not end, at this statement.
    Unfinished(u32),
    /// It ends one that it did not begin, or begins one inside another, at this statement.
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

/// How a script handles transactions whose statements do this.
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
    // As it would be behind the BEGIN of who runs it.
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
