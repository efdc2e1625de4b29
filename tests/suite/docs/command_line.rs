//! The command line reference against what the command says of itself.

use std::collections::BTreeSet;
use std::process::Command;

use super::pages::Page;
use crate::cli::binary;

type Options = BTreeSet<String>;

fn help(arguments: &[&str]) -> String {
    let output =
        Command::new(binary()).args(arguments).arg("--help").env("COLUMNS", "100").output().expect("the command");
    assert!(output.status.success(), "{arguments:?} --help");
    String::from_utf8(output.stdout).expect("text")
}

/// The lines below a heading of the help, up to the next one.
fn below<'h>(help: &'h str, heading: &str) -> impl Iterator<Item = &'h str> {
    let lines = help.lines().skip_while(move |line| *line != heading);
    let indented = |line: &&str| line.is_empty() || line.starts_with(' ');
    lines.skip(1).take_while(indented).map(str::trim)
}

/// The commands below a command, or of all.
fn commands(of: &[&str]) -> Vec<String> {
    let help = help(of);
    // Where a description takes more than one line, the others are indented further.
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The long options of a command, and of those below it.
fn all_options(command: &str) -> Options {
    let mut all = options(&help(&[command]), "Options:");
    all.extend(commands(&[command]).iter().flat_map(|below| options(&help(&[command, below]), "Options:")));
    all
}

/// The long options below a heading of the help.
fn options(help: &str, heading: &str) -> Options {
    let specified = below(help, heading).filter(|line| line.starts_with('-'));
    let words = specified.flat_map(|line| line.split_whitespace().take_while(|word| word.starts_with('-')));
    let long = words.map(|word| word.trim_end_matches(',')).filter(|word| word.starts_with("--"));
    long.filter(|option| !["--help", "--version"].contains(option)).map(str::to_owned).collect()
}

/// The long options in a text.
fn mentioned(text: &str) -> Options {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect::<String>();
    let found = text.match_indices("--").filter(|(at, _)| !text[..*at].ends_with('-'));
    let found = found.map(|(at, _)| word(&text[at..]));
    found
        .filter(|option| option.contains(char::is_alphabetic) && !["--help", "--version"].contains(&option.as_str()))
        .collect()
}

/// The sections of a page by their headings: the first cells of their tables, and their synopses.
fn sections(page: &Page) -> Vec<(&str, Vec<&str>)> {
    let mut sections = Vec::new();
    for line in page.text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading, Vec::new()));
        } else if let (Some((_, lines)), Some(row)) = (sections.last_mut(), line.strip_prefix('|')) {
            lines.extend(row.split(" |").next());
        }
    }
    sections
}

/// The statuses that the help lists.
pub(super) fn exit_statuses() -> Vec<u8> {
    let help = help(&[]);
    below(&help, "Exit status:").filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Where the page and the command do not agree.
pub(super) fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let sections = sections(page);
    let described = |heading: &str| -> Option<Options> {
        let (_, lines) = sections.iter().find(|(known, _)| *known == heading)?;
        Some(lines.iter().flat_map(|line| mentioned(line)).collect())
    };
    let mut compare = |heading: &str, known: &Options| match described(heading) {
        None => problems.push(format!("there is no section `{heading}`")),
        Some(described) => {
            problems.extend(known.difference(&described).map(|o| format!("section `{heading}` lacks {o}")));
            problems
                .extend(described.difference(known).map(|o| format!("section `{heading}` has {o}, the command not")));
        }
    };
    let settings = options(&help(&[]), "Settings:");
    compare("Settings", &settings);
    let mut all = settings;
    let commands = commands(&[]);
    for command in &commands {
        let own = all_options(command);
        compare(command, &own);
        all.extend(own);
    }
    let headings = sections.iter().map(|(heading, _)| *heading);
    let others = ["Settings", "Source files", "Exit status"];
    let unknown = headings.filter(|heading| !others.contains(heading) && !commands.iter().any(|c| c == heading));
    problems.extend(unknown.map(|heading| format!("there is no command `{heading}`")));
    let in_prose: Options = page.prose().flat_map(mentioned).collect();
    problems.extend(in_prose.difference(&all).map(|option| format!("no command has {option}")));
    problems
}

#[test]
fn options_are_found() {
    let options = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Options>();
    assert_eq!(mentioned("`--a-b X` and `-- P` --c --help"), options(&["--a-b", "--c"]));
    let help =
        "Usage: x\n\nOptions:\n      --out <DIR>\n          Where --in goes\n\n  -h, --help\n\nSettings:\n      --b\n";
    assert_eq!(super::command_line::options(help, "Options:"), options(&["--out"]));
}
