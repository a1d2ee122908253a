//! The inputs of fuzz targets. The tests with servers use them too.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(crate::ROOT).join("fuzz").join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs a target on the files of its seeds and its corpus.
pub(super) fn replay(target: &str, check: fn(&[u8])) {
    let seeds = files(&format!("seeds/{target}"));
    assert!(!seeds.is_empty(), "there are no seeds for {target}");
    for path in seeds.into_iter().chain(files(&format!("corpus/{target}"))) {
        named(&path.display().to_string(), &fs::read(&path).unwrap(), check);
    }
}

/// Runs a target, and prints the input on which it failed.
pub(crate) fn named(name: &str, input: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        eprintln!("on {name}: {:?}", String::from_utf8_lossy(input));
        resume_unwind(panic);
    }
}

/// A linear congruential generator, that of Knuth's MMIX, which gives the same inputs on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    /// A text of at most this many of the pieces.
    pub(crate) fn text(&mut self, pieces: &[&str], most: usize) -> Vec<u8> {
        (0..self.below(most)).flat_map(|_| pieces[self.below(pieces.len())].bytes()).collect()
    }
}
