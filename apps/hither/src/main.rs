// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one binary of Hither.
//!
//! `hither serve`, which is also what happens without a command, runs a node: the web client, the API,
//! mailboxes, and the relay, in one process with one data directory. `hither relay` runs the relay alone.
//! `hither invite` mints a link that lets somebody register; `hither admin retained` lists what a node keeps.
//!
//! This crate is configuration, wiring and words for people. What is said between a node and its clients
//! is `hither-api`, what is kept is `hither-store`, what is relayed is `hither-relay`.

#![forbid(unsafe_code)]

mod api;
mod cli;
mod clock;
mod config;
mod failure;
mod metrics;
mod node;
mod offline;
mod own_address;
mod private_file;
mod process;
mod ready_file;
mod relay;
mod reload;
mod serve;
mod sheet;
mod signals;
mod tls;
mod web;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let outcome = match cli::Cli::parse().into_command() {
        cli::Command::Serve(flags) => serve::run(&flags),
        cli::Command::Relay(flags) => relay::alone::run(&flags),
        cli::Command::Invite(flags) => offline::invite(&flags),
        cli::Command::Admin(cli::Admin::Retained(flags)) => offline::retained(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            words::complain(&failure);
            ExitCode::FAILURE
        }
    }
}
