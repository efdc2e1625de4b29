//! How a run is cut up.

/// How a run is cut up and spread over the cores. The answer does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionOptions {
    /// Blocks evaluated at the same time; at least 1
    pub threads: usize,
    /// Rows of all tables in a block, unless a single patient has more; at least 1
    pub block_rows_max: usize,
    /// Patients in a block; at least 1
    pub block_patients_max: usize,
}

impl Default for ExecutionOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        ExecutionOptions { threads, block_rows_max: 128 * 1024, block_patients_max: 16 * 1024 }
    }
}
