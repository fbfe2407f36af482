// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laboratory's own tests: hosts and their firewalls, what is captured, routers and links.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod net {
    mod hosts;
    mod links;
    mod measure;
    mod routers;
}
