//! `tplus export`: tables for those who count.

use std::path::PathBuf;

use super::{Exit, Failure, print};
use crate::{
    domain::MerchantId,
    export::{self, Bound, ExportError, Request, Selection, Summary, Table, beside},
};

/// What `tplus export` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The table.
    #[arg(value_name = "TABLE")]
    table: Table,
    /// The data directory; a server may be using it.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where to: a file that ends in .csv, or in .parquet where the build has that. What it is stands beside it, in FILE.json.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Only what was recorded from here on: a settlement day (2026-01-31) or an instant (2026-01-31T09:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = bound)]
    from: Option<Bound>,
    /// Only what was recorded before this, which is refused until that has surely passed.
    #[arg(long, value_name = "TIME", value_parser = bound)]
    until: Option<Bound>,
    /// Only what is about this merchant.
    #[arg(long, value_name = "ID", value_parser = merchant)]
    merchant: Option<MerchantId>,
    /// Only what is behind this position, like the one up to which an earlier file goes.
    #[arg(long, value_name = "LSN", default_value_t = 0)]
    after: u64,
    /// Only what is up to this position; by default all that is durable.
    #[arg(long, value_name = "LSN", value_parser = clap::value_parser!(u64).range(1..))]
    through: Option<u64>,
    /// Take what there is, also if --until has not passed.
    #[arg(long, requires = "until")]
    partial: bool,
    /// Put it in the place of a file that is there.
    #[arg(long)]
    overwrite: bool,
    /// Print what was exported as one JSON object.
    #[arg(long)]
    json: bool,
}

fn bound(text: &str) -> Result<Bound, String> {
    text.parse().map_err(|invalid: export::InvalidBound| format!("it {invalid}"))
}

fn merchant(text: &str) -> Result<MerchantId, String> {
    MerchantId::parse(text).map_err(|invalid| format!("it {invalid}"))
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let selection = Selection {
        from: args.from,
        until: args.until,
        merchant: args.merchant.clone(),
        after: args.after,
        through: args.through,
    };
    let summary = export::export(&Request {
        dir: args.data_dir.clone(),
        table: args.table,
        to: args.to.clone(),
        selection,
        partial: args.partial,
        overwrite: args.overwrite,
    })?;
    if args.json {
        let json = serde_json::to_string(&summary).map_err(|error| Failure::new(Exit::Failed, error))?;
        return print(&format!("{json}\n"));
    }
    print(&described(args, &summary))
}

fn described(args: &Args, summary: &Summary) -> String {
    let Summary { table, rows, after_lsn, through_lsn, recorded_until, .. } = summary;
    let mut text = format!(
        "{table}: {rows} rows of lsn {} to {through_lsn}, recorded until {recorded_until}\n",
        after_lsn.saturating_add(1)
    );
    if !summary.complete {
        text += "not complete: the end of the interval has not surely passed\n";
    }
    for (name, sum) in &summary.sums {
        text += &format!("  {name:<28}{:>24}\n", sum.as_str().unwrap_or_default());
    }
    text + &format!("written to {}, told in {}\n", args.to.display(), beside(&args.to).display())
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Journal(error) => error.into(),
            ExportError::Format(_) => Self::new(Exit::Usage, error),
            ExportError::Exists(_) => Self::new(Exit::Failed, error).hint("--overwrite puts the new one in its place"),
            ExportError::NoDays | ExportError::NotYet { .. } => Self::new(Exit::Failed, error)
                .hint("any call to the server moves its time on; --partial takes what there is, and says so"),
            ExportError::Write { .. } | ExportError::Short { .. } | ExportError::TooLarge { .. } => {
                Self::new(Exit::Failed, error)
            }
        }
    }
}
