//! The bodies of procedures, functions, triggers and events. Semicolons in a body do not end the statement.
//!
//! `BEGIN`, `END` and similar words can also be names, so a word counts only where a statement of the body begins: a
//! column `end` inside a statement does not count, nor `IF` in `DROP TABLE IF EXISTS`, nor the function `REPEAT()`.

use crate::sql::Token;

/// An open block, closed by its `END`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    If,
    Case,
    /// A `CASE` inside an expression.
    Expression,
    Loop,
    Repeat,
    /// A `REPEAT` whose condition is being read: its `END` follows an expression and not a semicolon.
    Until,
    /// `WHILE` and `FOR`.
    While,
}

/// The position of the next token in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    First,
    /// After a `BEGIN` that may begin a transaction.
    Begin,
    /// After `CREATE` or `ALTER`, before the word that says which kind of object follows.
    ObjectKind,
    /// The name and the parameters of a routine.
    Signature,
    /// Between the parameters and the body: `RETURNS INT DETERMINISTIC`.
    Traits,
    /// Before `FOR EACH ROW`.
    Occasion,
    /// Before an event's `DO`.
    Schedule,
    /// In a statement that has no body.
    Plain,
    /// Where a statement of the body begins.
    Start,
    /// In a statement of the body.
    Inside,
    /// In the conditions of `DECLARE ... HANDLER FOR`, or before the name after `FOLLOWS`.
    Condition,
    /// After a condition: a comma adds another one, and anything else begins a statement.
    AfterCondition,
}

/// Reads the tokens of one statement to determine whether a semicolon is inside a body.
#[derive(Default)]
pub(super) struct Body<'a> {
    place: Place,
    blocks: Vec<Block>,
    was_open: bool,
    parentheses: usize,
    previous: Option<Token<'a>>,
    /// Whether the previous token began a statement, so that a colon makes it a label.
    was_at_start: bool,
}

impl<'a> Body<'a> {
    /// Whether the body had a block and that block has ended.
    pub(super) fn has_closed(&self) -> bool {
        self.was_open && self.blocks.is_empty()
    }

    /// Whether a semicolon belongs to the body.
    pub(super) fn is_open(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Whether the statement can have a body.
    pub(super) fn is_compound(&self) -> bool {
        !matches!(self.place, Place::First | Place::Begin | Place::ObjectKind | Place::Plain)
    }

    pub(super) fn push(&mut self, token: Token<'a>) {
        let was_at_start = matches!(self.place, Place::Start | Place::AfterCondition);
        let is_name = matches!(self.previous, Some(Token::Mark(b'.' | b'@')));
        self.place = match token {
            Token::Word(word) if !is_name => self.word(&word.to_ascii_lowercase()),
            Token::Word(_) | Token::Quoted(_) => self.name(),
            Token::Mark(mark) => self.mark(mark),
        };
        self.was_at_start = was_at_start;
        self.previous = Some(token);
    }

    fn word(&mut self, word: &str) -> Place {
        match (self.place, word) {
            (Place::First, _) => self.first(word),
            (Place::Begin, "not") => self.open(Block::Begin, Place::Start),
            (Place::Begin, _) => Place::Plain,
            (Place::ObjectKind, _) => self.object_kind(word),
            (Place::Traits, _) => self.traits(word),
            (Place::Occasion, "row") if self.was("each") => Place::Start,
            (Place::Schedule, "do") | (Place::Start, "not" | "atomic") => Place::Start,
            (Place::Start | Place::AfterCondition, _) => self.opening(word),
            (Place::Inside, _) => self.within(word),
            (Place::Condition, "not" | "sqlstate" | "value") => Place::Condition,
            (Place::Condition, _) => Place::AfterCondition,
            (place, _) => place,
        }
    }

    /// A quoted token, or a word that can only be a name.
    fn name(&self) -> Place {
        match self.place {
            Place::Start | Place::AfterCondition => Place::Inside,
            Place::Condition => Place::AfterCondition,
            Place::First | Place::Begin => Place::Plain,
            place => place,
        }
    }

    fn mark(&mut self, mark: u8) -> Place {
        match mark {
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        match (self.place, mark) {
            (Place::Signature, b')') if self.parentheses == 0 => Place::Traits,
            (Place::Start | Place::Inside | Place::Condition | Place::AfterCondition, b';') => Place::Start,
            (Place::AfterCondition, b',') => Place::Condition,
            (Place::Inside, b':') if self.was_at_start => Place::Start,
            _ => self.other_mark(mark),
        }
    }

    /// A mark that ends nothing. Inside the conditions it is part of them.
    fn other_mark(&self, mark: u8) -> Place {
        match self.place {
            Place::Condition if mark != b';' => Place::Condition,
            _ => self.name(),
        }
    }

    fn first(&mut self, word: &str) -> Place {
        match word {
            "create" | "alter" => Place::ObjectKind,
            "begin" => Place::Begin,
            // MariaDB accepts these outside routines too, but without a label.
            "if" | "case" | "loop" | "repeat" | "while" | "for" => self.opening(word),
            _ => Place::Plain,
        }
    }

    fn object_kind(&self, word: &str) -> Place {
        // `DEFINER = root@localhost`.
        if self.previous == Some(Token::Mark(b'=')) {
            return Place::ObjectKind;
        }
        match word {
            "or" | "replace" | "aggregate" | "definer" => Place::ObjectKind,
            "procedure" | "function" | "package" => Place::Signature,
            "trigger" => Place::Occasion,
            "event" => Place::Schedule,
            _ => Place::Plain,
        }
    }

    fn traits(&mut self, word: &str) -> Place {
        let is_type = self.parentheses > 0 || ["returns", "character", "char"].iter().any(|it| self.was(it));
        if !is_type && STATEMENTS.contains(&word) { self.opening(word) } else { Place::Traits }
    }

    /// The first word of a statement in the body.
    fn opening(&mut self, word: &str) -> Place {
        let top = self.blocks.last().copied();
        match (word, top) {
            ("begin", _) => self.open(Block::Begin, Place::Start),
            ("loop", _) => self.open(Block::Loop, Place::Start),
            ("repeat", _) => self.open(Block::Repeat, Place::Start),
            ("if", _) => self.open(Block::If, Place::Inside),
            ("case", _) => self.open(Block::Case, Place::Inside),
            ("while" | "for", _) => self.open(Block::While, Place::Inside),
            ("until", Some(Block::Repeat)) => {
                self.blocks.pop();
                self.open(Block::Until, Place::Inside)
            }
            ("end", _) => self.close(),
            ("else", Some(Block::If | Block::Case)) => Place::Start,
            ("follows" | "precedes", None) => Place::Condition,
            _ => Place::Inside,
        }
    }

    /// A word in the middle of a statement of the body.
    fn within(&mut self, word: &str) -> Place {
        let top = self.blocks.last().copied();
        match (word, top) {
            // `END CASE`.
            ("case", _) if !self.was("end") => self.open(Block::Expression, Place::Inside),
            ("end", Some(Block::Expression | Block::Until)) => self.close(),
            ("then", Some(Block::If | Block::Case)) | ("do", Some(Block::While)) => Place::Start,
            ("for", _) if self.was("handler") => Place::Condition,
            _ => Place::Inside,
        }
    }

    fn open(&mut self, block: Block, place: Place) -> Place {
        self.was_open = true;
        self.blocks.push(block);
        place
    }

    fn close(&mut self) -> Place {
        self.blocks.pop();
        Place::Inside
    }

    fn was(&self, word: &str) -> bool {
        self.previous.is_some_and(|token| token.is(word))
    }
}

/// The words that can begin a body, if words of blocks can follow them: `DROP TABLE IF EXISTS`,
/// `SELECT ... FOR UPDATE`.
const STATEMENTS: [&str; 29] = [
    "begin",
    "if",
    "case",
    "loop",
    "repeat",
    "while",
    "for",
    "select",
    "insert",
    "update",
    "delete",
    "replace",
    "set",
    "call",
    "return",
    "with",
    "values",
    "do",
    "create",
    "alter",
    "drop",
    "rename",
    "truncate",
    "execute",
    "signal",
    "grant",
    "revoke",
    "install",
    "uninstall",
];
