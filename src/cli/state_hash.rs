//! `tplus journal state-hash`.

use std::path::PathBuf;

use super::{Exit, Failure, print};
use crate::{
    clock::Mode,
    engine,
    journal::{Lsn, carry::Source, inspect},
};

/// What `tplus journal state-hash` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory; a server may be using it.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The state behind this record; behind the last one if none is named.
    #[arg(long, value_name = "LSN", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
}

/// Prints the hash of the state that a journal leads to.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let identity = Source::open(&args.data_dir)?.identity().clone();
    let manual = identity.attribute("clock") == Some(Mode::Manual.to_string().as_str());
    let at = args.at.map_or(Lsn::new(u64::MAX), Lsn::new);
    let mut last = Lsn::ZERO;
    let state = engine::state_hash(identity.fingerprint_key, manual, |visit| {
        let read = inspect::read(&args.data_dir, Lsn::FIRST, &mut |lsn, record| {
            if lsn > at {
                return Ok(());
            }
            last = lsn;
            visit(lsn, record)
        });
        read.map(drop)
    })?;
    if let Some(wanted) = args.at.filter(|wanted| *wanted > last.get()) {
        let reason = format!("the journal ends with lsn {last}, before lsn {wanted}");
        return Err(Failure::new(Exit::Usage, reason));
    }
    let hash: String = state.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let (merchants, decided) = (state.merchants, state.decided);
    print(&format!("state: {hash}\nbehind lsn {last}: {merchants} merchants, {decided} decided orders and requests\n"))
}
