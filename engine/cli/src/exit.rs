//! Exit statuses: what a program that runs studies can act on.

use std::ops::RangeInclusive;
use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All went well
    Success,
    /// An internal error, or a conformance case failed
    Failure,
    /// The command line is wrong
    Arguments,
    /// The definition is wrong, or cannot be computed on these tables
    Definition,
    /// A file cannot be read or written, or is not what it must be
    Files,
    /// A permission is missing
    Permission,
    /// The source file or the policy cannot be used
    Policy,
    /// A register cannot be trusted
    Register,
    /// A set-aside is not accepted
    SetAside,
    /// A run cannot be recorded, or the audit ledger is not sound
    Audit,
    /// The memory limit does not do
    Memory,
    /// A panic: a bug
    Panic,
    /// Somebody wanted the run to end, by this signal
    Interrupted(u8),
    /// What the author's own code asked for, as far as it may: see [`ExitStatus::author`]
    Author(u8),
}

/// The codes that an author's own code may end with. Those above are the engine's own: no author ends as a policy does, a
/// register, the audit, a panic or a signal.
const AUTHOR_CODES: RangeInclusive<u8> = 1..=12;

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGQUIT: u8 = 3;
const SIGTERM: u8 = 15;

/// Every status that users can meet, for `--help`. The numbers from 10 on are those of ehrQL, where it has one.
const MEANINGS: [(ExitStatus, &str); 16] = [
    (ExitStatus::Success, "all went well"),
    (ExitStatus::Failure, "an internal error; for `conformance`, a case failed"),
    (ExitStatus::Arguments, "the command line is wrong"),
    (ExitStatus::Definition, "the definition is wrong, or a value of it cannot be computed (overflow, date range)"),
    (ExitStatus::Files, "a file or folder cannot be read or written, or is not what it must be"),
    (ExitStatus::Permission, "a permission is missing"),
    (ExitStatus::Policy, "the source file or the policy cannot be used"),
    (ExitStatus::Register, "a register of the policy, or the counts of recent runs, cannot be trusted"),
    (ExitStatus::SetAside, "an emergency set-aside is not accepted"),
    (ExitStatus::Audit, "the run cannot be recorded, or the audit ledger is not sound"),
    (ExitStatus::Memory, "the memory limit is too small"),
    (ExitStatus::Panic, "a bug made the engine stop; nothing was written"),
    (ExitStatus::Interrupted(SIGHUP), "its terminal went away (SIGHUP); nothing was written"),
    (ExitStatus::Interrupted(SIGINT), "interrupted (SIGINT); nothing was written"),
    (ExitStatus::Interrupted(SIGQUIT), "asked to quit (SIGQUIT); nothing was written"),
    (ExitStatus::Interrupted(SIGTERM), "ended from outside (SIGTERM); nothing was written"),
];

impl ExitStatus {
    /// The status of an author's own code that failed and asked for `code`: the code itself up to 12, else 10.
    pub(crate) fn author(code: u8) -> Self {
        if AUTHOR_CODES.contains(&code) { ExitStatus::Author(code) } else { ExitStatus::Author(10) }
    }

    /// The number that the operating system is told.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Arguments => 2,
            ExitStatus::Definition => 10,
            ExitStatus::Files => 11,
            ExitStatus::Permission => 12,
            ExitStatus::Policy => 13,
            ExitStatus::Register => 14,
            ExitStatus::SetAside => 15,
            ExitStatus::Audit => 16,
            ExitStatus::Memory => 20,
            ExitStatus::Panic => 70,
            // As shells have it.
            ExitStatus::Interrupted(signal) => 128 | signal,
            ExitStatus::Author(code) => code,
        }
    }

    /// What a ledger says of a run that ended so.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            ExitStatus::Success => "success",
            ExitStatus::Failure => "internal_error",
            ExitStatus::Arguments => "arguments",
            ExitStatus::Definition => "definition",
            ExitStatus::Files => "files",
            ExitStatus::Permission => "permission_missing",
            ExitStatus::Policy => "policy",
            ExitStatus::Register => "register",
            ExitStatus::SetAside => "set_aside",
            ExitStatus::Audit => "audit",
            ExitStatus::Memory => "memory_limit",
            ExitStatus::Panic => "panic",
            ExitStatus::Interrupted(_) => "interrupted",
            ExitStatus::Author(_) => "author",
        }
    }

    /// Whether the run was forbidden, rather than not carried through.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, ExitStatus::Permission | ExitStatus::Policy | ExitStatus::Register | ExitStatus::SetAside)
    }

    /// The statuses, one a line.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit status:\n");
        for (status, meaning) in MEANINGS {
            table.push_str(&format!("  {:>3}  {meaning}\n", status.code()));
        }
        table.push_str(
            "A definition whose own code failed ends with the status that it asked for, from 1 to 12; else with 10.",
        );
        table
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_that_are_scripted_against_stay() {
        let codes = MEANINGS.map(|(status, _)| status.code());
        assert_eq!(codes, [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 20, 70, 129, 130, 131, 143]);
        assert!(ExitStatus::table().contains("\n   12  a permission is missing\n"));
    }

    #[test]
    fn authors_end_neither_well_nor_as_policies_and_signals_do() {
        for code in 0..=255 {
            let author = ExitStatus::author(code).code();
            assert_eq!(author, if (1..=12).contains(&code) { code } else { 10 });
        }
    }
}
