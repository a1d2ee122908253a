//! Declaring placeholders, and giving their values.

use std::borrow::Cow;

use super::MigrationRunner;
use crate::backend::Backend;
use crate::placeholder::Placeholder;

impl<B: Backend> MigrationRunner<B> {
    /// Declares a placeholder for the whole set. From then on `${name}` in its scripts stands for a value, and a `${...}` that is not declared
    /// is refused before the first step. See [`Placeholder`].
    ///
    /// The checksum is that of the script before its values are put in, so another value is no change of the migration. The tracking table has
    /// that text too.
    pub fn placeholder(mut self, placeholder: Placeholder) -> Self {
        self.set.change_placeholders(|placeholders| placeholders.declared.push(placeholder));
        self
    }

    /// Gives the value of a placeholder that the set or one of its migrations declares, instead of its default. A value of another name has no
    /// effect.
    ///
    /// A value becomes a part of the script as it is. If it could end the string, name or statement around it, the plan is refused, unless the
    /// placeholder is [`raw`](Placeholder::raw).
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{ErrorKind, Migration, MigrationRunner, Placeholder};
    ///
    /// let runner = |value| {
    ///     let set = [Migration::sql("1_a", "CREATE TABLE a AS SELECT '${note}' AS note")];
    ///     Ok::<_, switchy_schema::MigrationError>(
    ///         MigrationRunner::new(set)?.placeholder(Placeholder::new("note")).placeholder_value("note", value),
    ///     )
    /// };
    /// let conn = Connection::open_in_memory()?;
    /// let error = runner("'; DROP TABLE users; --")?.run(&conn).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Refused);
    /// runner("a; b")?.run(&conn)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn placeholder_value(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.set.change_placeholders(|placeholders| _ = placeholders.values.insert(name, value));
        self
    }

    /// Returns the placeholders that are declared for the whole set, without those of single migrations ([`Meta::placeholders`](crate::Meta)).
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.set.placeholders().declared
    }
}
