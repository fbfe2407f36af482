// SPDX-License-Identifier: MIT OR Apache-2.0
//! What two people do with Hither, in two real browsers, over a real node.

mod story {
    mod pair;

    mod acquaintance;
    mod calls;
    mod messages;
    mod mishaps;
    mod protection;
    mod screens;
    mod tampering;
}
