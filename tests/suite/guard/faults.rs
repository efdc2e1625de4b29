//! Registers, and counts of late runs, that cannot be trusted: the run is refused with the status of registers, shows
//! nothing, and leaves nothing but its record.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;

use crate::cli::{Sandbox, binary};
use crate::files::Format;
use crate::spec;

use super::place::Place;
use super::registers::{Activation, OptOuts, RowRule, Rules, seal};

pub(super) const SOURCE: &str = "peristyle_source = 1
connector = \"user-facing\"
location = \"tables\"
policy = \"policy.toml\"
ledger = \"ledger.jsonl\"
";

pub(super) const RUN: &str = "generate-dataset dataset.json --source source.toml --project flu --output out.csv";

/// The status of a register that cannot be trusted.
const REFUSED: Option<i32> = Some(14);

const STUDY: &str = "
patients patients
  patient | date_of_birth:date
events clinical_events
  patient | date:date | numeric_value:float
population = patients.exists_for_patient()
born = patients.date_of_birth.year
seen = clinical_events.count_for_patient()
";

/// Rules with registers of so many patients.
pub(super) fn rules(format: Format, patients: i64) -> Rules {
    let listed = |each: usize| (1..=patients).step_by(each).map(|patient| (patient, None, None)).collect();
    let tables = BTreeMap::from([
        ("core.patients".to_owned(), RowRule::All),
        ("core.clinical_events".to_owned(), RowRule::UntilCutOff("date")),
    ]);
    let day = |text: &str| text.parse().ok();
    Rules {
        type_one: Some(OptOuts { lists_opted_out: true, rows: listed(7), ..OptOuts::default() }),
        national: Some(OptOuts { rows: listed(1), ..OptOuts::default() }),
        activation: Some(Activation {
            from_column: true,
            practices: (10..20).map(|practice| (practice, day("2015-01-01"), None)).collect(),
            registrations: (1..=patients).map(|patient| (patient, Some(10 + patient % 10), None)).collect(),
            tables,
        }),
        format,
        ..Rules::default()
    }
}

/// The policy of such rules, with limits that bind.
fn policy(rules: &Rules) -> String {
    rules
        .policy()
        .replace("least_count = 0", "least_count = 2")
        .replace("greatest_fall_percent = 100", "greatest_fall_percent = 10")
        .replace("greatest_rise_percent = 1000", "greatest_rise_percent = 10")
}

/// A place whose runs are accepted: of 40 patients, 6 have opted out.
pub(super) fn sound(format: Format) -> Sandbox {
    let sandbox = Sandbox::new();
    let rules = rules(format, 40);
    sandbox.write("source.toml", SOURCE);
    sandbox.write("policy.toml", policy(&rules));
    sandbox.write("dataset.json", spec::study(STUDY, "ehrql.tables.core").0.to_string());
    sandbox.write("state/.keep", "");
    rules.write(&sandbox.path("registers"));
    let rows = |row: fn(i64) -> String| (1..=40).map(row).collect::<String>();
    sandbox.write(
        "tables/patients.csv",
        format!("patient_id,date_of_birth\n{}", rows(|patient| format!("{patient},1970-01-01\n"))),
    );
    sandbox.write(
        "tables/clinical_events.csv",
        format!("patient_id,date,numeric_value\n{}", rows(|patient| format!("{patient},2020-01-01,1.5\n"))),
    );
    let begun = sandbox.run("policy begin source.toml --by tester");
    assert_eq!(begun.status, Some(0), "{begun:?}");
    sandbox
}

/// Every file of a place but the ledger's, with its bytes.
pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            found.insert(path.clone(), vec![]);
            found.extend(files(&path));
        } else if !name.starts_with("ledger.jsonl") {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

pub(super) fn ledger(sandbox: &Sandbox) -> Vec<Json> {
    sandbox.read("ledger.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A run that must be refused; `told` must be in what is said.
fn refused(title: &str, format: Format, told: &str, damage: impl FnOnce(&Sandbox)) {
    let sandbox = sound(format);
    damage(&sandbox);
    let (before, recorded) = (files(&sandbox.path(".")), ledger(&sandbox).len());
    let run = sandbox.run(RUN);
    assert_eq!((run.status, run.stdout.as_str()), (REFUSED, ""), "{title}: {run:?}");
    assert!(run.stderr.contains(told), "{title}: {told} is not in {run:?}");
    let after = files(&sandbox.path("."));
    let is_as_before = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        after
            .get(path)
            .is_some_and(|after| after == bytes || (path.ends_with("counts.json") && differ_by_heads(bytes, after)))
    };
    let lock = |path: &&PathBuf| !path.ends_with("counts.json.lock");
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().filter(lock).cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after), "{title}: files were made or removed");
    assert!(before.iter().all(is_as_before), "{title}: a file was changed");
    let ledger = ledger(&sandbox);
    assert_eq!(ledger.len(), recorded + 2, "{title}: a record has two lines");
    let end = &ledger[recorded + 1]["entry"]["finished"]["finish"]["outcome"]["refused"];
    assert_eq!(end["exit_code"], 14, "{title}: {}", ledger[recorded + 1]);
}

/// Whether counts are the same but for the heads of ledgers that they keep, and so their seal.
fn differ_by_heads(one: &[u8], other: &[u8]) -> bool {
    let without_heads = |bytes: &[u8]| {
        let mut counts: Json = serde_json::from_slice(bytes).ok()?;
        counts["content"].as_object_mut()?.remove("ledgers")?;
        counts.as_object_mut()?.remove("seal")?;
        Some(counts)
    };
    without_heads(one).is_some_and(|one| without_heads(other) == Some(one))
}

/// A run that can neither be accepted nor recorded, since the ledger cannot be held to the counts; `told` must be in what
/// is said, and nothing changes.
fn unrecorded(title: &str, told: &str, damage: impl FnOnce(&Sandbox)) {
    let sandbox = sound(Format::Csv);
    damage(&sandbox);
    let (before, recorded) = (files(&sandbox.path(".")), sandbox.read("ledger.jsonl"));
    let run = sandbox.run(RUN);
    assert_eq!((run.status, run.stdout.as_str()), (Some(16), ""), "{title}: {run:?}");
    assert!(run.stderr.contains(told), "{title}: {told} is not in {run:?}");
    let mut after = files(&sandbox.path("."));
    after.retain(|path, _| !path.ends_with("counts.json.lock") || before.contains_key(path));
    assert!(before == after && recorded == sandbox.read("ledger.jsonl"), "{title}: something was changed");
}

/// The names of the four registers' files.
const REGISTERS: [&str; 4] = ["type_one", "national", "practices", "registrations"];

fn path(sandbox: &Sandbox, register: &str) -> PathBuf {
    sandbox.path(&format!("registers/{register}.csv"))
}

/// Changes a register's text, and seals it anew.
fn edit(sandbox: &Sandbox, register: &str, change: impl FnOnce(String) -> String) {
    let path = path(sandbox, register);
    let text = fs::read_to_string(&path).expect("text");
    let changed = change(text.clone());
    assert_ne!(text, changed, "nothing was changed");
    fs::write(&path, changed).expect("a file");
    seal(&path);
}

fn keep_lines(text: &str, keep: impl Fn(usize) -> bool) -> String {
    text.lines().enumerate().filter(|(number, _)| keep(*number)).map(|(_, line)| format!("{line}\n")).collect()
}

fn modified(path: &Path, days: i64) {
    let shift = Duration::from_secs(86_400 * days.unsigned_abs());
    let when = if days < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift };
    File::options().append(true).open(path).expect("a file").set_modified(when).expect("a time");
}

#[test]
fn a_sound_place_answers() {
    for format in Format::ALL {
        let sandbox = sound(format);
        let run = sandbox.run(RUN);
        assert_eq!(run.status, Some(0), "{format:?}: {run:?}");
        assert_eq!(sandbox.read("out.csv").lines().count(), 1 + 34);
    }
}

#[test]
fn every_register_is_needed_whole_and_fresh() {
    type Damage = fn(&Sandbox, &str);
    let faults: [(&str, &str, Damage); 14] = [
        ("missing", "", |sandbox, name| fs::remove_file(path(sandbox, name)).expect("a file")),
        ("missing, and its seal", "", |sandbox, name| {
            fs::remove_file(path(sandbox, name)).expect("a file");
            fs::remove_file(sandbox.path(&format!("registers/{name}.csv.sha256"))).expect("a file");
        }),
        ("no bytes", "", |sandbox, name| edit(sandbox, name, |_| String::new())),
        ("no rows", "least_count", |sandbox, name| edit(sandbox, name, |text| keep_lines(&text, |number| number == 0))),
        ("one row", "least_count", |sandbox, name| edit(sandbox, name, |text| keep_lines(&text, |number| number < 2))),
        ("no column of keys", "patient_id", |sandbox, name| {
            edit(sandbox, name, |text| text.replace("patient_id", "id"))
        }),
        ("keys of another type", "patient_id", |sandbox, name| {
            edit(sandbox, name, |text| text.replacen("\n1", "\nNHS 1", 1));
        }),
        ("a row without a key", "patient_id", |sandbox, name| edit(sandbox, name, |text| format!("{text},,\n"))),
        ("a row that is too short", "", |sandbox, name| edit(sandbox, name, |text| format!("{text}3\n"))),
        ("a folder in its place", "", |sandbox, name| {
            fs::remove_file(path(sandbox, name)).expect("a file");
            fs::create_dir(path(sandbox, name)).expect("a folder");
        }),
        ("a link to nowhere", "", |sandbox, name| {
            fs::remove_file(path(sandbox, name)).expect("a file");
            symlink("/nowhere/at/all", path(sandbox, name)).expect("a link");
        }),
        ("a link to itself", "", |sandbox, name| {
            fs::remove_file(path(sandbox, name)).expect("a file");
            symlink(path(sandbox, name), path(sandbox, name)).expect("a link");
        }),
        ("stale", "3 days old", |sandbox, name| modified(&path(sandbox, name), -3)),
        ("of the day after tomorrow", "not come yet", |sandbox, name| modified(&path(sandbox, name), 2)),
    ];
    for (title, told, damage) in faults {
        for name in REGISTERS {
            refused(&format!("{name}: {title}"), Format::Csv, told, |sandbox| damage(sandbox, name));
        }
    }
}

#[test]
fn other_columns_of_registers_are_needed_too() {
    for (register, from, to) in [
        ("practices", "from_day", "day"),
        ("practices", "until_day", "day"),
        ("practices", "2015-01-01", "2015-01-32"),
        ("registrations", "practice", "surgery"),
        ("registrations", "ended", "end"),
        ("registrations", ",11,", ",A81001,"),
        ("registrations", ",11,", ",11,soon"),
        ("practices", "2015-01-01,\n", "2015-01-01,2014-12-31\n"),
    ] {
        let title = format!("{register}: {from} for {to}");
        refused(&title, Format::Csv, "register", |sandbox| edit(sandbox, register, |text| text.replacen(from, to, 1)));
    }
}

#[test]
fn seals_of_text_hold_or_the_run_does_not() {
    let beside = |sandbox: &Sandbox| sandbox.path("registers/type_one.csv.sha256");
    refused("no seal", Format::Csv, "sha256sum", |sandbox| fs::remove_file(beside(sandbox)).expect("a file"));
    refused("an empty seal", Format::Csv, "SHA-256", |sandbox| fs::write(beside(sandbox), "").expect("a file"));
    refused("a seal of something else", Format::Csv, "altered", |sandbox| {
        fs::copy(sandbox.path("registers/national.csv.sha256"), beside(sandbox)).expect("a file");
    });
    refused("a folder for a seal", Format::Csv, "SHA-256", |sandbox| {
        fs::remove_file(beside(sandbox)).expect("a file");
        fs::create_dir(beside(sandbox)).expect("a folder");
    });
    refused("one patient more", Format::Csv, "altered", |sandbox| {
        let text = fs::read_to_string(path(sandbox, "type_one")).expect("text");
        fs::write(path(sandbox, "type_one"), format!("{text}40,,\n")).expect("a file");
    });
    refused("compressed, with another's seal", Format::CsvGz, "altered", |sandbox| {
        let seal = |name: &str| sandbox.path(&format!("registers/{name}.csv.gz.sha256"));
        fs::copy(seal("national"), seal("type_one")).expect("a file");
    });
}

#[test]
fn registers_may_not_fall_or_rise_by_more_than_the_policy_allows() {
    let without = |from: usize| move |text: String| keep_lines(&text, |number| number < from);
    refused("opt-outs fell", Format::Csv, "a fall of more", |sandbox| edit(sandbox, "type_one", without(6)));
    refused("leave fell", Format::Csv, "a fall of more", |sandbox| edit(sandbox, "national", without(36)));
    refused("practices fell", Format::Csv, "a fall of more", |sandbox| edit(sandbox, "practices", without(9)));
    refused("registrations fell", Format::Csv, "a fall of more", |sandbox| edit(sandbox, "registrations", without(36)));
    let more = |text: String| text + &(100..105).map(|patient| format!("{patient},,\n")).collect::<String>();
    refused("leave rose", Format::Csv, "a rise of more", |sandbox| edit(sandbox, "national", more));
    let more = |text: String| text + &(20..22).map(|practice| format!("{practice},2015-01-01,\n")).collect::<String>();
    refused("practices rose", Format::Csv, "a rise of more", |sandbox| edit(sandbox, "practices", more));
}

/// Little by little is no way round: counts are held against the greatest of late runs.
#[test]
fn a_list_that_shrinks_by_a_little_every_run_is_refused_in_the_end() {
    let sandbox = sound(Format::Csv);
    let mut statuses = vec![];
    for left in (30..40).rev() {
        edit(&sandbox, "national", |text| keep_lines(&text, |number| number <= left));
        statuses.push(sandbox.run(RUN).status);
    }
    assert_eq!(statuses[..4], [Some(0); 4]);
    assert_eq!(statuses[4..], [REFUSED; 6]);
}

#[test]
fn counts_of_late_runs_are_needed_whole_and_last() {
    let counts = |sandbox: &Sandbox| sandbox.path("state/counts.json");
    let key = |sandbox: &Sandbox| sandbox.path("state/counts.key");
    let remove = |path: PathBuf| fs::remove_file(path).expect("a file");
    refused("no counts", Format::Csv, "policy begin", |sandbox| remove(counts(sandbox)));
    unrecorded("no key", "key", |sandbox| remove(key(sandbox)));
    unrecorded("neither", "key", |sandbox| {
        remove(counts(sandbox));
        remove(key(sandbox));
    });
    refused("a folder for counts", Format::Csv, "cannot be read", |sandbox| {
        remove(counts(sandbox));
        fs::create_dir(counts(sandbox)).expect("a folder");
    });
    unrecorded("a key that all may read", "key", |sandbox| {
        fs::set_permissions(key(sandbox), fs::Permissions::from_mode(0o644)).expect("a mode");
    });
    unrecorded("another key", "MAC", |sandbox| {
        let other = sound(Format::Csv);
        fs::copy(other.path("state/counts.key"), key(sandbox)).expect("a file");
    });
    refused("counts of elsewhere", Format::Csv, "altered", |sandbox| {
        let other = sound(Format::Csv);
        fs::copy(other.path("state/counts.json"), counts(sandbox)).expect("a file");
    });
    refused("counts of another policy", Format::Csv, "policy", |sandbox| {
        let text = fs::read_to_string(sandbox.path("policy.toml")).expect("text");
        sandbox.write("policy.toml", text.replace("name = \"random\"", "name = \"renamed\""));
    });
    for (from, to) in [
        ("\"greatest\": 40", "\"greatest\": 1"),
        ("\"sequence\": 1", "\"sequence\": 2"),
        ("\"seal\": \"", "\"seal\": \"0"),
    ] {
        refused(&format!("{from} altered"), Format::Csv, "altered", |sandbox| {
            let text = fs::read_to_string(counts(sandbox)).expect("text");
            assert!(text.contains(from), "{text}");
            fs::write(counts(sandbox), text.replacen(from, to, 1)).expect("a file");
        });
    }
    refused("counts cut short", Format::Csv, "altered", |sandbox| {
        let bytes = fs::read(counts(sandbox)).expect("bytes");
        fs::write(counts(sandbox), &bytes[..bytes.len() / 2]).expect("a file");
    });
    refused("counts of before put back", Format::Csv, "put back", |sandbox| {
        let before = fs::read(counts(sandbox)).expect("bytes");
        assert_eq!(sandbox.run(&RUN.replace("out.csv", "first.csv")).status, Some(0));
        fs::write(counts(sandbox), before).expect("a file");
    });
}

/// A register cut off at every 1 KiB, in every format: through the library at every place, through the program at some.
#[test]
fn a_register_that_was_cut_short_is_refused_wherever_it_was_cut() {
    let mut tried = 0;
    for format in Format::ALL {
        let rules = rules(format, 6_000);
        let place = Place::new(&rules);
        assert!(place.verify(&[]).is_ok(), "{format:?}");
        for file in fs::read_dir(place.path("registers")).expect("a folder") {
            let file = file.expect("an entry").path();
            if file.extension().is_some_and(|ending| ending == "sha256") {
                continue;
            }
            let whole = fs::read(&file).expect("bytes");
            for cut in (0..whole.len()).step_by(1024) {
                fs::write(&file, &whole[..cut]).expect("a file");
                assert!(place.verify(&[]).is_err(), "{} cut to {cut} bytes", file.display());
                tried += 1;
            }
            fs::write(&file, whole).expect("a file");
            assert!(place.verify(&[]).is_ok(), "{}", file.display());
        }
        for name in REGISTERS {
            let ending = ["parquet", "arrow", "csv", "csv.gz"][format as usize];
            refused(&format!("{name}.{ending} cut in half"), format, "register", |sandbox| {
                let file = sandbox.path(&format!("registers/{name}.{ending}"));
                let whole = fs::read(&file).expect("bytes");
                fs::write(&file, &whole[..whole.len() / 2]).expect("a file");
            });
        }
    }
    eprintln!("registers cut short at {tried} places");
    assert!(tried > 300, "{tried} places");
}

/// Sealed text that was cut at the end of a line, and sealed anew, is what the least count and the fall are for.
#[test]
fn bytes_that_are_no_register_are_refused() {
    for (format, ending) in [(Format::Parquet, "parquet"), (Format::Arrow, "arrow"), (Format::CsvGz, "csv.gz")] {
        for name in REGISTERS {
            refused(&format!("{name}.{ending} is text"), format, "register", |sandbox| {
                let file = sandbox.path(&format!("registers/{name}.{ending}"));
                fs::write(&file, "patient_id\n1\n2\n3\n").expect("a file");
                seal(&file);
            });
        }
    }
}

/// The register is replaced after it was read, and before the answer is there.
#[test]
fn a_register_that_changes_during_the_run_is_refused() {
    for replaced in [false, true] {
        let sandbox = sound(Format::Csv);
        let events: String = (0..400_000).map(|event| format!("{},2020-01-01,1.5\n", 1 + event / 10_000)).collect();
        sandbox.write("tables/clinical_events.csv", format!("patient_id,date,numeric_value\n{events}"));
        let counts = sandbox.read("state/counts.json");
        let mut command = Command::new(binary());
        command.args(RUN.split(' ')).args(["--threads", "1", "--block-patients", "1"]).current_dir(sandbox.path("."));
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let began = Instant::now();
        // Counts are written once the registers have been read.
        while fs::read_to_string(sandbox.path("state/counts.json")).is_ok_and(|now| now == counts) {
            assert!(began.elapsed() < Duration::from_secs(60), "the registers are not read");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Longer than a tick of the file system's clock.
        std::thread::sleep(Duration::from_millis(12));
        if replaced {
            let text = fs::read(path(&sandbox, "type_one")).expect("bytes");
            sandbox.write("registers/new", text);
            fs::rename(sandbox.path("registers/new"), path(&sandbox, "type_one")).expect("a file");
        } else {
            edit(&sandbox, "type_one", |text| format!("{text}2,,\n"));
        }
        let output = run.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), REFUSED, "{output:?}");
        assert!(!sandbox.path("out.csv").exists());
        let ledger = ledger(&sandbox);
        let end = &ledger.last().expect("a line")["entry"]["finished"]["finish"]["outcome"]["refused"];
        assert_eq!(end["code"], "register_changed", "{end}");
    }
}
