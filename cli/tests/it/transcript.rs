//! Runs the transcripts in the READMEs and in the page of a day again.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::{BINARY, profile};

/// Runs the lines of a transcript in a folder, and returns the new transcript.
fn replayed(transcript: &str, folder: &Path) -> String {
    let bin = Path::new(BINARY).parent().unwrap();
    let mut now = String::new();
    for line in transcript.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {line}")])
            .current_dir(folder)
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

/// The text with all digits replaced by 0, and with equal hashes and durations.
fn normal(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_hash = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let text = words.filter(is_hash).fold(text.to_owned(), |text, hash| text.replace(hash, "HASH"));
    let text = text.chars().map(|c| if is_digit(c) { '0' } else { c }).collect::<String>();
    // A duration can have any number of digits.
    let mut normal = String::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let duration =
            line.split_once(" (0").and_then(|(before, rest)| Some((before, rest.split_once(" ms)")?.1)));
        let line = duration.map_or(line.to_owned(), |(before, rest)| format!("{before} (0.0 ms){rest}"));
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
            let now = replayed(transcript, tempfile::tempdir().unwrap().path());
            assert!(normal(&now) == normal(transcript), "it is now:\n{now}");
            found += 1;
        }
    }
    assert!(found >= 2);
}

/// All transcripts of the page are one session. `SWITCHY_WRITE_EXPECTED=1` writes what happens into the page.
#[test]
fn the_day_is_what_happens() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/a-day.md");
    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut written = String::new();
    for (number, part) in page.split("```").enumerate() {
        let Some(transcript) = part.strip_prefix("console\n").filter(|_| number % 2 == 1) else {
            written.push_str(part);
            continue;
        };
        let now = replayed(transcript, folder.path());
        write!(written, "```console\n{}\n```", now.trim_end()).unwrap();
    }
    if std::env::var("SWITCHY_WRITE_EXPECTED").is_ok_and(|value| value == "1") {
        std::fs::write(PAGE, &written).unwrap();
    } else {
        assert!(normal(&written) == normal(&page), "it is now:\n{written}");
    }
}
