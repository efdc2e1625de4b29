//! `synth`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use peristyle_model::scalar;
use peristyle_synth::{FileFormat, Layout};

/// `synth`
#[derive(Debug, Args)]
pub(crate) struct Synth {
    /// How many patients
    #[arg(long, value_name = "N")]
    pub(crate) patients: u64,
    /// Clinical events per patient, on average
    #[arg(long, value_name = "K")]
    pub(crate) events_per_patient: f64,
    /// The folder to write to; it must be empty, or not there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Another seed makes another population
    #[arg(long, default_value_t = 0, value_name = "S")]
    pub(crate) seed: u64,
    /// Which tables: those that definitions see, or a supplier's own. The same happens to the same patients in each
    #[arg(long, value_enum, default_value = "user", value_name = "LAYOUT")]
    pub(crate) layout: SynthLayout,
    /// Make the registers of opt-outs and of practices too, in a folder `registers`; suppliers' layouts have them anyway
    #[arg(long)]
    pub(crate) registers: bool,
    /// The day of the extract: nothing happens after it [default: 2025-06-30]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(crate) last_date: Option<i32>,
    /// The format of the files
    #[arg(long, value_enum, default_value = "parquet", value_name = "FORMAT")]
    pub(crate) format: SynthFormat,
    /// Shuffle the rows, rather than order them by patient
    #[arg(long)]
    pub(crate) unordered: bool,
    /// Make only these tables
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    pub(crate) tables: Vec<String>,
    /// A definition whose code lists some patients shall have; may be repeated
    #[arg(long = "definition", value_name = "DEF")]
    pub(crate) definitions: Vec<PathBuf>,
    /// How many of a hundred patients have each code list of the definitions [default: 6]
    #[arg(long, value_name = "P", requires = "definitions")]
    pub(crate) percent_coded: Option<f64>,
}

fn date(text: &str) -> Result<i32, &'static str> {
    scalar::parse_date(text).ok_or("must be a date, as 2025-06-30")
}

/// The layouts that tables can be made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SynthLayout {
    /// Tables as definitions see them
    User,
    /// TPP's tables
    Tpp,
    /// EMIS's tables, second schema
    Emisv2,
}

impl From<SynthLayout> for Layout {
    fn from(layout: SynthLayout) -> Self {
        match layout {
            SynthLayout::User => Layout::User,
            SynthLayout::Tpp => Layout::Tpp,
            SynthLayout::Emisv2 => Layout::EmisV2,
        }
    }
}

/// The formats that tables can be made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SynthFormat {
    Parquet,
    Csv,
}

impl From<SynthFormat> for FileFormat {
    fn from(format: SynthFormat) -> Self {
        match format {
            SynthFormat::Parquet => FileFormat::Parquet,
            SynthFormat::Csv => FileFormat::Csv,
        }
    }
}
