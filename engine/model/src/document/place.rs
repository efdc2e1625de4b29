//! Places in a definition document, written out only when something is wrong there.

use std::fmt::Write;

use crate::builder::RuleError;
use crate::error::DefinitionError;
use crate::text::quoted;

/// One step down into the document.
#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Document,
    Entry(&'p str),
    Inside(&'p str),
    Field(&'p str),
    Item(usize),
    Named(&'static str, &'p str),
}

/// Where the reader is: a list from the inside out, on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    step: Step<'p>,
}

impl<'p> Place<'p> {
    /// The document as a whole.
    pub(super) const DOCUMENT: Place<'static> = Place { outer: None, step: Step::Document };

    fn down<'q>(&'q self, step: Step<'q>) -> Place<'q> {
        Place { outer: Some(self), step }
    }

    /// An arena entry, by its key, which must have been checked.
    pub(super) fn entry(key: &'p str) -> Place<'p> {
        Place { outer: None, step: Step::Entry(key) }
    }

    /// Inside a node or record of a known name.
    pub(super) fn inside<'q>(&'q self, name: &'q str) -> Place<'q> {
        self.down(Step::Inside(name))
    }

    /// A field of a node or record.
    pub(super) fn field<'q>(&'q self, name: &'q str) -> Place<'q> {
        self.down(Step::Field(name))
    }

    /// An item of a list, counted from 0 here and from 1 in words.
    pub(super) fn item(&self, index: usize) -> Place<'_> {
        self.down(Step::Item(index))
    }

    /// Something that the definition's author named, such as a variable.
    pub(super) fn named<'q>(&'q self, what: &'static str, name: &'q str) -> Place<'q> {
        self.down(Step::Named(what, name))
    }

    /// That something is wrong here.
    pub(super) fn error(&self, message: impl Into<String>) -> DefinitionError {
        let mut steps: Vec<Step<'_>> = Vec::new();
        let mut place = Some(self);
        while let Some(Place { outer, step }) = place {
            steps.push(*step);
            place = *outer;
        }
        steps.reverse();
        let entry = steps.iter().find_map(|step| match step {
            Step::Entry(key) => Some((*key).into()),
            _ => None,
        });
        DefinitionError { place: in_words(&steps), message: message.into(), entry }
    }

    /// That what was read here breaks a rule of the graph.
    pub(super) fn broken(&self, error: RuleError) -> DefinitionError {
        match error.field {
            Some(field) => self.field(field).error(error.rule.to_string()),
            None => self.error(error.rule.to_string()),
        }
    }
}

fn in_words(steps: &[Step<'_>]) -> String {
    let mut words = String::new();
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let part = match (step, steps.peek()) {
            (Step::Document, Some(_)) => continue,
            (Step::Document, None) => "document".to_owned(),
            // There is one dataset, wherever in the document it is written down.
            (Step::Entry(_), Some(Step::Inside("Dataset"))) => continue,
            (Step::Inside("Dataset"), _) => {
                words.clear();
                "dataset".to_owned()
            }
            (Step::Entry(key), Some(Step::Inside(name))) => {
                let part = format!("node {key} ({name})");
                steps.next();
                part
            }
            (Step::Entry(key), _) => format!("node {key}"),
            (Step::Inside(name), _) => (*name).to_owned(),
            (Step::Field(name), _) => format!("field {name}"),
            (Step::Item(index), _) => format!("item {}", index + 1),
            (Step::Named(what, name), _) => format!("{what} {}", quoted(name)),
        };
        if !words.is_empty() {
            words.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = words.write_str(&part);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_words() {
        let document = Place::DOCUMENT;
        assert_eq!(document.error("x").to_string(), "document: x");
        let entry = Place::entry("12");
        let node = entry.inside("Function.Add");
        let field = node.field("lhs");
        let inner = field.inside("Value");
        let error = inner.error("x");
        assert_eq!(error.to_string(), "node 12 (Function.Add), field lhs, Value: x");
        assert_eq!(error.entry.as_deref(), Some("12"));
        let dataset = entry.inside("Dataset");
        let variables = dataset.field("variables");
        assert_eq!(dataset.named("variable", "age").error("x").to_string(), "dataset, variable `age`: x");
        assert_eq!(variables.item(2).error("x").to_string(), "dataset, field variables, item 3: x");
    }
}
