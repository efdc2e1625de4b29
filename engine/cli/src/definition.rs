//! The definition: from a document, or from Python through the `ehrql` command.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitStatus as ProcessStatus, Stdio};

use peristyle_model::{Catalogue, Dataset, Definition, Limits, Measure};
use peristyle_policy::files::open_regular;

use crate::author;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::settings::Settings;

/// Reads and checks a definition over tables of people who do not exist. Python is serialised by the `ehrql` command, which
/// runs the author's code with the rights of this process; `parameters` go to it.
pub(crate) fn load(path: &Path, parameters: &[OsString], settings: &Settings) -> Result<Definition, Failure> {
    if is_python(path) {
        return parse(&serialised(path, parameters, settings, &Limits::default())?);
    }
    parse(&document(path, parameters)?)
}

/// Checks a document.
pub(crate) fn parse(document: &[u8]) -> Result<Definition, Failure> {
    Ok(Definition::parse(document, Catalogue::builtin(), &Limits::default())?)
}

/// Reads the document of a definition. Python is refused before it is looked at: this is the one way under a policy, where
/// nothing of a study's own code runs with the engine's rights.
pub(crate) fn document(path: &Path, parameters: &[OsString]) -> Result<Vec<u8>, Failure> {
    let limits = &Limits::default();
    if is_python(path) {
        let message = format!("`{}` is Python, which is not run under a policy", path.display());
        let help = "serialise it where the researcher works, with `ehrql serialize-definition dataset.py --output \
                    dataset.json`, and give the .json file";
        return Err(Failure::new(ExitStatus::Definition, message).code("definition_in_python").help(help));
    }
    if !parameters.is_empty() {
        let message = format!("`{}` is no Python file, so nothing after `--` can reach its code", path.display());
        return Err(Failure::new(ExitStatus::Arguments, message).help("give the .py file, or leave the rest out"));
    }
    if path == Path::new("-") {
        return read_at_most(io::stdin().lock(), limits).map_err(|error| {
            Failure::new(ExitStatus::Files, "cannot read the definition from standard input").cause(error)
        });
    }
    if path.extension().is_none_or(|ending| ending != "json") {
        let message = format!("`{}` is neither a .json nor a .py file", path.display());
        let help = "give the document that `ehrql serialize-definition` prints as a .json file, or `-` for a document on \
                    standard input; over dummy tables, a definition in Python as a .py file does as well";
        return Err(Failure::new(ExitStatus::Arguments, message).help(help));
    }
    read_file(path, limits)
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "py")
}

fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>, Failure> {
    open_regular(path).and_then(|file| read_at_most(file, limits)).map_err(|error| {
        Failure::new(ExitStatus::Files, format!("cannot read the definition `{}`", path.display())).cause(error)
    })
}

/// One byte more than the limit is enough for the parser to refuse it.
fn read_at_most(input: impl Read, limits: &Limits) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    input.take(limits.document_bytes_max as u64 + 1).read_to_end(&mut document)?;
    Ok(document)
}

/// Has the `ehrql` command evaluate the Python. What either writes goes to stderr, marked as the author's.
fn serialised(path: &Path, parameters: &[OsString], settings: &Settings, limits: &Limits) -> Result<Vec<u8>, Failure> {
    if let Err(error) = std::fs::metadata(path) {
        let message = format!("cannot read the definition `{}`", path.display());
        return Err(Failure::new(ExitStatus::Files, message).cause(error));
    }
    let temporary = |error: io::Error| {
        Failure::new(ExitStatus::Files, "cannot make a temporary folder for the serialised definition").cause(error)
    };
    let folder = tempfile::tempdir().map_err(temporary)?;
    let document = folder.path().join("definition.json");
    let mut command = Command::new(&settings.ehrql);
    command.arg("serialize-definition").arg(path).arg("--output").arg(&document);
    if !parameters.is_empty() {
        command.arg("--").args(parameters);
    }
    if std::env::var_os("PYTHONHASHSEED").is_none() {
        // Python would order sets another way in each run.
        command.env("PYTHONHASHSEED", "0");
    }
    let name = settings.ehrql.to_string_lossy();
    let status = run_marked(command, settings.log_format).map_err(|error| {
        Failure::new(ExitStatus::Definition, format!("cannot run `{name}` to serialise `{}`", path.display()))
            .cause(error)
            .help("install ehrQL, or say where it is with --ehrql PATH; or give a serialised definition (.json)")
    })?;
    if !status.success() {
        let message = format!("`{name}` could not serialise `{}` ({status})", path.display());
        return Err(Failure::new(ExitStatus::Definition, message).help("what it said is above, behind `definition |`"));
    }
    open_regular(&document).and_then(|file| read_at_most(file, limits)).map_err(|error| {
        Failure::new(ExitStatus::Definition, format!("`{name}` said nothing of `{}`", path.display()))
            .cause(error)
            .help("is --ehrql the ehrQL command, in a version that has `serialize-definition`?")
    })
}

/// Runs a command to its end. stdout and stderr are one stream, so that its lines keep their order.
fn run_marked(mut command: Command, format: LogFormat) -> io::Result<ProcessStatus> {
    let (written, writer) = io::pipe()?;
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // It holds ends of the pipe, which would never be at its end.
    drop(command);
    author::relay(written, format);
    child.wait()
}

/// The dataset of a definition that must have one.
pub(crate) fn dataset(definition: &Definition) -> Result<&Dataset, Failure> {
    match &definition.dataset {
        Some(Ok(dataset)) => Ok(dataset),
        Some(Err(error)) => Err(Failure::from(error)),
        None => Err(without("dataset", "measures", "generate-measures", matches!(definition.measures, Some(Ok(_))))),
    }
}

/// The measures of a definition that must have some.
pub(crate) fn measures(definition: &Definition) -> Result<&[Measure], Failure> {
    match &definition.measures {
        Some(Ok(measures)) => Ok(measures),
        Some(Err(error)) => Err(Failure::from(error)),
        None => Err(without("measures", "a dataset", "generate-dataset", matches!(definition.dataset, Some(Ok(_))))),
    }
}

fn without(wanted: &str, other: &str, command: &str, has_other: bool) -> Failure {
    let failure = Failure::new(ExitStatus::Definition, format!("the definition has no {wanted}"));
    if has_other { failure.help(format!("it has {other}: run it with `peristyle {command}`")) } else { failure }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::args::Arguments;
    use clap::Parser;

    fn settings(ehrql: &str) -> Settings {
        Arguments::try_parse_from(["peristyle", "demo", "--ehrql", ehrql]).unwrap().settings
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_status() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.py"), "").unwrap();
        std::fs::write(path("a.json"), "{").unwrap();
        let parameters = [OsString::from("x")];
        for (name, parameters, ehrql, status, message) in [
            ("a.yaml", &[][..], "ehrql", ExitStatus::Arguments, "neither a .json nor a .py file"),
            ("a.json", &parameters, "ehrql", ExitStatus::Arguments, "is no Python file"),
            ("a.json", &[], "ehrql", ExitStatus::Definition, "in the definition: "),
            ("b.json", &[], "ehrql", ExitStatus::Files, "cannot read the definition"),
            ("b.py", &[], "ehrql", ExitStatus::Files, "cannot read the definition"),
            ("a.py", &[], "/no/such/ehrql", ExitStatus::Definition, "cannot run `/no/such/ehrql`"),
            ("a.py", &[], "false", ExitStatus::Definition, "`false` could not serialise"),
            ("a.py", &parameters, "true", ExitStatus::Definition, "`true` said nothing of"),
        ] {
            let failure = load(&path(name), parameters, &settings(ehrql)).unwrap_err();
            assert_eq!(failure.status, status, "{name} {ehrql}: {failure:?}");
            assert!(failure.message.contains(message), "{name} {ehrql}: {failure:?}");
        }
    }

    #[test]
    fn python_is_no_document_whether_it_is_there_or_not() {
        for (name, parameters) in [("absent.py", &[][..]), ("/dev/null/a.py", &[OsString::from("x")])] {
            let failure = document(Path::new(name), parameters).unwrap_err();
            assert_eq!((failure.status, failure.code), (ExitStatus::Definition, "definition_in_python"), "{name}");
        }
    }

    #[test]
    fn the_demo_s_definitions_are_sound() {
        for (document, has_dataset) in
            [(include_str!("../demo/dataset.json"), true), (include_str!("../demo/measures.json"), false)]
        {
            let definition = Definition::parse(document.as_bytes(), Catalogue::builtin(), &Limits::default()).unwrap();
            assert_eq!(dataset(&definition).is_ok(), has_dataset);
            assert_eq!(measures(&definition).is_ok(), !has_dataset);
        }
    }
}
