//! What no definition may read as a file of its own, by whatever name: all that a run under a policy stands on.

use std::path::{Path, PathBuf};

use peristyle_outputs::OutputTarget;
use peristyle_policy::Policy;
use peristyle_policy::register::RegisterLocation;

use crate::args::SourceArguments;
use crate::source_file::SourceFile;
use crate::study::Question;

/// Files and folders that are kept from a study. (The enclave keeps its extracts' and its registers' files itself.)
pub(crate) fn kept_from_studies(place: &SourceFile, arguments: &SourceArguments, policy: &Policy) -> Vec<PathBuf> {
    let mut kept = vec![place.policy.clone()];
    kept.extend(arguments.source.clone());
    kept.extend(arguments.set_aside.clone());
    kept.extend(place.connector_folders());
    kept.extend(with_companions(&place.ledger));
    if let Some(counts) = &policy.counts {
        kept.extend(with_companions(&counts.file.path));
        kept.extend(with_companions(&counts.key_file.path));
    }
    for register in policy.registers() {
        if let RegisterLocation::File { path, .. } = &register.location {
            kept.extend(with_companions(path));
        }
    }
    kept
}

/// The files that an answer replaces, where there are any.
pub(super) fn answer_files(target: &OutputTarget, question: &Question<'_>) -> Vec<PathBuf> {
    match target {
        OutputTarget::Console => Vec::new(),
        OutputTarget::File { path, .. } => vec![path.clone()],
        OutputTarget::Directory { path, format } => {
            let file = |name: &str| path.join(format!("{name}.{}", format.extension()));
            question.output_names().into_iter().map(file).collect()
        }
    }
}

/// A file, and those beside it whose names begin with its own: its anchor, lock or digest.
fn with_companions(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of_name = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(name));
    std::iter::once(path.to_path_buf()).chain(of_name.map(|entry| entry.path())).collect()
}
