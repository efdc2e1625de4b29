//! The source file: where an extract, its policy and its audit ledger are.
//!
//! ```toml
//! peristyle_source = 1
//! connector = "user-facing"       # the tables have the shape of the catalogue already; or "tpp", "./my-connector", …
//! location = "tables"             # paths are from this file's folder; or "s3://bucket/folder", "az://…", "gs://…"
//! policy = "policy.toml"
//! ledger = "audit/ledger.jsonl"
//!
//! absent = ["tpp.isaric", "core.patients.date_of_death"]      # what the place does not have
//!
//! [tables.clinical_events]        # where its files are not clinical_events.parquet, or clinical_events/
//! files = "events/year=*/part-*.parquet"
//!
//! [[linked]]                      # an extract of its own, joined to the supplier's through its connector's link
//! connector = "./registry"
//! location = "registry"
//! ```

pub(crate) mod absent;
mod tables;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use peristyle_connectors::Manifest;
use peristyle_opt_out::{Absences, ConnectedExtract, Enclave, EnclaveOptions, Extract, VerifiedPolicy};
use peristyle_policy::files::open_regular;
use serde::Deserialize;
use toml::Spanned;

use self::tables::TableDocument;
use crate::exit::ExitStatus;
use crate::failure::Failure;

/// The longest source file, in bytes.
const SOURCE_BYTES_MAX: u64 = 65_536;
/// No connector: the tables are user-facing ones already.
const USER_FACING: &str = "user-facing";

/// Where everything is that a run under a policy needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Where the tables are
    pub(crate) extract: Extract,
    /// How the tables are read: [`USER_FACING`], the name of a connector that comes with Peristyle, or a folder's path
    pub(crate) connector: String,
    /// Extracts of their own that are linked to it, with how they are read
    pub(crate) linked: Vec<(String, Extract)>,
    /// What the place does not have of user-facing tables
    pub(crate) absent: Absences,
    /// The policy
    pub(crate) policy: PathBuf,
    /// The audit ledger
    pub(crate) ledger: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    peristyle_source: Spanned<toml::Value>,
    connector: Spanned<String>,
    location: Spanned<String>,
    policy: Spanned<PathBuf>,
    ledger: Spanned<PathBuf>,
    absent: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    tables: BTreeMap<Spanned<String>, TableDocument>,
    #[serde(default)]
    linked: Vec<LinkedDocument>,
}

/// `[[linked]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkedDocument {
    connector: Spanned<String>,
    location: Spanned<String>,
    #[serde(default)]
    tables: BTreeMap<Spanned<String>, TableDocument>,
}

/// A fault, and where it is.
type Fault = (std::ops::Range<usize>, String);

/// How an extract is read, as paths are from this folder.
fn connector_of(named: &Spanned<String>, folder: &Path) -> Result<String, Fault> {
    let name = named.get_ref();
    if *name == USER_FACING || peristyle_connectors::builtin().any(|known| known == name) {
        return Ok(name.clone());
    }
    if name.contains('/') {
        return Ok(folder.join(name).display().to_string());
    }
    let builtin = peristyle_connectors::builtin().collect::<Vec<_>>().join("\", \"");
    let problem = format!(
        "`connector` must be \"user-facing\" (tables that have the shape of the catalogue already), \"{builtin}\", \
         or the path of a connector's folder, with a `/`"
    );
    Err((named.span(), problem))
}

/// Where an extract is, and how its files are laid out.
fn extract_of(
    location: &Spanned<String>,
    tables: &BTreeMap<Spanned<String>, TableDocument>,
    folder: &Path,
) -> Result<Extract, Fault> {
    let extract = Extract::at(location.get_ref(), folder);
    let mut extract = extract.map_err(|error| (location.span(), format!("`location` {error}")))?;
    for (table, document) in tables {
        let layout = document.layout().map_err(|(span, problem)| {
            (span.unwrap_or(table.span()), format!("table `{}`: {problem}", table.get_ref()))
        })?;
        extract = extract.with_layout(table.get_ref().as_str().into(), layout);
    }
    Ok(extract)
}

impl SourceFile {
    /// Reads the source file at `path`.
    ///
    /// # Errors
    /// [`ExitStatus::Policy`], with the line at fault.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| {
            fault(path, None, "cannot be read: give the path of a source file that may be read").cause(error)
        };
        let mut bytes = Vec::new();
        let file = open_regular(path).map_err(unreadable)?;
        file.take(SOURCE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > SOURCE_BYTES_MAX {
            return Err(fault(path, None, "is longer than 65,536 bytes, so it is no source file"));
        }
        let text = String::from_utf8(bytes).map_err(|_| fault(path, None, "is not text in UTF-8"))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        // Of another file, which may hold records, no text is repeated.
        if !text.lines().any(|line| line.trim_start().starts_with("peristyle_source")) {
            return Err(fault(path, None, "is no source file: it does not begin with `peristyle_source = 1`"));
        }
        let line_of = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let document: Document = toml::from_str(text)
            .map_err(|error| fault(path, error.span().map(|span| line_of(span.start)), error.message().trim_end()))?;
        let at = |span: std::ops::Range<usize>, problem: &str| Err(fault(path, Some(line_of(span.start)), problem));
        if document.peristyle_source.get_ref().as_integer() != Some(1) {
            return at(document.peristyle_source.span(), "`peristyle_source` must be 1 for this engine");
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let fault_at = |(span, problem): Fault| fault(path, Some(line_of(span.start)), &problem);
        let connector = connector_of(&document.connector, folder).map_err(fault_at)?;
        for (field, value) in [("policy", &document.policy), ("ledger", &document.ledger)] {
            if value.get_ref().as_os_str().is_empty() {
                return at(value.span(), &format!("`{field}` is empty: give a path, from this file's folder"));
            }
        }
        let extract = extract_of(&document.location, &document.tables, folder).map_err(fault_at)?;
        let mut linked = Vec::with_capacity(document.linked.len());
        for source in &document.linked {
            let read_by = connector_of(&source.connector, folder).map_err(fault_at)?;
            if read_by == USER_FACING || connector == USER_FACING {
                let problem = "`[[linked]]` is for extracts that are read through connectors, both of them: tables that \
                               have the shape of the catalogue already are linked by their patient_id";
                return at(source.connector.span(), problem);
            }
            linked.push((read_by, extract_of(&source.location, &source.tables, folder).map_err(fault_at)?));
        }
        if let (Some(absent), true) = (&document.absent, connector != USER_FACING) {
            let problem = "`absent` is of tables that have the shape of the catalogue already: what a supplier's extract \
                           does not have, its connector's manifest says (`[missing]`)";
            return at(absent.span(), problem);
        }
        let absent = document.absent.as_ref().map_or(&[] as &[_], |absent| absent.get_ref());
        Ok(Self {
            extract,
            connector,
            linked,
            absent: absent::read(absent).map_err(fault_at)?,
            policy: folder.join(document.policy.get_ref()),
            ledger: folder.join(document.ledger.get_ref()),
        })
    }
}

impl SourceFile {
    /// The extracts, each with its connector; none where tables have the catalogue's shape already. Nothing is opened.
    ///
    /// # Errors
    /// A connector that is not there or not right.
    pub(crate) fn extracts(&self) -> Result<Vec<ConnectedExtract>, Failure> {
        let linked = self.linked.iter().map(|(connector, extract)| Ok((loaded(connector)?, extract)));
        let of_supplier = self.manifest()?.map(|manifest| Ok((manifest, &self.extract)));
        let connected = |(manifest, extract): (Manifest, &Extract)| ConnectedExtract {
            connector: manifest.connector,
            location: extract.clone(),
        };
        of_supplier.into_iter().chain(linked).map(|source| source.map(connected)).collect()
    }

    /// Each of the linked extracts as if it were the only one.
    pub(crate) fn of_linked(&self) -> impl Iterator<Item = Self> {
        self.linked.iter().map(|(connector, extract)| Self {
            extract: extract.clone(),
            connector: connector.clone(),
            linked: Vec::new(),
            ..self.clone()
        })
    }

    /// Opens the tables, through the connectors of [`Self::extracts`] where there are any.
    ///
    /// # Errors
    /// As those of an enclave.
    pub(crate) fn open(
        &self,
        extracts: Vec<ConnectedExtract>,
        policy: VerifiedPolicy,
        options: EnclaveOptions,
    ) -> Result<Enclave, Failure> {
        let options = EnclaveOptions { absent: self.absent.clone(), ..options };
        if extracts.is_empty() {
            return Ok(Enclave::open_tables(self.extract.clone(), policy, options)?);
        }
        Ok(Enclave::open_extracts(extracts, policy, options)?)
    }

    /// The connector; `None` where the tables are user-facing ones already.
    ///
    /// # Errors
    /// A connector that is not there or not right.
    pub(crate) fn manifest(&self) -> Result<Option<Manifest>, Failure> {
        if self.connector == USER_FACING {
            return Ok(None);
        }
        loaded(&self.connector).map(Some)
    }

    /// The folders of connectors that do not come with Peristyle.
    pub(crate) fn connector_folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let linked = self.linked.iter().map(|(connector, _)| connector);
        std::iter::once(&self.connector).chain(linked).filter(|name| name.contains('/')).map(PathBuf::from)
    }

    /// How ledgers name the connectors: of a path, its last part.
    pub(crate) fn connector_name(&self) -> String {
        fn name(connector: &str) -> &str {
            connector.rsplit('/').find(|part| !part.is_empty()).unwrap_or(connector)
        }
        let linked = self.linked.iter().map(|(connector, _)| connector);
        std::iter::once(&self.connector).chain(linked).map(|connector| name(connector)).collect::<Vec<_>>().join("+")
    }
}

fn loaded(connector: &str) -> Result<Manifest, Failure> {
    peristyle_connectors::load(connector).map_err(|error| Failure::new(ExitStatus::Files, error.to_string()))
}

fn fault(path: &Path, line: Option<usize>, problem: &str) -> Failure {
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Failure::new(ExitStatus::Policy, format!("source file `{}`{line}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const WHOLE: &str = r#"peristyle_source = 1
connector = "user-facing"
location = "tables"
policy = "/etc/peristyle/policy.toml"
ledger = "audit/ledger.jsonl"
"#;

    #[test]
    fn paths_are_from_the_file_s_folder() {
        let source = SourceFile::parse(WHOLE, Path::new("/srv/place/source.toml")).unwrap();
        let expected = SourceFile {
            extract: Extract::from("/srv/place/tables"),
            connector: "user-facing".to_owned(),
            linked: Vec::new(),
            absent: Absences::default(),
            policy: PathBuf::from("/etc/peristyle/policy.toml"),
            ledger: PathBuf::from("/srv/place/audit/ledger.jsonl"),
        };
        assert_eq!(source, expected);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (from, to, told) in [
            (
                "peristyle_source = 1",
                "name,date\nsecret,1",
                "is no source file: it does not begin with `peristyle_source = 1`",
            ),
            ("peristyle_source = 1", "peristyle_source = 2", "line 1: `peristyle_source` must be 1"),
            ("peristyle_source = 1", "peristyle_source = [", "line 2: "),
            ("\"user-facing\"", "\"oracle\"", "line 2: `connector` must be"),
            ("\"user-facing\"", "7", "line 2: invalid type: integer `7`, expected a string"),
            ("location", "folder", "line 3: unknown field `folder`"),
            ("location = \"tables\"\n", "", "missing field `location`"),
            ("\"tables\"", "\"\"", "line 3: `location` is empty"),
            (
                "ledger.jsonl\"\n",
                "ledger.jsonl\"\n[[linked]]\nconnector = \"tpp\"\nlocation = \"x\"\n",
                "line 7: `[[linked]]` is for extracts that are read through connectors",
            ),
            (
                "ledger.jsonl\"\n",
                "ledger.jsonl\"\n[[linked]]\nconnector = \"ons\"\nlocation = \"x\"\n",
                "line 7: `connector` must be",
            ),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE);
            let failure = SourceFile::parse(&text, Path::new("source.toml")).unwrap_err();
            assert_eq!(failure.status, ExitStatus::Policy);
            assert!(failure.message.contains(told), "{told}: {}", failure.message);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
    }
}
