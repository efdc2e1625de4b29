//! Runs what pages tell their readers to run.

use std::path::Path;
use std::process::{Command, Stdio};

use super::pages::Exchange;
use crate::cli::binary;

/// What a command that ended says.
struct Ended {
    exit: Option<i32>,
    output: String,
}

fn bash(script: &str, folder: &Path) -> Ended {
    let binaries = binary().parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    let ended = Command::new("bash")
        // One stream, as a terminal shows it.
        .args(["-euo", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("PERISTYLE_LOG")
        .env_remove("EHRQL_PERMISSIONS")
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    Ended { exit: ended.status.code(), output: String::from_utf8_lossy(&ended.stdout).into_owned() }
}

/// Runs a script; the one status that it may end with is 0, or that of a line `# exit: N`.
pub(super) fn script(script: &str, folder: &Path) -> Result<(), String> {
    let wanted = script.lines().find_map(|line| line.strip_prefix("# exit: ")?.parse().ok()).unwrap_or(0);
    let ended = bash(script, folder);
    if ended.exit == Some(wanted) {
        return Ok(());
    }
    Err(format!("ends with {:?}, not {wanted}:\n{script}\nsays:\n{}", ended.exit, ended.output))
}

/// Runs a command; its status and what it says must be as shown.
pub(super) fn exchange(exchange: &Exchange, folder: &Path) -> Result<(), String> {
    let ended = bash(&exchange.command, folder);
    let said: Vec<&str> = ended.output.lines().collect();
    let shown: Vec<&str> = exchange.output.iter().map(String::as_str).collect();
    if ended.exit == Some(exchange.exit) && lines_match(&shown, &said) {
        return Ok(());
    }
    let Exchange { command, exit, .. } = exchange;
    let shown = shown.join("\n");
    Err(format!("{command}\nends with {:?} (shown: {exit}) and says:\n{}shown:\n{shown}", ended.exit, ended.output))
}

/// Whether lines are as shown; a line `…` stands for any number of them.
fn lines_match(shown: &[&str], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((&"…", rest)) => (0..=said.len()).any(|skipped| lines_match(rest, &said[skipped..])),
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, said)| text_matches(first, line) && lines_match(rest, said))
        }
    }
}

/// Whether a line is as shown; `…` stands for any text.
fn text_matches(shown: &str, said: &str) -> bool {
    match shown.split_once('…') {
        None => shown == said,
        Some((before, after)) => said.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|skipped| rest.is_char_boundary(*skipped))
                .any(|skipped| text_matches(after, &rest[skipped..]))
        }),
    }
}

/// Whether a block that is not run says why.
pub(super) fn has_reason(script: &str) -> Result<(), String> {
    if script.starts_with("# not run: ") { Ok(()) } else { Err(format!("does not say why it is not run:\n{script}")) }
}

#[test]
fn an_ellipsis_stands_for_anything() {
    for (shown, said, matches) in [
        ("", "", true),
        ("a", "a", true),
        ("a", "b", false),
        ("row … of", "row 12 of", true),
        ("… INFO …", "12:00 INFO x", true),
        ("… INFO …", "12:00 WARN x", false),
        ("…\nb", "a\na\nb", true),
        ("…\nb", "b", true),
        ("…\nb", "b\na", false),
        ("a\n…", "a", true),
    ] {
        let [shown, said] = [shown, said].map(|text| text.lines().collect::<Vec<_>>());
        assert_eq!(lines_match(&shown, &said), matches, "{shown:?} {said:?}");
    }
}
