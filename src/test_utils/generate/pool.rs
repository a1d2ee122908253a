//! The values that are tried in a column.

use rusqlite::types::Value;

use crate::sql::{Token, Tokens};

/// How many ordinary values a pool begins with.
pub(super) const ORDINARY: usize = 40;

/// The longest text that is made because a check has a number.
const LONGEST: usize = 64;

/// What a declared type means to people. SQLite only knows the affinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::test_utils) enum Kind {
    Boolean,
    Time,
    Json,
    Integer,
    Text,
    Blob,
    Real,
    Any,
}

impl Kind {
    pub(super) fn of(declared: &str) -> Self {
        let declared = declared.to_lowercase();
        let kinds: [(&[&str], Self); 7] = [
            (&["bool"], Self::Boolean),
            (&["date", "time"], Self::Time),
            (&["json"], Self::Json),
            (&["int"], Self::Integer),
            (&["char", "clob", "text", "uuid"], Self::Text),
            (&["blob"], Self::Blob),
            (&["real", "floa", "doub", "dec", "num"], Self::Real),
        ];
        let named = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        kinds.iter().find(|(words, _)| named(words)).map_or(Self::Any, |(_, kind)| *kind)
    }

    pub(super) fn has_texts(self) -> bool {
        !matches!(self, Self::Integer | Self::Boolean | Self::Real | Self::Blob)
    }

    fn has_numbers(self) -> bool {
        matches!(self, Self::Integer | Self::Boolean | Self::Real | Self::Any | Self::Time)
    }
}

/// An ordinary value, another one for each number, except of a kind that has only two.
pub(super) fn ordinary(kind: Kind, column: &str, number: usize) -> Value {
    let count = i64::try_from(number).unwrap_or_default() + 1;
    match kind {
        Kind::Boolean => Value::Integer(count % 2),
        Kind::Time => Value::Text(format!(
            "20{:02}-{:02}-{:02} 12:{:02}:00",
            26 + number / 28 / 12 / 60 % 70,
            number / 28 % 12 + 1,
            number % 28 + 1,
            number / 28 / 12 % 60
        )),
        Kind::Json => Value::Text(format!("{{\"{}\": {count}}}", column.replace(['"', '\\'], ""))),
        Kind::Integer => Value::Integer(count),
        Kind::Blob => Value::Blob(count.to_be_bytes().to_vec()),
        Kind::Real => Value::Real(f64::from(u32::try_from(count).unwrap_or_default()) + 0.5),
        // Whatever a column without a type contains, programs find numbers and texts in it.
        Kind::Any if number % 2 == 0 => Value::Integer(count),
        Kind::Text | Kind::Any => Value::Text(format!("{column} {count}")),
    }
}

/// Values to try: ordinary ones, unusual ones, and those that the literals of the checks suggest.
pub(super) fn candidates(kind: Kind, column: &str, checks: &[&str]) -> Vec<Value> {
    let (numbers, texts) = literals(checks);
    let mut pool: Vec<Value> = (0..ORDINARY).map(|number| ordinary(kind, column, number)).collect();
    if kind.has_numbers() {
        let unusual = [0, -1, 2, 10, 100, 1_000, 1_000_000_007, i64::MAX, i64::MIN];
        let near = numbers.iter().flat_map(|number| {
            [*number, number.saturating_add(1), number.saturating_sub(1), number.saturating_neg()]
        });
        pool.extend(near.chain(unusual).map(Value::Integer));
        if kind != Kind::Integer {
            let between = numbers.iter().filter_map(|number| i32::try_from(*number).ok());
            let between = between.flat_map(|number| EIGHTHS.map(|part| f64::from(number) + part));
            pool.extend(between.chain([0.0, -0.25, 1e9]).map(Value::Real));
        }
    }
    if kind.has_texts() {
        let written = texts.iter().flat_map(|text| [text.clone()].into_iter().chain(matching(text)));
        pool.extend(written.chain(of_length(&numbers)).chain(UNUSUAL.map(str::to_owned)).map(Value::Text));
        pool.push(Value::Text("long ".repeat(60)));
    }
    if kind == Kind::Blob {
        let lengths = numbers.iter().filter_map(|number| usize::try_from(*number).ok());
        let sized = lengths.filter(|length| *length <= LONGEST);
        pool.extend(sized.flat_map(|length| [0_u8, 1, 255].map(|byte| Value::Blob(vec![byte; length]))));
        pool.extend([Vec::new(), vec![0], vec![255; 300]].map(Value::Blob));
    }
    pool
}

const EIGHTHS: [f64; 8] = [-0.5, -0.125, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75];

const UNUSUAL: [&str; 17] = [
    "",
    " ",
    "a",
    "A",
    "é漢字",
    "O'Brien",
    "1",
    "12345",
    "2026-01-31",
    "2026-01-31T12:00:00Z",
    "12:00",
    "ada@example.com",
    "https://example.com/a",
    "{}",
    "[]",
    "#ffcc00",
    "0189d3c5-0000-7000-8000-000000000001",
];

/// The numbers and texts in expressions.
fn literals(checks: &[&str]) -> (Vec<i64>, Vec<String>) {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for check in checks {
        let mut tokens = Tokens::new(check);
        while let Some((token, place)) = tokens.next_placed() {
            match token {
                Token::Word(word) => numbers.extend(word.parse::<i64>()),
                Token::Quoted(text) if check.as_bytes().get(place.start) == Some(&b'\'') => {
                    texts.push(text.replace("''", "'"));
                }
                _ => {}
            }
        }
    }
    (numbers, texts)
}

/// JSON objects that have what the paths in the definition of a table name, such as `$.a.b`.
pub(super) fn objects(sql: &str) -> Vec<Value> {
    let (_, texts) = literals(&[sql]);
    let paths: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix("$.")).collect();
    let object = |number: usize| {
        let members: Vec<String> = paths.iter().map(|path| member(path, number)).collect();
        Value::Text(format!("{{{}}}", members.join(", ")))
    };
    if paths.is_empty() { Vec::new() } else { (1..=ORDINARY).map(object).collect() }
}

fn member(path: &str, value: usize) -> String {
    match path.split_once('.') {
        Some((name, rest)) => format!("\"{name}\": {{{}}}", member(rest, value)),
        None => format!("\"{path}\": {value}"),
    }
}

/// Texts with the lengths that numbers in a check may mean.
fn of_length(numbers: &[i64]) -> impl Iterator<Item = String> + '_ {
    let lengths = numbers.iter().filter_map(|number| usize::try_from(*number).ok());
    let lengths = lengths.filter(|length| (1..=LONGEST).contains(length));
    lengths.flat_map(|length| {
        let counted = (0..10).map(move |count| format!("{count:0length$}"));
        let letters = ('a'..='j').chain('A'..='J');
        counted.chain(letters.map(move |letter| letter.to_string().repeat(length)))
    })
}

/// Texts that a pattern of `LIKE` or `GLOB` may match.
fn matching(pattern: &str) -> impl Iterator<Item = String> {
    let is_pattern = pattern.contains(['%', '_', '*', '?', '[']);
    let variants = ['a', 'b', 'Z', '1', '2'].into_iter().filter(move |_| is_pattern);
    variants.map(move |filler| {
        let (mut text, mut chars) = (String::new(), pattern.chars());
        while let Some(char) = chars.next() {
            match char {
                '%' | '*' | '_' | '?' => text.push(filler),
                '[' => {
                    let set: String = chars.by_ref().take_while(|char| *char != ']').collect();
                    let fits = |char: char| set.contains(char) && set.contains('-');
                    let other = if fits('0') { '7' } else { filler };
                    text.push(set.chars().next().filter(|first| *first != '^').unwrap_or(other));
                }
                char => text.push(char),
            }
        }
        text
    })
}
