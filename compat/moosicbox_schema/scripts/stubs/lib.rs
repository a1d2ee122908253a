//! Nothing: only the place of a package is asked for.
