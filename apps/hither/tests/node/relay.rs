// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hither relay`, with coturn's own client and a small one of these tests.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use hither_relay::TurnCredential;

use crate::support::{
    Code, Device, Node, RelayAlone, TurnClient, credential, expired_credential, hither, peer,
    write_secret,
};

const OTHER_SECRET: &str = "another secret that is long enough";

/// Runs coturn's client between two of its own, `messages` each; how many came through of those sent.
fn uclient(relay: &RelayAlone, protocol: &str, messages: u32, flags: &[&str]) -> (u32, u32) {
    let at = relay.at(protocol);
    let (port, messages) = (at.port().to_string(), messages.to_string());
    let secret = relay.secret();
    let output = Command::new("turnutils_uclient")
        .args(["-u", "test", "-W", secret.trim(), "-c", "-y", "-p", &port])
        .args(["-m", "2", "-n", &messages])
        .args(flags)
        .arg(at.ip().to_string())
        .output()
        .expect("the package coturn is installed");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last = |name: &str| {
        let number = said.rsplit(name).next().unwrap();
        let number = number.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        number.parse().unwrap_or_else(|_| panic!("{said}"))
    };
    (last("tot_recv_msgs="), last("tot_send_msgs="))
}

#[test]
fn coturns_client_is_relayed_over_udp_tcp_and_tls_with_the_shared_secret() {
    let relay = RelayAlone::start(
        "[relay]\nlisten_tls = [\"127.0.0.1:0\"]\n[tls]\nmode = \"own-ca\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"",
    );
    assert_eq!(uclient(&relay, "udp", 20, &["-z", "5"]), (40, 40));
    assert_eq!(uclient(&relay, "tcp", 20, &["-z", "5", "-t"]), (40, 40));
    // This client takes what one TLS record brings for one message, so there is time between them.
    let (received, sent) = uclient(&relay, "tls", 10, &["-z", "100", "-t", "-S"]);
    assert_eq!(sent, 20);
    assert!(received >= 15, "{received}");
    let metrics = relay.scrape();
    let made = "hither_relay_allocations_made_total";
    let made = metrics.lines().find_map(|line| line.strip_prefix(made));
    let made: u64 = made.unwrap().trim().parse().unwrap();
    assert!(made >= 6, "{metrics}");
    assert!(metrics.contains("hither_relay_datagrams_total{way=\"between_clients\"}"));
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    let (_, body) = metrics.split_once("\r\n\r\n").unwrap();
    for secret in ["127.0.0.1", "::1", "test", relay.secret().trim()] {
        assert!(!body.contains(secret), "{secret} in {body}");
    }
}

#[test]
fn what_a_relay_says_at_the_start_tells_where_it_listens_and_which_peers_are_open() {
    let relay = RelayAlone::start("");
    let said = relay.said();
    for words in [
        relay.at("udp").to_string(),
        relay.at("tcp").to_string(),
        "private networks of its own kind are open: it listens on private addresses only"
            .to_owned(),
        relay.secret_file().display().to_string(),
        "Stop: Ctrl-C".to_owned(),
    ] {
        assert!(said.contains(&words), "{words} in {said}");
    }
    let closed = RelayAlone::start("[relay]\nexternal_ips = [\"203.0.114.7\"]");
    let said = closed.said();
    assert!(said.contains("private networks are closed"), "{said}");
    assert!(said.contains("127.0.0.1 (seen as 203.0.114.7)"), "{said}");
}

#[test]
fn a_grant_of_a_node_opens_a_relay_elsewhere() {
    let relay = RelayAlone::start("");
    let url = format!("turn:{}?transport=udp", relay.at("udp"));
    let node = Node::start_with(&[
        (
            "HITHER_RELAY__SECRET_FILE",
            relay.secret_file().to_str().unwrap(),
        ),
        ("HITHER_RELAY__ELSEWHERE", &url),
    ]);
    let grant = Device::owner(&node).sign_in(&node).turn.unwrap();
    // Its own relay first.
    assert_eq!(grant.urls.len(), 4, "{:?}", grant.urls);
    assert_eq!(grant.urls.last(), Some(&url));
    let granted = TurnCredential {
        username: grant.username,
        password: grant.password,
    };
    assert!(TurnClient::allocate(relay.at("udp"), granted).is_ok());
    let refused = TurnClient::allocate(relay.at("udp"), credential(OTHER_SECRET)).err();
    assert_eq!(refused, Some(Code(401)));
}

#[test]
fn a_node_without_a_relay_hands_out_those_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let node = Node::start_with(&[
        ("HITHER_RELAY__ENABLED", "false"),
        ("HITHER_RELAY__SECRET_FILE", file.to_str().unwrap()),
        ("HITHER_RELAY__ELSEWHERE", "turn.example.org"),
    ]);
    let grant = Device::owner(&node).sign_in(&node).turn.unwrap();
    assert_eq!(
        grant.urls,
        [
            "turn:turn.example.org:3478?transport=udp",
            "turn:turn.example.org:3478?transport=tcp"
        ]
    );
    assert!(!grant.password.is_empty());
    let mode = std::os::unix::fs::PermissionsExt::mode;
    let permissions = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!(mode(&permissions) & 0o077, 0);
}

#[test]
fn settings_are_read_again_without_ending_an_allocation() {
    let relay = RelayAlone::start("");
    let at = relay.at("udp");
    let allocate = || TurnClient::allocate(at, credential(&relay.secret()));
    let peer = peer();
    let mut first = allocate().ok().unwrap();
    first.permit(peer.local_addr().unwrap()).unwrap();
    assert!(first.reaches(&peer, b"before"));

    relay.reload(
        "[relay]\nmax_allocations = 1\nport = 1\n",
        "some settings need a restart",
    );
    let said = relay.said();
    assert!(said.contains("relay.max_allocations"), "{said}");
    assert!(said.contains("relay.port"), "{said}");
    assert!(first.reaches(&peer, b"after"));
    first.refresh(600).unwrap();
    let refused = allocate().err();
    assert!(matches!(refused, Some(Code(486 | 508))), "{refused:?}");

    relay.reload("[relay]\nmax_allocations = \"many\"", "nothing was changed");
    let said = relay.said();
    assert!(
        said.contains("line 2, gives relay.max_allocations"),
        "{said}"
    );
    relay.reload(
        "[relay]\nsecret_file = \"/nowhere/typo\"",
        "there is no file /nowhere/typo",
    );
    first.refresh(600).unwrap();
    assert!(first.reaches(&peer, b"still"));
    assert!(allocate().is_err());

    let elsewhere = "127.0.0.3:9".parse().unwrap();
    first.permit(elsewhere).unwrap();
    relay.reload("[relay]\ndeny_peers = [\"127.0.0.3\"]\n", "and applied");
    assert_eq!(first.permit(elsewhere), Err(Code(403)));
    assert!(first.reaches(&peer, b"to others"));
    assert!(allocate().is_ok());
    // A log line names settings and no values.
    let events = relay.said();
    let events = events
        .lines()
        .filter(|line| line.contains("INFO") || line.contains("WARN"));
    for line in events {
        assert!(!line.contains("127.0.0.1"), "{line}");
    }
}

#[test]
fn a_secret_is_exchanged_while_the_one_before_is_still_good() {
    let relay = RelayAlone::start("");
    let at = relay.at("udp");
    let old = relay.secret();
    let allocate = |secret: &str| TurnClient::allocate(at, credential(secret));
    let mut early = allocate(&old).ok().unwrap();
    write_secret(&relay.path("old"), &old);
    write_secret(&relay.secret_file(), OTHER_SECRET);
    let previous = relay.path("old").display().to_string();
    relay.reload(
        &format!("[relay]\nprevious_secret_file = \"{previous}\""),
        "the secret",
    );
    assert!(allocate(&old).is_ok());
    assert!(allocate(OTHER_SECRET).is_ok());
    relay.reload("", "relay.previous_secret_file, the secret");
    assert_eq!(allocate(&old).err(), Some(Code(401)));
    assert!(allocate(OTHER_SECRET).is_ok());
    let ended = early.refresh(600);
    // An allocation outlives the secret that it was made with.
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_relay_that_is_told_to_stop_lets_calls_end_first() {
    let settings = "[relay]\ndrain_seconds = 3600\nalternate_servers = [\"203.0.114.9:3478\"]";
    let mut relay = RelayAlone::start(settings);
    let at = relay.at("udp");
    let peer = peer();
    let mut call = TurnClient::allocate(at, credential(&relay.secret()))
        .ok()
        .unwrap();
    call.permit(peer.local_addr().unwrap()).unwrap();
    relay.send("-TERM");
    relay.until_said("Stopping when the calls under way have ended", 1);
    let refused = TurnClient::allocate(at, credential(&relay.secret())).err();
    assert_eq!(refused, Some(Code(300)));
    assert!(call.reaches(&peer, b"still here"));
    call.refresh(600).unwrap();
    assert!(relay.is_running());
    call.refresh(0).unwrap();
    assert!(relay.wait().success(), "{}", relay.said());
}

#[test]
fn asking_twice_ends_a_relay_at_once() {
    let mut relay = RelayAlone::start("[relay]\ndrain_seconds = 3600");
    let _call = TurnClient::allocate(relay.at("udp"), credential(&relay.secret()))
        .ok()
        .unwrap();
    relay.send("-TERM");
    relay.until_said("Stopping when the calls under way have ended", 1);
    relay.send("-TERM");
    assert!(relay.wait().success(), "{}", relay.said());
}

#[test]
fn without_time_for_calls_a_relay_stops_when_it_is_told() {
    let mut relay = RelayAlone::start("");
    let _call = TurnClient::allocate(relay.at("udp"), credential(&relay.secret()))
        .ok()
        .unwrap();
    relay.send("-TERM");
    assert!(relay.wait().success(), "{}", relay.said());
}

#[test]
fn nothing_about_a_client_is_logged_above_debug() {
    let mut relay = RelayAlone::start("[log]\nfilter = \"trace\"");
    let secret = relay.secret();
    let credential = credential(&secret);
    let peer = peer();
    let mut call = TurnClient::allocate(relay.at("udp"), credential.clone())
        .ok()
        .unwrap();
    call.permit(peer.local_addr().unwrap()).unwrap();
    assert!(call.reaches(&peer, b"planted-marker-7d1f"));
    relay.send("-INT");
    assert!(relay.wait().success());
    let said = relay.said();
    let is_event = |line: &&str| {
        ["INFO ", "WARN ", "ERROR "]
            .iter()
            .any(|level| line.contains(level))
    };
    for line in said.lines().filter(is_event) {
        for planted in ["127.0.0.1", "planted", &credential.username, secret.trim()] {
            assert!(!line.contains(planted), "{planted} in {line}");
        }
    }
    // Not even the most talkative log has what is relayed, or a secret.
    for planted in ["planted-marker", secret.trim(), &credential.password] {
        assert!(!said.contains(planted), "{planted}");
    }
}

#[test]
fn not_even_at_debug_does_a_line_tell_who_is_relayed() {
    let mut relay = RelayAlone::start(
        "[relay]\nlisten_tls = [\"127.0.0.1:0\"]\n[tls]\nmode = \"own-ca\"\n\
         [log]\nfilter = \"debug\"",
    );
    for (protocol, flags) in [
        ("udp", &["-z", "5"][..]),
        ("tcp", &["-z", "5", "-t"]),
        ("tls", &["-z", "100", "-t", "-S"]),
    ] {
        let (received, _) = uclient(&relay, protocol, 5, flags);
        assert!(received > 0, "{protocol}");
    }
    // What surely leaves a line at debug.
    let mut no_tls = TcpStream::connect(relay.at("tls")).unwrap();
    no_tls.write_all(b"this is no handshake\r\n").unwrap();
    relay.until_said("a TLS handshake failed", 1);
    let (at, secret) = (relay.at("udp"), relay.secret());
    let credentials = [
        credential(&secret),
        credential(OTHER_SECRET),
        expired_credential(&secret),
    ];
    let [good, wrong, late] = credentials.clone();
    let peer = peer();
    let mut call = TurnClient::allocate(at, good).ok().unwrap();
    call.permit(peer.local_addr().unwrap()).unwrap();
    assert!(call.reaches(&peer, b"planted-marker-7d1f"));
    let closed = "169.254.169.254:80".parse().unwrap();
    assert_eq!(call.permit(closed), Err(Code(403)));
    assert_eq!(TurnClient::allocate(at, wrong).err(), Some(Code(401)));
    assert_eq!(TurnClient::allocate(at, late).err(), Some(Code(401)));
    relay.send("-INT");
    assert!(relay.wait().success());
    let log = std::fs::read_to_string(relay.path("err")).unwrap();
    assert!(log.contains("DEBUG"), "{log}");
    let ports = [call.port(), peer.local_addr().unwrap().port()];
    let mut planted: Vec<String> = ports.map(|port| format!(":{port}")).into();
    for credential in credentials {
        planted.extend([credential.username, credential.password]);
    }
    planted.push(secret.trim().to_owned());
    planted.extend(["127.0.0.", "169.254.", ":test", "planted-marker"].map(str::to_owned));
    for planted in planted {
        assert!(!log.contains(&planted), "{planted} in {log}");
    }
}

#[test]
fn metrics_are_not_on_an_address_that_others_reach_unless_that_is_meant() {
    let refused = |settings: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.toml");
        std::fs::write(&file, settings).unwrap();
        let output = hither()
            .args([
                "relay",
                "--print-network-sheet",
                "--data-dir",
                "/nowhere",
                "--config",
            ])
            .arg(&file)
            .output()
            .unwrap();
        match output.status.success() {
            true => String::new(),
            false => String::from_utf8(output.stderr).unwrap(),
        }
    };
    let said = refused("[metrics]\nlisten = \"0.0.0.0:9464\"");
    assert!(said.contains("set metrics.public to true"), "{said}");
    assert_eq!(
        refused("[metrics]\nlisten = \"0.0.0.0:9464\"\npublic = true"),
        ""
    );
    assert_eq!(refused("[metrics]\nlisten = \"127.0.0.1:9464\""), "");
}

#[test]
fn nothing_is_relayed_to_the_metrics_of_the_relay() {
    let relay = RelayAlone::start("[metrics]\nlisten = \"127.0.0.1:0\"");
    let mut call = TurnClient::allocate(relay.at("udp"), credential(&relay.secret()))
        .ok()
        .unwrap();
    let metrics = relay.metrics();
    let reached = call.bind_channel(SocketAddr::new(metrics.ip(), metrics.port()));
    assert_eq!(reached, Err(Code(403)));
    assert_eq!(call.bind_channel(peer().local_addr().unwrap()), Ok(()));
}

#[test]
fn no_address_of_the_machine_is_a_peer_because_the_relay_listens_on_another() {
    let settings = "[relay]\nprivate_peers = \"closed\"\nallow_peers = [\"127.0.0.0/8\"]";
    let relay = RelayAlone::start_at("127.0.0.2:0", settings);
    let credential = credential(&relay.secret());
    let mut call = TurnClient::allocate(relay.at("udp"), credential)
        .ok()
        .unwrap();
    // The interface has this one; the system merely answers for the others of its network.
    let own = "127.0.0.1:53".parse().unwrap();
    assert_eq!(call.permit(own), Err(Code(403)));
    assert_eq!(call.permit("127.0.0.3:53".parse().unwrap()), Ok(()));
}

/// What a relay says that does not start with these settings.
fn refused(settings: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relay.toml");
    std::fs::write(&file, settings).unwrap();
    let output = hither()
        .args(["relay", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(directory.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_address_that_this_machine_does_not_have_is_said_at_the_start() {
    let said = refused("[relay]\nrelayed_ips = [\"203.0.113.9\"]");
    assert!(said.contains("cannot relay from 203.0.113.9"), "{said}");
    assert!(said.contains("relay.external_ips"), "{said}");
}
