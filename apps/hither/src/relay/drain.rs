// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time for calls under way before a relay stops.

use std::sync::Arc;

use hither_relay::RelayHandle;

use crate::config::Relay;
use crate::signals::Signals;
use crate::words::say;

/// Takes no new allocations and waits until the last one has ended, the time is over, or somebody asks again.
pub(crate) async fn drain(relay: &Arc<RelayHandle>, config: &Relay, signals: &mut Signals) {
    if config.drain.is_zero() {
        return;
    }
    let seconds = config.drain.as_secs();
    say(&format!(
        "Stopping when the calls under way have ended, in {seconds} s at the latest. \
         SIGTERM or Ctrl-C ends them now."
    ));
    let alternatives = config.alternate_servers.clone();
    tokio::select! {
        biased;
        _again = signals.next_stop() => {}
        is_empty = relay.drain(alternatives, config.drain) => {
            if !is_empty {
                tracing::info!("the time is over for the calls that are left");
            }
        }
    }
}
