//! Links between pages, and paths of the project that pages name.

use super::pages::{Page, read, root};

/// Folders of the project. Code in a page that begins with one of them is a path that must be there.
const FOLDERS: [&str; 7] = ["connectors/", "engine/", "opt-out/", "synth/", "tests/", "docs/", "benchmarks/"];

/// What of a page's links and paths leads nowhere.
pub(super) fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    for line in page.prose() {
        for target in targets(line).filter(|target| !target.contains("://")) {
            if let Err(problem) = follow(page, target) {
                problems.push(format!("{}: link `{target}`: {problem}", page.name));
            }
        }
        for path in code(line).filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))) {
            // `file::name` is a test in a file; that it is there is for the tests of the Guard to find out.
            let path = path.split_once("::").map_or(path, |(file, _)| file);
            if !root().join(path).exists() {
                problems.push(format!("{}: `{path}` is not there", page.name));
            }
        }
    }
    problems
}

/// What stands in the brackets of links.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// What stands between back quotes.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn follow(page: &Page, target: &str) -> Result<(), String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let own = root().join(&page.name);
    let path = if file.is_empty() { own } else { own.parent().ok_or("has no folder")?.join(file) };
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let name = path.strip_prefix(root()).map_err(|_| "leaves the project")?;
    let in_book = |name: &str| name.starts_with("docs/src/");
    let name = name.to_str().ok_or("is not a name")?;
    if in_book(&page.name) && !in_book(name) {
        return Err("leaves the book: name the path as code instead".to_owned());
    }
    match anchor {
        Some(anchor) if !read(name).prose().filter_map(heading).any(|known| known == anchor) => {
            Err("has no such heading".to_owned())
        }
        _ => Ok(()),
    }
}

/// A heading as mdBook names it in a link.
fn heading(line: &str) -> Option<String> {
    let text = line.trim_start_matches('#');
    if text.len() == line.len() {
        return None;
    }
    let kept = text.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
}

#[test]
fn links_are_found() {
    assert_eq!(targets("a [b](c.md) and [d](e/f.md#g).").collect::<Vec<_>>(), ["c.md", "e/f.md#g"]);
    assert_eq!(code("`a` b `c d`").collect::<Vec<_>>(), ["a", "c d"]);
    assert_eq!(heading("## Outputs are whole, or not there"), Some("outputs-are-whole-or-not-there".to_owned()));
    assert_eq!(heading("text"), None);
}
