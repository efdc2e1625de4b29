//! Pages and the blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A page of the book, or one at the root of the project.
pub(super) struct Page {
    /// Relative to the root of the project
    pub(super) name: String,
    pub(super) text: String,
}

/// A fenced block that holds commands.
pub(super) enum Block {
    Script(String),
    Console(Vec<Exchange>),
    NotRun(String),
}

/// A command, and what it says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Exchange {
    pub(super) command: String,
    pub(super) exit: i32,
    pub(super) output: Vec<String>,
}

pub(super) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().find(|folder| folder.join("justfile").is_file());
    root.expect("the root of the project").to_owned()
}

pub(super) fn book() -> PathBuf {
    root().join("docs/src")
}

pub(super) fn read(name: &str) -> Page {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Page { name: name.to_owned(), text }
}

impl Page {
    /// The README, the notes for contributors, and every page of the book.
    pub(super) fn all() -> Vec<Page> {
        let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
        let mut folders = vec![book()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "md") {
                    let name = path.strip_prefix(root()).expect("a path below the root");
                    names.push(name.to_str().expect("a name").to_owned());
                }
            }
        }
        names.sort();
        names.iter().map(|name| read(name)).collect()
    }

    /// The fenced blocks that hold commands.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let fenced = fenced(&self.text).into_iter();
        fenced
            .filter_map(|(language, text)| match language {
                "sh" => Some(Block::Script(text)),
                "console" => Some(Block::Console(exchanges(&text))),
                "sh,norun" => Some(Block::NotRun(text)),
                "console,norun" => panic!("{}: show what a command prints, or use sh,norun", self.name),
                _ => None,
            })
            .collect()
    }

    /// Lines outside fenced and indented blocks.
    pub(super) fn prose(&self) -> impl Iterator<Item = &str> {
        let mut inside = false;
        self.text.lines().filter(move |line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence && !line.starts_with("    ")
        })
    }

    /// The numbers that begin rows of tables, in order.
    pub(super) fn numbers_in_first_cells(&self) -> Vec<u8> {
        let rows = self.prose().filter_map(|line| line.strip_prefix('|'));
        rows.filter_map(|row| row.split('|').next()?.trim().parse().ok()).collect()
    }
}

/// The fenced blocks of a page, with what stands behind the fence.
fn fenced(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            exchanges.push(Exchange { command: command.to_owned(), ..Exchange::default() });
            continue;
        }
        let exchange = exchanges.last_mut().expect("a console block begins with a command");
        let exit = line.strip_prefix("# exit: ").and_then(|exit| exit.parse().ok());
        match (line.strip_prefix("> "), exit, exchange.output.is_empty()) {
            (Some(more), _, true) => exchange.command.push_str(&format!("\n{more}")),
            (_, Some(exit), true) => exchange.exit = exit,
            _ => exchange.output.push(line.to_owned()),
        }
    }
    exchanges
}

#[test]
fn blocks_are_taken_apart() {
    let text = "a\n```sh\nls\n```\n```json\n{}\n```\n```console\n$ cat <<X\n> y\n> X\n# exit: 3\ny\n$ true\n```\n";
    let page = Page { name: "test".to_owned(), text: text.to_owned() };
    let [Block::Script(script), Block::Console(exchanges)] = &page.blocks()[..] else { panic!("two blocks") };
    assert_eq!(script, "ls\n");
    let first = Exchange { command: "cat <<X\ny\nX".to_owned(), exit: 3, output: vec!["y".to_owned()] };
    assert_eq!(*exchanges, [first, Exchange { command: "true".to_owned(), ..Exchange::default() }]);
    assert_eq!(page.prose().collect::<Vec<_>>(), ["a"]);
}
