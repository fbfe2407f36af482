// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the browser client, so that the binary can embed it.

fn main() -> Result<(), hither_webbuild::BuildError> {
    hither_webbuild::from_build_script()
}
