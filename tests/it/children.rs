//! Communication of tests with the processes that they start. The tests with servers use it too.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

/// Reads the output of a child until it contains this word.
pub(crate) fn wait_for(child: &mut Child, word: &str) -> String {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.trim_end().ends_with(word) {
        if output.read_line(&mut said).unwrap() == 0 {
            let mut errors = String::new();
            let _ = std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut errors);
            panic!("the process ended without {word:?}: {said}{errors}");
        }
    }
    child.stdout = Some(output.into_inner());
    said
}

pub(crate) fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{word}").unwrap();
    out.flush().unwrap();
}
