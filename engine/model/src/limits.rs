//! Bounds on what a definition document may ask of this process.

/// Bounds on a definition document: it is untrusted, so everything that it can make grow is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the document, in bytes
    pub document_bytes_max: usize,
    /// Lists and objects inside each other
    pub depth_max: usize,
    /// Values in the document: every number, string, list, object counts one
    pub values_max: usize,
    /// Length of one string, in bytes
    pub string_bytes_max: usize,
    /// Length of a string that a query works with (a constant, a code), in bytes
    pub constant_bytes_max: usize,
    /// Length of a name (variable, event table, measure, column), in bytes
    pub name_bytes_max: usize,
    /// Members of one constant set, such as a code list
    pub set_members_max: usize,
    /// Columns of a table that the definition brings along
    pub inline_columns_max: usize,
    /// Columns of the dataset and its event tables together
    pub output_columns_max: usize,
    /// Filters and sorts between a frame and its table
    pub frame_operations_max: u32,
    /// Steps of the check that a population is bounded: intervals times the parts that depend on them
    pub population_steps_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            document_bytes_max: 64 << 20,
            depth_max: 64,
            values_max: 8_000_000,
            string_bytes_max: 1 << 20,
            constant_bytes_max: 10_000,
            name_bytes_max: 200,
            set_members_max: 2_000_000,
            inline_columns_max: 1_000,
            output_columns_max: 20_000,
            frame_operations_max: 1_000,
            population_steps_max: 20_000_000,
        }
    }
}
