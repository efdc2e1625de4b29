//! An answer under way is nobody's: there is no file of it, or a hidden one that only its owner may read. What a run that was
//! killed leaves is gone with the next one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cli::place::{outcome, place};
use crate::cli::under_way::{Way, begin, begin_slow, seen, slow_place, wait_for_output};
use crate::cli::{Sandbox, binary, without_digests};

/// No file but those that are in their places, and hidden ones: all for their owner alone. A file that is written without a
/// name gets a hidden one once the run is recorded, on the way to its place.
fn assert_nobody_sees(sandbox: &Sandbox, way: Way, in_place: &[&str], context: &str) {
    for (name, mode) in seen(sandbox) {
        assert_eq!(mode, 0o600, "{context}: `{name}`");
        if in_place.contains(&name.as_str()) {
            continue;
        }
        assert_eq!(name, "hidden", "{context}");
        assert!(way == Way::Hidden || outcome(sandbox) == "answered", "{context}: a hidden file, before its time");
    }
}

/// A run that was killed while it was recorded leaves a ledger that a person repairs.
fn mend(sandbox: &Sandbox) {
    if sandbox.run("audit verify ledger.jsonl").status != Some(0) {
        assert_eq!(sandbox.run("audit repair ledger.jsonl").status, Some(0));
    }
}

#[test]
fn an_answer_under_way_is_nobodys() {
    for way in Way::all() {
        let sandbox = slow_place();
        let mut run = begin_slow(&sandbox, way, "out.csv");
        let way = wait_for_output(&sandbox, &run, way);
        let mut looks = 0;
        while run.try_wait().expect("a status").is_none() {
            // It may end meanwhile.
            assert_nobody_sees(&sandbox, way, &["out.csv"], "under way");
            looks += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(looks > 50, "the run was over before it could be looked at: {looks}");
        assert_eq!(seen(&sandbox), [("out.csv".to_owned(), 0o600)], "{:?}", run.wait_with_output());
        assert_eq!(outcome(&sandbox), "answered");
    }
}

/// Killed at any moment: nothing of its answer can be read by others, and the next run leaves the folder clean.
#[test]
fn a_run_that_is_killed_leaves_nothing_to_be_read() {
    for way in Way::all() {
        let sandbox = slow_place();
        let (mut in_place, mut killed) = (Vec::new(), 0);
        for killed_ms in [0, 15, 60, 140, 300, 600] {
            let mut run = begin_slow(&sandbox, way, "out.csv");
            let way = wait_for_output(&sandbox, &run, way);
            std::thread::sleep(Duration::from_millis(killed_ms));
            run.kill().expect("a kill");
            run.wait().expect("an end");
            if fs::remove_file(sandbox.path("out/out.csv")).is_ok() {
                // It was over by then.
                continue;
            }
            killed += 1;
            let context = format!("killed after {killed_ms} ms");
            assert_nobody_sees(&sandbox, way, &in_place, &context);
            let is_left = seen(&sandbox).iter().any(|(name, _)| name == "hidden");
            assert!(is_left || way == Way::Unnamed, "{context}: the hidden file is gone");

            mend(&sandbox);
            let next = begin(&sandbox, way, "next.csv", "").wait_with_output().expect("an end");
            assert!(next.status.success(), "{next:?}");
            in_place = vec!["next.csv"];
            assert_eq!(seen(&sandbox), [("next.csv".to_owned(), 0o600)], "{context}");
        }
        assert!(killed >= 3, "only {killed} runs took long enough to be killed");
    }
}

/// Runs that are over in no time, killed on their way to publish: the file that was there, or the new one.
#[test]
fn a_run_that_is_killed_replaces_a_whole_answer_or_none() {
    let sandbox = place();
    fs::create_dir(sandbox.path("out")).expect("a folder");
    fs::create_dir(sandbox.path("spill")).expect("a folder");
    let run = |flags: &str| begin(&sandbox, Way::Unnamed, "out.csv", flags);
    assert!(run("").wait_with_output().expect("an end").status.success());
    let answer = sandbox.read("out/out.csv");
    let old = "the answer of last week";
    for killed in 0..60_u64 {
        sandbox.write("out/out.csv", old);
        let mut run = run("--threads 1");
        std::thread::sleep(Duration::from_millis(20 + killed));
        run.kill().expect("a kill");
        run.wait().expect("an end");
        let found = sandbox.read("out/out.csv");
        assert!(found == old || found == answer, "{found}");
        for (name, mode) in seen(&sandbox).into_iter().filter(|(name, _)| name == "hidden") {
            assert_eq!(mode, 0o600, "{name}");
        }
        mend(&sandbox);
    }
    assert!(run("").wait_with_output().expect("an end").status.success());
    assert_eq!(sandbox.list("out"), ["out.csv"]);
}

#[test]
fn files_of_runs_that_live_stay() {
    for way in Way::all() {
        let sandbox = slow_place();
        let mut living = begin_slow(&sandbox, way, "living.csv");
        let way = wait_for_output(&sandbox, &living, way);
        let hidden = usize::from(way == Way::Hidden);
        for number in 0..3 {
            let other = begin(&sandbox, way, &format!("other-{number}.csv"), "").wait_with_output().expect("an end");
            assert!(other.status.success(), "{other:?}");
            let still = seen(&sandbox).iter().filter(|(name, _)| name == "hidden").count();
            assert!(living.try_wait().expect("a status").is_some() || still == hidden, "{still} hidden files");
        }
        let output = living.wait_with_output().expect("an end");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(sandbox.list("out"), ["living.csv", "other-0.csv", "other-1.csv", "other-2.csv"]);
    }
}

/// Runs a line in a process whose umask lets its group read new files, and gives the permissions of `out/out.csv`.
fn mode_of_answer(sandbox: &Sandbox, line: &str) -> u32 {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 027; exec \"$0\" \"$@\""]).arg(binary()).args(line.split(' '));
    let output = command.current_dir(sandbox.path(".")).output().expect("sh");
    assert!(output.status.success(), "{line}: {output:?}");
    fs::metadata(sandbox.path("out/out.csv")).expect("a file").permissions().mode() & 0o7777
}

#[test]
fn answers_under_a_policy_are_for_their_owner_unless_somebody_says_otherwise() {
    let sandbox = place();
    let governed = "--source source.toml --project flu --output out/out.csv";
    let dummy = "--dummy-tables tables --output out/out.csv";
    for (command, source, flags, expected) in [
        ("generate-dataset dataset.json", governed, "", 0o600),
        ("generate-measures measures.json", governed, "", 0o600),
        ("generate-dataset dataset.json", governed, " --output-mode 640", 0o640),
        ("generate-measures measures.json", governed, " --output-mode 0644", 0o644),
        ("generate-dataset dataset.json", dummy, "", 0o640),
        ("generate-measures measures.json", dummy, "", 0o640),
        ("generate-dataset dataset.json", dummy, " --output-mode 600", 0o600),
        ("generate-measures measures.json", dummy, " --output-mode 666", 0o666),
    ] {
        let line = format!("{command} {source}{flags}");
        assert_eq!(mode_of_answer(&sandbox, &line), expected, "{line}");
    }
}

/// Whatever stands in the place of an answer: the run ends, and says what to do. `timeout` would end one that waits.
#[test]
fn an_output_that_is_no_file_is_refused_at_once() {
    let sandbox = place();
    fs::create_dir(sandbox.path("out")).expect("a folder");
    let at = |name: &str| sandbox.path(&format!("out/{name}"));
    for name in ["fifo.csv", "dataset.csv"] {
        assert!(Command::new("mkfifo").arg(at(name)).status().expect("mkfifo").success());
    }
    let _socket = UnixListener::bind(at("socket.csv")).expect("a socket");
    for (name, target) in [
        ("null.csv", "/dev/null"),
        ("to-fifo.csv", "fifo.csv"),
        ("dangling.csv", "absent.csv"),
        ("loop.csv", "loop.csv"),
    ] {
        symlink(target, at(name)).expect("a link");
    }
    let before = sandbox.list("out");
    let mut text = String::new();
    for output in [
        "fifo.csv",
        ":csv",
        "to-fifo.csv",
        "socket.csv",
        "null.csv",
        "dangling.csv",
        "loop.csv",
        "dangling.csv/out.csv",
    ] {
        for source in ["--dummy-tables tables", "--source source.toml --project flu"] {
            let line = format!("generate-dataset dataset.json {source} --output out/{output}");
            let mut command = Command::new("timeout");
            command.arg("60").arg(binary()).args(line.split(' ')).current_dir(sandbox.path(".")).env("NO_COLOR", "1");
            let run = command.stdin(Stdio::null()).output().expect("timeout");
            let told = without_digests(&String::from_utf8_lossy(&run.stderr))
                .replace(&*sandbox.path(".").to_string_lossy(), "");
            text += &format!("$ peristyle {line}\nexit {:?}\n{told}", run.status.code());
        }
    }
    insta::assert_snapshot!(text);
    assert_eq!(sandbox.list("out"), before);
}
