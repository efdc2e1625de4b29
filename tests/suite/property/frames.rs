//! Random frames.

use serde_json::{Value as Json, json};

use crate::document::Document;
use crate::tables::Table;

use super::choices::Choices;
use super::records::{self, COLUMNS, EVENT_TABLES, MODULE, PATIENT_TABLES};

/// Beyond this depth only columns and constants are made.
pub(crate) const DEPTH_MAX: usize = 5;

/// Types that have an order.
pub(crate) const COMPARABLE: [&str; 5] = ["int", "float", "date", "str", "SNOMEDCTCode"];

/// A frame with many rows per patient, and the frames that it was made from, the table first.
#[derive(Clone, Debug)]
pub(crate) struct EventFrame {
    pub(crate) node: Json,
    pub(crate) ancestors: Vec<Json>,
}

/// Makes nodes by choices.
pub(crate) struct Generator<'a, 'c> {
    pub(crate) choices: &'a mut Choices<'c>,
    pub(crate) document: Document,
    /// Whether the interval's dates may stand for a date
    pub(crate) parameters: bool,
}

impl<'a, 'c> Generator<'a, 'c> {
    pub(crate) fn new(choices: &'a mut Choices<'c>, parameters: bool) -> Self {
        Generator { choices, document: Document::default(), parameters }
    }

    pub(crate) fn table(name: &str) -> Json {
        json!({ "external_ref": { "module": MODULE, "name": name } })
    }

    pub(crate) fn event_frame(&mut self, depth: usize) -> EventFrame {
        let table = Self::table(self.choices.of(&EVENT_TABLES));
        let mut frame = EventFrame { node: table.clone(), ancestors: vec![table] };
        if depth < DEPTH_MAX {
            for _ in 0..self.choices.below(3) {
                frame = if self.choices.one_in(4) { self.sort(frame, depth) } else { self.filter(frame, depth) };
            }
        }
        frame
    }

    fn push(frame: EventFrame, node: Json) -> EventFrame {
        let mut ancestors = frame.ancestors;
        ancestors.push(node.clone());
        EventFrame { node, ancestors }
    }

    fn filter(&mut self, frame: EventFrame, depth: usize) -> EventFrame {
        let scope = self.choices.of(&frame.ancestors);
        let condition = self.series("bool", Some(&scope), depth + 1).node;
        let node = self.document.filter(&frame.node, &condition);
        Self::push(frame, node)
    }

    fn sort(&mut self, frame: EventFrame, depth: usize) -> EventFrame {
        let scope = self.choices.of(&frame.ancestors);
        let type_name = self.choices.of(&COMPARABLE);
        let by = self.many(type_name, &scope, depth + 1);
        let node = self.document.sort(&frame.node, &by);
        Self::push(frame, node)
    }

    /// A frame with one row per patient; with the columns that it has.
    pub(crate) fn patient_frame(&mut self, depth: usize) -> (Json, &'static [(&'static str, &'static str)]) {
        let kind = if depth < DEPTH_MAX { self.choices.below(6) } else { 0 };
        match kind {
            0..=2 => (Self::table(self.choices.of(&PATIENT_TABLES)), &COLUMNS),
            3 => {
                let columns: Vec<_> = records::columns().into_iter().take(10).collect();
                let patients = [7, 5, 3, 1_000_000_007];
                let rows = patients.into_iter().filter(|_| !self.choices.one_in(3)).collect::<Vec<i64>>();
                let rows = rows.into_iter().map(|patient| {
                    let row = columns.iter().map(|column| match self.choices.one_in(4) {
                        true => crate::cells::Cell::Null,
                        false => records::cell(self.choices, &column.type_name, true),
                    });
                    (patient, row.collect())
                });
                let rows = rows.collect();
                let (module, name) = (String::new(), "inline".to_owned());
                let table = Table { module, name, one_row_per_patient: true, columns, rows };
                (self.document.inline_table(&table), &COLUMNS[..10])
            }
            _ => {
                let mut frame = self.event_frame(depth + 1);
                frame = self.sort(frame, depth + 1);
                if self.choices.one_in(2) {
                    frame = if self.choices.one_in(2) {
                        self.filter(frame, depth + 1)
                    } else {
                        self.sort(frame, depth + 1)
                    };
                }
                let position = self.choices.of(&["first", "last"]);
                (self.document.pick(&frame.node, position), &COLUMNS)
            }
        }
    }

    /// Any frame.
    pub(crate) fn frame(&mut self, depth: usize) -> Json {
        if self.choices.one_in(2) { self.patient_frame(depth).0 } else { self.event_frame(depth).node }
    }

    /// A column of that type.
    pub(crate) fn column_of(&mut self, frame: &Json, columns: &[(&str, &str)], type_name: &str) -> Option<Json> {
        let fitting: Vec<&str> =
            columns.iter().filter(|(_, known)| *known == type_name).map(|(name, _)| *name).collect();
        if fitting.is_empty() {
            return None;
        }
        let name = self.choices.of(&fitting);
        Some(self.document.column(frame, name))
    }
}
