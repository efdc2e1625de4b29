//! Ledgers whose lines have MACs, and whose heads the sealed counts keep: what somebody without the key does to them is
//! found, with no head noted anywhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use peristyle_audit::{Acceptance, AuditError, Finding, Ledger, LedgerKey, verify};
use peristyle_policy::counts::ledger::CountsFiles;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::forger::{Forged, anchor_of, chained};
use crate::samples::{Place, accepted, answered, begin_counts, finish, now, put, refused, start};

/// A tampering, by somebody who has every digest computed anew and the anchor put right.
#[derive(Clone, Debug)]
enum Tampering {
    /// A record is edited
    Edit { at: usize, edit: usize },
    /// The MACs of the lines from here on are left out, and the first of them is edited
    WithoutMacs { from: usize, edit: usize },
    /// All lines are of the form before MACs, and one of them is edited
    FormBefore { at: usize, edit: usize },
    /// Two records change places; with or without their MACs
    Swap { at: usize, with: usize },
    /// A record is removed
    Remove { at: usize },
    /// A record is put in: another one of this ledger, with its MAC or without
    Insert { from: usize, to: usize, with_mac: bool },
    /// The tail is cut off
    Cut { to: usize },
    /// The ledger is emptied; its anchor says so, or is gone
    Empty { anchored: bool },
    /// The ledger is removed; and its anchor
    Gone { anchored: bool },
    /// Lines are added: without a MAC, or with that of another line
    Append { records: usize, with_mac: bool, one_is_ahead: bool },
    /// From here on the lines are those of another ledger of the same key, as they are or numbered anew
    Splice { at: usize, as_they_are: bool },
    /// The whole ledger is another one: of the same key, of another key, or of none
    Replace { by: usize },
    /// The anchor is an older one
    OldAnchor { at: usize },
}

/// What is changed in a record, wherever it has it.
const EDITS: [(&str, &str); 6] = [
    ("long-covid", "flu"),
    ("41238", "41239"),
    ("answered", "answered "),
    ("2026-01-31", "2026-01-30"),
    ("type_1_opt_out\":\"applied", "type_1_opt_out\":\"lifted_by_permission"),
    ("peristyle 0.1.0", "peristyle 0.1.1"),
];

fn tamperings() -> impl Strategy<Value = Tampering> {
    use Tampering::*;
    let place = any::<usize>;
    prop_oneof![
        4 => (place(), place()).prop_map(|(at, edit)| Edit { at, edit }),
        3 => (place(), place()).prop_map(|(from, edit)| WithoutMacs { from, edit }),
        2 => (place(), place()).prop_map(|(at, edit)| FormBefore { at, edit }),
        2 => (place(), place()).prop_map(|(at, with)| Swap { at, with }),
        2 => place().prop_map(|at| Remove { at }),
        2 => (place(), place(), any::<bool>()).prop_map(|(from, to, with_mac)| Insert { from, to, with_mac }),
        3 => place().prop_map(|to| Cut { to }),
        1 => any::<bool>().prop_map(|anchored| Empty { anchored }),
        1 => any::<bool>().prop_map(|anchored| Gone { anchored }),
        3 => (1..4_usize, any::<bool>(), any::<bool>())
            .prop_map(|(records, with_mac, one_is_ahead)| Append { records, with_mac, one_is_ahead }),
        3 => (place(), any::<bool>()).prop_map(|(at, as_they_are)| Splice { at, as_they_are }),
        2 => (0..3_usize).prop_map(|by| Replace { by }),
        1 => place().prop_map(|at| OldAnchor { at }),
    ]
}

/// Ledgers that somebody can take lines from: under the same key, under another one, under none.
struct Others([Place; 3]);

impl Others {
    fn new(place: &Place) -> Others {
        let same_key = Place { ledger: place.directory.path().join("other.jsonl"), ..Place::new() };
        let same_key = Place { counts: place.counts.clone(), ..same_key };
        Others([same_key.and_runs(9), Place::sealed().and_runs(9), Place::with_runs(9)])
    }
}

/// Does it. False where it changes nothing.
fn tamper(place: &Place, others: &Others, tampering: &Tampering) -> bool {
    let lines = place.lines();
    let anchor = fs::read_to_string(place.anchor()).unwrap();
    let mut forged = Forged::all(&lines);
    let count = lines.len();
    let edited = |forged: &mut Forged, edit: usize| {
        (0..EDITS.len()).any(|tried| {
            let (from, to) = EDITS[(edit % EDITS.len() + tried) % EDITS.len()];
            forged.change(from, to)
        })
    };
    match *tampering {
        Tampering::Edit { at, edit } => assert!(edited(&mut forged[at % count], edit)),
        Tampering::WithoutMacs { from, edit } => {
            forged[from % count..].iter_mut().for_each(|line| line.seal = None);
            assert!(edited(&mut forged[from % count], edit));
        }
        Tampering::FormBefore { at, edit } => {
            forged.iter_mut().for_each(|line| (line.format, line.seal) = (1, None));
            assert!(edited(&mut forged[at % count], edit));
        }
        Tampering::Swap { at, with } => forged.swap(at % count, with % count),
        Tampering::Remove { at } => drop(forged.remove(at % count)),
        Tampering::Insert { from, to, with_mac } => {
            let line = forged[from % count].clone();
            forged.insert(to % (count + 1), Forged { seal: line.seal.clone().filter(|_| with_mac), ..line });
        }
        Tampering::Cut { to } => forged.truncate(to % count),
        Tampering::Append { records, with_mac, .. } => {
            let more: Vec<_> = forged[count - 2..].iter().cycle().take(records).cloned().collect();
            forged.extend(more.into_iter().map(|line| Forged { seal: line.seal.clone().filter(|_| with_mac), ..line }));
        }
        Tampering::Splice { at, as_they_are } => {
            let theirs = others.0[0].lines();
            let at = at % count;
            if as_they_are {
                let spliced = [&lines[..at], &theirs[at..]].concat();
                put(&place.anchor(), anchor_of(&spliced, &anchor));
                place.write_lines(&spliced);
                return true;
            }
            forged.splice(at.., Forged::all(&theirs[at..]));
        }
        Tampering::Replace { by } => {
            place.write_lines(&others.0[by].lines());
            put(&place.anchor(), fs::read(others.0[by].anchor()).unwrap());
            return true;
        }
        Tampering::OldAnchor { at } => {
            put(&place.anchor(), anchor_of(&lines[..at % (count - 1)], &anchor));
            return true;
        }
        Tampering::Empty { anchored } => {
            put(&place.ledger, "");
            match anchored {
                true => put(&place.anchor(), anchor_of(&[], &anchor)),
                false => fs::remove_file(place.anchor()).unwrap(),
            }
            return true;
        }
        Tampering::Gone { anchored } => {
            fs::remove_file(&place.ledger).unwrap();
            if !anchored {
                fs::remove_file(place.anchor()).unwrap();
            }
            return true;
        }
    }
    let anew = chained(&forged);
    let ahead = usize::from(matches!(tampering, Tampering::Append { one_is_ahead: true, .. }));
    put(&place.anchor(), anchor_of(&anew[..anew.len() - ahead], &anchor));
    place.write_lines(&anew);
    anew != lines
}

/// Whether a check finds it, and a run is refused that leaves everything as it was.
fn is_found(place: &Place, tampering: &Tampering) {
    let verified = verify(&place.ledger, None, &place.key());
    assert!(!verified.as_ref().is_ok_and(|verified| verified.is_sound()), "{tampering:?}: {}", verified.unwrap());
    let before = fs::read(&place.ledger).ok();
    let run = place.open().and_then(|ledger| ledger.begin(start()));
    assert!(run.is_err(), "{tampering:?}: the next run goes on");
    assert_eq!(fs::read(&place.ledger).ok(), before, "{tampering:?}: {}", run.unwrap_err());
}

const TAMPERINGS: usize = 500;
/// As many of them are tried on one ledger.
const ON_ONE_LEDGER: usize = 25;

/// Not one of them is missed. (A generator that is run, not a property that is shrunk: each is one step already.)
#[test]
fn whatever_is_done_without_the_key_is_found() {
    let mut runner = TestRunner::default();
    let mut next = move |strategy: &BoxedStrategy<(usize, bool, Vec<Tampering>)>| {
        strategy.new_tree(&mut runner).unwrap().current()
    };
    let strategy = (3..8_usize, any::<bool>(), prop::collection::vec(tamperings(), ON_ONE_LEDGER)).boxed();
    let mut found = 0;
    while found < TAMPERINGS {
        let (runs, dies, tamperings) = next(&strategy);
        let place = Place::sealed().and_runs(runs);
        if dies {
            drop(place.open().unwrap().begin(start()).unwrap());
        }
        let others = Others::new(&place);
        let state = place.state();
        for tampering in &tamperings {
            if tamper(&place, &others, tampering) {
                is_found(&place, tampering);
                found += 1;
            }
            place.put_back(&state);
            assert_eq!(place.findings(), Vec::<String>::new());
        }
        place.run();
        assert_eq!(place.findings(), Vec::<String>::new());
    }
}

/// What is said of each kind, by a check and by the next run.
#[test]
fn what_is_said_of_tamperings() {
    use Tampering::*;
    let cases = [
        ("the last record is edited", Edit { at: 5, edit: 0 }),
        ("MACs are left out", WithoutMacs { from: 4, edit: 0 }),
        ("the form before MACs", FormBefore { at: 5, edit: 0 }),
        ("cut off", Cut { to: 3 }),
        ("emptied", Empty { anchored: true }),
        ("emptied, and the anchor removed", Empty { anchored: false }),
        ("removed", Gone { anchored: true }),
        ("removed, and its anchor", Gone { anchored: false }),
        ("a line is added", Append { records: 1, with_mac: false, one_is_ahead: true }),
        ("a line is added with a MAC of another", Append { records: 1, with_mac: true, one_is_ahead: false }),
        ("another ledger of the same key", Replace { by: 0 }),
        ("a ledger of another key", Replace { by: 1 }),
        ("a ledger of no key", Replace { by: 2 }),
    ];
    let place = Place::sealed().and_runs(3);
    let (others, state) = (Others::new(&place), place.state());
    let mut said = String::new();
    for (title, tampering) in cases {
        assert!(tamper(&place, &others, &tampering), "{title}");
        let found = match verify(&place.ledger, None, &place.key()) {
            Ok(verification) => {
                let found: Vec<_> = verification.findings().iter().map(|finding| format!("  {finding}\n")).collect();
                format!("{}  {} in all\n", found.iter().take(2).cloned().collect::<String>(), found.len())
            }
            Err(error) => format!("  error: {error}\n"),
        };
        let refused = place.open().and_then(|ledger| ledger.begin(start())).unwrap_err();
        said += &place.shown(format!("{title}\n{found}  run: {refused}\n"));
        place.put_back(&state);
    }
    insta::assert_snapshot!(said);
}

/// A ledger of the form before MACs, as an earlier version left it.
fn of_form_1(runs: usize) -> Place {
    let place = Place::with_runs(runs);
    let mut lines = Forged::all(&place.lines());
    lines.iter_mut().for_each(|line| line.format = 1);
    let lines = chained(&lines);
    put(&place.anchor(), anchor_of(&lines, &fs::read_to_string(place.anchor()).unwrap()));
    place.write_lines(&lines);
    place
}

#[test]
fn a_ledger_of_the_form_before_goes_on_and_is_held_from_then_on() {
    let unsealed = of_form_1(2);
    assert_eq!(unsealed.findings(), Vec::<String>::new());
    let counts = Some(begin_counts(unsealed.directory.path()));
    let place = Place { counts, ..unsealed };
    assert_eq!(place.findings(), Vec::<String>::new(), "before a line has a MAC");
    place.run();
    let verification = place.verify(None);
    assert!(verification.is_sound(), "{verification}");
    insta::assert_snapshot!(place.shown(without_head(&verification.to_string())));

    // From the first MAC on there is no way back, and what comes before is held by the chain.
    let state = place.state();
    let (lines, anchor) = (place.lines(), fs::read_to_string(place.anchor()).unwrap());
    for (title, kept, edited) in
        [("the prefix alone", 4, None), ("the prefix edited", 6, Some(1)), ("cut off", 5, None)]
    {
        let mut forged = Forged::all(&lines[..kept]);
        if let Some(edited) = edited {
            assert!(forged[edited].change("41238", "1"));
        }
        let anew = chained(&forged);
        place.write_lines(&anew);
        put(&place.anchor(), anchor_of(&anew, &anchor));
        assert_ne!(place.findings(), Vec::<String>::new(), "{title}");
        assert!(place.open().is_err(), "{title}");
        place.put_back(&state);
    }
}

fn without_head(report: &str) -> String {
    report.lines().filter(|line| !line.starts_with("head: ")).map(|line| format!("{line}\n")).collect()
}

/// Before the key is made, what is refused is recorded all the same.
#[test]
fn lines_of_before_the_key_was_made_are_held_by_the_chain() {
    let place = Place::sealed();
    let counts = place.counts.clone().unwrap();
    let aside = |path: &Path| PathBuf::from(format!("{}.aside", path.display()));
    for path in [&counts.file, &counts.key_file] {
        fs::rename(path, aside(path)).unwrap();
    }
    assert!(place.key().is_missing());
    place.run();
    assert_eq!(place.findings(), Vec::<String>::new());
    for path in [&counts.file, &counts.key_file] {
        fs::rename(aside(path), path).unwrap();
    }
    place.run();
    assert_eq!(place.findings(), Vec::<String>::new());
    assert_eq!(Forged::all(&place.lines()).iter().filter(|line| line.seal.is_some()).count(), 2);
}

#[test]
fn without_the_key_nothing_is_recorded_once_lines_have_macs() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 3] = [
        ("gone", |key| fs::remove_file(key).unwrap()),
        ("open to others", |key| fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap()),
        ("no key", |key| put(key, "no key")),
    ];
    let mut said = String::new();
    for (title, damage) in cases {
        let place = Place::sealed().and_runs(1);
        let before = place.bytes();
        damage(&place.counts.as_ref().unwrap().key_file);
        let refused = place.open().unwrap_err();
        assert!(matches!(refused, AuditError::KeyUnusable { fault: Some(_), .. }), "{refused}");
        assert_eq!(place.bytes(), before);
        said += &place.shown(format!("{title}\n  {refused}\n  {}\n", place.findings().join("\n  ")));
    }
    let place = Place::sealed().and_runs(1);
    let without = Place { counts: None, ..place };
    said += &without.shown(format!("a policy that keeps none\n  {}\n", without.open().unwrap_err()));
    insta::assert_snapshot!(said);
}

/// Counts that were altered are for the run to be refused by: that is recorded, and no answer is.
#[test]
fn a_ledger_goes_on_while_the_counts_are_at_fault_and_answers_nothing() {
    let place = Place::sealed().and_runs(1);
    let counts = &place.counts.as_ref().unwrap().file;
    let whole = fs::read(counts).unwrap();
    for damaged in [None, Some(&b"{}"[..]), Some(&whole[..whole.len() / 2])] {
        match damaged {
            None => fs::remove_file(counts).unwrap(),
            Some(bytes) => put(counts, bytes),
        }
        let run = place.open().unwrap().begin(start()).unwrap();
        let findings = place.verify(None);
        assert!(matches!(findings.findings(), [Finding::CountsUnreadable { .. }]), "{findings}");
        let length = place.bytes().len();
        let unanswered = run.finish(finish(answered())).unwrap_err();
        assert!(matches!(unanswered, AuditError::HeadNotKept { .. }), "{unanswered}");
        assert_eq!(place.bytes().len(), length);
        place.open().unwrap().begin(start()).unwrap().finish(finish(refused())).unwrap();
        // Put right again, they are behind the ledger, as they may be.
        put(counts, &whole);
        assert_eq!(place.findings(), Vec::<String>::new());
    }
    place.run();
    assert_eq!(place.findings(), Vec::<String>::new());
}

/// Counts that are lost are begun anew by a person: then they keep a ledger whose every line holds, and no other.
#[test]
fn counts_that_are_begun_anew_know_a_sound_ledger() {
    let place = Place::sealed().and_runs(2);
    let (files, state) = (place.counts.clone().unwrap(), place.state());
    let begin = || {
        let ledger = Ledger::open_to_begin(&place.ledger, place.key())?.with_clock(now);
        ledger.accept_counts(accepted(Acceptance::Begun))?;
        begin_counts(place.directory.path());
        ledger.keep_head()
    };
    fs::remove_file(&files.file).unwrap();
    let head = begin().unwrap();
    assert_eq!(place.verify(None).head(), Some(head));
    place.run();
    assert_eq!(place.findings(), Vec::<String>::new());

    // Of counts that know other ledgers alone, too.
    place.put_back(&state);
    fs::remove_file(&files.file).unwrap();
    begin_counts(place.directory.path());
    let unknown = place.open().unwrap_err();
    assert!(matches!(unknown, AuditError::Unsound { finding: Finding::UnknownToCounts, .. }), "{unknown}");
    begin().unwrap();
    place.run();

    place.put_back(&state);
    fs::remove_file(&files.file).unwrap();
    let mut forged = Forged::all(&place.lines());
    assert!(forged[1].change("41238", "1"));
    let anew = chained(&forged);
    put(&place.anchor(), anchor_of(&anew, &fs::read_to_string(place.anchor()).unwrap()));
    place.write_lines(&anew);
    let refused = begin().unwrap_err();
    assert!(matches!(refused, AuditError::Unsound { finding: Finding::Altered { line: 2, .. }, .. }), "{refused}");
}

/// What no key shows: all three of them as they once were. A head that was noted does.
#[test]
fn what_is_put_back_with_the_counts_is_found_by_a_noted_head_alone() {
    let place = Place::sealed().and_runs(2);
    let earlier = place.state();
    place.run();
    let noted = place.verify(None).head();
    place.put_back(&earlier);
    assert_eq!(place.findings(), Vec::<String>::new());
    assert!(matches!(place.verify(noted).findings(), [Finding::NotNoted { sequence: 6 }]));
    place.open().unwrap();
}

#[test]
fn a_place_may_be_moved_and_a_copy_is_held_to_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let folder = folder.path().join(name);
        let counts = CountsFiles { file: folder.join("state/counts.json"), key_file: folder.join("state/counts.key") };
        (folder.join("audit.jsonl"), Some(counts))
    };
    let made = Place::sealed().and_runs(2);
    fs::rename(made.directory.path(), folder.path().join("place")).unwrap();
    fs::create_dir(made.directory.path()).unwrap();
    let (ledger, counts) = at("place");
    let place = Place { ledger, counts, ..Place::new() };
    assert_eq!(place.findings(), Vec::<String>::new());
    let noted = LedgerKey::noted(&place.ledger).unwrap();
    assert!(verify(&place.ledger, None, &noted).unwrap().is_sound(), "given the ledger alone");
    place.run();

    let copy = folder.path().join("copies/ledger.jsonl");
    fs::create_dir(folder.path().join("copies")).unwrap();
    let copy_it = || {
        for ending in ["", ".anchor"] {
            let of = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
            fs::copy(of(&place.ledger), of(&copy)).unwrap();
        }
    };
    copy_it();
    let alone = verify(&copy, None, &LedgerKey::noted(&copy).unwrap()).unwrap();
    assert!(matches!(alone.findings(), [Finding::NoKey { line: 1, fault: Some(_) }]), "{alone}");
    let by_place = || verify(&copy, None, &LedgerKey::of_place(place.counts.clone(), &copy, &place.ledger)).unwrap();
    assert!(by_place().is_sound(), "{}", by_place());
    place.run();
    assert!(matches!(by_place().findings(), [Finding::BehindKept { last: 6, kept: 8 }]), "{}", by_place());
    // An older ledger of the place is held to its own head.
    let older = LedgerKey::of_place(place.counts.clone(), &place.ledger, &folder.path().join("place/newer.jsonl"));
    assert!(verify(&place.ledger, None, &older).unwrap().is_sound());
}

/// An anchor of before has no note: then a ledger that is given alone cannot be checked.
#[test]
fn anchors_of_the_form_before_are_read() {
    let place = Place::sealed().and_runs(1);
    let anchor = fs::read_to_string(place.anchor()).unwrap();
    let (_, head) = anchor.split_once("\"sequence\"").unwrap();
    put(&place.anchor(), format!("{{\"sequence\"{head}"));
    assert_eq!(place.findings(), Vec::<String>::new());
    let noted = LedgerKey::noted(&place.ledger).unwrap();
    let alone = verify(&place.ledger, None, &noted).unwrap();
    assert!(matches!(alone.findings(), [Finding::NoKey { line: 1, fault: None }]), "{alone}");
    place.run();
    assert!(fs::read_to_string(place.anchor()).unwrap().contains("state/counts.key"));
    // A note of other counts is found by whoever knows better.
    put(&place.anchor(), fs::read_to_string(place.anchor()).unwrap().replace("counts.key", "mine.key"));
    assert_eq!(place.findings(), ["the anchor notes other counts, or another key, than the policy's"]);
}

#[test]
fn ledgers_of_one_place_are_each_held_to_their_own_head() {
    let first = Place::sealed().and_runs(1);
    let second =
        Place { ledger: first.directory.path().join("second.jsonl"), counts: first.counts.clone(), ..Place::new() };
    second.run();
    first.run();
    let Kept { lines, kept } = Kept::of(&first);
    assert_eq!((lines, kept), (4, 4));
    let Kept { lines, kept } = Kept::of(&second);
    assert_eq!((lines, kept), (2, 2));
}

/// Number of lines with a MAC, and the record that the counts keep, as a report says them.
struct Kept {
    lines: u64,
    kept: u64,
}

impl Kept {
    fn of(place: &Place) -> Kept {
        let report = place.verify(None).to_string();
        let line = report.lines().find_map(|line| line.strip_prefix("lines with a MAC: ")).unwrap();
        let number = |text: &str| text.parse().unwrap();
        Kept { lines: number(line.split(',').next().unwrap()), kept: number(line.rsplit(' ').next().unwrap()) }
    }
}
