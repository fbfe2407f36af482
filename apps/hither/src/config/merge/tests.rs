// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::config::{PeersBecause, Relay, Tls};
use hither_relay::RelayedIp;

fn with_file(text: &str) -> Result<Config, LoadError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hither.toml");
    std::fs::write(&path, text).unwrap();
    let flags = Flags {
        config: Some(path),
        data_dir: Some("/nowhere".into()),
        ..Flags::default()
    };
    load(&flags, std::iter::empty())
}

fn with_variable(name: &str, value: &str) -> Result<Config, LoadError> {
    let flags = Flags {
        data_dir: Some("/nowhere".into()),
        ..Flags::default()
    };
    load(&flags, std::iter::once((name.to_owned(), value.to_owned())))
}

fn complaint(result: Result<Config, LoadError>) -> String {
    let text = result.unwrap_err().to_string();
    text.split_once("hither.toml, ")
        .map_or_else(|| text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn the_documented_defaults_are_usable_and_stay_on_this_machine() {
    let config = with_file("").unwrap();
    assert!(config.listen.iter().all(|at| at.ip().is_loopback()));
    assert_eq!(config.listen[0].port(), 8440);
    assert!(!config.open_registration);
    let relay = config.relay.unwrap();
    assert!(relay.listen_udp.iter().all(|at| at.ip().is_loopback()));
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_name() {
    assert_eq!(
        complaint(with_file("[http]\nlistn = []")),
        "line 2, has the unknown setting http.listn; did you mean http.listen?"
    );
    assert_eq!(
        complaint(with_file("[htpp]\nlisten = []")),
        "line 1, has the unknown setting htpp; did you mean http?"
    );
    assert_eq!(
        complaint(with_file("[relay]\nopen_registration = true")),
        "line 2, has the unknown setting relay.open_registration; did you mean node.open_registration?"
    );
    assert_eq!(
        complaint(with_file("[node]\nzzz = 1")),
        "line 2, has the unknown setting node.zzz"
    );
    assert_eq!(
        complaint(with_variable("HITHER_HTTP__LISTN", "")),
        "the environment variable HITHER_HTTP__LISTN has the unknown setting http.listn; \
         did you mean http.listen?"
    );
}

#[test]
fn a_value_of_another_type_is_refused_with_what_is_needed() {
    assert_eq!(
        complaint(with_file("[node]\nopen_registration = \"yes\"")),
        "line 2, gives node.open_registration a text in quotes, where true or false is needed; \
         did you mean true?"
    );
    assert_eq!(
        complaint(with_file("http = 1")),
        "line 1, gives http a whole number, where a section is needed"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    assert!(complaint(with_file("[node]\nname = ")).contains("line 2"));
}

#[test]
fn a_value_that_cannot_be_used_is_refused_with_its_line_and_the_nearest_one_that_can() {
    for (text, line, setting, nearest) in [
        (
            "[http]\nlisten = [\"localhost\"]",
            2,
            "http.listen",
            "[\"127.0.0.1:8440\"]",
        ),
        (
            "[http]\n\nlisten = [\":80\"]",
            3,
            "http.listen",
            "[\"0.0.0.0:80\"]",
        ),
        (
            "[http]\nlisten = \"[::1]:80\"",
            2,
            "http.listen",
            "[\"[::1]:80\"]",
        ),
        ("[relay]\nport = \"3478\"", 2, "relay.port", "3478"),
        ("[relay]\nport = 347800", 2, "relay.port", "65535"),
        ("[relay]\nenabled = \"off\"", 2, "relay.enabled", "false"),
        ("[node]\n# a name\nname = 7", 3, "node.name", "\"7\""),
        ("[tls]\nmode = \"ownca\"", 2, "tls.mode", "\"own-ca\""),
    ] {
        let said = complaint(with_file(text));
        assert!(
            said.starts_with(&format!("line {line}, gives {setting} ")),
            "{said}"
        );
        assert!(
            said.ends_with(&format!("; did you mean {nearest}?")),
            "{said}"
        );
    }
    let said = complaint(with_variable("HITHER_TLS__MODE", "on"));
    assert!(
        said.starts_with("the environment variable HITHER_TLS__MODE gives tls.mode"),
        "{said}"
    );
}

#[test]
fn a_variable_that_is_no_setting_is_named_with_the_nearest_that_is() {
    let unknown = |name: &str| {
        let found = unknown_variables(std::iter::once(name.to_owned()));
        found.into_iter().next()
    };
    for (name, nearest) in [
        ("HITHER_LOG_FILTER", Some("HITHER_LOG__FILTER")),
        ("HITHER_DATA_DIR", Some("HITHER_NODE__DATA_DIR")),
        ("HITHER_RELAY_PORT", Some("HITHER_RELAY__PORT")),
        ("HITHER_XYZZY", None),
    ] {
        let found = unknown(name).map(|(_, nearest)| nearest);
        assert_eq!(found, Some(nearest.map(str::to_owned)), "{name}");
    }
    for fine in ["HITHER_LOG__FILTER", "HITHER_SKIP_WEB", "HOME", "HITHERTO"] {
        assert_eq!(unknown(fine), None, "{fine}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hither.toml");
    std::fs::write(
        &path,
        "[http]\nlisten = [\"127.0.0.1:1\"]\n[node]\nname = \"file\"",
    )
    .unwrap();
    let environment = [
        ("HITHER_HTTP__LISTEN", "127.0.0.1:2, [::1]:2"),
        ("HITHER_NODE__NAME", "environment"),
        ("HITHER_SKIP_WEB", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut flags = Flags {
        config: Some(path),
        data_dir: Some("/nowhere".into()),
        ..Flags::default()
    };
    let config = load(&flags, environment.clone().into_iter()).unwrap();
    assert_eq!(config.name, "environment");
    assert_eq!(config.listen.len(), 2);
    flags.listen = vec!["127.0.0.1:3".parse().unwrap()];
    let config = load(&flags, environment.into_iter()).unwrap();
    assert_eq!(config.listen[0].port(), 3);
}

#[test]
fn plain_http_does_not_leave_the_machine_unless_a_proxy_stands_in_front() {
    let open = "[http]\nlisten = [\"0.0.0.0:80\"]\n";
    assert!(matches!(
        with_file(open),
        Err(LoadError::Check(CheckError::PlainHttp))
    ));
    assert!(with_file(&format!("{open}behind_proxy = true")).is_ok());
    let own = with_file(&format!("{open}[tls]\nmode = \"own-ca\"")).unwrap();
    assert_eq!(own.tls, Tls::OwnCa { names: Vec::new() });
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (text, error) in [
        ("[http]\nlisten = []", CheckError::NowhereToListen),
        ("[tls]\nmode = \"files\"", CheckError::TlsFiles),
        (
            "[http]\npublic_url = \"chat.example\"",
            CheckError::PublicUrl,
        ),
        (
            "[http]\npublic_url = \"https://a/b\"",
            CheckError::PublicUrl,
        ),
        ("[node]\nname = \"a\\nb\"", CheckError::Name),
        (
            "[relay]\nrelayed_ips = [\"10.0.0.1\", \"10.0.0.2\"]",
            CheckError::RelayedIps,
        ),
        (
            "[relay]\nrelayed_ips = [\"0.0.0.0\"]",
            CheckError::RelayedIps,
        ),
        (
            "[relay]\nexternal_ips = [\"0.0.0.0\"]",
            CheckError::RelayedIps,
        ),
        ("[relay]\nfirst_port = 5\n", CheckError::RelayPorts),
        (
            "[relay]\nexternal_ips = [\"2a00:1::1\"]\nrelayed_ips = [\"10.0.0.1\"]",
            CheckError::ExternalIps,
        ),
        (
            "[relay]\nexternal_ips = [\"9.9.9.9\", \"9.9.9.8\"]",
            CheckError::ExternalIps,
        ),
        (
            "[relay]\nlisten_tls = [\"127.0.0.1:1\"]",
            CheckError::RelayTls,
        ),
        ("[relay]\nmax_allocations = 0", CheckError::RelayLimits),
        ("[relay]\ndrain_seconds = 86401", CheckError::Drain),
        (
            "[relay]\nalternate_servers = [\"9.9.9.9:1\", \"9.9.9.8:1\"]",
            CheckError::AlternateServers,
        ),
        (
            "[relay]\nalternate_servers = [\"0.0.0.0:3478\"]",
            CheckError::AlternateServers,
        ),
        (
            "[relay]\nelsewhere = [\"a.example\"]",
            CheckError::SecretFile,
        ),
        (
            "[relay]\nprevious_secret_file = \"/x\"",
            CheckError::SecretFile,
        ),
        (
            "[relay]\nbehaviour_ip = \"127.0.0.1\"",
            CheckError::Behaviour,
        ),
        (
            "[relay]\nbehaviour_ip = \"127.0.0.2\"\nbehaviour_port = 8478",
            CheckError::Behaviour,
        ),
        (
            "[metrics]\nlisten = \"192.0.2.1:9464\"",
            CheckError::PublicMetrics,
        ),
        ("[relay]\npublic_host = \"a:1\"", CheckError::RelayHost),
        ("[relay]\ngrant_hours = 25", CheckError::GrantHours),
        ("[limits]\nmax_connections = 0", CheckError::Limits),
        ("[log]\nfilter = \"a=b=c\"", CheckError::LogFilter),
        ("[log]\nfilter = \"verbose\"", CheckError::LogFilter),
    ] {
        match with_file(text) {
            Err(LoadError::Check(found)) => assert_eq!(found, error, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_relay_is_where_http_is_unless_it_is_told_otherwise() {
    let config = with_file(
        "[http]\nlisten = [\"10.0.0.1:443\", \"[fd00::1]:443\"]\n[tls]\nmode = \"own-ca\"",
    );
    let relay = config.unwrap().relay.unwrap();
    let everywhere = ["10.0.0.1:8478", "[fd00::1]:8478"].map(|at| at.parse().unwrap());
    assert_eq!(relay.listen_udp, everywhere);
    assert_eq!(relay.listen_tcp, everywhere);
    assert_eq!(
        relay.relayed_ips,
        everywhere.map(|at: SocketAddr| RelayedIp::from(at.ip()))
    );

    let config = with_file(
        "[http]\nlisten = [\"0.0.0.0:443\"]\n[tls]\nmode = \"own-ca\"\n[relay]\nport = 3478\n\
         listen_tcp = [\"127.0.0.1:1\"]",
    );
    let relay = config.unwrap().relay.unwrap();
    let udp_only = relay_of("\"10.0.0.1:443\"", "listen_udp = [\"10.0.0.2:3478\"]");
    assert_eq!(udp_only.listen_tcp, udp_only.listen_udp);
    // Answers must leave from the address that was asked, so no wildcard is left.
    assert!(
        relay
            .listen_udp
            .iter()
            .all(|at| !at.ip().is_unspecified() && at.port() == 3478)
    );
    assert!(!relay.listen_udp.is_empty());
    assert_eq!(relay.listen_tcp, ["127.0.0.1:1".parse().unwrap()]);
}

/// The relay of a node that serves HTTPS.
fn relay_of(http: &str, relay: &str) -> Relay {
    let text = format!(
        "[http]\nlisten = [{http}]\n[tls]\nmode = \"own-ca\"\n[relay]\nport = 3478\n{relay}"
    );
    with_file(&text).unwrap().relay.unwrap()
}

#[test]
fn beside_https_on_443_the_relay_listens_on_443_over_udp() {
    let too = |http, relay| relay_of(http, relay).listen_udp_too;
    assert_eq!(
        too("\"10.0.0.1:443\", \"[fd00::1]:443\"", ""),
        ["10.0.0.1:443", "[fd00::1]:443"].map(|at| at.parse().unwrap())
    );
    for (http, relay) in [
        ("\"10.0.0.1:8443\"", ""),
        ("\"10.0.0.1:443\"", "udp_on_443 = false"),
        ("\"10.0.0.1:443\"", "listen_udp = [\"10.0.0.1:443\"]"),
    ] {
        assert_eq!(too(http, relay), [], "{http} {relay}");
    }
    let plain = with_file("[http]\nlisten = [\"0.0.0.0:443\"]\nbehind_proxy = true").unwrap();
    assert_eq!(plain.relay.unwrap().listen_udp_too, []);
}

#[test]
fn private_peers_are_open_while_nothing_public_leads_to_the_relay() {
    let private = |http, relay| {
        let peers = relay_of(http, relay).peers;
        (peers.rules.private, peers.because)
    };
    let island = "\"10.0.0.1:443\", \"[fd00::1]:443\"";
    let open = (true, PeersBecause::PrivateAddressesOnly);
    assert_eq!(private(island, ""), open);
    assert_eq!(private("\"127.0.0.1:8440\"", ""), open);
    assert_eq!(private(island, "public_host = \"chat.school.lan\""), open);
    let address = (false, PeersBecause::PublicAddress);
    assert_eq!(private("\"9.9.9.9:443\"", ""), address);
    assert_eq!(
        private("\"10.0.0.1:443\", \"[2a00:1::1]:443\"", ""),
        address
    );
    assert_eq!(
        private("\"10.0.0.1:443\"", "external_ips = [\"9.9.9.9\"]"),
        address
    );
    let name = (false, PeersBecause::PublicName);
    assert_eq!(private(island, "public_host = \"turn.example.org\""), name);
    let url = "[http]\npublic_url = \"https://chat.example.org\"";
    let peers = with_file(url).unwrap().relay.unwrap().peers;
    assert_eq!((peers.rules.private, peers.because), name);
    let told = |open| (open, PeersBecause::Told);
    assert_eq!(
        private("\"9.9.9.9:443\"", "private_peers = \"open\""),
        told(true)
    );
    assert_eq!(private(island, "private_peers = \"closed\""), told(false));
}

#[test]
fn an_address_that_a_cloud_translates_is_told_and_the_own_one_is_bound() {
    let relay = relay_of("\"10.0.0.1:443\"", "external_ips = [\"9.9.9.9\"]");
    let translated = RelayedIp {
        bind: "10.0.0.1".parse().unwrap(),
        advertised: "9.9.9.9".parse().unwrap(),
    };
    assert_eq!(relay.relayed_ips, [translated]);
}

#[test]
fn a_network_that_is_none_is_refused_with_how_to_write_it() {
    let said = complaint(with_file("[relay]\nallow_peers = [\"10.0.0.1/8\"]"));
    assert!(
        said.starts_with("line 2, gives relay.allow_peers"),
        "{said}"
    );
    assert!(said.contains("as in 10.0.0.0/8"), "{said}");
}

#[test]
fn exploring_needs_four_sockets_and_gets_them() {
    let relay = relay_of(
        "\"10.0.0.1:443\"",
        "udp_on_443 = false\nbehaviour_ip = \"10.0.0.2\"",
    );
    let four = [
        "10.0.0.1:3478",
        "10.0.0.1:3479",
        "10.0.0.2:3478",
        "10.0.0.2:3479",
    ];
    assert_eq!(relay.listen_udp, four.map(|at| at.parse().unwrap()));
    assert_eq!(relay.listen_tcp, ["10.0.0.1:3478".parse().unwrap()]);
}

#[test]
fn a_relay_alone_needs_no_https_and_keeps_its_secret_beside_its_data() {
    let flags = Flags {
        data_dir: Some("/nowhere".into()),
        listen: vec!["10.0.0.1:3478".parse().unwrap()],
        purpose: Purpose::RelayAlone,
        ..Flags::default()
    };
    let config = load(&flags, std::iter::empty()).unwrap();
    let file = config.access.secret_file.unwrap();
    assert_eq!(file, std::path::Path::new("/nowhere/relay-secret"));
    let relay = config.relay.unwrap();
    assert_eq!(relay.listen_udp, flags.listen);
    assert_eq!(relay.listen_tcp, flags.listen);
}
