//! `tplus serve`.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use crate::{
    config::{Config, ServeArgs},
    server,
};

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = Config::load(args).map_err(|error| Failure::new(Exit::Usage, error))?;
    start_tracing(&config.log_filter)?;
    server::run(config).map_err(|error| Failure::new(Exit::Failed, error))
}

/// What happens goes to stderr: readable on a terminal, JSON lines elsewhere.
fn start_tracing(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::new(Exit::Usage, error).during(format!("log filter {filter:?}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if io::stderr().is_terminal() { lines.try_init() } else { lines.json().try_init() };
    started.map_err(|error| Failure::new(Exit::Failed, error).during("cannot start tracing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_a_usage_error() {
        assert_eq!(start_tracing("info,tplus=loud").unwrap_err().exit(), Exit::Usage);
    }
}
