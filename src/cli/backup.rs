//! `tplus backup` and `tplus restore`.

use std::{path::PathBuf, time::Duration};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Exit, Failure, print};
use crate::{
    backup::{self, BackupError, Choice, Cut, DestinationError, Entry, Manifest, Restore, Rule, Shelf},
    clock::{OsTime, TimeSource as _},
    domain::Timestamp,
};

/// What `tplus backup` is asked for.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    take: Option<Take>,
}

#[derive(Debug, clap::Args)]
struct Take {
    /// The data directory; a server may be using it.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the backup goes: a directory, file:///PATH or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "DEST")]
    to: String,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the backups, oldest first.
    List {
        #[command(flatten)]
        from: Origin,
        /// One JSON object a line instead of words.
        #[arg(long)]
        json: bool,
    },
    /// Read all of a backup and check every byte of it; nothing is restored.
    Verify {
        #[command(flatten)]
        from: Origin,
        #[command(flatten)]
        at: At,
    },
    /// Remove old backups, and what no other needs. The newest always stays.
    Prune(Prune),
}

#[derive(Debug, clap::Args)]
struct Origin {
    /// Where the backups are: a directory, file:///PATH or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "DEST")]
    from: String,
}

#[derive(Debug, clap::Args)]
struct At {
    /// The backup, as `tplus backup list` names it; the newest if none is named.
    #[arg(long, value_name = "NAME")]
    at: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Prune {
    #[command(flatten)]
    from: Origin,
    /// How many of the newest stay.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), required_unless_present = "older_than")]
    keep: Option<u32>,
    /// What was made less than this ago stays, like 30d. With --keep, both have to let a backup go.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// What no backup names stays as long as this: one that is being made may be about to name it.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
}

/// What `tplus restore` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    from: Origin,
    #[command(flatten)]
    at: At,
    /// The new data directory: empty, or not there.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Up to this record.
    #[arg(long, value_name = "LSN", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "to_time")]
    to_lsn: Option<u64>,
    /// Up to this moment: every record that was recorded at it or before, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    to_time: Option<Timestamp>,
    /// Bring no checkpoint along: the first start replays the whole journal.
    #[arg(long)]
    without_checkpoint: bool,
}

/// Does what is asked of backups.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.command, &args.take) {
        (Some(Command::List { from, json }), _) => list(&from.shelf()?, *json),
        (Some(Command::Verify { from, at }), _) => verify(&from.shelf()?, &at.choice()),
        (Some(Command::Prune(args)), _) => prune(&args.from.shelf()?, args),
        (None, Some(args)) => take(args),
        (None, None) => Err(Failure::new(Exit::Usage, "--data-dir and --to are needed")),
    }
}

impl Origin {
    fn shelf(&self) -> Result<Shelf, Failure> {
        Ok(Shelf::new(backup::open(&self.from, false)?))
    }
}

impl At {
    fn choice(&self) -> Choice {
        self.at.clone().map_or(Choice::Newest, Choice::Named)
    }
}

fn take(args: &Take) -> Result<(), Failure> {
    let shelf = Shelf::new(backup::open(&args.to, true)?);
    let bar = progress();
    let taken = backup::take(&args.data_dir, &shelf, OsTime.wall(), &mut |object, bytes| tell(&bar, object, bytes));
    bar.finish_and_clear();
    let taken = taken?;
    for warning in &taken.warnings {
        eprintln!("warning: {warning}");
    }
    let (objects, bytes) = taken.put;
    if args.json {
        let mut shown = shown(&taken.name, &taken.manifest);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("objects_put".to_owned(), objects.into());
            fields.insert("bytes_put".to_owned(), bytes.into());
        }
        return print(&format!("{shown}\n"));
    }
    print(&format!(
        "backup {}\n{}put {objects} of {} objects, {} of {}\n",
        taken.name,
        described(&taken.manifest),
        taken.manifest.parts().count(),
        HumanBytes(bytes),
        HumanBytes(taken.manifest.bytes())
    ))
}

fn list(shelf: &Shelf, json: bool) -> Result<(), Failure> {
    let (mut text, mut damaged) = (String::new(), None);
    let mut read: Vec<(Entry, Result<Manifest, BackupError>)> =
        shelf.entries()?.into_iter().map(|entry| (entry.clone(), shelf.manifest(&entry))).collect();
    read.sort_by_key(|(entry, read)| (entry.position, read.as_ref().map_or(0, |manifest| manifest.taken_at)));
    for (Entry { name, .. }, read) in read {
        match read {
            Ok(manifest) if json => text += &format!("{}\n", shown(&name, &manifest)),
            Ok(manifest) => {
                let (taken, bytes) = (Timestamp::from_micros(manifest.taken_at), HumanBytes(manifest.bytes()));
                text += &format!("{name}  taken {taken}, {}{bytes}\n", recorded(&manifest, "recorded up to ", ", "));
            }
            Err(error) => damaged = Some(Failure::from(error).during(format!("backup {name}"))),
        }
    }
    print(&text)?;
    damaged.map_or(Ok(()), Err)
}

fn verify(shelf: &Shelf, choice: &Choice) -> Result<(), Failure> {
    let (Entry { name, .. }, manifest) = shelf.choose(choice)?;
    let bar = progress();
    let verified = backup::verify(shelf, &manifest, &mut |object, bytes| tell(&bar, object, bytes));
    bar.finish_and_clear();
    let verified = verified?;
    let Some((first, more)) = verified.damage.split_first() else {
        return print(&format!("intact: backup {name}\n{}", described(&manifest)));
    };
    let mut said = format!("backup {name} is damaged: {first}");
    for error in more {
        said += &format!("\n  and {error}");
    }
    let hint = "while the data directory is whole, remove the damaged objects and back up again: they are put anew";
    Err(Failure::new(Exit::Damaged, said).hint(hint))
}

fn prune(shelf: &Shelf, args: &Prune) -> Result<(), Failure> {
    let rule = Rule {
        keep: args.keep.map(|keep| keep as usize),
        older_than: args.older_than,
        grace: args.grace,
        dry_run: args.dry_run,
    };
    let pruned = backup::prune(shelf, &rule, OsTime.wall())?;
    let removed = if args.dry_run { "would remove" } else { "removed" };
    let mut text: String = pruned.backups.iter().map(|entry| format!("{removed} backup {}\n", entry.name)).collect();
    let (objects, bytes) = pruned.objects;
    text += &format!("{removed} {objects} objects, {}; {} backups stay\n", HumanBytes(bytes), pruned.kept);
    print(&text)
}

/// Makes a data directory of a backup.
pub(super) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let shelf = args.from.shelf()?;
    let (Entry { name, .. }, manifest) = shelf.choose(&args.at.choice())?;
    let cut = match (args.to_lsn, args.to_time) {
        (Some(lsn), _) => Cut::Lsn(lsn),
        (None, Some(time)) => Cut::Time(time.micros()),
        (None, None) => Cut::End,
    };
    let what = Restore {
        shelf: &shelf,
        name: &name,
        manifest: &manifest,
        cut,
        with_checkpoint: !args.without_checkpoint,
        target: &args.data_dir,
    };
    let bar = progress();
    let restored = backup::restore(&what, &mut |object, bytes| tell(&bar, object, bytes));
    bar.finish_and_clear();
    let restored = restored.map_err(|error| {
        let of_checkpoint = |object: &str| object.starts_with("checkpoints/");
        let damaged = matches!(&error, BackupError::Damaged { object, .. } | BackupError::Gone { object } if of_checkpoint(object));
        let failure = Failure::from(error);
        if damaged { failure.hint("--without-checkpoint restores from the journal alone") } else { failure }
    })?;
    let mut text = format!("restored {} from backup {name}\n", args.data_dir.display());
    text += &format!("directory: {}\n", restored.directory);
    let until = restored.recorded_at.map_or_else(String::new, |at| format!(", up to {}", Timestamp::from_micros(at)));
    text += &format!("records: {} of the backup{until}\n", HumanCount(restored.kept));
    if restored.left_out > 0 || restored.same_before.get() <= restored.kept {
        text += &format!("as they were: all before lsn {}\n", restored.same_before);
    }
    text += &match restored.checkpoint {
        Some(info) => format!("checkpoint: the first start replays from lsn {}\n", info.start),
        None => "checkpoint: none, the first start replays the whole journal\n".to_owned(),
    };
    print(&(text + &format!("last record: lsn {}, where the clock goes on\n", restored.last)))
}

/// What a backup holds, in lines.
fn described(manifest: &Manifest) -> String {
    let Manifest { position, chain, segments, checkpoints, .. } = manifest;
    let records = if *position == 0 { "no records".to_owned() } else { format!("lsn 1 to {position}") };
    format!(
        "records: {records}{}, in {} segments, {} checkpoints\nchain: {chain}\n",
        recorded(manifest, ", recorded up to ", ""),
        segments.len(),
        checkpoints.len()
    )
}

fn recorded(manifest: &Manifest, before: &str, after: &str) -> String {
    let at = manifest.recorded_at.map(Timestamp::from_micros);
    at.map_or_else(String::new, |at| format!("{before}{at}{after}"))
}

fn shown(name: &str, manifest: &Manifest) -> serde_json::Value {
    json!({
        "name": name,
        "directory": manifest.directory,
        "taken_at": Timestamp::from_micros(manifest.taken_at).to_string(),
        "lsn": manifest.position,
        "recorded_at": manifest.recorded_at.map(|at| Timestamp::from_micros(at).to_string()),
        "epoch": manifest.epoch,
        "chain": manifest.chain,
        "segments": manifest.segments.len(),
        "checkpoints": manifest.checkpoints.len(),
        "objects": manifest.parts().count(),
        "bytes": manifest.bytes(),
        "written_by": manifest.written_by,
    })
}

/// Shows what is being read, on a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    match ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(bar: &ProgressBar, object: &str, bytes: u64) {
    bar.inc(bytes);
    bar.set_message(object.get(..40).unwrap_or(object).to_owned());
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match &error {
            error if error.is_damage() => Exit::Damaged,
            BackupError::Unknown { .. } | BackupError::OutOfReach(_) | BackupError::Target(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        Self::new(Exit::Failed, error)
    }
}
