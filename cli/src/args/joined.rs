//! `--wait 30`: a number behind a flag that may also stand alone.

use std::ffi::OsString;

/// The arguments, with `--wait` and a number behind it as one argument. Without this, `--wait migrate` would take the command for the
/// number.
pub(crate) fn joined(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_open = true;
    for arg in args {
        let is_number = arg.to_str().is_some_and(|arg| arg.parse::<f64>().is_ok());
        match joined.last_mut() {
            Some(last) if is_open && is_number && last == "--wait" => {
                last.push("=");
                last.push(arg);
            }
            _ => {
                is_open &= arg != "--";
                joined.push(arg);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_belongs_to_wait() {
        for (line, expected) in [
            ("it --wait migrate", "it --wait migrate"),
            ("it --wait 30 migrate", "it --wait=30 migrate"),
            ("it migrate --wait 0.5", "it migrate --wait=0.5"),
            ("it migrate --wait=5 --steps 3", "it migrate --wait=5 --steps 3"),
            ("it create -- --wait 3", "it create -- --wait 3"),
        ] {
            let args = joined(line.split(' ').map(OsString::from));
            assert_eq!(args, expected.split(' ').map(OsString::from).collect::<Vec<_>>());
        }
    }
}
