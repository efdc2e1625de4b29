//! `policy check`: what a run would find today, without one.

use peristyle_audit::Ledger;
use peristyle_opt_out::{VerifiedRegister, read_registers};
use peristyle_policy::counts::CountsFile;
use peristyle_policy::register::Register;
use peristyle_policy::{Day, Policy};

use super::show;
use crate::args::PolicyCheck;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::{load_policy, words};
use crate::source_file::SourceFile;
use crate::text_table::columns;
use crate::ui;

/// What was found of a register.
struct Checked<'p> {
    register: &'p Register,
    read: Result<VerifiedRegister, Failure>,
    /// Whether its count holds against those of late runs, where it could be read
    counted: Option<Result<(), Failure>>,
}

/// Reads everything that a run reads before it opens a table. Nothing is written.
pub(super) fn run(command: &PolicyCheck) -> Result<ExitStatus, Failure> {
    let place = SourceFile::load(&command.source)?;
    let policy = load_policy(&place)?;
    let today = Day::today();
    let counts = open_counts(&place, &policy);
    let checked: Vec<Checked<'_>> =
        policy.registers().map(|register| check(register, &policy, &place, counts.as_ref(), today)).collect();
    let mut text = show::rules(&policy);
    if !checked.is_empty() {
        text.push_str(&format!("\nregisters, on {today}\n{}", registers(&checked)));
        text.push_str(&match &counts {
            Some(Ok(counts)) => format!("\ncounts of late runs: written {} times so far\n", counts.sequence()),
            Some(Err(_)) | None => "\ncounts of late runs: none that can be used\n".to_owned(),
        });
    }
    let refusals = refusals(&checked, counts.as_ref());
    for refusal in &refusals {
        text.push_str(&format!("REFUSED: {}\n", refusal.message));
    }
    text.push_str(if refusals.is_empty() {
        "\nruns are accepted\n"
    } else {
        "\nRUNS ARE REFUSED, unless they need none of the registers at fault\n"
    });
    ui::show(&text)?;
    Ok(refusals.first().map_or(ExitStatus::Success, |refusal| refusal.status))
}

type OpenedCounts = Result<CountsFile, Failure>;

/// The counts of late runs, held against the ledger; none where the policy keeps none.
fn open_counts(place: &SourceFile, policy: &Policy) -> Option<OpenedCounts> {
    let open = || {
        let name = words::name("the policy's name", policy.name.as_str())?;
        let counts = CountsFile::open(policy)?;
        counts.require_sequence(Ledger::known_counts(&place.ledger, &name)?)?;
        Ok(counts)
    };
    policy.counts.as_ref().map(|_| open())
}

fn check<'p>(
    register: &'p Register,
    policy: &Policy,
    place: &SourceFile,
    counts: Option<&OpenedCounts>,
    today: Day,
) -> Checked<'p> {
    let read = read_registers(policy, &[register], &place.extract, today).map_err(Failure::from);
    let read = read.and_then(|registers| {
        let read = registers.into_iter().find(|read| read.id == register.id);
        read.ok_or_else(|| Failure::new(ExitStatus::Failure, "a register was not read"))
    });
    let counted = match (&read, counts) {
        (Ok(read), Some(Ok(counts))) => Some(counts.check(register, read.members, today).map_err(Failure::from)),
        _ => None,
    };
    Checked { register, read, counted }
}

fn registers(checked: &[Checked<'_>]) -> String {
    let row = |Checked { register, read, counted }: &Checked<'_>| {
        let found = match (read, counted) {
            (Ok(_), Some(Ok(()))) => "accepted",
            (Ok(_), None) => "read",
            _ => "REFUSED",
        };
        let known = |text: fn(&VerifiedRegister) -> String| read.as_ref().map_or_else(|_| "–".to_owned(), text);
        vec![
            register.id.to_string(),
            found.to_owned(),
            known(|read| read.as_of.to_string()),
            known(|read| ui::count(read.rows)),
            known(|read| ui::count(read.members)),
            known(|read| read.digest.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = checked.iter().map(row).collect();
    columns(&["register", "", "as of", "#rows", "#counts", "SHA-256"], &rows)
}

/// Why a run would be refused, in the order in which it would find out.
fn refusals<'c>(checked: &'c [Checked<'_>], counts: Option<&'c OpenedCounts>) -> Vec<&'c Failure> {
    let read = checked.iter().filter_map(|checked| checked.read.as_ref().err());
    let counts = counts.and_then(|counts| counts.as_ref().err());
    let counted = checked.iter().filter_map(|checked| checked.counted.as_ref()?.as_ref().err());
    read.chain(counts).chain(counted).collect()
}
