//! [`set_back`]: runs something under a setting of the session, which is set back after it.

use super::driver::Driver;
use crate::fault::Fault;

/// Runs `body` under a setting that was just made, and sets it back with `restore`, also if `body` fails or unwinds.
///
/// # Errors
/// That of `body`, or otherwise that of `restore`. If both fail, `body` has broken a transaction, and its rollback sets the setting back.
pub(super) fn set_back<B: Driver, R, E: From<Fault>>(
    conn: &mut B::Conn<'_>,
    restore: impl Fn(&mut B::Conn<'_>) -> Result<(), Fault>,
    body: impl FnOnce(&mut B::Conn<'_>) -> Result<R, E>,
) -> Result<R, E> {
    struct Unwinding<'a, 'c, B: Driver, F: Fn(&mut B::Conn<'_>) -> Result<(), Fault>> {
        conn: &'a mut B::Conn<'c>,
        restore: F,
    }
    impl<B: Driver, F: Fn(&mut B::Conn<'_>) -> Result<(), Fault>> Drop for Unwinding<'_, '_, B, F> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = (self.restore)(self.conn);
            }
        }
    }

    let under = Unwinding::<B, _> { conn, restore };
    let done = body(under.conn);
    let restored = (under.restore)(under.conn);
    let done = done?;
    restored?;
    Ok(done)
}
