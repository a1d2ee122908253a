//! Runs the transcripts in the READMEs again.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::{BINARY, profile};

/// Runs the lines of a transcript in an empty folder, and returns the new transcript.
fn replayed(transcript: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bin = Path::new(BINARY).parent().unwrap();
    let mut now = String::new();
    for line in transcript.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {line}")])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("USER", "ada")
            .envs(profile())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        writeln!(now, "$ {line}\n{}", String::from_utf8(output.stdout).unwrap().trim_end()).unwrap();
        if !now.ends_with("\n\n") {
            now.push('\n');
        }
    }
    now
}

/// The text with all digits replaced by 0, and with equal durations.
fn normal(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let text = text.chars().map(|c| if is_digit(c) { '0' } else { c }).collect::<String>();
    // A duration can have any number of digits.
    let mut normal = String::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let line = match line.split_once(" (0") {
            Some((before, _)) if line.ends_with(" ms)") => format!("{before} (0.0 ms)"),
            _ => line.to_owned(),
        };
        writeln!(normal, "{line}").unwrap();
    }
    normal
}

#[test]
fn the_transcripts_of_the_readmes_are_what_happens() {
    let mut found = 0;
    for readme in [include_str!("../../README.md"), include_str!("../../../README.md")] {
        for block in readme.split("```console\n").skip(1) {
            let transcript = block.split("```").next().unwrap();
            let now = replayed(transcript);
            assert!(normal(&now) == normal(transcript), "it is now:\n{now}");
            found += 1;
        }
    }
    assert!(found >= 2);
}
