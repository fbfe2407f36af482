// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the browser client by itself: `cargo run -p hither-webbuild --example bundle -- OUT [dev|web]`.
//!
//! `OUT/web` can be given to a build of the binary as `HITHER_WEB_DIST`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use hither_webbuild::{Profile, WebBuild, build};

#[expect(clippy::print_stdout, reason = "this program talks to people")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let out_dir = words
        .next()
        .map(PathBuf::from)
        .ok_or("name a directory to write to")?;
    let profile = match words.next().as_deref() {
        Some("web") => Profile::Web,
        Some("dev") | None => Profile::Dev,
        Some(_) => return Err("the profile is dev or web".into()),
    };
    let workspace_root = env::current_dir()?;
    let bundle = build(&WebBuild {
        workspace_root,
        out_dir,
        profile,
    })?;
    println!("{} {}", bundle.hash, bundle.dir.display());
    Ok(())
}
