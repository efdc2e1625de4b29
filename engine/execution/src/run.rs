//! Blocks spread over the cores, their results in order.

use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use futures::{Stream, StreamExt};
use peristyle_opt_out::Cores;

use crate::blame::{Blame, Worst};
use crate::blocks::{Block, BlockStream};
use crate::program::Program;

/// Blocks that may be done, or wait for a core, beside those that are evaluated: while a slow one is waited for, and while
/// their answers are written.
const BLOCKS_READY: usize = 2;

/// What a run counts.
#[derive(Clone, Debug)]
pub(crate) struct RunMetrics {
    blocks: Count,
    patients: Count,
    event_rows: Count,
    evaluate: Time,
    pub(crate) output_rows: Count,
}

impl RunMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet) -> Self {
        RunMetrics {
            blocks: MetricBuilder::new(metrics).counter("blocks", 0),
            patients: MetricBuilder::new(metrics).counter("patients", 0),
            event_rows: MetricBuilder::new(metrics).counter("rows_in", 0),
            evaluate: MetricBuilder::new(metrics).subset_time("time_evaluate", 0),
            output_rows: MetricBuilder::new(metrics).output_rows(0),
        }
    }

    fn count(&self, block: &Block) {
        self.blocks.add(1);
        self.patients.add(block.patients.len());
        self.event_rows.add(block.tables.iter().map(|table| table.batch.num_rows()).sum());
    }
}

/// The result of one block, and the worst failure in it.
pub(crate) struct BlockResult<R> {
    pub(crate) result: R,
    pub(crate) worst: Option<Worst>,
}

/// All that a run needs.
pub(crate) struct BlockRun {
    pub(crate) program: Arc<Program>,
    pub(crate) blocks: BlockStream,
    pub(crate) threads: usize,
    pub(crate) cores: Arc<Cores>,
    pub(crate) blame: Arc<Blame>,
    pub(crate) metrics: RunMetrics,
}

impl BlockRun {
    /// Evaluates the blocks, `threads` at a time; results come in order of patients.
    ///
    /// A value that cannot be computed does not stop the run: which failure is met first would depend on how the
    /// blocks were cut. The last item is then the error for the failure that comes first in the definition.
    pub(crate) fn evaluate<R: Send + 'static>(
        self,
        evaluate: impl Fn(&Program, &Block) -> Result<BlockResult<R>> + Send + Sync + 'static,
    ) -> impl Stream<Item = Result<R>> + Send {
        let BlockRun { program, blocks, threads, cores, blame, metrics } = self;
        let evaluate = Arc::new(evaluate);
        let results = blocks
            .into_stream()
            .map(move |block| {
                let (program, evaluate, metrics, cores) =
                    (program.clone(), evaluate.clone(), metrics.clone(), cores.clone());
                async move {
                    let block = block?;
                    let task = SpawnedTask::spawn(async move {
                        metrics.count(&block);
                        let _core = cores.hold();
                        let _timer = metrics.evaluate.timer();
                        evaluate(&program, &block)
                    });
                    task.join().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
                }
            })
            .buffered(threads + BLOCKS_READY);
        let worst: Option<Worst> = None;
        let state = Some((Box::pin(results), worst));
        futures::stream::unfold(state, move |state| {
            let blame = blame.clone();
            async move {
                let (mut results, worst) = state?;
                match results.next().await {
                    Some(Ok(block)) => {
                        let worst = worst.into_iter().chain(block.worst).min();
                        Some((Ok(block.result), Some((results, worst))))
                    }
                    Some(Err(error)) => Some((Err(error), None)),
                    None => worst.map(|worst| (Err(blame.error(worst)), None)),
                }
            }
        })
    }
}
