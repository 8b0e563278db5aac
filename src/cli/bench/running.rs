//! A server that runs already, and what it takes to connect to it.

use clap::{ArgMatches, FromArgMatches, error::ErrorKind, parser::ValueSource};
use tonic::transport::Endpoint;

use crate::cli::{
    Failure,
    target::{self, Means, Way},
};

/// Where it is, and how it is reached, if one is named.
///
/// What the environment says of connections is for whoever asks a server, and nothing to one that this program starts itself: a shell that
/// is set up for that can measure, too. On the command line it is a mistake where no server is named.
#[derive(Debug)]
pub(super) struct Running(Option<(Endpoint, Named)>);

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
struct Named {
    /// The server to load; an https:// address is spoken to over TLS. Without one, this program starts one as a process of its own and ends it
    /// afterwards; settings reach it through the environment (TPLUS_ENGINE_SHARDS and so on). TPLUS_SERVER is not looked at: no server
    /// is loaded by mistake. The token of --token-file is read whenever a connection is made.
    #[arg(long, value_name = "URL", value_parser = target::endpoint)]
    server: Option<Endpoint>,
    /// The process of that server, when it runs on this machine: its CPU and memory are told then.
    #[arg(long, value_name = "PID", requires = "server")]
    server_pid: Option<u32>,
    #[command(flatten)]
    means: Means,
}

impl Running {
    /// The way to it, and its process, if that is known.
    ///
    /// # Errors
    /// As those of [`Means::way`].
    pub(super) fn way(&self) -> Result<Option<(Way, Option<u32>)>, Failure> {
        let Some((server, named)) = &self.0 else { return Ok(None) };
        Ok(Some((named.means.way(server)?, named.server_pid)))
    }
}

impl FromArgMatches for Running {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut named = Named::from_arg_matches(matches)?;
        if let Some(server) = named.server.take() {
            return Ok(Self(Some((server, named))));
        }
        let typed = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        match ["ca", "cert", "key", "token_file", "token_in_plaintext"].iter().find(|name| typed(name)) {
            Some(name) => {
                let flag = name.replace('_', "-");
                let problem = format!("--{flag} is for a server that runs already: say which with --server\n");
                Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, problem))
            }
            None => Ok(Self(None)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|given| *self = given)
    }
}

impl clap::Args for Running {
    fn augment_args(command: clap::Command) -> clap::Command {
        Named::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Named::augment_args_for_update(command)
    }
}
