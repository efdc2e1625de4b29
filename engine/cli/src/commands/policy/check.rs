//! `policy check`: what a run would find today, without one.

use std::collections::BTreeSet;

use peristyle_audit::LedgerEnd;
use peristyle_opt_out::{
    ConnectedExtract, EnclaveOptions, PolicyRun, VerifiedPolicy, VerifiedRegister, link_registers,
};
use peristyle_policy::{Day, Policy, all_rules};

use super::registers::{CheckedRegister, check_registers};
use super::show;
use crate::args::PolicyCheck;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::load_policy;
use crate::source_file::SourceFile;
use crate::text_table::columns;
use crate::ui;

/// Reads everything that a run reads before it opens a table. Nothing is written.
pub(super) fn run(command: &PolicyCheck) -> Result<ExitStatus, Failure> {
    let place = SourceFile::load(&command.source)?;
    let policy = load_policy(&place)?;
    let today = Day::today();
    let extracts = place.extracts()?;
    let links = link_registers(&policy, &extracts);
    let checked = check_registers(&place, &policy, &links, &extracts, today);
    let mut text = show::rules(&policy);
    if !checked.registers.is_empty() {
        text.push_str(&format!("\nregisters, on {today}\n{}", registers(&checked.registers)));
        text.push_str(&match &checked.counts {
            Some(Ok(counts)) => format!("\ncounts of recent runs: written {} times so far\n", counts.sequence()),
            Some(Err(_)) | None => "\ncounts of recent runs: none that can be used\n".to_owned(),
        });
    }
    if let Some(head) = checked.ledger.as_ref().ok().and_then(LedgerEnd::head) {
        text.push_str(&format!("head: {head}\n"));
    }
    // What a run finds out once it has registers: one whose registers cannot be read would not come so far.
    let tried = if checked.refusals().is_empty() { try_out(&place, &policy, extracts, today).err() } else { None };
    let refusals: Vec<&Failure> = checked.refusals().into_iter().chain(&tried).collect();
    for refusal in &refusals {
        text.push_str(&format!("REFUSED: {}\n", refusal.message));
    }
    let of_all = checked.ledger.is_err() || matches!(checked.counts, Some(Err(_)));
    text.push_str(match (refusals.is_empty(), of_all) {
        (true, _) => "\nruns are accepted\n",
        (false, true) => "\nRUNS ARE REFUSED\n",
        (false, false) => "\nRUNS ARE REFUSED, unless they need none of the registers at fault\n",
    });
    ui::show(&text)?;
    Ok(refusals.first().map_or(ExitStatus::Success, |refusal| refusal.status))
}

/// Reads the registers as a run does for which no rule is lifted, looks for their keys in the extract, and opens it.
fn try_out(place: &SourceFile, policy: &Policy, extracts: Vec<ConnectedExtract>, today: Day) -> Result<(), Failure> {
    let (rules, asked) = (all_rules(policy), BTreeSet::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (tables, extracts_read) = (&place.extract, extracts.as_slice());
    let run = PolicyRun {
        policy,
        rules: &rules,
        tables,
        extracts: extracts_read,
        asked: &asked,
        today,
        known_counts: 0,
        threads,
    };
    let verified = VerifiedPolicy::try_out(&run)?;
    place.open(extracts, verified, EnclaveOptions::default()).map(drop)
}

fn registers(checked: &[CheckedRegister<'_>]) -> String {
    let row = |checked: &CheckedRegister<'_>| {
        let CheckedRegister { register, read, .. } = checked;
        let known = |text: fn(&VerifiedRegister) -> String| read.as_ref().map_or_else(|_| "–".to_owned(), text);
        vec![
            register.id.to_string(),
            checked.word().to_owned(),
            known(|read| read.as_of.to_string()),
            known(|read| ui::count(read.rows)),
            known(|read| ui::count(read.members)),
            known(|read| read.digest.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = checked.iter().map(row).collect();
    columns(&["register", "", "as of", "#rows", "#counts", "SHA-256"], &rows)
}
