//! Folders whose files do not speak for themselves, as a log or a manifest beside them says which of them count: tables
//! of Delta Lake, Apache Iceberg and Apache Hudi, and folders that are still being written.
//!
//! Read as a plain folder, such a table has rows that were deleted or replaced long ago.

use std::path::Path;

use super::store::Entry;
use crate::error::SourceError;

/// What says which files of a folder count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Management {
    /// The entry that shows it
    pub(super) entry: String,
    /// In words
    pub(super) by: &'static str,
}

const DELTA: &str = "a table of Delta Lake, whose log says which files count";
const HUDI: &str = "a table of Apache Hudi, whose timeline says which files count";
const ICEBERG: &str = "a table of Apache Iceberg, whose metadata say which files count";
const LANCE: &str = "a table of Lance, whose versions say which files count";
const PAIMON: &str = "a table of Apache Paimon, whose snapshots say which files count";
const HIVE: &str = "a transactional table of Apache Hive, whose deltas say which rows count";
const STREAM: &str = "written by a Spark stream, whose log says which files count";
const COMMITS: &str = "written with commit markers, which say which files count";
const UNFINISHED: &str = "still being written, or the job that wrote it failed";

/// Names of entries, whole, and what they show.
const NAMES: [(&str, &str); 11] = [
    ("_delta_log", DELTA),
    ("_delta_index", DELTA),
    ("_change_data", DELTA),
    (".hoodie", HUDI),
    (".hoodie_partition_metadata", HUDI),
    ("_versions", LANCE),
    ("_transactions", LANCE),
    ("_orc_acid_version", HIVE),
    ("_spark_metadata", STREAM),
    ("_temporary", UNFINISHED),
    ("_impala_insert_staging", UNFINISHED),
];

/// Beginnings of names, and what they show.
const BEGINNINGS: [(&str, &str); 5] = [
    ("_started_", COMMITS),
    ("_committed_", COMMITS),
    (".spark-staging", UNFINISHED),
    (".hive-staging", UNFINISHED),
    ("delta_00", HIVE),
];

/// Folders that show something by what is in them: name, ending of an entry, and what it shows.
const CONTENTS: [(&str, &str, &str); 4] = [
    ("metadata", ".metadata.json", ICEBERG),
    ("metadata", ".metadata.json.gz", ICEBERG),
    ("metadata", "version-hint.text", ICEBERG),
    ("snapshot", "LATEST", PAIMON),
];

/// Who says which files of a folder count, where that is not the folder itself. `of_folder` lists a folder.
pub(super) fn managed_by(
    entries: &[Entry],
    of_folder: impl Fn(&Path) -> Result<Vec<Entry>, SourceError>,
) -> Result<Option<Management>, SourceError> {
    for Entry { name, path, is_folder } in entries {
        let folded = name.to_ascii_lowercase();
        let by_name = NAMES.iter().find(|(known, _)| folded == *known).map(|(_, by)| *by);
        let by_beginning = || BEGINNINGS.iter().find(|(known, _)| folded.starts_with(known)).map(|(_, by)| *by);
        if let Some(by) = by_name.or_else(by_beginning) {
            return Ok(Some(Management { entry: name.clone(), by }));
        }
        if !is_folder || !CONTENTS.iter().any(|(folder, ..)| folded == *folder) {
            continue;
        }
        for inner in of_folder(path)? {
            let shows = CONTENTS.iter().find(|(folder, ending, _)| folded == *folder && inner.name.ends_with(ending));
            if let Some((.., by)) = shows {
                return Ok(Some(Management { entry: format!("{name}/{}", inner.name), by }));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A folder's entries; those with a `/` are in a folder of it.
    fn found(entries: &[&str]) -> Option<String> {
        let entry = |name: &str, is_folder| Entry { name: name.to_owned(), path: name.into(), is_folder };
        let first = |path: &&str| entry(path.split('/').next().unwrap_or_default(), path.contains('/'));
        let inner = |folder: &Path| {
            let inner = entries.iter().filter_map(|path| path.strip_prefix(folder.to_str()?)?.strip_prefix('/'));
            Ok(inner.map(|name| entry(name, false)).collect())
        };
        let listed: Vec<Entry> = entries.iter().map(first).collect();
        managed_by(&listed, inner).unwrap().map(|found| found.entry)
    }

    #[test]
    fn folders_that_do_not_speak_for_themselves() {
        for (entries, shown) in [
            (&["part-0.parquet", "_SUCCESS", "_metadata", "_common_metadata", ".part-0.parquet.crc"][..], None),
            (&["part-0.parquet", "_delta_log/0.json"], Some("_delta_log")),
            (&["part-0.parquet", "_Delta_Log/0.json"], Some("_Delta_Log")),
            (&["part-0.parquet", "_spark_metadata/0"], Some("_spark_metadata")),
            (&["part-0.parquet", "_temporary/0"], Some("_temporary")),
            (&["part-0.parquet", ".hoodie/hoodie.properties"], Some(".hoodie")),
            (&["part-0.parquet", "_committed_123"], Some("_committed_123")),
            (&["part-0.parquet", ".spark-staging-1/x"], Some(".spark-staging-1")),
            (&["data/part-0.parquet", "metadata/v1.metadata.json"], Some("metadata/v1.metadata.json")),
            (&["data/part-0.parquet", "metadata/version-hint.text"], Some("metadata/version-hint.text")),
            (&["data/part-0.parquet", "metadata/read-me.json"], None),
            (&["delta_0000001_0000001/x", "base_0000001/x"], Some("delta_0000001_0000001")),
            (&["metadata.parquet", "snapshot.parquet"], None),
        ] {
            assert_eq!(found(entries).as_deref(), shown, "{entries:?}");
        }
    }
}
