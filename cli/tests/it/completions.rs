//! Completions in the shells that are installed: the script of the shell is loaded, and the shell completes a line.

use std::path::Path;
use std::process::Command;

use crate::shell::{BINARY, Shell};

/// Loads the script of bash, and prints what the word at the end of each line can be completed with.
const BASH: &str = r#"
set -u
eval "$(switchy-schema completions bash)"
while IFS= read -r line; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=9 COMP_LINE=$line COMP_POINT=${#line}
    function=$(complete -p switchy-schema | sed 's/.* -F \([^ ]*\) .*/\1/')
    COMPREPLY=()
    "$function" switchy-schema "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2> /dev/null
    echo "$line| ${COMPREPLY[*]-}"
done
"#;

/// What a shell completes the last word of each line with.
fn completed(shell: &Shell, lines: &[&str]) -> Vec<String> {
    let folder = Path::new(BINARY).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    shell.write("lines", &(lines.join("\n") + "\n"));
    let mut command = shell.like(Command::new("bash"), &["--norc", "-c", &format!("{BASH}\n")]);
    command.env("PATH", path).stdin(std::fs::File::open(shell.path().join("lines")).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shell.remove("lines");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split_once("| ").unwrap().1.to_owned()).collect()
}

#[cfg(unix)]
#[test]
fn bash_completes_ids_of_the_configured_folder() {
    let shell = Shell::with_set();
    let all = "2025-01-01-000000_users 2025-01-02-000000_email 2025-01-03-000000_notes";
    shell.write("other/1_first.sql", "SELECT 1;");
    let rows = [
        ("switchy-schema migrate --to ", all),
        ("switchy-schema rollback --to 2025-01-02", "2025-01-02-000000_email"),
        ("switchy-schema plan --back-to 2025", all),
        ("switchy-schema baseline ", all),
        ("switchy-schema repair done 2025-01-03", "2025-01-03-000000_notes"),
        // The name is enough, as in the command itself.
        ("switchy-schema migrate --before not", "2025-01-03-000000_notes"),
        ("switchy-schema migrate --to nothing", ""),
        ("switchy-schema --dir other migrate --to ", "1_first"),
        ("switchy-schema migrate -m other --to ", "1_first"),
        ("switchy-schema --dir missing migrate --to ", ""),
        ("switchy-schema --wait 3 migrate --to 2025-01-01", "2025-01-01-000000_users"),
        ("switchy-schema migr", "migrate"),
        ("switchy-schema completions ba", "bash"),
        ("switchy-schema create add_", ""),
    ];
    let lines: Vec<&str> = rows.iter().map(|(line, _)| *line).collect();
    for ((line, expected), found) in rows.iter().zip(completed(&shell, &lines)) {
        // Options follow where they may.
        let ids = found.split(" --").next().unwrap();
        assert_eq!(ids, *expected, "{line}");
    }
    assert!(!shell.path().join("app.db").exists(), "no database is opened");
}

/// The other shells call the program in the same way, with their own variables.
#[test]
fn every_shell_is_answered() {
    let shell = Shell::with_set();
    for (name, index) in [("zsh", "_CLAP_COMPLETE_INDEX"), ("fish", ""), ("elvish", "_CLAP_COMPLETE_INDEX")] {
        let mut command = shell.command(&["--", "switchy-schema", "migrate", "--to", "2025-01-02"]);
        command.env("SWITCHY_COMPLETE", name);
        if !index.is_empty() {
            command.env(index, "3").env("_CLAP_IFS", "\n");
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.trim() == "2025-01-02-000000_email", "{name}: {text:?}");
    }
    let mut command = shell.command(&["--", "switchy-schema", "migr"]);
    let output = command.env("SWITCHY_COMPLETE", "tcsh").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown shell `tcsh`"));
}
