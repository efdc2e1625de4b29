//! `peristyle audit verify`: is the ledger what was written to it, from the first line to the last?

use std::fmt;
use std::path::{Path, PathBuf};

use peristyle_policy::counts::ledger::CountsFiles;

use crate::anchor::Head;
use crate::error::AuditError;
use crate::finding::Finding;
use crate::key::LedgerKey;
use crate::walk::{Walked, walk};

/// What a check of a whole ledger found. Its [`Display`](fmt::Display) is the report for people.
#[derive(Debug)]
pub struct Verification {
    path: PathBuf,
    noted: Option<Head>,
    /// The key that was used
    files: Option<CountsFiles>,
    walked: Walked,
}

/// Reads all of a ledger and its anchor, and finds every line that was altered, removed, inserted, repeated or
/// reordered, and a tail that was cut off. With the key, it finds as well what was done by somebody who computed every
/// digest anew. `noted` is a head that an earlier check or a [`Receipt`](crate::Receipt) printed and that was noted
/// elsewhere: it finds a ledger that was put back to an older state together with its anchor and the sealed counts.
///
/// Runs are not held up: lines that are appended meanwhile are left to the next check.
///
/// # Errors
/// If the ledger is not there or cannot be read. What is wrong with it is not an error, but a finding.
pub fn verify(path: &Path, noted: Option<Head>, key: &LedgerKey) -> Result<Verification, AuditError> {
    let walked = walk(path, noted, key, |_| ())?;
    let files = key.usable().map(|seal| seal.files().clone());
    Ok(Verification { path: path.to_owned(), noted, files, walked })
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.walked.findings.is_empty()
    }

    /// What is wrong, in order of lines: the first hundred findings.
    pub fn findings(&self) -> &[Finding] {
        &self.walked.findings
    }

    /// Number of whole lines.
    pub fn lines(&self) -> u64 {
        self.walked.lines
    }

    /// Number of runs that started.
    pub fn runs(&self) -> u64 {
        self.walked.runs
    }

    /// Runs that started and did not finish: they are under way, or their process died. By number.
    pub fn unfinished(&self) -> impl Iterator<Item = u64> + '_ {
        self.walked.unfinished.iter().copied()
    }

    /// The head to note elsewhere; none if the ledger has no lines, or is not sound.
    pub fn head(&self) -> Option<Head> {
        self.walked.head.filter(|_| self.is_sound())
    }
}

impl Verification {
    /// By what the lines are held, besides their digests.
    fn held_by(&self) -> String {
        let Walked { with_mac, kept, .. } = &self.walked;
        match (with_mac, &self.files) {
            (0, None) => {
                "lines with a MAC: none, so nothing but digests holds them. Where the policy keeps counts, check with --source \
                 FILE.toml"
                    .to_owned()
            }
            (lines, None) => format!("lines with a MAC: {lines}, which nobody checked"),
            (lines, Some(CountsFiles { file, key_file })) => {
                let kept = match kept {
                    Some(kept) => format!("; `{}` keeps record {}", file.display(), kept.sequence),
                    None => String::new(),
                };
                format!("lines with a MAC: {lines}, by the key `{}`{kept}", key_file.display())
            }
        }
    }
}

/// Most unfinished runs that the report names.
const UNFINISHED_NAMED_MAX: usize = 20;

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Walked { lines, runs, unfinished, findings, findings_left_off, .. } = &self.walked;
        writeln!(f, "audit ledger {}: lines: {lines}, runs: {runs}", self.path.display())?;
        if !unfinished.is_empty() {
            let named: Vec<_> = unfinished.iter().take(UNFINISHED_NAMED_MAX).map(u64::to_string).collect();
            let more = if unfinished.len() > UNFINISHED_NAMED_MAX { ", …" } else { "" };
            let (count, named) = (unfinished.len(), named.join(", "));
            writeln!(f, "unfinished, that is under way or died: {count} (started on line {named}{more})")?;
        }
        writeln!(f, "{}", self.held_by())?;
        for finding in findings {
            writeln!(f, "FOUND: {finding}")?;
        }
        if *findings_left_off > 0 {
            writeln!(f, "FOUND: {findings_left_off} more")?;
        }
        let mut advice: Vec<_> = findings.iter().map(Finding::advice).collect();
        advice.sort_unstable();
        advice.dedup();
        for advice in advice {
            writeln!(f, "{advice}.")?;
        }
        match (self.head(), self.noted) {
            (Some(head), noted) => {
                let against = if noted.is_some() { ", and holds the head that was noted" } else { "" };
                writeln!(f, "sound: every line follows from the one before it, and the last is the anchor's{against}")?;
                writeln!(f, "head: {head}")?;
                let together = match self.walked.with_mac {
                    0 => "written anew, or put back to an older state, together with its anchor",
                    _ => "put back to an older state together with its anchor and the sealed counts",
                };
                writeln!(
                    f,
                    "Note the head where nobody who can write here can write, and give it to the next check: only so is a \
                     ledger found that was {together}."
                )
            }
            (None, _) if self.is_sound() => f.write_str("sound: empty\n"),
            (None, _) => f.write_str("NOT SOUND\n"),
        }
    }
}
