//! Which links a run needs, and reading their tables: as registers, with everybody in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peristyle_policy::counts::check_least;
use peristyle_policy::patients::{PatientSet, TextComparison};
use peristyle_policy::policy::{LinkTable, LinkTerms, Policy};
use peristyle_policy::register::{AsOf, CountLimits, Register, RegisterId};
use peristyle_policy::{Day, Lifted, Name};

use super::enforcement::{Enforcement, listed_among};
use super::error::RegisterError;
use super::found::{ExtractPatients, Found};
use super::link_rows::{Gathered, Judges};
use super::links::settled;
use super::pins::Pins;
use super::register::{OpenedRegister, Opening};
use super::verify::{PolicyRun, VerifiedRegister};
use crate::connector::{ConnectedExtract, Link};
use crate::error::SourceError;
use crate::request::{ColumnRequest, ColumnType};

/// A link that a run needs, with the register that its table is.
#[derive(Debug)]
pub(super) struct NeededLink<'a> {
    extract: &'a ConnectedExtract,
    name: &'a Name,
    link: &'a Link,
    text_keys: TextComparison,
    pub(super) register: Register,
}

/// The links that the tables which a run asks for need, and what the policy says of each.
pub(super) fn needed<'a>(
    policy: &Policy,
    extracts: &'a [ConnectedExtract],
    asked: &BTreeSet<Arc<str>>,
) -> Result<Vec<NeededLink<'a>>, RegisterError> {
    let mut needed: Vec<NeededLink<'a>> = Vec::new();
    for extract in extracts {
        for name in extract.connector.links_of(asked) {
            let Some(link) = extract.connector.links.get(name) else { continue };
            let connector = Arc::clone(&extract.connector.name);
            let Some(trusted) = NeededLink::trusted(policy, extract, (name, link)) else {
                return Err(RegisterError::LinkWithoutTerms {
                    link: name.clone(),
                    connector,
                    table: link.table.to_string(),
                });
            };
            if let Some(other) = needed.iter().find(|known| known.name == name) {
                let other = Arc::clone(&other.extract.connector.name);
                return Err(RegisterError::LinkTwice { link: name.clone(), connector, other });
            }
            needed.push(trusted);
        }
    }
    Ok(needed)
}

/// The link that a register is of, in some extracts.
pub(super) fn find<'a>(
    policy: &Policy,
    register: &RegisterId,
    extracts: &'a [ConnectedExtract],
) -> Option<NeededLink<'a>> {
    let RegisterId::Link(name) = register else { return None };
    extracts
        .iter()
        .find_map(|extract| NeededLink::trusted(policy, extract, extract.connector.links.get_key_value(name)?))
}

/// All links of some extracts for which a policy has terms, as registers: for whoever begins or accepts counts.
pub fn link_registers(policy: &Policy, extracts: &[ConnectedExtract]) -> Vec<Register> {
    let links = extracts.iter().flat_map(|extract| extract.connector.links.iter().map(move |link| (extract, link)));
    links.filter_map(|(extract, link)| Some(NeededLink::trusted(policy, extract, link)?.register)).collect()
}

fn through<'a>(extract: &'a ConnectedExtract, name: &'a Name, link: &'a Link) -> LinkTable<'a> {
    let table = extract.connector.raw.get(&link.table);
    let patient_column = table.and_then(|table| table.patient_column()).map_or("", |column| column);
    LinkTable { name, table: &link.table, patient_column, column: &link.column }
}

/// What a link's table said.
pub(super) struct ReadLink {
    pub(super) verified: VerifiedRegister,
    /// How many of its patients are in the extract, where that is known
    found: Option<Found>,
    pub(super) enforcement: Enforcement,
    pub(super) pins: Pins,
}

impl<'a> NeededLink<'a> {
    /// The connector and the link, by name.
    pub(super) fn key(&self) -> (Arc<str>, Name) {
        (Arc::clone(&self.extract.connector.name), self.name.clone())
    }

    /// A link as the register that the policy's terms make of it; `None` where it has none.
    fn trusted(policy: &Policy, extract: &'a ConnectedExtract, (name, link): (&'a Name, &'a Link)) -> Option<Self> {
        let register = policy.links.get(name)?.register(through(extract, name, link));
        Some(Self { extract, name, link, text_keys: policy.text_keys, register })
    }

    /// The link of that name as a register without limits: for people who do not exist.
    fn without_limits(extract: &'a ConnectedExtract, name: &'a Name, link: &'a Link) -> Self {
        let limits = CountLimits {
            least: 0,
            greatest_fall_percent: 100,
            greatest_rise_percent: None,
            least_found_percent: None,
        };
        let terms = LinkTerms { limits, max_age_days: u16::MAX, as_of: AsOf::FileModified };
        let register = terms.register(through(extract, name, link));
        Self { extract, name, link, text_keys: TextComparison::default(), register }
    }

    /// Reads the link's table, and asks the rules of the run about its patients. `everybody` are the extract's patients,
    /// where it is known who they are: a link may list people whose records were taken out before; they are in no
    /// register, and must not come back. Blocks.
    pub(super) fn read(
        &self,
        rules: &Enforcement,
        everybody: Option<&PatientSet>,
        today: Day,
    ) -> Result<ReadLink, RegisterError> {
        let everybody = everybody.filter(|_| !self.is_patient_table());
        let read = self.gathered(&Judges { rules, everybody }, true)?;
        let ReadLink { verified, found, .. } = &read;
        self.register.check_freshness(Some(verified.as_of), today)?;
        check_least(&self.register, verified.members)?;
        match found {
            Some(found) => found.check(&self.register)?,
            None if self.is_patient_table() || self.register.limits.least_found_percent == Some(0) => {}
            None => return Err(RegisterError::NoPatientTable { register: self.register.id.clone() }),
        }
        Ok(read)
    }

    /// Whether its table is the one that has every patient: then all of its patients are in the extract.
    fn is_patient_table(&self) -> bool {
        self.extract.connector.everybody.as_ref() == Some(&self.link.table)
    }

    fn gathered(&self, judges: &Judges<'_>, sealed: bool) -> Result<ReadLink, RegisterError> {
        let register = &self.register;
        let failed = |source| RegisterError::Key { register: register.id.clone(), source };
        let patient_key = self.extract.connector.patient_key;
        let opening = Opening {
            key_type: patient_key,
            practice_type: ColumnType::Int,
            link_column: self.column(),
            text_keys: self.text_keys,
            sealed,
            tells_rows: false,
        };
        let mut opened = OpenedRegister::open(register, &self.extract.location, opening)?;
        let mut gathered = Gathered::new(self.link.key_type);
        let mut found = judges.everybody.map(|_| Found::default());
        let summary = opened.read(|rows| {
            if let (Some(everybody), Some(found)) = (judges.everybody, &mut found) {
                let known = listed_among(everybody, &rows.keys).map_err(failed)?;
                found.keys += known.rows() as u64;
                found.found += known.kept() as u64;
            }
            let as_wanted = match &rows.link {
                Some(keys) => gathered.push(&rows.keys, keys, judges).map_err(failed)?,
                None => false,
            };
            if as_wanted { Ok(()) } else { Err(self.unusable("its other key is not of the type that the link has")) }
        })?;
        let digest = gathered.digest(patient_key);
        let (enforcement, members) =
            settled(gathered, self.link.key_type, self.link.patients, judges.rules).map_err(failed)?;
        let Some(as_of) = summary.as_of else { return Err(self.undated()) };
        let verified = VerifiedRegister { id: register.id.clone(), as_of, rows: summary.rows, members, digest };
        Ok(ReadLink { verified, found, enforcement, pins: std::mem::take(&mut opened.pins) })
    }

    fn undated(&self) -> RegisterError {
        match self.register.check_freshness(None, Day::LAST) {
            Err(error) => error.into(),
            Ok(()) => self.unusable("it has no date"),
        }
    }

    /// The column of the other key, as the manifest has it.
    fn column(&self) -> Option<ColumnRequest> {
        let table = self.extract.connector.raw.get(&self.link.table)?;
        table.columns.iter().find(|known| known.name == self.link.column).map(|known| known.request())
    }

    fn unusable(&self, reason: &str) -> RegisterError {
        let source = SourceError::Request { table: Arc::clone(&self.link.table), reason: reason.to_owned() };
        RegisterError::Unusable { register: self.register.id.clone(), source }
    }
}

/// Reads the tables of links, once the rules of the run are known.
pub(super) fn read_links(
    run: &PolicyRun<'_>,
    needed: &[NeededLink<'_>],
    rules: &Enforcement,
    verified: &mut Vec<VerifiedRegister>,
    pins: &mut Pins,
) -> Result<ReadLinks, RegisterError> {
    let mut links = ReadLinks::new();
    let everybody = match needed {
        [] => None,
        _ => ExtractPatients::read(run.policy, run.tables, run.extracts)?,
    };
    if let Some(everybody) = &everybody {
        pins.join(everybody.pins.clone());
    }
    let everybody = everybody.as_ref().map(|everybody| &everybody.patients);
    for link in needed {
        let read = link.read(rules, everybody, run.today)?;
        links.insert(link.key(), Arc::new(read.enforcement));
        verified.push(read.verified);
        pins.join(read.pins);
    }
    Ok(links)
}

/// Reads the table of one link of some extracts, whoever has opted out, and checks its shape, date and least count: for
/// whoever begins or accepts counts. `None` where the extracts have no such link, or the policy no terms for it. Blocks.
///
/// # Errors
/// As `VerifiedPolicy::verify`.
pub fn read_link(
    policy: &Policy,
    link: &RegisterId,
    extracts: &[ConnectedExtract],
    today: Day,
) -> Result<Option<VerifiedRegister>, RegisterError> {
    let Some(found) = find(policy, link, extracts) else { return Ok(None) };
    let everybody = ExtractPatients::read(policy, &found.extract.location, extracts)?;
    let patients = everybody.as_ref().map(|everybody| &everybody.patients);
    let read = found.read(&Enforcement::lifted(&Lifted::for_a_whole_table()), patients, today)?;
    read.pins.check()?;
    everybody.map_or(Ok(()), |everybody| everybody.pins.check())?;
    Ok(Some(read.verified))
}

/// Links of a run that were read, by connector and name.
pub(super) type ReadLinks = BTreeMap<(Arc<str>, Name), Arc<Enforcement>>;

/// What a link says where no policy has terms for it: over tables of people who do not exist.
pub(super) fn of_dummy_tables(
    extract: &ConnectedExtract,
    name: &Name,
    rules: &Enforcement,
) -> Result<Enforcement, RegisterError> {
    let Some(link) = extract.connector.links.get(name) else {
        let source = SourceError::Request {
            table: Arc::clone(&extract.connector.name),
            reason: format!("the connector has no link `{name}`"),
        };
        return Err(RegisterError::Unusable { register: RegisterId::Link(name.clone()), source });
    };
    let needed = NeededLink::without_limits(extract, name, link);
    Ok(needed.gathered(&Judges { rules, everybody: None }, false)?.enforcement)
}
