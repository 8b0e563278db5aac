//! The command line: what a person types, and what the shell gets back.
//!
//! Results go to stdout; errors go to stderr, as one sentence with its causes, and tell themselves apart by [`Exit`].

mod ask;
mod audit;
mod backup;
mod bench;
mod call;
mod demo;
mod export;
mod failure;
mod import;
mod journal;
mod paint;
mod program;
mod record;
mod replay;
mod serve;
mod started;
mod state_hash;
mod target;
#[cfg(feature = "top")]
mod top;

use std::{
    ffi::OsString,
    io::{self, Write as _},
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{build::BUILD, config::ServeArgs};

pub use self::failure::{Exit, Failure};

/// A settlement engine for marketplaces: T+2 or T+7, decided and remembered.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "tplus", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the engine over gRPC (the default).
    Serve(Box<ServeArgs>),
    /// Show the whole story of a merchant on a server of its own, in seconds: T+2, T+7, a restart, a dispute.
    Demo(demo::Args),
    #[command(flatten)]
    Ask(Box<ask::Command>),
    /// Send the order lines of a CSV file to a server on the manual clock, as if time went by.
    Replay(Box<replay::Args>),
    /// Bring the merchants of a file, CSV or JSON lines, into a running server.
    Import(Box<import::Args>),
    /// Measure how many orders a server takes, how fast it answers, and what that costs.
    Bench(Box<bench::Args>),
    /// Tell who did what, and who tried to.
    Audit(audit::Args),
    /// Look into the journal of a data directory.
    Journal(journal::Args),
    /// Back up a data directory, also while a server uses it; list, verify and prune backups.
    Backup(backup::Args),
    /// Make a new data directory of a backup, up to its end, to a record or to a moment.
    Restore(backup::RestoreArgs),
    /// Write orders or entries to a file for those who count, CSV or Parquet, from the journal of a data directory.
    Export(Box<export::Args>),
    /// Watch what a running server does, in a terminal.
    #[cfg(feature = "top")]
    Top(Box<top::Args>),
    /// Print what a shell needs to complete commands and options.
    Completions(program::Completions),
    /// Print the man page.
    Man(program::Man),
    /// Tell what this program was built from.
    Version,
}

/// Runs the program with these arguments, the first being its own name, and tells how it ended.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(usage) => {
            let exit = if usage.use_stderr() { Exit::Usage } else { Exit::Ok };
            return if usage.print().is_ok() { exit } else { Exit::Failed };
        }
    };
    let ended = match cli.command.unwrap_or_else(|| Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Ask(command) => command.run(),
        Command::Replay(args) => replay::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Export(args) => export::run(&args),
        #[cfg(feature = "top")]
        Command::Top(args) => top::run(&args),
        Command::Completions(args) => args.run(),
        Command::Man(args) => args.run(),
        Command::Version => program::version(),
    };
    match ended {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            // Nobody reads stderr any more: the exit code still says it.
            drop(writeln!(io::stderr(), "{failure}"));
            failure.exit()
        }
    }
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = program::grouped(definition()).try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// What can be typed, with all there is to say about it.
fn definition() -> clap::Command {
    let command = Cli::command().long_version(BUILD.to_string());
    let after = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_help(after + &Exit::help())
}

/// Prints to stdout.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What became of writing to stdout. A reader that has gone away, like `head`, has seen enough.
fn written(output: io::Result<()>) -> Result<(), Failure> {
    match output {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, error).during("cannot write to stdout"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        assert!(parsed("tplus").unwrap().command.is_none());
        let bare = parsed("tplus --data-dir there").unwrap();
        assert!(bare.command.is_none());
        assert_eq!(bare.serve.data_dir.as_deref(), Some("there"));
        assert!(matches!(parsed("tplus serve --data-dir there").unwrap().command, Some(Command::Serve(_))));
    }

    #[test]
    fn flags_of_serving_before_another_command_are_refused() {
        assert!(parsed("tplus --data-dir there replay orders.csv").is_err());
    }

    #[test]
    fn help_lists_every_exit_code() {
        let help = parsed("tplus --help").unwrap_err().to_string();
        for exit in Exit::ALL {
            assert!(help.contains(&format!("{}  {}", exit.code(), exit.meaning())), "{exit:?} in {help}");
        }
    }

    #[test]
    fn help_and_version_end_well_and_nonsense_does_not() {
        let run = |line: &str| run(line.split_whitespace().map(OsString::from));
        assert_eq!(run("tplus --version"), Exit::Ok);
        assert_eq!(run("tplus nonsense"), Exit::Usage);
    }
}
