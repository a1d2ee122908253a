//! Which file uses which other file.
//!
//! A file uses another if its code has a path (`use` or inline) to an item of the other. A re-export is followed to the file of the item.
//! `mod child;` does not count, nor does a `pub use` of a name that the file itself does not mention: a file that only declares and
//! re-exports uses nothing. A method call is not a path.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::words::{is_word, words};

type Segments = Vec<String>;

/// One module, which is one file.
struct File {
    path: String,
    children: BTreeSet<String>,
    imports: Vec<Import>,
    /// The paths in its code, except in `use`.
    inline: Vec<Segments>,
    /// The identifiers in its code, except in `use`.
    spoken_of: BTreeSet<String>,
}

struct Import {
    /// The name of the import in the file. `*` has no name.
    name: Option<String>,
    path: Segments,
    public: bool,
}

/// The files of `src`, each with the files that it uses, and the path of the use.
pub(super) struct Imports {
    uses: BTreeMap<String, BTreeMap<String, String>>,
}

impl Imports {
    /// Reads the files of a crate, by their paths relative to `src`.
    pub(super) fn of(text: &dyn Fn(&str) -> String) -> Self {
        let mut modules = BTreeMap::new();
        read(text, "lib.rs", &[], &mut modules);
        let mut uses = BTreeMap::new();
        // The root names everything, and is not checked itself.
        for (module, file) in modules.iter().filter(|(module, _)| !module.is_empty()) {
            let imported = file.imports.iter().filter(|import| {
                !import.public || import.name.as_ref().is_none_or(|name| file.spoken_of.contains(name))
            });
            let paths = imported.map(|import| &import.path).chain(&file.inline);
            let held = paths.filter_map(|path| Some((holder(&modules, module, path)?, path.join("::"))));
            let others = held.filter(|(used, _)| *used != file.path && used != "lib.rs");
            uses.insert(file.path.clone(), others.collect());
        }
        Self { uses }
    }

    pub(super) fn len(&self) -> usize {
        self.uses.values().map(BTreeMap::len).sum()
    }

    /// The same for the modules that `lib.rs` declares.
    pub(super) fn by_module(&self) -> Self {
        let module =
            |file: &str| file.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let mut uses = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (file, all) in &self.uses {
            let others = all.iter().map(|(used, path)| (module(used), format!("{path} in {file}")));
            let others = others.filter(|(used, _)| *used != module(file));
            uses.entry(module(file)).or_default().extend(others);
        }
        Self { uses }
    }

    pub(super) fn uses(&self, file: &str, used: &str) -> bool {
        self.uses.get(file).is_some_and(|all| all.contains_key(used))
    }

    /// The shortest cycle through each file that is in one, without duplicates: `a -> b -> a`, and the paths.
    pub(super) fn circles(&self) -> BTreeSet<String> {
        let through = self.uses.keys().filter_map(|file| self.circle_through(file));
        through.map(|circle| self.shown(&circle)).collect()
    }

    fn circle_through<'a>(&'a self, file: &'a str) -> Option<Vec<&'a str>> {
        let mut came_from = BTreeMap::new();
        let mut ahead = VecDeque::from([file]);
        while let Some(from) = ahead.pop_front() {
            for used in self.uses.get(from).into_iter().flat_map(BTreeMap::keys) {
                if used == file {
                    let mut circle = vec![from];
                    while let Some(before) = came_from.get(circle[circle.len() - 1]) {
                        circle.push(*before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !came_from.contains_key(used.as_str()) {
                    came_from.insert(used.as_str(), from);
                    ahead.push_back(used);
                }
            }
        }
        None
    }

    fn shown(&self, circle: &[&str]) -> String {
        let mut circle = circle.to_vec();
        let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or_default();
        circle.rotate_left(first);
        circle.push(circle[0]);
        let reasons = circle.windows(2).map(|pair| self.uses[pair[0]][pair[1]].as_str());
        format!("{} ({})", circle.join(" -> "), reasons.collect::<Vec<_>>().join(", "))
    }
}

fn read(
    text: &dyn Fn(&str) -> String,
    path: &str,
    module: &[String],
    modules: &mut BTreeMap<Segments, File>,
) {
    let file = File::new(path, &words(&text(path)));
    let folder = if path == "lib.rs" { String::new() } else { path.replace(".rs", "/") };
    for child in &file.children {
        let path = format!("{folder}{child}.rs");
        read(text, &path, &[module, std::slice::from_ref(child)].concat(), modules);
    }
    modules.insert(module.to_vec(), file);
}

impl File {
    fn new(path: &str, words: &[String]) -> Self {
        let mut file = Self {
            path: path.to_owned(),
            children: BTreeSet::new(),
            imports: Vec::new(),
            inline: Vec::new(),
            spoken_of: BTreeSet::new(),
        };
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        let mut public = false;
        let mut at = 0;
        while at < words.len() {
            match word(at) {
                "mod" if word(at + 2) == ";" => {
                    file.children.insert(word(at + 1).to_owned());
                    at += 3;
                }
                // `use<'a>` declares what a type captures.
                "use" if word(at + 1) != "<" => {
                    let end =
                        at + words[at..].iter().position(|word| word == ";").unwrap_or(words.len() - at);
                    tree(&words[at + 1..end], &[], public, &mut file.imports);
                    at = end;
                }
                "::" => at += 2,
                // A path in a macro belongs to the code of its caller.
                "$" if word(at + 1) == "crate" => at += 2,
                start if start.chars().all(is_word) => {
                    let mut path = vec![start.to_owned()];
                    while word(at + 1) == "::" && word(at + 2).starts_with(is_word) {
                        path.push(word(at + 2).to_owned());
                        at += 2;
                    }
                    file.spoken_of.insert(start.to_owned());
                    if path.len() > 1 {
                        file.inline.push(path);
                    }
                    at += 1;
                }
                _ => at += 1,
            }
            // `pub`, `pub(crate)`, `pub(super)`, `pub(in …)`
            public = match word(at.saturating_sub(1)) {
                "pub" => true,
                ";" | "}" | "]" => false,
                _ => public && word(at) != "fn",
            };
        }
        file
    }
}

/// `a::{b, c::{self, D as E}, *}`
fn tree(words: &[String], before: &[String], public: bool, imports: &mut Vec<Import>) {
    let mut path = before.to_vec();
    let mut name = None;
    let mut words = words.iter().enumerate();
    let all: Vec<&String> = words.clone().map(|(_, word)| word).collect();
    while let Some((at, word)) = words.next() {
        match word.as_str() {
            "::" => {}
            "{" => {
                let inside: Vec<String> =
                    all[at + 1..all.len() - 1].iter().map(|word| (*word).clone()).collect();
                for one in split(&inside) {
                    tree(one, &path, public, imports);
                }
                return;
            }
            "*" => {
                imports.push(Import { name: None, path, public });
                return;
            }
            "as" => name = words.next().map(|(_, word)| word.clone()),
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_owned()),
        }
    }
    let name = name.or_else(|| path.last().cloned());
    imports.push(Import { name, path, public });
}

/// Splits words at the commas outside braces.
fn split(words: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let parts = words.split(|word| {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && word == ","
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The file with the item of a path in `module`; `None` if the item is in another crate.
fn holder(modules: &BTreeMap<Segments, File>, module: &[String], path: &[String]) -> Option<String> {
    let mut from = module.to_vec();
    let mut path = path.iter().peekable();
    match path.peek()?.as_str() {
        "crate" => {
            path.next();
            from.clear();
        }
        "self" => {
            path.next();
        }
        "super" => {
            while path.next_if(|segment| *segment == "super").is_some() {
                from.pop();
            }
        }
        child if modules[module].children.contains(child) => {}
        _ => return None,
    }
    while let Some(child) = path.next_if(|segment| modules[&from].children.contains(*segment)) {
        from.push(child.clone());
    }
    let file = &modules[&from];
    if let Some(name) = path.next() {
        if let Some(import) = file.imports.iter().find(|import| import.name.as_ref() == Some(name)) {
            let behind: Segments = import.path.iter().chain(path).cloned().collect();
            return holder(modules, &from, &behind);
        }
    }
    Some(file.path.clone())
}

#[test]
fn circles_are_found_and_tables_of_contents_are_none() {
    let circles = |parent: &str, one: &str, other: &str| {
        let imports = Imports::of(&|path| {
            let text = match path {
                "lib.rs" => "mod one; mod other; mod parent; pub use crate::one::One;",
                "parent.rs" => parent,
                "parent/child.rs" => "use super::Parent; pub struct Child; impl Parent { fn of(self) {} }",
                "one.rs" => one,
                "other.rs" => other,
                _ => "",
            };
            text.to_owned()
        });
        imports.circles().into_iter().collect::<Vec<_>>()
    };
    let parent = "mod child; pub use self::child::Child; pub struct Parent;";
    let one = "use crate::other::Other; pub struct One;";
    let other = "/// [`One`](crate::One)\npub struct Other;\n#[cfg(test)]\nmod tests { use crate::One; }";
    assert_eq!(circles(parent, one, other), Vec::<String>::new());
    assert_eq!(
        circles("mod child; pub use self::child::Child; pub struct Parent; fn f(_: Child) {}", one, other),
        ["parent.rs -> parent/child.rs -> parent.rs (self::child::Child, super::Parent)"]
    );
    assert_eq!(
        circles("mod child; pub struct Parent; fn f() { child::g() }", one, other),
        ["parent.rs -> parent/child.rs -> parent.rs (child::g, super::Parent)"]
    );
    assert_eq!(
        circles(parent, one, "pub struct Other; fn f(_: crate::One) {}"),
        ["one.rs -> other.rs -> one.rs (crate::other::Other, crate::One)"]
    );
}
