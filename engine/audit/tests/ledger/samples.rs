//! Records to write: plain ones, and one with every field.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use peristyle_audit::{
    Acceptance, Activity, Agreement, AuditError, Code, CountedBefore, CountsAccepted, CountsWritten, Digest, FileName,
    FileSnapshot, FreeText, Head, History, Ledger, LedgerKey, Moment, Name, Outcome, OutputWritten, Receipt,
    RegisterUsed, Removed, Repaired, Rule, RunFinish, RunStart, Selection, SetAside, SourceSnapshot, Standing,
    TableCounts, Verification, verify,
};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::counts::ledger::CountsFiles;
use peristyle_policy::{Day, Policy};

pub(crate) fn at(text: &str) -> Moment {
    Moment::parse("a test's moment", text).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new("a test's name", text).unwrap()
}

pub(crate) fn start() -> RunStart {
    RunStart {
        activity: Activity::GenerateDataset,
        definition_sha256: Some(Digest::of(b"definition")),
        engine: name("peristyle 0.1.0"),
        permissions: BTreeSet::new(),
        policy: Some(name("three-rules")),
        policy_sha256: Some(Digest::of(b"policy")),
        project: Some(name("long-covid")),
        rules: BTreeMap::from([
            (Rule::Type1OptOut, Standing::Applied),
            (Rule::NationalDataOptOut, Standing::NotInPolicy),
            (Rule::PracticeActivation, Standing::Applied),
        ]),
        set_aside: None,
        started: at("2026-01-31T09:30:00Z"),
    }
}

pub(crate) fn finish(outcome: Outcome) -> RunFinish {
    RunFinish {
        counts: None,
        finished: at("2026-01-31T09:41:07Z"),
        outcome,
        registers: vec![],
        source: None,
        tables: vec![],
    }
}

pub(crate) fn answered() -> Outcome {
    Outcome::Answered {
        outputs: vec![
            OutputWritten { name: name("dataset"), rows: 41_238, sha256: Digest::of(b"output") },
            OutputWritten { name: name("events"), rows: 3, sha256: Digest::of(b"events") },
        ],
    }
}

pub(crate) fn refused() -> Outcome {
    Outcome::Refused { code: Code::new("register_stale").unwrap(), exit_code: 21 }
}

/// A start under a set-aside, with permissions.
pub(crate) fn full_start() -> RunStart {
    RunStart {
        activity: Activity::GenerateMeasures,
        permissions: BTreeSet::from([name("event_level_data"), name("include_ndoo")]),
        rules: BTreeMap::from([
            (Rule::Type1OptOut, Standing::LiftedBySetAside),
            (Rule::NationalDataOptOut, Standing::LiftedByPermission),
            (Rule::PracticeActivation, Standing::Applied),
        ]),
        set_aside: Some(SetAside {
            agreed_by: ["British Medical Association", "Royal College of General Practitioners"]
                .map(|body| Agreement {
                    body: FreeText::new("a body", body).unwrap(),
                    key_sha256: Digest::of(body.as_bytes()),
                })
                .to_vec(),
            from: at("2026-01-01T00:00:00Z"),
            id: name("SA-2026-001"),
            reason: FreeText::new("the reason", "Outbreak 2026-01:\nseverity \u{202e}by age").unwrap(),
            rules: BTreeSet::from([Rule::Type1OptOut]),
            sha256: Digest::of(b"set-aside"),
            until: at("2026-03-01T00:00:00Z"),
        }),
        started: at("2026-02-01T08:00:00Z"),
        ..start()
    }
}

fn register() -> RegisterUsed {
    RegisterUsed {
        as_of: Some(at("2026-01-31T02:00:00Z")),
        members: 1_603,
        name: name("type_one.register"),
        rows: 1_611,
        sha256: Digest::of(b"register"),
    }
}

/// What a person answers for.
pub(crate) fn accepted(acceptance: Acceptance) -> CountsAccepted {
    CountsAccepted {
        acceptance,
        accepted: at("2026-01-30T17:00:00Z"),
        by: FreeText::new("who accepts", "the data protection officer").unwrap(),
        policy: name("three-rules"),
        policy_sha256: Digest::of(b"policy"),
        registers: vec![register()],
        was: match acceptance {
            Acceptance::Begun => vec![],
            Acceptance::Accepted => vec![CountedBefore { greatest: 41_400, least: 41_238, name: register().name }],
        },
    }
}

pub(crate) fn full_finish() -> RunFinish {
    let file = |file: &str, bytes| FileSnapshot {
        name: FileName::new(file).unwrap(),
        bytes,
        footer_sha256: Digest::of(file.as_bytes()),
    };
    let removed = |rows, patients| Removed { patients, rows };
    RunFinish {
        counts: Some(CountsWritten { policy: name("three-rules"), sequence: 41 }),
        finished: at("2026-02-01T08:12:30Z"),
        outcome: answered(),
        registers: vec![register()],
        source: Some(
            SourceSnapshot::of(
                name("tpp"),
                vec![file("Patient/part-1.parquet", 9_000_017), file("CodedEvent/part-0.parquet", 880_000_123)],
            )
            .unwrap(),
        ),
        tables: vec![
            TableCounts {
                removed: BTreeMap::from([
                    (Rule::NationalDataOptOut, removed(1_234_567, 9_874)),
                    (Rule::PracticeActivation, removed(7_654_321, 4)),
                ]),
                rows_passed: 99_000_000,
                rows_read: 100_234_655,
                table: name("ehrql.tables.core.clinical_events"),
                unlinked: None,
            },
            TableCounts {
                removed: BTreeMap::from([(Rule::PracticeActivation, removed(13, 13))]),
                rows_passed: 1_000_000,
                rows_read: 1_000_013,
                table: name("ehrql.tables.core.patients"),
                unlinked: None,
            },
        ],
    }
}

/// What the clock says in all tests but those of the clock: later than every record.
pub(crate) fn now() -> Moment {
    at("2026-02-03T04:05:06Z")
}

/// A directory of a test's own, and a ledger's path in it.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) ledger: PathBuf,
    /// The counts that keep the ledger's head; none where its lines have no MAC
    pub(crate) counts: Option<CountsFiles>,
}

impl Place {
    /// Of a policy that keeps no counts: nothing but digests holds the ledger.
    pub(crate) fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let ledger = directory.path().join("audit.jsonl");
        Place { directory, ledger, counts: None }
    }

    /// Of a policy whose counts have been begun; without runs.
    pub(crate) fn sealed() -> Place {
        let place = Place::new();
        let counts = Some(begin_counts(place.directory.path()));
        Place { counts, ..place }
    }

    /// The key of the lines, as the policy says where it is.
    pub(crate) fn key(&self) -> LedgerKey {
        LedgerKey::of(self.counts.clone(), &self.ledger)
    }

    pub(crate) fn open(&self) -> Result<Ledger, AuditError> {
        Ok(Ledger::open(&self.ledger, self.key())?.with_clock(now))
    }

    /// Has a half-written line moved aside.
    pub(crate) fn repair(&self) -> Result<Repaired, AuditError> {
        Ledger::repair(&self.ledger, &self.key(), now(), None)
    }

    pub(crate) fn history(&self, selection: &Selection) -> History {
        History::read(&self.ledger, selection, &self.key()).unwrap()
    }

    /// With so many runs, each of them answered: two lines a run.
    pub(crate) fn and_runs(self, runs: usize) -> Place {
        for _ in 0..runs {
            self.run();
        }
        self
    }

    pub(crate) fn anchor(&self) -> PathBuf {
        self.ledger.with_extension("jsonl.anchor")
    }

    pub(crate) fn with_runs(runs: usize) -> Place {
        Place::new().and_runs(runs)
    }

    pub(crate) fn run(&self) -> Receipt {
        self.open().unwrap().begin(start()).unwrap().finish(finish(answered())).unwrap()
    }

    pub(crate) fn verify(&self, noted: Option<Head>) -> Verification {
        verify(&self.ledger, noted, &self.key()).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.ledger).unwrap()
    }

    /// The lines, each with its end.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.bytes().split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    pub(crate) fn write_lines(&self, lines: &[Vec<u8>]) {
        put(&self.ledger, lines.concat());
    }

    /// A text with the test's directory taken out, for snapshots.
    pub(crate) fn shown(&self, text: impl ToString) -> String {
        text.to_string().replace(&self.directory.path().display().to_string(), "DIR")
    }

    /// Ledger, anchor and counts as they are.
    pub(crate) fn state(&self) -> State {
        let files = [self.ledger.clone(), self.anchor()];
        let files = files.into_iter().chain(self.counts.iter().map(|counts| counts.file.clone()));
        State(files.map(|path| (path.clone(), fs::read(&path).ok())).collect())
    }

    /// Puts files back as they were.
    pub(crate) fn put_back(&self, state: &State) {
        for (path, bytes) in &state.0 {
            match bytes {
                Some(bytes) => put(path, bytes),
                None => drop(fs::remove_file(path)),
            }
        }
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.verify(None).findings().iter().map(ToString::to_string).collect()
    }
}

/// Files as they were, where they were there.
pub(crate) struct State(Vec<(PathBuf, Option<Vec<u8>>)>);

/// Counts of a policy, begun in `folder`.
pub(crate) fn begin_counts(folder: &Path) -> CountsFiles {
    fs::create_dir_all(folder.join("state")).unwrap();
    let text = include_str!("../../../../opt-out/policy/policies/type-one-only.toml");
    let policy = Policy::parse(text.as_bytes(), &folder.join("policy.toml")).unwrap();
    CountsFile::begin(&policy, &[], Day::parse("2026-01-01").unwrap(), 0).unwrap();
    CountsFiles::of(&policy).unwrap()
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Writes a file's bytes in place: a file that is emptied first is flushed by some file systems, which takes long.
pub(crate) fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
    file.set_len(bytes.as_ref().len() as u64).unwrap();
}
