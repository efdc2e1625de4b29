//! The book and the README: every command in them is run, every link leads somewhere, the reference is complete.
//!
//! A block marked `sh` is a script; it must succeed, or end as `# exit: N` says. A block marked `console` shows what
//! commands print: `$ ` begins one, `> ` continues it, the rest is its output, in which `…` stands for anything.
//! `sh,norun` is not run, and begins with `# not run: REASON`. All blocks of a page run in order in one folder.

mod command_line;
mod generated;
mod links;
mod pages;
mod run;

use pages::{Block, Page};

/// What a reader may be told to give to Cargo: checked here, since a test cannot run the build that it is part of.
const CARGO_COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo test --release"];

#[test]
fn every_command_does_what_its_page_says() {
    let mut problems = Vec::new();
    for page in Page::all() {
        let folder = tempfile::tempdir().expect("a folder");
        for block in page.blocks() {
            let found = match &block {
                Block::Script(script) => run::script(&without_cargo(script, &mut problems), folder.path()),
                Block::Console(exchanges) => {
                    exchanges.iter().try_for_each(|exchange| run::exchange(exchange, folder.path()))
                }
                Block::NotRun(script) => run::has_reason(script),
            };
            if let Err(problem) = found {
                // What follows on the page may stand on what failed.
                problems.push(format!("{}: {problem}", page.name));
                break;
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n\n"));
}

fn without_cargo(script: &str, problems: &mut Vec<String>) -> String {
    let (cargo, rest): (Vec<&str>, Vec<&str>) = script.lines().partition(|line| line.starts_with("cargo "));
    let unknown = cargo.into_iter().filter(|line| !CARGO_COMMANDS.contains(line));
    problems.extend(unknown.map(|line| format!("`{line}` is not among the commands that a page may give")));
    rest.join("\n")
}

#[test]
fn the_readme_has_the_commands_that_ci_runs() {
    let readme = Page::all().into_iter().find(|page| page.name == "README.md").expect("a README");
    for command in CARGO_COMMANDS {
        assert_eq!(readme.text.lines().filter(|line| *line == command).count(), 1, "{command}");
    }
}

#[test]
fn every_link_and_every_path_leads_somewhere() {
    let problems: Vec<String> = Page::all().iter().flat_map(links::problems).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = std::fs::read_to_string(pages::book().join("SUMMARY.md")).expect("a summary");
    for page in Page::all() {
        let Some(name) = page.name.strip_prefix("docs/src/").filter(|name| *name != "SUMMARY.md") else { continue };
        assert!(summary.contains(&format!("({name})")), "SUMMARY.md does not have {name}");
    }
}

#[test]
fn generated_parts_are_up_to_date() {
    generated::check("reference/tables.md", "catalogue", &generated::catalogue());
    generated::check("reference/definition-format.md", "limits", &generated::limits());
}

#[test]
fn the_command_line_reference_is_complete() {
    let problems = command_line::problems(&pages::read("docs/src/reference/cli.md"));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_exit_statuses_are_those_of_the_command() {
    let known = command_line::exit_statuses();
    for page in ["docs/src/reference/cli.md", "docs/src/backend.md"] {
        assert_eq!(pages::read(page).numbers_in_first_cells(), known, "{page}");
    }
}
