//! Columns: what each is, what views see of it, and which values stand for NULL.

use std::ops::Range;

use peristyle_opt_out::connector::{ColumnClass, NullValue, RawColumnSpec, RawType};
use peristyle_policy::Day;
use toml::{Spanned, Value};

use super::identifiers::named_in;
use super::{Examination, each, is_raw_name};
use crate::document::{ColumnDocument, Named};
use crate::error::Fault;

const CLASSES: [ColumnClass; 5] =
    [ColumnClass::Code, ColumnClass::Date, ColumnClass::Number, ColumnClass::Category, ColumnClass::LinkKey];

const TYPES: [(&str, RawType); 6] = [
    ("bool", RawType::Bool),
    ("int", RawType::Int),
    ("float", RawType::Float),
    ("str", RawType::Str),
    ("date", RawType::Date),
    ("bytes16", RawType::Bytes16),
];

const REVIEWED_CHARS_MAX: usize = 200;

/// What would break a line, or not be seen in it.
fn is_unseen(character: char) -> bool {
    character != '\'' && character != '"' && character != '\\' && character.escape_debug().len() > 1
}

/// A type as manifests write it.
pub(crate) fn type_name(of: RawType) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == of).map_or("", |(name, _)| name)
}

/// The types that values of a class may have, and how messages say so.
fn fit(class: ColumnClass) -> (&'static [RawType], &'static str) {
    match class {
        ColumnClass::Code => (&[RawType::Str], "of type str"),
        ColumnClass::Date => {
            (&[RawType::Date, RawType::Str], "of type date, or str where researchers see the text as it is")
        }
        ColumnClass::Number => (&[RawType::Int, RawType::Float, RawType::Bool], "of type int, float or bool"),
        ColumnClass::Category => (&[RawType::Str, RawType::Int, RawType::Bool], "of type str, int or bool"),
        ColumnClass::LinkKey => (&[RawType::Int, RawType::Str, RawType::Bytes16], "of type int, str or bytes16"),
        ColumnClass::PatientKey => (&[], "the column that `patient_key` names"),
    }
}

impl Examination<'_> {
    /// The columns of a raw table; those with something wrong are left out.
    pub(super) fn columns(&mut self, table: &str, columns: &Named<ColumnDocument>) -> Vec<RawColumnSpec> {
        each(columns).filter_map(|(name, place, column)| self.column(table, name, place, column)).collect()
    }

    fn column(
        &mut self,
        table: &str,
        name: &str,
        place: Range<usize>,
        document: &ColumnDocument,
    ) -> Option<RawColumnSpec> {
        if !is_raw_name(name) {
            self.at(place, Fault::RawName { what: "column", name: name.to_owned() });
            return None;
        }
        let class = self.class(table, name, &document.class);
        let column_type = self.column_type(table, name, &document.column_type);
        let (class, column_type) = (class?, column_type?);
        let (types, words) = fit(class);
        if !types.contains(&column_type) {
            let fault = Fault::ClassType {
                table: table.to_owned(),
                column: name.to_owned(),
                class: class_name(class),
                found: type_name(column_type).to_owned(),
                fit: words,
            };
            self.at(document.class.span(), fault);
            return None;
        }
        if let Some(reviewed) = &document.reviewed {
            self.reviewed(table, name, reviewed);
        } else if let Some(identifier) = named_in(name, class, column_type) {
            let (table, column, class) = (table.to_owned(), name.to_owned(), class_name(class));
            self.at(place, Fault::Identifier { table, column, class, identifier });
        }
        let mut null_values = Vec::new();
        for value in &document.null_values {
            match null_value(column_type, value.get_ref()) {
                Ok(value) => null_values.push(value),
                Err(why) => {
                    let fault = Fault::NullValue { table: table.to_owned(), column: name.to_owned(), why };
                    self.at(value.span(), fault);
                }
            }
        }
        Some(RawColumnSpec { name: name.into(), class, column_type, null_values })
    }

    /// What a person says of a column, for those who check the connector to read.
    fn reviewed(&mut self, table: &str, column: &str, reviewed: &Spanned<String>) {
        let why = reviewed.get_ref().trim();
        if (1..=REVIEWED_CHARS_MAX).contains(&why.chars().count()) && !why.contains(is_unseen) {
            self.reviewed.entry(table.into()).or_default().insert(column.into(), why.to_owned());
        } else {
            self.at(reviewed.span(), Fault::Reviewed { table: table.to_owned(), column: column.to_owned() });
        }
    }

    fn class(&mut self, table: &str, column: &str, class: &Spanned<String>) -> Option<ColumnClass> {
        let found = CLASSES.into_iter().find(|known| class_name(*known) == class.get_ref());
        if found.is_none() {
            let (table, column) = (table.to_owned(), column.to_owned());
            let fault = match class.get_ref().as_str() {
                "patient_key" => Fault::ClassOfKey { table, column },
                other => Fault::Class { table, column, class: other.to_owned() },
            };
            self.at(class.span(), fault);
        }
        found
    }

    fn column_type(&mut self, table: &str, column: &str, found: &Spanned<String>) -> Option<RawType> {
        let known = TYPES.iter().find(|(name, _)| name == found.get_ref()).map(|(_, known)| *known);
        if known.is_none() {
            let fault =
                Fault::Type { table: table.to_owned(), column: column.to_owned(), found: found.get_ref().clone() };
            self.at(found.span(), fault);
        }
        known
    }
}

/// A class as manifests write it.
fn class_name(class: ColumnClass) -> &'static str {
    match class {
        ColumnClass::PatientKey => "patient_key",
        ColumnClass::Code => "code",
        ColumnClass::Date => "date",
        ColumnClass::Number => "number",
        ColumnClass::Category => "category",
        ColumnClass::LinkKey => "link_key",
    }
}

/// A value that stands for NULL in a column of this type, or why it cannot. What is text in the file may have a text for
/// NULL whatever its type.
fn null_value(column_type: RawType, value: &Value) -> Result<NullValue, &'static str> {
    match (column_type, value) {
        (RawType::Int, Value::Integer(int)) => Ok(NullValue::Int(*int)),
        (RawType::Date, Value::String(text)) => {
            Ok(Day::parse(text).map_or_else(|| NullValue::Text(text.clone()), |day| NullValue::Day(day.epoch_days())))
        }
        (_, Value::String(text)) => Ok(NullValue::Text(text.clone())),
        (RawType::Float, Value::Integer(_) | Value::Float(_)) => {
            Err("of a float column only texts can stand for NULL: write NULLIF(\"COLUMN\", VALUE) in the view instead")
        }
        (RawType::Date, Value::Datetime(_)) => Err("write a day as a text, \"YYYY-MM-DD\""),
        (RawType::Str, Value::Integer(_) | Value::Float(_)) => {
            Err("the column is seen as text, so write the value in quotation marks")
        }
        (RawType::Int, _) => Err("of an int column only whole numbers can stand for NULL, and texts of a text file"),
        (RawType::Date, _) => {
            Err("of a date column only days, \"YYYY-MM-DD\", can stand for NULL, and texts of a text file")
        }
        _ => Err("only texts can stand for NULL here"),
    }
}
