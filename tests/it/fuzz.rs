//! The fuzz targets as plain tests: on their seeds, on what fuzzing has collected, and on a few thousand inputs more.

use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/layout.rs"]
pub(crate) mod layout;
#[path = "../../fuzz/src/ordering.rs"]
pub(crate) mod ordering;
