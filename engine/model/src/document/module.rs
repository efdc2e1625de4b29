//! The roots of a document: what `ehrql serialize-definition` prints, or a bare dataset or collection of measures.

use std::sync::Arc;

use super::place::Place;
use super::reader::{Entry, Reader, check_unused_value};
use super::record::{Read, boolean, fields, int, optional, string, tagged, tuple, untag};
use super::{AuthorError, Dataset, Measure};
use crate::json::Json;
use crate::text::{printable, quoted};
use crate::types::ValueType;

/// The exit code where the document gives none.
const DEFINITION_EXIT_CODE: u8 = 10;

/// What the root of a document holds.
#[derive(Default)]
pub(super) struct Root {
    pub(super) dataset: Option<Result<Dataset, AuthorError>>,
    pub(super) measures: Option<Result<Vec<Measure>, AuthorError>>,
    pub(super) disclosure_control: Option<bool>,
    pub(super) claimed_permissions: Vec<Arc<str>>,
}

impl Reader<'_> {
    pub(super) fn root(&mut self) -> Read<Root> {
        let (place, json) = (Place::DOCUMENT, self.arena.root);
        let (tag, payload) = tagged(json, &place, "a ModuleDetails, Dataset or MeasureCollection")?;
        match tag {
            "ModuleDetails" => self.module_details(payload, &place.inside("ModuleDetails")),
            "Dataset" | "ref" => Ok(Root { dataset: Some(Ok(self.root_dataset(json, &place)?)), ..Root::default() }),
            "MeasureCollection" => {
                let measures = self.measures(payload, &place.inside("MeasureCollection"))?;
                Ok(Root { measures: Some(Ok(measures)), ..Root::default() })
            }
            "DefinitionError" => {
                let error = author_error(payload, &place.inside("DefinitionError"))?;
                Ok(Root { dataset: Some(Err(error.clone())), measures: Some(Err(error)), ..Root::default() })
            }
            other => Err(place
                .error(format!("has {}: the root is a ModuleDetails, Dataset or MeasureCollection", quoted(other)))),
        }
    }

    fn module_details(&mut self, payload: &Json, place: &Place<'_>) -> Read<Root> {
        let [dataset, dataset_dummy, test_data, measures, measures_dummy, disclosure_control, permissions] = fields(
            payload,
            place,
            [
                "dataset",
                "dataset_dummy_data_config",
                "test_data",
                "measures",
                "measures_dummy_data_config",
                "measures_disclosure_control_config",
                "claimed_permissions",
            ],
        )?;
        self.dummy_data_config(dataset_dummy, &place.field("dataset_dummy_data_config"))?;
        self.dummy_data_config(measures_dummy, &place.field("measures_dummy_data_config"))?;
        check_unused_value(self, test_data, &place.field("test_data"))?;
        let disclosure_place = place.field("measures_disclosure_control_config");
        Ok(Root {
            dataset: optional(dataset, |json| {
                or_author_error(json, &place.field("dataset"), |place| self.root_dataset(json, place))
            })?,
            measures: optional(measures, |json| {
                or_author_error(json, &place.field("measures"), |place| {
                    self.measures(untag(json, place, "MeasureCollection")?, &place.inside("MeasureCollection"))
                })
            })?,
            disclosure_control: optional(disclosure_control, |json| read_enabled(json, &disclosure_place))?,
            claimed_permissions: read_permissions(permissions, &place.field("claimed_permissions"))?,
        })
    }

    fn root_dataset(&mut self, json: &Json, place: &Place<'_>) -> Read<Dataset> {
        match tagged(json, place, "a Dataset")? {
            ("Dataset", payload) => self.dataset(payload, &place.inside("Dataset")),
            ("ref", payload) => match self.referred(payload, place)? {
                Entry::Dataset(dataset) => Ok(dataset.clone()),
                Entry::Node(_) | Entry::Events(_) => Err(place.error("refers to a node that is not a Dataset")),
            },
            (other, _) => Err(place.error(format!("has {}, not a Dataset", quoted(other)))),
        }
    }

    /// How to make up data; not what an engine does, so that its form is checked and no more.
    fn dummy_data_config(&mut self, json: &Json, outer: &Place<'_>) -> Read<()> {
        if *json == Json::Null {
            return Ok(());
        }
        let place = &outer.inside("DummyDataConfig");
        let names = ["population_size", "legacy", "timeout", "additional_population_constraint"];
        let [size, legacy, timeout, constraint] = fields(untag(json, outer, "DummyDataConfig")?, place, names)?;
        optional(size, |json| int(json, &place.field("population_size")))?;
        boolean(legacy, &place.field("legacy"))?;
        if !matches!(timeout, Json::Int(_) | Json::Float(_)) {
            return Err(place.field("timeout").error(format!("wants seconds, but has {}", timeout.describe())));
        }
        let place = place.field("additional_population_constraint");
        if let Some(constraint) = self.optional_node(constraint, &place)? {
            let checked = self.builder.one_row_series(constraint, "");
            let value_type = checked.map_err(|error| place.error(error.rule.to_string()))?;
            if value_type != ValueType::Bool {
                return Err(place.error(format!("is a series of {value_type}, where bool is needed")));
            }
        }
        Ok(())
    }
}

fn or_author_error<T>(
    json: &Json,
    place: &Place<'_>,
    read: impl FnOnce(&Place<'_>) -> Read<T>,
) -> Read<Result<T, AuthorError>> {
    match tagged(json, place, "a definition")? {
        ("DefinitionError", payload) => author_error(payload, &place.inside("DefinitionError")).map(Err),
        _ => read(place).map(Ok),
    }
}

fn author_error(payload: &Json, place: &Place<'_>) -> Read<AuthorError> {
    let [message, exit_code] = fields(payload, place, ["message", "exit_code"])?;
    let message = printable(string(message, &place.field("message"))?);
    let place = place.field("exit_code");
    let exit_code = match optional(exit_code, |json| int(json, &place))? {
        // As ehrQL does: an error never ends in success.
        None | Some(0) => DEFINITION_EXIT_CODE,
        Some(code) => {
            u8::try_from(code).map_err(|_| place.error(format!("{code} is not an exit code: those are 0 to 255")))?
        }
    };
    Ok(AuthorError { message, exit_code })
}

fn read_enabled(json: &Json, outer: &Place<'_>) -> Read<bool> {
    let place = outer.inside("DisclosureControlConfig");
    let [enabled] = fields(untag(json, outer, "DisclosureControlConfig")?, &place, ["enabled"])?;
    boolean(enabled, &place.field("enabled"))
}

fn read_permissions(json: &Json, place: &Place<'_>) -> Read<Vec<Arc<str>>> {
    let items = tuple(json, place)?;
    items.iter().enumerate().map(|(index, item)| string(item, &place.item(index)).map(Arc::from)).collect()
}
