// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands that need only the data directory, whether the node runs or not.

use std::path::Path;

use hither_api::link::Link;
use hither_api::{RegistrationToken, Role};
use hither_store::{NodeStore, expiry};
use time::OffsetDateTime;

use crate::cli::{InviteFlags, InvitedRole, SourceFlags};
use crate::config::{self, Config, Flags};
use crate::failure::Failure;
use crate::process::load;
use crate::words::{say, table};
use crate::{clock, node};

/// `hither invite`
pub(crate) fn invite(flags: &InviteFlags) -> Result<(), Failure> {
    let config = configure(&flags.source)?;
    let origin = match &flags.address {
        Some(address) => config::origin(address).ok_or_else(|| {
            Failure::new(format!("--address {address} is no address of a node"))
                .hint("It looks like https://chat.example.org, without a path.")
        })?,
        None => remembered_address(&config)?,
    };
    let role = match flags.role {
        InvitedRole::Member => Role::Member,
        InvitedRole::Admin => Role::Admin,
    };
    let token = node::random()
        .map(RegistrationToken::from_bytes)
        .map_err(|error| Failure::caused_by("the system gives no random numbers", &error))?;
    let expires = expiry::coarse(clock::now(), flags.hours * 3600);
    open(&config.data_dir)?
        .add_token(token.hash(), role, expires)
        .map_err(|error| Failure::caused_by("cannot remember the invitation", &error))?;
    say(&Link::Registration { origin, token }.to_text());
    Ok(())
}

/// `hither admin retained`
pub(crate) fn retained(flags: &SourceFlags) -> Result<(), Failure> {
    let config = configure(flags)?;
    let retained = open(&config.data_dir)?
        .retained()
        .map_err(|error| Failure::caused_by("cannot read the records", &error))?;
    let rows: Vec<_> = retained
        .iter()
        .map(|kind| {
            [
                kind.kind.to_owned(),
                kind.count.to_string(),
                kind.bytes.to_string(),
                until(kind.count, kind.latest_expiry),
            ]
        })
        .collect();
    let head = ["kept", "records", "bytes", "until at the latest"].map(str::to_owned);
    say(table(head, &rows).trim_end());
    Ok(())
}

fn until(count: u64, latest: Option<u64>) -> String {
    let Some(latest) = latest else {
        return if count == 0 {
            "-"
        } else {
            "deleted by its person"
        }
        .to_owned();
    };
    i64::try_from(latest)
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .map_or_else(
            || "-".to_owned(),
            |at| {
                let (hour, minute) = (at.hour(), at.minute());
                format!("{} {hour:02}:{minute:02} UTC", at.date())
            },
        )
}

fn configure(flags: &SourceFlags) -> Result<Config, Failure> {
    load(&Flags {
        config: flags.config.clone(),
        data_dir: flags.data_dir.clone(),
        ..Flags::default()
    })
}

fn remembered_address(config: &Config) -> Result<String, Failure> {
    if let Some(url) = &config.public_url {
        return Ok(url.clone());
    }
    std::fs::read_to_string(config.data_dir.join("address"))
        .map(|text| text.trim().to_owned())
        .map_err(|_| {
            Failure::new("this node was never started, so its address is not known")
                .hint("Start it once with `hither serve`, or say --address https://…")
        })
}

fn open(directory: &Path) -> Result<NodeStore, Failure> {
    match directory.join("node.sqlite").try_exists() {
        Ok(true) => {}
        Ok(false) => {
            let failure = Failure::new(format!("{} holds no node", directory.display()));
            return Err(failure.hint(
                "Start it once with `hither serve`, or name its directory with --data-dir.",
            ));
        }
        Err(error) => {
            let attempt = format!("cannot read the data directory {}", directory.display());
            return Err(Failure::caused_by(attempt, &error)
                .hint("Run this as the user that the node runs as."));
        }
    }
    NodeStore::open(directory)
        .map_err(|error| Failure::caused_by("cannot open the data directory", &error))
}
