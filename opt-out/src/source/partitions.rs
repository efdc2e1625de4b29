//! How a table's segments are spread over partitions, and whether each is in order of patient.

use std::sync::Arc;

use crate::patient_ids::PatientId;
use crate::source::{OpenedFile, PatientRange, TableSource};

/// A segment of one of a table's files.
#[derive(Clone, Debug)]
pub(crate) struct SegmentRef {
    pub(crate) file: Arc<dyn OpenedFile>,
    pub(crate) segment: usize,
}

/// The partitions of a scan: at least one, each a run of segments to be read one after another.
#[derive(Clone, Debug)]
pub(crate) struct Partitions {
    pub(crate) segments: Vec<Vec<SegmentRef>>,
    /// Whether every partition promises rows in order of patient
    pub(crate) ordered: bool,
}

/// Most partitions in order that are merged; with more, the table counts as unordered, so that the files read at the
/// same time stay few.
const ORDERED_PARTITIONS_MAX: usize = 64;

impl Partitions {
    /// Spreads a table's segments. Files that promise an order, or are said to have it, and do not overlap follow each
    /// other in one partition; overlapping ones get one each, to be merged; without order there are up to `threads`, to be
    /// sorted.
    pub(crate) fn of(source: &TableSource, threads: usize) -> Self {
        let is_promised = source.patient_key.as_ref().is_some_and(|key| key.rows_ascend);
        if is_promised || source.files.iter().all(|file| file.promises_order()) {
            let chains = chains(&source.files);
            if chains.len() <= ORDERED_PARTITIONS_MAX {
                let segments = chains.iter().map(|chain| chain.iter().flat_map(segments_of).collect()).collect();
                return Self { segments, ordered: true };
            }
        }
        Self { segments: spread(&source.files, threads), ordered: false }
    }
}

fn segments_of(file: &Arc<dyn OpenedFile>) -> Vec<SegmentRef> {
    (0..file.segments().len()).map(|segment| SegmentRef { file: Arc::clone(file), segment }).collect()
}

/// Smallest and largest patient of a file; None where it does not tell.
fn patients_of(file: &Arc<dyn OpenedFile>) -> Option<PatientRange> {
    let ranges: Option<Vec<PatientRange>> = file.segments().iter().map(|segment| segment.patients.clone()).collect();
    let ranges = ranges?;
    let first = ranges.iter().map(|range| &range.0).min()?.clone();
    let last = ranges.iter().map(|range| &range.1).max()?.clone();
    Some((first, last))
}

/// Files in order, chained where one begins no earlier than the other ends. A file of unknown range stands alone; one
/// without segments has no rows and is left out.
fn chains(files: &[Arc<dyn OpenedFile>]) -> Vec<Vec<Arc<dyn OpenedFile>>> {
    let with_rows = files.iter().filter(|file| !file.segments().is_empty());
    let (mut known, mut chains) = (Vec::new(), Vec::new());
    for file in with_rows {
        match patients_of(file) {
            Some(range) => known.push((range, file)),
            None => chains.push(vec![Arc::clone(file)]),
        }
    }
    known.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut ends: Vec<(PatientId, Vec<Arc<dyn OpenedFile>>)> = Vec::new();
    for ((first, last), file) in known {
        match ends.iter_mut().find(|(end, _)| *end <= first) {
            Some((end, chain)) => {
                *end = last;
                chain.push(Arc::clone(file));
            }
            None => ends.push((last, vec![Arc::clone(file)])),
        }
    }
    chains.extend(ends.into_iter().map(|(_, chain)| chain));
    if chains.is_empty() {
        chains.push(Vec::new());
    }
    chains
}

/// Segments in runs of about the same weight, at most one run a thread.
fn spread(files: &[Arc<dyn OpenedFile>], threads: usize) -> Vec<Vec<SegmentRef>> {
    let weight = |segment: &SegmentRef| segment.file.segments().get(segment.segment).map_or(1, |s| s.weight.max(1));
    let segments: Vec<SegmentRef> = files.iter().flat_map(segments_of).collect();
    let total: u64 = segments.iter().map(weight).sum();
    let share = total.div_ceil(threads.max(1) as u64).max(1);
    let (mut runs, mut run, mut filled) = (Vec::new(), Vec::new(), 0_u64);
    for segment in segments {
        filled += weight(&segment);
        run.push(segment);
        if filled >= share && runs.len() + 1 < threads {
            runs.push(std::mem::take(&mut run));
            filled = 0;
        }
    }
    if !run.is_empty() || runs.is_empty() {
        runs.push(run);
    }
    runs
}
