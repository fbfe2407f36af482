// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prometheus' text format. Names are documented in docs/relay.md; labels are words of this file only.

use std::fmt::Write as _;

use hither_relay::RelayCounters;

/// Grows by one family of metrics after the other.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn program(&mut self) {
        let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
        self.gauge("build_info", "The program.", &[(version, 1)]);
    }

    pub(super) fn node(&mut self, sockets: usize) {
        let sockets = u64::try_from(sockets).unwrap_or(u64::MAX);
        self.gauge("node_sockets", "Devices connected now.", &[("", sockets)]);
    }

    pub(super) fn relay(&mut self, counters: &RelayCounters) {
        let turn = &counters.turn;
        self.gauge(
            "relay_allocations",
            "Allocations that exist now.",
            &[("", turn.allocations)],
        );
        self.counter(
            "relay_allocations_made_total",
            "Allocations that were made.",
            &[("", turn.allocations_made)],
        );
        self.counter(
            "relay_requests_total",
            "Requests that were answered; challenges count as refused.",
            &[
                ("outcome=\"granted\"", turn.requests_granted),
                ("outcome=\"refused\"", turn.requests_refused),
            ],
        );
        let refusals: Vec<_> = turn
            .refusals
            .by_code()
            .map(|(code, count)| (format!("code=\"{code}\""), count))
            .collect();
        let refusals: Vec<_> = refusals
            .iter()
            .map(|(label, count)| (label.as_str(), *count))
            .collect();
        self.counter(
            "relay_refusals_total",
            "Requests that were refused, by STUN error code.",
            &refusals,
        );
        self.counter(
            "relay_authentication_failures_total",
            "Requests with a wrong or expired credential.",
            &[("", turn.authentication_failures)],
        );
        self.traffic(counters);
        self.drops(counters);
        self.streams_and_sockets(counters);
        self.system(counters);
    }

    fn traffic(&mut self, counters: &RelayCounters) {
        let turn = &counters.turn;
        self.counter(
            "relay_datagrams_total",
            "Datagrams relayed.",
            &[
                ("way=\"to_peers\"", turn.datagrams_to_peers),
                ("way=\"to_clients\"", turn.datagrams_to_clients),
                ("way=\"between_clients\"", turn.datagrams_between_clients),
            ],
        );
        self.counter(
            "relay_bytes_total",
            "Their payload.",
            &[
                ("way=\"to_peers\"", turn.bytes_to_peers),
                ("way=\"to_clients\"", turn.bytes_to_clients),
                ("way=\"between_clients\"", turn.bytes_between_clients),
            ],
        );
    }

    fn drops(&mut self, counters: &RelayCounters) {
        let (turn, system) = (&counters.turn, &counters.datagrams);
        self.counter(
            "relay_dropped_total",
            "Datagrams and frames that were not relayed or not answered.",
            &[
                ("reason=\"malformed\"", turn.dropped_malformed),
                ("reason=\"unexpected\"", turn.dropped_unexpected),
                ("reason=\"no_allocation\"", turn.dropped_without_allocation),
                ("reason=\"no_channel\"", turn.dropped_without_channel),
                ("reason=\"no_permission\"", turn.dropped_without_permission),
                ("reason=\"source_budget\"", turn.dropped_by_budget),
                ("reason=\"source_throttle\"", turn.dropped_by_throttle),
                ("reason=\"bandwidth\"", turn.dropped_by_bandwidth),
                ("reason=\"peer_policy\"", turn.dropped_by_policy),
                ("reason=\"slow_stream\"", counters.dropped_by_queue),
                ("reason=\"ring_full\"", counters.rings.dropped_datagrams),
                ("reason=\"socket_closed\"", counters.dropped_without_socket),
                ("reason=\"system_full\"", system.dropped_full),
                ("reason=\"system_too_long\"", system.dropped_too_long),
                ("reason=\"system_unreachable\"", system.dropped_unreachable),
                ("reason=\"system_forbidden\"", system.dropped_forbidden),
                ("reason=\"system_other\"", system.dropped_otherwise),
            ],
        );
    }

    fn streams_and_sockets(&mut self, counters: &RelayCounters) {
        self.counter(
            "relay_streams_total",
            "Clients over TCP and TLS.",
            &[
                ("outcome=\"served\"", counters.streams_served),
                ("outcome=\"refused\"", counters.streams_refused),
            ],
        );
        self.gauge(
            "relay_sockets",
            "Relayed sockets open now.",
            &[("", counters.relay_sockets)],
        );
        self.counter(
            "relay_sockets_failed_total",
            "Relayed sockets that could not be opened.",
            &[("", counters.relay_sockets_failed)],
        );
        self.gauge(
            "relay_workers",
            "Workers that run.",
            &[("", counters.workers)],
        );
        self.gauge(
            "relay_ring_waiting",
            "Runs of datagrams that wait for another worker now.",
            &[("", counters.rings.waiting)],
        );
        self.gauge(
            "relay_ring_high_water",
            "The most that ever waited for one worker.",
            &[("", counters.rings.high_water)],
        );
    }

    fn system(&mut self, counters: &RelayCounters) {
        let system = &counters.datagrams;
        self.counter(
            "relay_system_calls_total",
            "Reads and messages exchanged with the system; fewer than datagrams where it batches.",
            &[
                ("call=\"read\"", system.reads),
                ("call=\"read_failed\"", system.reads_failed),
                ("call=\"message\"", system.messages_sent),
                ("call=\"segmentation_refused\"", system.gso_refused),
            ],
        );
        self.counter(
            "relay_system_datagrams_total",
            "Datagrams in them.",
            &[
                ("way=\"received\"", system.datagrams_received),
                ("way=\"sent\"", system.datagrams_sent),
            ],
        );
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[(&str, u64)]) {
        self.family(name, "counter", help, samples);
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, u64)]) {
        self.family(name, "gauge", help, samples);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[(&str, u64)]) {
        let _infallible = writeln!(
            self.0,
            "# HELP hither_{name} {help}\n# TYPE hither_{name} {kind}"
        );
        for (labels, value) in samples {
            let labels = match *labels {
                "" => String::new(),
                labels => format!("{{{labels}}}"),
            };
            let _infallible = writeln!(self.0, "hither_{name}{labels} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_comment_or_a_name_with_a_number() {
        let mut text = Text::default();
        text.program();
        text.node(3);
        text.relay(&RelayCounters::default());
        let text = text.into_string();
        assert!(text.contains("\nhither_node_sockets 3\n"), "{text}");
        let mut names = std::collections::BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, number) = line.rsplit_once(' ').expect("two words");
            assert!(names.insert(name), "twice: {name}");
            assert!(name.starts_with("hither_"), "{line}");
            assert!(number.parse::<u64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn every_metric_is_documented() {
        let mut text = Text::default();
        text.program();
        text.node(0);
        text.relay(&RelayCounters::default());
        let documents = include_str!("../../../../docs/relay.md");
        for line in text.into_string().lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let name = family.split(' ').next().unwrap_or_default();
                assert!(documents.contains(&format!("`{name}`")), "{name}");
            }
        }
    }
}
