//! A run under a policy. It is in the audit ledger before anything is read, and complete there before anything is shown.
//!
//! ```text
//! request    policy, definition, permissions, set-aside: each read, none of them trusted yet
//!    │
//! ledger     begun, on the disk. From here on, however the run ends is recorded
//!    ▼
//! clearance  permissions, disclosure control, set-aside: refused before any register or table is opened
//!    │
//! policy     registers read, counted, dated and pinned ─► enclave ─► answer, sealed, seen by nobody ─► pins held
//!    ▼
//! ledger     finished, on the disk ─► answer published ─► the ledger's head, said in the log
//! ```
//!
//! What is absent: an answer that is published without a [`Receipt`].

mod clearance;
mod evidence;
mod explanation;
mod kept;
mod request;
pub(crate) mod words;

use peristyle_audit::{Activity, Ledger, OpenRun, Receipt};
use peristyle_model::Definition;
use peristyle_outputs::{FileMode, OutputTarget, SealedTables, WrittenTable};

pub(crate) use self::explanation::explain;
pub(crate) use self::request::{Request, load_policy};

use self::evidence::Evidence;
use self::kept::kept_from_studies;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::panics;
use crate::run::{self, Audience, Destination};
use crate::settings::Settings;
use crate::source_file::SourceFile;
use crate::study::{Question, Study};

/// Runs a study under the policy of `place`.
pub(crate) fn run(
    study: &Study<'_>,
    place: &SourceFile,
    target: OutputTarget,
    settings: &Settings,
) -> Result<Vec<WrittenTable>, Failure> {
    if target == OutputTarget::Console {
        // The console shows rows as they come, and nothing may be seen of a run before it is recorded.
        return Err(Failure::new(ExitStatus::Arguments, "under a policy, an answer goes to files")
            .help("give a file with --output FILE"));
    }
    let request = Request::gather(study.definition, study.source, place)?;
    // Whatever ends the run from here on is recorded.
    let interruption = Interruption::watch()?;
    let open = begin(&request, study.asked.activity(), place)?;
    let mut evidence = Evidence::default();
    let run = Run { study, request: &request, place, settings, interruption: &interruption };
    let answered = run.carry_out(target, open.known_counts(), &mut evidence);
    let (sealed, receipt) = record(open, evidence, answered, SealedTables::tables)?;
    let published = publish(sealed, &receipt);
    say_recorded(&receipt);
    published
}

/// Records, on the disk, that a run begins.
fn begin(request: &Request, activity: Activity, place: &SourceFile) -> Result<OpenRun, Failure> {
    let ledger = Ledger::open(&place.ledger, request.ledger_key(place)?)?;
    Ok(ledger.begin(request.start(activity)?)?)
}

/// A run that is recorded as begun.
struct Run<'a> {
    study: &'a Study<'a>,
    request: &'a Request,
    place: &'a SourceFile,
    settings: &'a Settings,
    interruption: &'a Interruption,
}

impl Run<'_> {
    /// Carries the run through, up to an answer that nobody sees. `evidence` holds what is to be recorded, also of a run
    /// that fails.
    fn carry_out(
        &self,
        target: OutputTarget,
        known_counts: u64,
        evidence: &mut Evidence,
    ) -> Result<SealedTables, Failure> {
        let Self { study, request, place, settings, interruption } = *self;
        let definition = request.definition()?;
        let question = study.asked.of(definition)?;
        let clearance = request.clear(&[question])?;
        let question = question.judged_by(clearance.rules.judged_by());
        clearance.announce(settings.log_format);
        needs_root(&question, definition, settings)?;
        let extracts = place.extracts()?;
        let asked = question.tables(definition);
        let policy = clearance.verify(place, &extracts, &asked, known_counts, settings.threads())?;
        evidence.take_policy(&policy, clearance.policy)?;
        interruption.check()?;

        let mut kept = kept_from_studies(place, study.source, clearance.policy);
        kept.extend(kept::answer_files(&target, &question));
        let enclave = place.open(extracts, policy, settings.enclave_under_policy(kept))?;
        let runtime = settings.runtime()?;
        // Its files are for the engine's account alone, unless somebody says otherwise.
        let mode = Some(study.output.output_mode.unwrap_or(FileMode::OWNER));
        let destination = Destination { target, mode, metadata: clearance.metadata() };
        let answer = run::answer(definition, &question, &enclave, settings, destination, Audience::Researchers);
        let answered = runtime.block_on(interruption.ends(answer));
        // Waits for what still reads.
        drop(runtime);
        let taken = evidence.take_enclave(&enclave, &place.connector_name());
        let sealed = answered?;
        taken?;
        enclave.policy().check_pins()?;
        interruption.check()?;
        Ok(sealed)
    }
}

/// Under a policy, the folder of a definition's own files is named, not assumed.
pub(crate) fn needs_root(question: &Question<'_>, definition: &Definition, settings: &Settings) -> Result<(), Failure> {
    if settings.root.is_some() || !question.reads_files(definition) {
        return Ok(());
    }
    let message =
        "the definition reads a file of its own, and under a policy such files are read from a folder that is named";
    Err(Failure::new(ExitStatus::Arguments, message).help("name the study's folder with --root DIR"))
}

/// Records how the run ended; `outputs` are those of its answer. Only a run that was answered and recorded as that gives its
/// answer back.
fn record<T>(
    open: OpenRun,
    evidence: Evidence,
    answered: Result<T, Failure>,
    outputs: impl Fn(&T) -> &[WrittenTable],
) -> Result<(T, Receipt), Failure> {
    let answered = if panics::happened() { Err(panicked()) } else { answered };
    let recorded = evidence.finish(answered.as_ref().map(outputs)).and_then(|finish| Ok(open.finish(finish)?));
    match (answered, recorded) {
        (Ok(answer), Ok(receipt)) => Ok((answer, receipt)),
        (Err(failure), Ok(receipt)) => {
            say_recorded(&receipt);
            Err(failure)
        }
        (Ok(_), Err(unrecorded)) => Err(unrecorded),
        (Err(failure), Err(unrecorded)) => Err(unrecorded.cause(failure.message)),
    }
}

/// Puts the answer in place: the receipt says that the run is recorded.
fn publish(sealed: SealedTables, _receipt: &Receipt) -> Result<Vec<WrittenTable>, Failure> {
    Ok(sealed.publish()?)
}

/// Says the ledger's head, for whoever keeps logs where nobody who can write the ledger can write. It tells nothing of what
/// was recorded: the line that it is the digest of has a MAC.
fn say_recorded(receipt: &Receipt) {
    tracing::info!(run = receipt.run(), head = %receipt.head(), "recorded");
}

/// What becomes of a run on whose way a thread panicked. The panic itself has been reported.
fn panicked() -> Failure {
    Failure::new(ExitStatus::Panic, "a thread ended early, so the answer is not written")
}
