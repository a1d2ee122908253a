//! [`Place`]: a statement of a script.

use crate::account::StatementPlace;

/// A statement of the script, and the text after it.
#[derive(Clone, Copy)]
pub(in crate::backend::sqlite) struct Place<'a> {
    pub(in crate::backend::sqlite) number: u32,
    pub(in crate::backend::sqlite) offset: usize,
    pub(in crate::backend::sqlite) own: &'a str,
    pub(in crate::backend::sqlite) rest: &'a str,
}

impl Place<'_> {
    pub(super) fn kept(&self) -> StatementPlace {
        StatementPlace { number: self.number, offset: self.offset, text: self.own.to_owned() }
    }
}
