use super::*;

/// Returns a number for each variant. A new variant does not compile without one, and the test then fails until [`samples`] has it.
fn number(remedy: &Remedy) -> usize {
    match remedy {
        Remedy::Text(_) => 0,
        Remedy::Either(_) => 1,
        Remedy::Then(_) => 2,
        Remedy::If { .. } => 3,
        Remedy::Run => 4,
        Remedy::RollBack => 5,
        Remedy::Downgrade => 6,
        Remedy::PlanAgain => 7,
        Remedy::PerMigration => 8,
        Remedy::Confirm => 9,
        Remedy::WaitLonger => 10,
        Remedy::Retry => 11,
        Remedy::RetryFrom { .. } => 12,
        Remedy::MarkDone { .. } => 13,
        Remedy::Forget => 14,
        Remedy::Accept => 15,
        Remedy::AssumeApplied => 16,
        Remedy::Baseline => 17,
        Remedy::AcceptDoubt(_) => 18,
        Remedy::NameTool => 19,
        Remedy::NameToolTable => 20,
        Remedy::NameApp => 21,
        Remedy::ChooseTable => 22,
        Remedy::UseTable => 23,
        Remedy::ChooseLockFile => 24,
        Remedy::SetMetadata { .. } => 25,
        Remedy::CreateFolder => 26,
        Remedy::MakeManifest => 27,
        Remedy::Program { .. } => 28,
        Remedy::Register => 29,
        Remedy::RepairDrift => 30,
        Remedy::RepairNamed => 31,
        Remedy::ShowDriftSql => 32,
        Remedy::IgnoreInDrift => 33,
        Remedy::SnapshotFolder => 34,
        Remedy::NoSnapshot => 35,
        Remedy::RaiseStoredLimits => 36,
        Remedy::GivePlaceholder { .. } => 37,
        Remedy::DeclarePlaceholder { .. } => 38,
        Remedy::GiveSecret { .. } => 39,
        Remedy::ImportFolder => 40,
    }
}

fn samples() -> Vec<Remedy> {
    let text = || Remedy::Text("correct it".into());
    let mut samples = vec![
        text(),
        Remedy::Either(vec![text(), Remedy::Run, Remedy::Retry]),
        Remedy::Then(vec![text(), Remedy::Retry]),
        Remedy::If { condition: "that is meant".into(), remedy: Box::new(Remedy::Accept) },
        Remedy::Run,
        Remedy::RollBack,
        Remedy::Downgrade,
        Remedy::PlanAgain,
        Remedy::PerMigration,
        Remedy::Confirm,
        Remedy::WaitLonger,
        Remedy::Retry,
        Remedy::RetryFrom { statement: Some(3) },
        Remedy::RetryFrom { statement: None },
        Remedy::MarkDone { direction: Direction::Up },
        Remedy::MarkDone { direction: Direction::Down },
        Remedy::Forget,
        Remedy::Accept,
        Remedy::AssumeApplied,
        Remedy::Baseline,
        Remedy::NameTool,
        Remedy::NameToolTable,
        Remedy::NameApp,
        Remedy::ChooseTable,
        Remedy::UseTable,
        Remedy::ChooseLockFile,
        Remedy::RaiseStoredLimits,
        Remedy::SetMetadata { key: "run_in_transaction", value: "false".into(), purpose: None },
        Remedy::SetMetadata { key: "foreign_keys", value: "\"off\"".into(), purpose: Some("to keep them") },
        Remedy::GivePlaceholder { name: "schema".into() },
        Remedy::GiveSecret { name: "password".into() },
        Remedy::DeclarePlaceholder { name: "schema".into() },
        Remedy::CreateFolder,
        Remedy::ImportFolder,
        Remedy::MakeManifest,
        Remedy::Register,
        Remedy::RepairDrift,
        Remedy::RepairNamed,
        Remedy::ShowDriftSql,
        Remedy::IgnoreInDrift,
        Remedy::SnapshotFolder,
        Remedy::NoSnapshot,
        Remedy::Program { what: "wait longer".into(), with: "`RemoteMigrations::timeout`".into() },
    ];
    samples.extend(Doubt::ALL.map(Remedy::AcceptDoubt));
    samples
}

/// The parts of a text in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_remedy_has_words_in_both_languages() {
    let mut numbers: Vec<usize> = samples().iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..=40).collect::<Vec<_>>());
    for remedy in samples() {
        for text in [in_shell(&remedy), remedy.to_string()] {
            let is_sentence = text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('.');
            assert!(is_sentence && text.matches('`').count() % 2 == 0, "{remedy:?}: {text}");
        }
    }
}

/// Each sentence, for a user of the command line and for a programmer.
#[test]
fn each_remedy_is_these_words() {
    let both = |remedy: &Remedy| format!("{}\n    {remedy}", in_shell(remedy));
    let text = samples().iter().map(both).collect::<Vec<_>>().join("\n");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("remedies", text));
}

/// Every quoted part is a valid command with its options, or a valid option.
#[test]
fn the_shell_hears_nothing_of_functions() {
    use clap::CommandFactory;

    let clap = crate::args::Arguments::command();
    for remedy in samples() {
        let text = in_shell(&remedy);
        assert!(!text.contains("::") && !text.contains('('), "{text}");
        for typed in quoted(&text) {
            let mut command = &clap;
            for word in typed.split(' ') {
                let option = word.strip_prefix("--");
                let is_value = word.bytes().all(|byte| byte.is_ascii_digit()) || is_doubt(word);
                let Some(option) = option else {
                    let next = command.find_subcommand(word);
                    assert!(is_value || next.is_some(), "{text}: {word}");
                    command = next.unwrap_or(command);
                    continue;
                };
                let option = option.split('=').next().unwrap_or_default();
                assert!(has_option(command, option), "{text}: --{option}");
            }
        }
    }
}

fn is_doubt(word: &str) -> bool {
    Doubt::ALL.iter().any(|doubt| doubt.name() == word)
}

/// Whether a command or one of its subcommands has an option.
fn has_option(command: &clap::Command, name: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(name))
        || command.get_subcommands().any(|command| has_option(command, name))
}
