//! An explanation under a policy. It reads no row, but registers, and the heads of tables' files: it is refused where a run
//! would be, and recorded as a run is.

use peristyle_audit::Activity;

use super::evidence::Evidence;
use super::kept::kept_from_studies;
use super::request::Request;
use super::{begin, needs_root, record, say_recorded};
use crate::args::Explain;
use crate::explanation::{self, View};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::settings::Settings;
use crate::source_file::SourceFile;
use crate::study::Asked;

/// Explains a definition under the policy of `place`, by what hidden rows do not change.
pub(crate) fn explain(command: &Explain, place: &SourceFile, settings: &Settings) -> Result<String, Failure> {
    let request = Request::gather(&command.definition, &command.source, place)?;
    let interruption = Interruption::watch()?;
    let open = begin(&request, Activity::Explain, place)?;
    let mut evidence = Evidence::default();
    let explanation = Explanation { command, request: &request, place, settings, interruption: &interruption };
    let explained = explanation.carry_out(open.known_counts(), &mut evidence);
    let (text, receipt) = record(open, evidence, explained, |_| &[])?;
    say_recorded(&receipt);
    Ok(text)
}

/// An explanation that is recorded as begun.
struct Explanation<'a> {
    command: &'a Explain,
    request: &'a Request,
    place: &'a SourceFile,
    settings: &'a Settings,
    interruption: &'a Interruption,
}

impl Explanation<'_> {
    /// The text. `evidence` holds what is to be recorded, also of an explanation that fails.
    fn carry_out(&self, known_counts: u64, evidence: &mut Evidence) -> Result<String, Failure> {
        let Self { command, request, place, settings, interruption } = *self;
        let definition = request.definition()?;
        let asked = [Asked::Dataset, Asked::Measures { disclosure_control: None }];
        let questions: Vec<_> = asked.into_iter().filter_map(|asked| asked.of(definition).ok()).collect();
        let clearance = request.clear(&questions)?;
        clearance.announce(settings.log_format);
        for question in &questions {
            needs_root(question, definition, settings)?;
        }
        let extracts = place.extracts()?;
        let tables = questions.iter().flat_map(|question| question.tables(definition)).collect();
        let policy = clearance.verify(place, &extracts, &tables, known_counts, settings.threads())?;
        evidence.take_policy(&policy, clearance.policy)?;
        interruption.check()?;

        let kept = kept_from_studies(place, &command.source, clearance.policy);
        let enclave = place.open(extracts, policy, settings.enclave_under_policy(kept))?;
        let runtime = settings.runtime()?;
        let explained = explanation::of(definition, &enclave, View::WithoutFiles, settings);
        let explained = runtime.block_on(interruption.ends(explained));
        drop(runtime);
        let taken = evidence.take_enclave(&enclave, &place.connector_name());
        let text = explained?;
        taken?;
        enclave.policy().check_pins()?;
        interruption.check()?;
        Ok(text)
    }
}
