//! Stores the state of a HyperChad application in SQLite, in a table whose schema has migrations.
//!
//! | the application | calls | the state is |
//! |---|---|---|
//! | has a file for its state | [`open`] | [`SqliteState`], over `rusqlite` |
//! | holds a `Database` of HyperChad | `open_database` (feature `database`) | `DatabaseState`, over that `Database` |
//!
//! Both take over what `hyperchad_state` wrote with its own SQLite persistence, which can still open it afterwards. Both run the same
//! migrations, so a file may be opened by either.
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("state/app.db");
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = hyperchad_integration::open(path)?;
//! store.set("theme", &"dark").await?;
//! assert_eq!(store.get::<String>("theme").await?.as_deref(), Some("dark"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod file;
mod set;

#[cfg(feature = "database")]
mod database;

#[cfg(feature = "database")]
pub use crate::database::{DatabaseState, open_database};
pub use crate::error::OpenError;
pub use crate::file::{SqliteState, open};
