//! Counts that are compared, kept, and cannot be altered.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use super::*;
use crate::fixtures::{THREE_RULES, TYPE_ONE_ONLY, day, policy, policy_in};
use crate::rule::Rule;

const START: &str = "2026-06-01";

fn type_one(policy: &Policy) -> &Register {
    policy.registers_of(Rule::TypeOne)[0]
}

fn begun(folder: &Path, count: u64) -> Policy {
    let policy = policy_in(folder, &THREE_RULES);
    CountsFile::begin(&policy, &[(type_one(&policy), count)], day(START), 0).unwrap();
    policy
}

fn counts_path(policy: &Policy) -> PathBuf {
    policy.counts.as_ref().unwrap().file.path.clone()
}

#[test]
fn a_fall_or_rise_beyond_the_limits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let counts = CountsFile::open(&policy).unwrap();
    let check = |count| counts.check(type_one(&policy), count, day("2026-06-02"));
    // At most 5% less, at most 50% more.
    for (count, ok) in [
        (100_000, true),
        (95_000, true),
        (94_999, false),
        (150_000, true),
        (150_001, false),
        (0, false),
        (u64::MAX, false),
    ] {
        assert_eq!(check(count).is_ok(), ok, "{count}");
    }
    let never = counts.check(policy.registers_of(Rule::National)[0], 50_000_000, day("2026-06-02"));
    let texts = [check(999), check(94_999), check(150_001), never].map(|checked| checked.unwrap_err().to_string());
    insta::assert_snapshot!(texts.join("\n"));
}

/// A register that loses a little with every run is found out: it is compared to the most of a month.
#[test]
fn a_slow_leak_is_a_fall() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let mut count = 100_000;
    for run in 1..=20 {
        let today = day(START).plus_days(run / 4);
        let counts = CountsFile::open(&policy).unwrap();
        count -= 1_000;
        let checked = counts.check(type_one(&policy), count, today);
        assert_eq!(checked.is_ok(), count >= 95_000, "{count}");
        if checked.is_err() {
            return;
        }
        CountsFile::record(&policy, &[(type_one(&policy), count)], today).unwrap();
    }
    panic!("the leak was not noticed");
}

#[test]
fn days_long_ago_are_forgotten_but_never_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let register = type_one(&policy);
    let check = |count, today: &str| CountsFile::open(&policy).unwrap().check(register, count, day(today)).is_ok();
    CountsFile::record(&policy, &[(register, 96_000)], day("2026-06-20")).unwrap();
    // For 31 days both count, after them only the later one, and however late, that one still.
    assert!(!check(94_000, "2026-07-02"));
    assert!(check(94_000, "2026-07-03"));
    assert!(check(92_000, "2027-06-20"));
    assert!(!check(91_000, "2027-06-20"));
    // A clock that was put back widens nothing.
    assert!(!check(94_000, "2020-01-01"));
}

/// By a clock that was put back, every register would be fresh.
#[test]
fn a_clock_before_the_last_day_is_refused_until_a_person_answers_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy_in(folder.path(), &THREE_RULES);
    let (one, national) = (type_one(&policy), policy.registers_of(Rule::National)[0]);
    CountsFile::begin(&policy, &[(one, 100_000), (national, 50_000_000)], day(START), 0).unwrap();
    CountsFile::record(&policy, &[(national, 50_000_000)], day("2026-06-20")).unwrap();
    let check = |today: &str| CountsFile::open(&policy).unwrap().require_clock(day(today));
    // Whichever register it is that the last day was counted of.
    let (today, latest) = (day("2026-06-19"), day("2026-06-20"));
    assert_eq!(check("2026-06-19"), Err(CountsError::ClockBehind { today, latest }));
    assert_eq!((check("2026-06-20"), check("2027-01-01")), (Ok(()), Ok(())));
    insta::assert_snapshot!(check("2026-06-19").unwrap_err());
    // The clock was ahead, and is right now.
    CountsFile::accept(&policy, &[(one, 100_000)], today).unwrap();
    assert!(check("2026-06-19").is_err(), "the other register's day still stands");
    CountsFile::accept(&policy, &[(national, 50_000_000)], today).unwrap();
    assert_eq!(check("2026-06-19"), Ok(()));
}

/// A register that the policy has no more cannot be accepted, and so must not hold anything up.
#[test]
fn accepting_forgets_registers_that_the_policy_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy_in(folder.path(), &THREE_RULES);
    let (one, national) = (type_one(&policy), policy.registers_of(Rule::National)[0]);
    CountsFile::begin(&policy, &[(one, 100_000), (national, 50_000_000)], day(START), 0).unwrap();
    let of_one_rule = TYPE_ONE_ONLY.replace("name = \"type-one-only\"", "name = \"three-rules\"");
    let fewer = policy_in(folder.path(), &of_one_rule);
    assert_eq!(counts_path(&fewer), counts_path(&policy));
    let accepted = CountsFile::accept(&fewer, &[(type_one(&fewer), 100_000)], day("2026-05-01")).unwrap();
    assert!(accepted.knows(&one.id) && !accepted.knows(&national.id));
    assert_eq!(accepted.require_clock(day("2026-05-01")), Ok(()));
}

#[test]
fn beginning_is_for_what_is_not_known_and_accepting_for_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy_in(folder.path(), &THREE_RULES);
    let (one, national) = (type_one(&policy), policy.registers_of(Rule::National)[0]);
    let absent = CountsFile::open(&policy).unwrap_err();
    assert_eq!(absent, CountsError::Absent { path: counts_path(&policy) });
    assert!(CountsFile::record(&policy, &[(one, 100_000)], day(START)).is_err(), "a run does not begin the counts");
    let too_few = CountsFile::begin(&policy, &[(one, 999)], day(START), 0).unwrap_err();
    assert!(matches!(too_few, CountsError::TooFew { .. }) && !counts_path(&policy).exists());

    CountsFile::begin(&policy, &[(one, 100_000)], day(START), 0).unwrap();
    // A register more; what was known stays.
    assert!(
        CountsFile::open(&policy).unwrap().knows(&one.id) && !CountsFile::open(&policy).unwrap().knows(&national.id)
    );
    let both = CountsFile::begin(&policy, &[(one, 50_000), (national, 50_000_000)], day(START), 0).unwrap();
    assert!(both.check(one, 50_000, day(START)).is_err() && both.check(national, 50_000_000, day(START)).is_ok());
    let accepted = CountsFile::accept(&policy, &[(one, 50_000)], day(START)).unwrap();
    assert!(accepted.check(one, 50_000, day(START)).is_ok());
    assert!(accepted.check(national, 50_000_000, day(START)).is_ok());
    assert_eq!((both.sequence(), accepted.sequence()), (2, 3));
    assert_eq!(CountsFile::open(&policy).unwrap().sequence(), 3);
    assert!(matches!(CountsFile::open(&policy_of_no_rule()), Err(CountsError::NoneKept { .. })));
    // Begun anew, they go on from what the ledger knows.
    std::fs::remove_file(counts_path(&policy)).unwrap();
    assert_eq!(CountsFile::begin(&policy, &[(one, 50_000)], day(START), 3).unwrap().sequence(), 4);
}

fn policy_of_no_rule() -> Policy {
    let start = TYPE_ONE_ONLY.split_once("[type_one]").unwrap().0;
    let off = "applied = false\nbecause = \"a test\"\n";
    let rules = format!("[type_one]\n{off}[national]\n{off}[practice_activation]\n{off}");
    policy(&format!("{start}{rules}[disclosure_control]\nlocked = true\njudged_by = \"people\""))
}

/// Whatever is done to the file without the key is found out.
#[test]
fn the_seal_holds() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let path = counts_path(&policy);
    let whole = std::fs::read_to_string(&path).unwrap();
    let altered = Err(CountsError::Altered { path: path.clone() });
    let opened = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        CountsFile::open(&policy).map(|_| ())
    };
    for length in 0..whole.len() {
        assert_eq!(opened(&whole.as_bytes()[..length]), altered, "cut after {length}");
    }
    for (from, to) in [
        ("100000", "100001"),
        (START, "2026-06-02"),
        ("three-rules", "other-rules"),
        ("\"sequence\": 1", "\"sequence\": 2"),
        ("\"type_one\"", "\"national\""),
        ("\"peristyle_counts\": 2", "\"peristyle_counts\": 1"),
    ] {
        assert_ne!(whole.replace(from, to), whole);
        assert_eq!(opened(whole.replace(from, to).as_bytes()), altered, "{from} to {to}");
    }
    assert_eq!(opened(b"{}"), altered);
    assert_eq!(opened(whole.as_bytes()), Ok(()));

    // No key, and another one.
    let key = policy.counts.as_ref().unwrap().key_file.path.clone();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(opened(whole.as_bytes()), Err(CountsError::Key(SecretFileError::Unreadable { .. }))));
    drop(secret_file::create(SecretKind::CountsKey, &key).unwrap());
    assert_eq!(opened(whole.as_bytes()), altered);
}

#[test]
fn another_policys_file_and_an_earlier_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let renamed = THREE_RULES.replace("name = \"three-rules\"", "name = \"other-rules\"");
    let other = policy_in(folder.path(), &renamed);
    let path = counts_path(&policy);
    let earlier = std::fs::read(&path).unwrap();
    CountsFile::record(&policy, &[(type_one(&policy), 99_000)], day(START)).unwrap();
    let known = CountsFile::open(&policy).unwrap().sequence();
    assert_eq!(CountsFile::open(&policy).unwrap().require_sequence(known), Ok(()));
    std::fs::write(&path, earlier).unwrap();
    let errors = [
        CountsFile::open(&policy).unwrap().require_sequence(known).unwrap_err(),
        CountsFile::open(&other).unwrap_err(),
        CountsError::Absent { path: path.clone() },
        CountsError::Altered { path },
    ];
    let text = errors.map(|error| error.to_string()).join("\n");
    insta::assert_snapshot!(text.replace(&folder.path().display().to_string(), "FOLDER"));
}

/// Runs at the same time all leave their mark, and never half a file.
#[test]
fn runs_at_the_same_time_all_count() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let run = |run: u64| {
        for round in 0..5 {
            let counted = [(type_one(&policy), 99_000 + run * 10 + round)];
            CountsFile::record(&policy, &counted, day(START)).unwrap();
            CountsFile::open(&policy).unwrap();
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|number| drop(scope.spawn(move || run(number)))));
    let counts = CountsFile::open(&policy).unwrap();
    assert_eq!(counts.sequence(), 21);
    let days = &counts.content.registers[&RegisterId::TypeOne];
    assert_eq!(days, &[DayCounts { day: day(START), least: 99_000, greatest: 100_000 }]);
}

/// Whoever can open the lock's file can hold every run up.
#[test]
fn a_lock_that_others_can_hold_is_refused_and_no_lock_is_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let lock = beside(&counts_path(&policy), ".lock");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&lock), 0o600);
    let record = || CountsFile::record(&policy, &[(type_one(&policy), 99_000)], day(START)).map(|_| ());

    let holder = File::open(&lock).unwrap();
    holder.lock_shared().unwrap();
    let busy = lock_for(&counts_path(&policy), Duration::from_millis(20)).unwrap_err();
    assert_eq!(busy, CountsError::Busy { path: lock.clone(), waited_s: 0 });
    drop(holder);
    assert_eq!(record(), Ok(()));

    for open in [0o644, 0o620, 0o602] {
        std::fs::set_permissions(&lock, PermissionsExt::from_mode(open)).unwrap();
        let refused = CountsError::LockOfOthers { path: lock.clone(), whose: "open to other accounts" };
        assert_eq!(record(), Err(refused), "{open:o}");
    }
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("/dev/null", &lock).unwrap();
    assert!(matches!(record(), Err(CountsError::Unlockable { .. })));
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    assert!(matches!(record(), Err(CountsError::Unlockable { .. })));
    std::fs::remove_dir(&lock).unwrap();
    assert_eq!(record(), Ok(()));
    let others = CountsError::LockOfOthers { path: "counts.json.lock".into(), whose: "of another account" };
    let text = [busy, others].map(|error| error.to_string()).join("\n");
    insta::assert_snapshot!(text.replace(&folder.path().display().to_string(), "FOLDER"));
}

#[test]
fn counts_that_cannot_be_written_stay_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let policy = begun(folder.path(), 100_000);
    let path = counts_path(&policy);
    std::fs::create_dir(beside(&path, ".new")).unwrap();
    let error = CountsFile::record(&policy, &[(type_one(&policy), 99_000)], day(START)).unwrap_err();
    assert!(matches!(error, CountsError::Unwritable { .. }), "{error}");
    assert_eq!(CountsFile::open(&policy).unwrap().sequence(), 1);
}
