//! The one place where a test puts an engine together.

use std::{path::Path, sync::Arc};

use tplus::{metrics::Metrics, server::Opened};

use super::Setup;

/// An engine over a journal in this directory, with the policy, limits and clock of the test, observed by these metrics.
pub(super) fn open(_setup: &Setup, _directory: &Path, _metrics: Arc<Metrics>) -> Result<Opened, String> {
    Err("there is no engine to put together yet".into())
}
