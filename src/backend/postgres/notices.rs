//! What the server says while a script runs: its notices and warnings.
//!
//! The driver passes them to a function that is set before it connects, and calls it on the thread that waits for the server. So a
//! statement collects what this thread hears while it runs.

use std::cell::RefCell;

use postgres::error::{DbError, Severity as DriverSeverity};

use super::Postgres;
use crate::notice::{Notice, Notices, Severity};

thread_local! {
    /// Collects what was heard since the running statement began; `None` if no statement of a script runs on this thread.
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

struct Heard {
    notices: Notices,
    /// The offset of the statement in its script.
    offset: usize,
}

impl Postgres {
    /// Passes what the server says about the statements of migrations to the [report](crate::Applied::notices) and to
    /// [observers](crate::Event::Notice). Set it as the callback of the driver before it connects:
    ///
    /// ```no_run
    /// use switchy_schema::Postgres;
    ///
    /// let mut config: postgres::Config = "host=localhost user=app".parse()?;
    /// let client = config.notice_callback(Postgres::notice).connect(postgres::NoTls)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What the server says while no script runs is dropped.
    #[allow(clippy::needless_pass_by_value, reason = "the driver calls it with a value")]
    pub fn notice(notice: DbError) {
        HEARD.with_borrow_mut(|heard| {
            heard.as_mut().map(|heard| heard.notices.add(as_notice(&notice, heard.offset)))
        });
    }
}

/// Runs a statement, and collects what the server says about it.
pub(super) fn heard<R>(notices: &Notices, offset: usize, run: impl FnOnce() -> R) -> R {
    /// Stops listening, also if the thread unwinds.
    struct Listening;
    impl Drop for Listening {
        fn drop(&mut self) {
            HEARD.set(None);
        }
    }

    HEARD.set(Some(Heard { notices: Notices::default(), offset }));
    let listening = Listening;
    let outcome = run();
    if let Some(heard) = HEARD.take() {
        notices.append(heard.notices);
    }
    drop(listening);
    outcome
}

fn as_notice(heard: &DbError, offset: usize) -> Notice {
    let severity = match heard.parsed_severity() {
        Some(DriverSeverity::Debug | DriverSeverity::Info | DriverSeverity::Log | DriverSeverity::Notice) => {
            Severity::Notice
        }
        _ => Severity::Warning,
    };
    let detail = heard.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    Notice::new(severity, heard.code().code(), &format!("{}{detail}", heard.message()), offset)
}
