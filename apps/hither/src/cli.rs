// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Private conversations and calls over a node of your own.
///
/// Without a command this is `hither serve`: one process with the web client, the API, mailboxes and a
/// relay, on http://localhost:8440. The first start prints a link that makes you the owner.
#[derive(Debug, Parser)]
#[command(
    name = "hither",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeFlags,
}

impl Cli {
    /// What to do: what was said, or to serve.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node (this is also what happens without a command).
    ///
    /// Settings come from the defaults, then the file, then the environment, then these flags; each wins
    /// over the one before. `--print-default-config` shows every setting with its explanation.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeFlags),
    /// Run a relay alone, for nodes elsewhere.
    ///
    /// STUN and TURN over UDP, TCP and TLS, configured by the sections relay, tls, metrics and log of the same
    /// settings as a node. It keeps no account: whoever has its secret, such as a node, mints access
    /// that ends by itself. The first start makes the secret, in relay-secret in the data directory.
    ///
    /// SIGHUP reads the settings again without ending a call; SIGTERM lets calls end first if
    /// relay.drain_seconds says so; Ctrl-C ends it.
    #[command(after_help = RELAY_EXAMPLES)]
    Relay(RelayFlags),
    /// Print a link that lets one person register at this node.
    ///
    /// Works while the node runs and while it is stopped: it needs only the data directory.
    #[command(after_help = INVITE_EXAMPLES)]
    Invite(InviteFlags),
    /// Look after a node.
    #[command(subcommand)]
    Admin(Admin),
}

const SERVE_EXAMPLES: &str = "\
Examples:
  hither serve                                     for yourself, on http://localhost:8440
  hither serve --listen 127.0.0.1:9000             on another port
  HITHER_TLS__MODE=own-ca hither serve --listen 0.0.0.0:8443
                                                   for a local network, with a certificate of its own
  hither serve --print-default-config > hither.toml
  hither serve --config hither.toml --print-network-sheet
                                                   what a firewall has to let through";

const RELAY_EXAMPLES: &str = "\
Examples:
  hither relay --listen 203.0.113.5:3478           where the world reaches it
  hither relay --listen 10.0.0.5:3478 --config relay.toml
                                                   with relay.external_ips, behind a cloud's translation
  hither relay --config relay.toml --print-network-sheet
                                                   what a firewall has to let through
  turnutils_uclient -u test -W \"$(cat relay-secret)\" -y 203.0.113.5
                                                   try it with the clients of coturn
A node hands out access to it with the same secret:
  [relay]
  secret_file = \"/etc/hither/relay-secret\"
  elsewhere = [\"turn.example.org\"]";

const INVITE_EXAMPLES: &str = "\
Examples:
  hither invite                                    a member, the link holds for a day
  hither invite --role admin --hours 2
  hither invite --address https://chat.example.org";

/// Where the configuration comes from; shared by all commands.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceFlags {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep everything in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// Serve the web client and the API here; may be given several times. Port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Once everything listens, write the addresses and the owner's link to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Print what a firewall has to let through with these settings, and stop.
    #[arg(long, conflicts_with_all = ["print_web_hash", "print_default_config"])]
    pub(crate) print_network_sheet: bool,
    /// Print the SHA-256 of the web client in this binary, and stop.
    #[arg(long, conflicts_with = "print_default_config")]
    pub(crate) print_web_hash: bool,
    /// Print every setting with its default and its explanation, and stop.
    #[arg(long)]
    pub(crate) print_default_config: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RelayFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// Listen here over UDP and TCP; may be given several times. Port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Once everything listens, write the addresses to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Print what a firewall has to let through with these settings, and stop.
    #[arg(long)]
    pub(crate) print_network_sheet: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InviteFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// What the new account may do.
    #[arg(long, value_enum, default_value_t = InvitedRole::Member)]
    pub(crate) role: InvitedRole,
    /// How long the link can be used, in hours (at most 168).
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
    pub(crate) hours: u64,
    /// The address that people open; by default the one that the node used last.
    #[arg(long, value_name = "URL")]
    pub(crate) address: Option<String>,
}

/// Roles that can be given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InvitedRole {
    /// Has an account.
    Member,
    /// Invites and removes members.
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// List what the node keeps, table by table: how many records, how many bytes, until when.
    Retained(SourceFlags),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_and_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve() {
        let cli = Cli::parse_from(["hither"]);
        assert!(matches!(cli.into_command(), Command::Serve(_)));
        let cli = Cli::parse_from(["hither", "--data-dir", "/x", "--listen", "127.0.0.1:1"]);
        match cli.into_command() {
            Command::Serve(flags) => {
                assert_eq!(flags.source.data_dir, Some("/x".into()));
                assert_eq!(flags.listen.len(), 1);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_stand_behind_the_command() {
        assert!(Cli::try_parse_from(["hither", "--data-dir", "/x", "invite"]).is_err());
    }
}
