//! Whether a register's fields make sense for its part in the policy.

use toml::Spanned;

use super::document::{AsOfDocument, OnlyWhereDocument, OptOutLists, RegisterDocument};
use super::error::{PolicyError, PolicyFault};
use super::examine::{DAYS_MAX, Examination};
use crate::register::{
    AsOf, CountLimits, Lists, OnlyWhere, Register, RegisterFormat, RegisterId, RegisterLocation, Scalar, Taking,
};

/// The greatest rise that a policy can allow, in percent.
const RISE_PERCENT_MAX: u16 = 10_000;

impl Examination<'_> {
    pub(super) fn register(
        &self,
        id: RegisterId,
        document: Spanned<RegisterDocument>,
    ) -> Result<Register, PolicyError> {
        let (place, span) = (id.place(), document.span());
        let section = &*place;
        let lists = self.lists(&id, &document)?;
        let RegisterDocument {
            table,
            file,
            lists: _,
            key_column,
            practice_column: _,
            end_column: _,
            from_column,
            until_column,
            only_where,
            least_count,
            greatest_fall_percent,
            greatest_rise_percent,
            least_found_percent,
            max_age_days,
            as_of,
        } = document.into_inner();
        let location = match (table, file) {
            (Some(table), None) => RegisterLocation::Table(self.table_name(section, table)?),
            (None, Some(file)) => {
                let span = file.span();
                let file = self.written_path(section, "file", file)?;
                let format = RegisterFormat::of(&file.path)
                    .ok_or_else(|| self.fault(span, PolicyFault::Format { section: section.to_owned() }))?;
                RegisterLocation::File { written: file.written, path: file.path, format }
            }
            _ => {
                return Err(self.fault(
                    span,
                    PolicyFault::ExactlyOne { section: section.to_owned(), fields: "`table` and `file`" },
                ));
            }
        };
        let fall = self.bounded(section, "greatest_fall_percent", greatest_fall_percent, 0, 100)?;
        let rise =
            greatest_rise_percent.map(|rise| self.bounded(section, "greatest_rise_percent", rise, 0, RISE_PERCENT_MAX));
        let rise = rise.transpose()?;
        // Of these, a list that is too long lets through what must not be.
        let more_permits_more = matches!(lists, Lists::HasNotOptedOut | Lists::ActivatedPractices);
        if more_permits_more && rise.is_none() {
            return Err(self.missing(
                span,
                section,
                "greatest_rise_percent",
                "the more the register lists, the more is let through",
            ));
        }
        let found = match (&id, least_found_percent) {
            (RegisterId::Practices, None) => None,
            (RegisterId::Practices, Some(found)) => {
                let why = "its keys are those of practices, and not of patients";
                return Err(self.surplus(found.span(), section, "least_found_percent", why));
            }
            (_, Some(found)) => Some(self.bounded(section, "least_found_percent", found, 0, 100)?),
            (_, None) => {
                let why = "state how many percent of its keys must be those of patients of the extract, so that a wrong \
                           column, file or pseudonym is noticed (0 for no such check)";
                return Err(self.missing(span, section, "least_found_percent", why));
            }
        };
        Ok(Register {
            id,
            as_of: self.as_of(section, as_of, &location)?,
            location,
            lists,
            key_column: self.text(section, "key_column", key_column)?,
            only_where: only_where.map(|only_where| self.only_where(section, only_where)).transpose()?,
            from_column: from_column.map(|column| self.text(section, "from_column", column)).transpose()?,
            until_column: until_column.map(|column| self.text(section, "until_column", column)).transpose()?,
            limits: CountLimits {
                least: least_count,
                greatest_fall_percent: fall,
                greatest_rise_percent: rise,
                least_found_percent: found,
            },
            max_age_days: self.bounded(section, "max_age_days", max_age_days, 0, DAYS_MAX)?,
        })
    }

    /// What the rows say, by the register's part; refuses the fields of other parts.
    fn lists(&self, id: &RegisterId, document: &Spanned<RegisterDocument>) -> Result<Lists, PolicyError> {
        let (place, span, fields) = (id.place(), document.span(), document.get_ref());
        let section = &*place;
        let surplus = |field, span: Option<std::ops::Range<usize>>, why| match span {
            Some(span) => Err(self.surplus(span, section, field, why)),
            None => Ok(()),
        };
        if matches!(id, RegisterId::Practices | RegisterId::Registrations) {
            surplus(
                "lists",
                fields.lists.as_ref().map(Spanned::span),
                "only a register of opt-outs says what it lists",
            )?;
        }
        if *id == RegisterId::Registrations {
            let why = "registrations are dated by `end_column`";
            surplus("from_column", fields.from_column.as_ref().map(Spanned::span), why)?;
            surplus("until_column", fields.until_column.as_ref().map(Spanned::span), why)?;
            let column = |field, column: &Option<Spanned<String>>| match column {
                Some(column) => self.text(section, field, column.clone()),
                None => Err(self.missing(span.clone(), section, field, "practice activation is judged by it")),
            };
            return Ok(Lists::Registrations {
                practice_column: column("practice_column", &fields.practice_column)?,
                end_column: column("end_column", &fields.end_column)?,
            });
        }
        let why = "only registrations have one";
        surplus("practice_column", fields.practice_column.as_ref().map(Spanned::span), why)?;
        surplus("end_column", fields.end_column.as_ref().map(Spanned::span), why)?;
        if *id == RegisterId::Practices {
            return Ok(Lists::ActivatedPractices);
        }
        match fields.lists.as_ref().map(|lists| *lists.get_ref()) {
            Some(OptOutLists::HasOptedOut) => Ok(Lists::HasOptedOut),
            Some(OptOutLists::HasNotOptedOut) => Ok(Lists::HasNotOptedOut),
            None => {
                let why = "state \"has_opted_out\" or \"has_not_opted_out\"; read the wrong way round, the register would permit exactly the wrong patients";
                Err(self.missing(span, section, "lists", why))
            }
        }
    }

    fn table_name(&self, section: &str, table: Spanned<String>) -> Result<String, PolicyError> {
        let span = table.span();
        let table = self.text(section, "table", table)?;
        if table.contains(['/', '\\']) || table.contains("..") {
            return Err(self.fault(span, PolicyFault::TableName { section: section.to_owned() }));
        }
        Ok(table)
    }

    fn only_where(&self, section: &str, only_where: Spanned<OnlyWhereDocument>) -> Result<OnlyWhere, PolicyError> {
        let span = only_where.span();
        let OnlyWhereDocument { column, equals } = only_where.into_inner();
        if let Scalar::Text(text) = &equals {
            self.checked_text(span.clone(), section, "only_where.equals", text.clone())?;
        }
        Ok(OnlyWhere { column: self.checked_text(span, section, "only_where.column", column)?, equals })
    }

    pub(super) fn as_of(
        &self,
        section: &str,
        as_of: Spanned<AsOfDocument>,
        location: &RegisterLocation,
    ) -> Result<AsOf, PolicyError> {
        let span = as_of.span();
        match as_of.into_inner() {
            AsOfDocument { column: Some(column), taking: Some(taking), metadata: None, file_modified: None } => {
                let taking: Taking = taking;
                Ok(AsOf::Column { column: self.checked_text(span, section, "as_of.column", column)?, taking })
            }
            AsOfDocument { column: None, taking: None, metadata: Some(name), file_modified: None } => {
                if matches!(location, RegisterLocation::File { format, .. } if !format.has_metadata()) {
                    return Err(self.fault(span, PolicyFault::NoMetadata { section: section.to_owned() }));
                }
                Ok(AsOf::Metadata(self.checked_text(span, section, "as_of.metadata", name)?))
            }
            AsOfDocument { column: None, taking: None, metadata: None, file_modified: Some(true) } => {
                Ok(AsOf::FileModified)
            }
            _ => {
                let section = format!("{section}.as_of");
                let fields =
                    "`column` with `taking` (\"oldest\" or \"newest\"), `metadata`, and `file_modified = true`";
                Err(self.fault(span, PolicyFault::ExactlyOne { section, fields }))
            }
        }
    }
}
