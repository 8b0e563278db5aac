//! The program about itself: its help in groups, completions for shells, man pages, and what it was built from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap_complete::Shell;

use super::{
    Exit, Failure, definition,
    paint::{width, wrapped},
    print,
};
use crate::build::BUILD;

/// The commands as they belong together. What is in none of these is shown behind them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Try it, run it", &["demo", "serve"]),
    ("Orders and guarantees", &["classify", "reverse", "order", "orders", "guarantee", "quote", "releases"]),
    ("Money", &["margin", "forecast", "pay", "return-payment", "withdraw", "fail-withdrawal", "credit", "debit"]),
    ("Books", &["entries", "entry", "statement", "trial-balance", "watch"]),
    (
        "Merchants and disputes",
        &["merchants", "merchant", "hold", "holds", "exposure", "deduct", "deductions", "appeal", "appeals"],
    ),
    ("Rules and time", &["policy", "clock"]),
];

/// Gives a definition a help that shows commands in groups, where the terminal's lines end.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let about: Vec<(String, String)> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| {
            (command.get_name().to_owned(), command.get_about().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    let named = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: Vec<&str> = about.iter().map(|(name, _)| name.as_str()).filter(|name| !named(name)).collect();
    let (styles, names) = (command.get_styles().clone(), about.iter().map(|(name, _)| name.len()).max().unwrap_or(0));
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::new();
    for (title, members) in GROUPS.iter().copied().chain([("Files, and this program", &*others)]) {
        text += &format!("{header}{title}:{header:#}\n");
        for (name, said) in members.iter().filter_map(|member| about.iter().find(|(name, _)| name == member)) {
            let mut lines = wrapped(said, width().saturating_sub(names + 4)).into_iter();
            let first = lines.next().unwrap_or_default();
            text += &format!("  {literal}{name}{literal:#}{}  {first}\n", " ".repeat(names - name.len()));
            text.extend(lines.map(|line| format!("{}{line}\n", " ".repeat(names + 4))));
        }
        text.push('\n');
    }
    let template = "{about-with-newline}\n{usage-heading} {usage}\n\n";
    command.help_template(format!("{template}{text}{header}Options of serving:{header:#}\n{{options}}{{after-help}}"))
}

/// What `tplus completions` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
    /// Write the file that the shell looks for into this directory, instead of printing it.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    /// Does it.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut command = plain();
        match &self.dir {
            Some(dir) => {
                made(dir)?;
                let file = clap_complete::generate_to(self.shell, &mut command, "tplus", dir);
                print(&format!("{}\n", file.map_err(|error| unwritable(dir, error))?.display()))
            }
            None => {
                let mut script = Vec::new();
                clap_complete::generate(self.shell, &mut command, "tplus", &mut script);
                print(&String::from_utf8_lossy(&script))
            }
        }
    }
}

/// What `tplus man` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write the pages of all commands into this directory, instead of printing that of the program.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Does it.
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.dir {
            Some(dir) => {
                made(dir)?;
                clap_mangen::generate_to(plain(), dir).map_err(|error| unwritable(dir, error))
            }
            None => {
                let mut page = Vec::new();
                let written = clap_mangen::Man::new(plain()).render(&mut page);
                written.map_err(|error| Failure::new(Exit::Failed, error))?;
                print(&String::from_utf8_lossy(&page))
            }
        }
    }
}

/// `tplus version`.
pub(super) fn version() -> Result<(), Failure> {
    print(&format!("tplus {BUILD}\n"))
}

/// The definition without what only help on a terminal wants.
fn plain() -> clap::Command {
    definition().disable_help_subcommand(true)
}

fn made(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| unwritable(dir, error))
}

fn unwritable(dir: &Path, error: io::Error) -> Failure {
    Failure::new(Exit::Failed, error).during(format!("cannot write to {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_a_group_is_one() {
        let command = definition();
        for name in GROUPS.iter().flat_map(|(_, names)| names.iter()) {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn help_shows_every_command_once() {
        let help = grouped(definition()).render_help().to_string();
        for command in definition().get_subcommands() {
            let name = command.get_name();
            let shown = help.lines().filter(|line| line.starts_with(&format!("  {name} "))).count();
            assert_eq!(shown, 1, "{name} in\n{help}");
        }
    }
}
