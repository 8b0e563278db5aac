//! `tplus demo`: the whole story of a merchant, told with a real server that really does it.
//!
//! The server is a process of its own on a directory that is thrown away, with a manual clock, so that days pass in an instant. What is
//! told is asked by the commands that people would type, and every claim is checked against the answer: it ends well only if all came
//! out as told.

mod stage;
mod story;

use self::stage::Stage;
use super::{Exit, Failure, print};
use crate::server::shutdown_signal;

/// What `tplus demo` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Does it.
pub(super) fn run(_: &Args) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error).during("cannot start");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let interrupted = shutdown_signal().map_err(failed)?;
        tokio::select! {
            told = tell() => told,
            () = interrupted => Err(Failure::new(Exit::Failed, "interrupted")),
        }
    })
}

async fn tell() -> Result<(), Failure> {
    let mut stage = Stage::open(story::START)?;
    story::tell(&mut stage).await?;
    let (checks, wrong) = stage.count();
    if wrong > 0 {
        return Err(Failure::new(Exit::Failed, format!("{wrong} of {checks} claims are not true")));
    }
    print(&format!(
        "\n{checks} claims, all of them checked against what the server answered. Its data is gone again.\n"
    ))
}
