//! `tplus serve`.

use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

use tracing_subscriber::EnvFilter;

use super::{
    failure::{Exit, Failure},
    print,
};
use crate::{
    access::{Access, AuditLog},
    config::{AccessConfig, Config, LogConfig, LogFormat, ServeArgs, environment},
    metrics::Metrics,
    server::{self, ServerOptions},
    trace,
};

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let environment = environment().map_err(|error| Failure::new(Exit::Usage, error))?;
    let config = Config::load(args.clone(), environment).map_err(|error| Failure::new(Exit::Usage, error))?;
    start_tracing(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error).during("cannot start the runtime"))?;
    // In the runtime, which connects to the collector.
    let (trace, exporter) = {
        let _within = runtime.enter();
        trace::start(&config.trace).map_err(|error| Failure::new(Exit::Failed, error))?
    };
    let options = ServerOptions {
        trace,
        listen: config.listen,
        metrics_listen: config.metrics_listen,
        drain_deadline: config.server.drain_deadline,
        max_connections: config.server.max_connections,
        tls: config.tls.clone(),
        access: access(&config)?,
        reflection: config.server.reflection,
        ..ServerOptions::default()
    };
    let metrics = Arc::new(Metrics::new());
    let observer = Arc::clone(&metrics);
    let open = move || server::open(&config, observer);
    let announce = |banner: &server::Banner| drop(print(&format!("{banner}\n")));
    let ended = runtime.block_on(async {
        let shutdown = server::shutdown_signal().map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(server::serve(options, metrics, open, announce, shutdown).await?)
    });
    if let Some(exporter) = exporter {
        exporter.stop();
    }
    ended
}

/// Who may do what, and where it is written down that somebody may not.
fn access(config: &Config) -> Result<Option<Arc<Access>>, Failure> {
    let AccessConfig::Rules(rules) = &config.access else { return Ok(None) };
    let audit = match &config.audit_log {
        Some(path) => AuditLog::open(path).map_err(|error| {
            Failure::new(Exit::Failed, error).during(format!("cannot write the audit log {}", path.display()))
        })?,
        None => AuditLog::default(),
    };
    let access = Access::open(rules.clone(), audit).map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(Some(Arc::new(access)))
}

/// What happens goes to stderr: readable on a terminal, JSON lines elsewhere, unless the configuration says which.
fn start_tracing(log: &LogConfig) -> Result<(), Failure> {
    let filter = &log.filter;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::new(Exit::Usage, error).during(format!("log filter {filter:?}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let human = match log.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let started = if human { lines.try_init() } else { lines.json().try_init() };
    started.map_err(|error| Failure::new(Exit::Failed, error).during("cannot start tracing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_a_usage_error() {
        assert_eq!(
            start_tracing(&LogConfig { filter: "info,tplus=loud".into(), ..Config::default().log }).unwrap_err().exit(),
            Exit::Usage
        );
    }
}
