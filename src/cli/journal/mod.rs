//! `tplus journal`: a look at what is kept, without changing it.

mod seal;

use std::{
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::{Exit, Failure, print, record, state_hash, written};
use crate::{
    journal::{
        CheckpointInfo, Lsn, RecoverError, VisitError,
        inspect::{self, Report},
    },
    proto::journal::Record,
};

/// What `tplus journal` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the records, one a line, oldest first.
    Dump(Dump),
    /// Check every byte of the journal, and say where it is damaged if it is (exit code 3); or check a seal, a proof, or whether a
    /// directory is still what was sealed.
    Verify(Verify),
    /// Print a seal over all records so far, for an outsider to hold proofs against.
    Seal(seal::MakeArgs),
    /// Print a proof that a record is sealed, or that a seal goes on from an earlier one.
    Prove(seal::ProveArgs),
    /// Print one hash for all that follows from the journal: merchants, policies, decided orders and requests.
    StateHash(state_hash::Args),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").args(["data_dir", "seal"]).required(true).multiple(true))]
struct Verify {
    /// The data directory. With --seal: whether it still holds what was sealed.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    sealed: seal::VerifyArgs,
}

#[derive(Debug, clap::Args)]
struct Dump {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// One JSON object a line instead of words.
    #[arg(long)]
    json: bool,
    /// Begin with this record.
    #[arg(long, value_name = "LSN", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Only the records about this merchant.
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Dump(dump) => print_records(dump),
        Command::Verify(Verify { data_dir: Some(dir), sealed }) if sealed.seal.is_none() => print(&verified(dir)?),
        Command::Verify(Verify { data_dir, sealed }) => seal::verify(data_dir.as_deref(), sealed),
        Command::Seal(args) => seal::make(args),
        Command::Prove(args) => seal::prove(args),
        Command::StateHash(args) => state_hash::run(args),
    }
}

/// Checks every byte of the journal in a data directory, and tells what is there.
pub(super) fn verified(dir: &Path) -> Result<String, Failure> {
    let report = inspect::verify(dir)?;
    // Intact bytes that are no record would stop a start as well.
    read(dir, Lsn::FIRST, |_, _| Ok(()))?;
    Ok(describe(&report))
}

fn describe(report: &Report) -> String {
    let Report {
        archived, live, frames, records, first, last, epochs: (oldest, newest), bytes, torn, checkpoints, ..
    } = report;
    let mut text = format!(
        "intact: {records} records, lsn {first} to {last}, in {frames} frames, epochs {oldest} to {newest}\n\
         segments: {live} in the journal, {archived} in the archive, {bytes} bytes\n"
    );
    let restored = ["restored.from", "restored.up_to"].map(|name| report.identity.attribute(name));
    if let [Some(backup), Some(up_to)] = restored {
        text += &format!("restored: from backup {backup}, up to {up_to}\n");
    }
    for (checkpoint, items) in checkpoints {
        let CheckpointInfo { start, end, bytes } = checkpoint;
        text +=
            &format!("checkpoint: {items} items, {bytes} bytes, replay from lsn {start}, has seen up to lsn {end}\n");
    }
    if let Some(torn) = torn {
        let file = torn.file.display();
        text += &format!(
            "unfinished batch at the end, of which nobody was told: {file}, byte {}, lsn {}\n",
            torn.offset, torn.lsn
        );
    }
    text
}

fn print_records(dump: &Dump) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let read = read(&dump.data_dir, Lsn::new(dump.from), |lsn, record| {
        if dump.merchant.as_ref().is_some_and(|merchant| !record::concerns(record, merchant)) {
            return Ok(());
        }
        if dump.json {
            writeln!(out, "{}", record::json(lsn.get(), record))
        } else {
            writeln!(out, "{}", record::line(lsn.get(), record))
        }
    });
    // What was read before a damage is shown before the damage is named.
    let shown = written(out.flush());
    read.and(shown)
}

/// Reads and decodes the records from a position on. What the visitor cannot write ends the reading.
pub(super) fn read(
    dir: &Path,
    from: Lsn,
    mut visit: impl FnMut(Lsn, &Record) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut output = Ok(());
    let read = inspect::read(dir, from, &mut |lsn, bytes| {
        let record = Record::decode(bytes).map_err(VisitError::new)?;
        output = visit(lsn, &record);
        match &output {
            Ok(()) => Ok(()),
            Err(error) => Err(VisitError::new(error.to_string())),
        }
    });
    match read {
        Err(RecoverError::Visit { .. }) if output.is_err() => written(output),
        read => Ok(read.map(drop)?),
    }
}
