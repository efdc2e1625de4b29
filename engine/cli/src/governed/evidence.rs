//! What a run leaves for the ledger, gathered as it goes.

use peristyle_audit::{
    Code, CountsWritten, Digest, FileName, FileSnapshot, Moment, Outcome, OutputWritten, RegisterUsed, RunFinish,
    SourceSnapshot, TableCounts,
};
use peristyle_opt_out::{Enclave, TableRemovals, VerifiedPolicy};
use peristyle_outputs::WrittenTable;
use peristyle_policy::Policy;

use super::words;
use crate::failure::Failure;

/// What a run leaves for the ledger: as much of it as there is by the time that the run ends.
#[derive(Default)]
pub(crate) struct Evidence {
    counts: Option<CountsWritten>,
    registers: Vec<RegisterUsed>,
    source: Option<SourceSnapshot>,
    tables: Vec<TableCounts>,
}

impl Evidence {
    /// The registers that were read, and the counts that were written for them.
    pub(crate) fn take_policy(&mut self, verified: &VerifiedPolicy, policy: &Policy) -> Result<(), Failure> {
        self.registers = verified.registers().iter().map(words::register).collect::<Result<_, _>>()?;
        if let Some(sequence) = verified.counts_sequence() {
            let policy = words::name("the policy's name", policy.name.as_str())?;
            self.counts = Some(CountsWritten { policy, sequence });
        }
        Ok(())
    }

    /// The files that were opened, and what was removed from them.
    pub(crate) fn take_enclave(&mut self, enclave: &Enclave, connector: &str) -> Result<(), Failure> {
        self.tables = enclave.removals().iter().enumerate().map(table).collect::<Result<_, _>>()?;
        let file = |file: peristyle_opt_out::SourceFile| -> Result<FileSnapshot, Failure> {
            let name = FileName::new(&file.name).map_err(words::unrecorded)?;
            Ok(FileSnapshot { name, bytes: file.bytes, footer_sha256: Digest::from(file.footer_sha256) })
        };
        let files = enclave.source_files()?.into_iter().map(file).collect::<Result<_, _>>()?;
        let connector = words::name("the connector", connector)?;
        self.source = Some(SourceSnapshot::of(connector, files).map_err(words::unrecorded)?);
        Ok(())
    }

    /// The second half of the run's record.
    pub(crate) fn finish(self, answered: Result<&[WrittenTable], &Failure>) -> Result<RunFinish, Failure> {
        let Evidence { counts, registers, source, tables } = self;
        let outcome = match answered {
            Ok(written) => {
                let outputs = written.iter().enumerate().map(output).collect::<Result<_, _>>()?;
                Outcome::Answered { outputs }
            }
            Err(failure) => ended(failure)?,
        };
        Ok(RunFinish { counts, finished: Moment::now(), outcome, registers, source, tables })
    }
}

fn ended(failure: &Failure) -> Result<Outcome, Failure> {
    let (code, exit_code) = (Code::new(failure.code).map_err(words::unrecorded)?, failure.status.code());
    Ok(if failure.status.is_refusal() {
        Outcome::Refused { code, exit_code }
    } else {
        Outcome::Failed { code, exit_code }
    })
}

fn table((number, removals): (usize, &TableRemovals)) -> Result<TableCounts, Failure> {
    let removed = removals.removed.iter().map(|(rule, removed)| (words::rule(*rule), words::removed(*removed)));
    Ok(TableCounts {
        removed: removed.collect(),
        unlinked: Some(words::removed(removals.unlinked)).filter(|unlinked| unlinked.rows > 0),
        rows_passed: removals.rows_passed,
        rows_read: removals.rows_read,
        table: words::name_or_number("table", &removals.table, number)?,
    })
}

fn output((number, written): (usize, &WrittenTable)) -> Result<OutputWritten, Failure> {
    Ok(OutputWritten {
        name: words::name_or_number("output", &written.name, number)?,
        rows: written.rows,
        sha256: Digest::parse("an output's digest", &written.sha256).map_err(words::unrecorded)?,
    })
}
