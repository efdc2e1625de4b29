//! The enclave: the one place from which rows come.

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Expr, SessionContext};

use crate::error::SourceError;
use crate::policy::VerifiedPolicy;
use crate::request::{EnclaveOptions, TableRequest};

/// An opened source under a verified policy. It owns the session, which nobody else can reach.
pub struct Enclave {
    policy: VerifiedPolicy,
    session: SessionContext,
}

impl Enclave {
    /// Opens a directory of user-facing tables, one file or folder of files each.
    pub fn open_dummy_tables(
        _directory: &Path,
        policy: VerifiedPolicy,
        _options: EnclaveOptions,
    ) -> Result<Self, SourceError> {
        Ok(Self { policy, session: SessionContext::new() })
    }

    /// An enclave without tables: for requests that bring their rows or name a file.
    pub fn without_tables(policy: VerifiedPolicy, _options: EnclaveOptions) -> Result<Self, SourceError> {
        Ok(Self { policy, session: SessionContext::new() })
    }

    /// How outputs and logs name the policy.
    pub fn policy_stamp(&self) -> &str {
        self.policy.stamp()
    }

    /// The plan that yields a table's rows: one partition, ascending by `patient_id`, in the request's
    /// [schema](TableRequest::schema). Only rows for which the predicate is true are among them.
    ///
    /// The predicate names columns of the request as they are (`datafusion::prelude::ident`, not `col`, which would
    /// turn capitals into small letters).
    pub async fn ordered_scan(
        &self,
        _request: &TableRequest,
        _predicate: Option<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>, SourceError> {
        Err(SourceError::NotYet)
    }

    /// What a plan of this enclave runs in: its memory pool, its spill files, its session's settings.
    pub fn task_context(&self) -> Arc<TaskContext> {
        self.session.task_ctx()
    }
}
