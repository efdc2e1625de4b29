//! The types of values that a series may hold.

use std::fmt;

/// A clinical coding system: codes of two systems never compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the name of its coding system")]
pub enum CodeSystem {
    SnomedCt,
    Dmd,
    Ctv3,
    Icd10,
    Opcs4,
    Bnf,
}

/// A string that holds many codes of one system, as in hospital episode data: `||E119 ,E780 ||I801`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the name of its coding system")]
pub enum MultiCodeSystem {
    Icd10,
    Opcs4,
}

/// The type of a series' values, as ehrQL sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueType {
    /// `bool`
    Bool,
    /// `int`, 64 bits here
    Int,
    /// `float`, IEEE double
    Float,
    /// `date`, years 1 to 9999
    Date,
    /// `str`
    Str,
    /// A clinical code: a string of its own kind
    Code(CodeSystem),
    /// A string of many codes; where a `str` is wanted, it will do
    MultiCode(MultiCodeSystem),
}

/// How values of a type are held: what a kernel works on and a file stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named like the value types they hold")]
pub enum Physical {
    Bool,
    Int,
    Float,
    /// Days since 1970-01-01
    Date,
    Str,
}

impl ValueType {
    /// Every type with the name that a definition document gives it.
    pub const NAMES: [(&'static str, ValueType); 13] = [
        ("bool", ValueType::Bool),
        ("int", ValueType::Int),
        ("float", ValueType::Float),
        ("date", ValueType::Date),
        ("str", ValueType::Str),
        ("SNOMEDCTCode", ValueType::Code(CodeSystem::SnomedCt)),
        ("DMDCode", ValueType::Code(CodeSystem::Dmd)),
        ("CTV3Code", ValueType::Code(CodeSystem::Ctv3)),
        ("ICD10Code", ValueType::Code(CodeSystem::Icd10)),
        ("OPCS4Code", ValueType::Code(CodeSystem::Opcs4)),
        ("BNFCode", ValueType::Code(CodeSystem::Bnf)),
        ("ICD10MultiCodeString", ValueType::MultiCode(MultiCodeSystem::Icd10)),
        ("OPCS4MultiCodeString", ValueType::MultiCode(MultiCodeSystem::Opcs4)),
    ];

    /// The type of that name in a definition document.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, value_type)| *value_type)
    }

    /// The name that a definition document uses.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value_type)| *value_type == self).map_or("unknown", |(name, _)| name)
    }

    /// How its values are held.
    pub fn physical(self) -> Physical {
        match self {
            ValueType::Bool => Physical::Bool,
            ValueType::Int => Physical::Int,
            ValueType::Float => Physical::Float,
            ValueType::Date => Physical::Date,
            ValueType::Str | ValueType::Code(_) | ValueType::MultiCode(_) => Physical::Str,
        }
    }

    /// `int` or `float`.
    pub fn is_numeric(self) -> bool {
        matches!(self, ValueType::Int | ValueType::Float)
    }

    /// Has an order: everything but `bool`.
    pub fn is_comparable(self) -> bool {
        self != ValueType::Bool
    }

    /// `str`, or a string of many codes; not a single code.
    pub fn is_string(self) -> bool {
        matches!(self, ValueType::Str | ValueType::MultiCode(_))
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
