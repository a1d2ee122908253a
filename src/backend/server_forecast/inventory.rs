//! [`Inventory`]: what the forecast asks a server.

use super::Write;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::sql::act::{Loss, ObjectName};

/// What the forecast asks a server. Nothing is locked and nothing is read but the catalogue, so numbers of rows are estimates.
pub(in crate::backend) trait Inventory {
    /// The schema in which names without one are looked up first.
    fn current_schema(&mut self) -> Result<Option<String>, Fault>;

    /// What a statement takes away, with everything that goes with it; `None` if what it names is not there.
    fn lost(&mut self, loss: &Loss, surroundings: Surroundings<'_>) -> Result<Option<Vec<Effect>>, Fault>;

    /// The triggers and rules that such a write fires on a table, and that delete something, each with its kind: `TRIGGER a`.
    fn fired(
        &mut self,
        table: &ObjectName,
        write: &Write,
        surroundings: Surroundings<'_>,
    ) -> Result<Vec<String>, Fault>;

    /// Whether one of these functions may change rows: it is not the server's own, and its text cannot be read or has a statement that changes
    /// something.
    fn has_unread(&mut self, functions: &[ObjectName]) -> Result<bool, Fault>;

    /// The names of views, tables, domains and operators that call a function which deletes rows. By default there are none.
    fn callers(&mut self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

/// Where the names of a statement are looked up.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Surroundings<'a> {
    /// The schema of which names are shown without it.
    pub(in crate::backend) current: Option<&'a str>,
    /// The schemas that the script has set; `None` if those of the session count.
    pub(in crate::backend) path: Option<&'a [String]>,
}

impl Surroundings<'_> {
    /// The name of an object, for messages.
    pub(in crate::backend) fn shown(self, schema: &str, name: &str) -> String {
        if self.current.is_none_or(|current| current == schema) {
            name.to_owned()
        } else {
            format!("{schema}.{name}")
        }
    }

    /// The schemas that a name may be in; `None` stands for those of the session.
    pub(in crate::backend) fn schemas_of(self, name: &ObjectName) -> Vec<Option<String>> {
        match (&name.schema, self.path) {
            (Some(schema), _) => vec![Some(schema.clone())],
            (None, Some(path)) => path.iter().cloned().map(Some).collect(),
            (None, None) => vec![None],
        }
    }
}
