//! What `policy accept` is about: what registers listed, what they list now, and how many a person says that they do.

use peristyle_audit::CountedBefore;
use peristyle_policy::counts::{CountsFile, Reference};
use peristyle_policy::register::{CountLimits, Register};
use peristyle_policy::{Day, Policy};

use crate::args::CountSaid;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::governed::words;
use crate::text_table::columns;
use crate::ui;

/// Changes of registers' counts.
pub(super) struct Changes<'p>(Vec<Change<'p>>);

struct Change<'p> {
    register: &'p Register,
    /// None of a register that was never counted
    was: Option<Reference>,
    is: u64,
}

impl<'p> Changes<'p> {
    /// None: of counts that are begun.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// The changes of registers that were counted just now, each of which must be what is said.
    ///
    /// # Errors
    /// Counts that cannot be used; a register of which nothing, or another number, is said. It is shown then what would be
    /// accepted.
    pub(super) fn said(
        policy: &Policy,
        counted: &[(&'p Register, u64)],
        said: &[CountSaid],
        today: Day,
    ) -> Result<Self, Failure> {
        let known = CountsFile::open(policy)?;
        let change =
            |&(register, is): &(&'p Register, u64)| Change { register, was: known.reference(&register.id, today), is };
        let changes = Self(counted.iter().map(change).collect());
        changes.require(said)?;
        Ok(changes)
    }

    fn require(&self, said: &[CountSaid]) -> Result<(), Failure> {
        let refused = |message: String| Failure::new(ExitStatus::Arguments, message);
        let is_meant = |entry: &CountSaid, change: &Change<'_>| match &entry.register {
            Some(register) => *register == change.register.id,
            None => self.0.len() == 1,
        };
        for entry in said {
            if !self.0.iter().any(|change| is_meant(entry, change)) {
                return Err(match &entry.register {
                    Some(register) => refused(format!("--count is of `{register}`, which is not to be accepted")),
                    None => refused("several registers are to be accepted: give --count REGISTER=N of each".to_owned()),
                });
            }
        }
        let unsaid = |change: &&Change<'_>| !said.iter().any(|entry| is_meant(entry, change));
        let unsaid: Vec<&Change<'_>> = self.0.iter().filter(unsaid).collect();
        if !unsaid.is_empty() {
            ui::show(&self.table())?;
            let message =
                "nothing is accepted yet: have whoever makes the register say how many it lists, and give that";
            let form = |change: &&Change<'_>| format!("--count {}={}", change.register.id, "N");
            return Err(refused(message.to_owned()).help(unsaid.iter().map(form).collect::<Vec<_>>().join(" ")));
        }
        for change in &self.0 {
            if said.iter().any(|entry| is_meant(entry, change) && entry.count != change.is) {
                ui::show(&self.table())?;
                let register = &change.register.id;
                return Err(refused(format!(
                    "--count says another number than register `{register}` lists, so nothing is accepted: have it delivered \
                     again, or ask whoever makes it"
                )));
            }
        }
        Ok(())
    }

    /// As the ledger keeps what was counted before.
    pub(super) fn for_the_ledger(&self) -> Result<Vec<CountedBefore>, Failure> {
        let before = |change: &Change<'_>| {
            let Reference { least, greatest } = change.was?;
            let name = words::name("a register", &change.register.id.to_string());
            Some(name.map(|name| CountedBefore { greatest, least, name }))
        };
        self.0.iter().filter_map(before).collect()
    }

    /// What was, what is, by how much, and what the policy allows.
    pub(super) fn table(&self) -> String {
        let headings = ["register", "#was", "#is", "#change", "the policy allows"];
        columns(&headings, &self.0.iter().map(Change::row).collect::<Vec<_>>())
    }
}

impl Change<'_> {
    fn row(&self) -> Vec<String> {
        let was = match self.was {
            None => "–".to_owned(),
            Some(Reference { least, greatest }) if least == greatest => ui::count(least),
            Some(Reference { least, greatest }) => format!("{} to {}", ui::count(least), ui::count(greatest)),
        };
        let change = self.was.map_or_else(|| "–".to_owned(), |was| percent(was, self.is));
        vec![self.register.id.to_string(), was, ui::count(self.is), change, allowed(&self.register.limits, self.was)]
    }
}

/// By how much: a rise from the least count of recent runs, a fall from the greatest, as limits are.
fn percent(Reference { least, greatest }: Reference, is: u64) -> String {
    let from = if is < greatest { greatest } else { least };
    if from == 0 {
        return if is == 0 { "0%" } else { "from none" }.to_owned();
    }
    let percent = (is as f64 - from as f64) / from as f64 * 100.0;
    format!("{percent:+.1}%")
}

/// The numbers that a run would take without a person.
fn allowed(limits: &CountLimits, was: Option<Reference>) -> String {
    let Some(Reference { least, greatest }) = was else { return format!("at least {}", ui::count(limits.least)) };
    let kept = u128::from(100_u8.saturating_sub(limits.greatest_fall_percent));
    let from = (u128::from(greatest) * kept).div_ceil(100).max(u128::from(limits.least));
    let number = |number: u128| ui::count(u64::try_from(number).unwrap_or(u64::MAX));
    match limits.greatest_rise_percent {
        None => format!("at least {} (a fall of {}%)", number(from), limits.greatest_fall_percent),
        Some(rise) => {
            let to = u128::from(least) * (100 + u128::from(rise)) / 100;
            let (from, to) = (number(from), number(to));
            format!("{from} to {to} (a fall of {}%, a rise of {rise}%)", limits.greatest_fall_percent)
        }
    }
}
