//! Commands for people: each asks a running server one thing, and shows the answer so that it can be read, or as JSON.
//!
//! ```text
//!   arguments ──▶ request ──▶ rpc ──▶ answer ──▶ out ─┬▶ sheet: rows and tables for people
//!                                                     └▶ json: the message by the rules of proto3
//! ```
//!
//! A command is a struct of its arguments that knows how to [`Ask`]. The calls themselves are in one table ([`rpc`]).

mod args;
mod clock;
mod disputes;
mod guarantee;
mod history;
mod json;
mod merchants;
mod money;
mod orders;
mod out;
mod policy;
mod proposals;
mod rpc;
mod rules;
mod sheet;
mod watch;
mod words;

use self::args::Shown;
pub(super) use self::out::{Kept, Out};
use super::{
    Exit, Failure,
    target::{Server, Target},
};

/// Asks a server something and shows what it said.
trait Ask {
    /// Does it.
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure>;
}

/// What every command of these takes beside its own arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Asked<A: clap::Args> {
    #[command(flatten)]
    what: A,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    target: Target,
}

/// For each variant of a command, of which every one is [`Asked`]: whom it asks, how it shows the answer, and the asking.
macro_rules! dispatch {
    ($command:ident { $($variant:ident),+ $(,)? }) => {
        impl $command {
            /// Whom to ask, and how to show the answer.
            pub(in crate::cli::ask) const fn ends(&self) -> (&$crate::cli::target::Target, $crate::cli::ask::args::Shown) {
                match self {
                    $(Self::$variant(asked) => (&asked.target, asked.shown),)+
                }
            }

            /// Asks this server.
            pub(in crate::cli::ask) async fn ask(
                &self,
                server: &$crate::cli::target::Server,
                out: &mut $crate::cli::ask::Out,
            ) -> Result<(), $crate::cli::Failure> {
                match self {
                    $(Self::$variant(asked) => $crate::cli::ask::Ask::ask(&asked.what, server, out).await,)+
                }
            }
        }
    };
}
use dispatch;

/// What a server can be asked.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Orders(orders::Command),
    /// Set a guarantee, show those of merchants.
    #[command(subcommand)]
    Guarantee(guarantee::Command),
    #[command(flatten)]
    Quote(guarantee::Others),
    #[command(flatten)]
    Money(money::Command),
    #[command(flatten)]
    History(history::Command),
    #[command(flatten)]
    Disputes(disputes::Command),
    /// Open and resolve appeals against deductions.
    #[command(subcommand)]
    Appeal(disputes::Appeals),
    #[command(flatten)]
    Merchants(merchants::Command),
    /// Show how a merchant stands; set its categories, close and reopen it.
    #[command(subcommand)]
    Merchant(merchants::One),
    /// Place and lift holds.
    #[command(subcommand)]
    Hold(merchants::Holds),
    /// Show the rules, announce others, try others on the past.
    #[command(subcommand)]
    Policy(policy::Command),
    /// List what is proposed for another to approve; approve it, reject it, withdraw it.
    #[command(subcommand)]
    Proposal(proposals::Command),
    /// Show engine time, and move the manual clock.
    #[command(subcommand)]
    Clock(clock::Command),
    #[command(flatten)]
    Watch(watch::Command),
}

impl Command {
    /// Asks the server that the command names, and prints the answer.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot start");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (target, shown) = self.ends();
        runtime.block_on(async { self.ask(&target.server()?, &mut Out::printing(shown.output)).await })
    }
}

macro_rules! delegate {
    ($($variant:ident),+ $(,)?) => {
        impl Command {
            const fn ends(&self) -> (&Target, Shown) {
                match self {
                    $(Self::$variant(command) => command.ends(),)+
                }
            }

            /// Asks this server instead, and hands the answer over.
            pub(super) async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
                match self {
                    $(Self::$variant(command) => command.ask(server, out).await,)+
                }
            }
        }
    };
}

delegate!(
    Orders, Guarantee, Quote, Money, History, Disputes, Appeal, Merchants, Merchant, Hold, Policy, Proposal, Clock,
    Watch
);
