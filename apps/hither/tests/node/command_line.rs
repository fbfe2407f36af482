// SPDX-License-Identifier: MIT OR Apache-2.0

use std::process::Output;

use hither_api::Role;
use hither_api::link::Link;

use crate::support::{Device, Node, hither};

fn run(arguments: &[&str]) -> Output {
    hither().args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_printed_default_is_the_committed_one_and_can_be_used() {
    let printed = run(&["serve", "--print-default-config"]);
    let committed = include_str!("../../../../docs/hither.toml");
    assert_eq!(out(&printed), committed);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hither.toml");
    std::fs::write(&path, committed).unwrap();
    let sheet = hither()
        .args(["serve", "--print-network-sheet", "--config"])
        .env("HOME", directory.path())
        .arg(&path)
        .output()
        .unwrap();
    assert!(sheet.status.success(), "{}", err(&sheet));
    for word in [
        "127.0.0.1:8440",
        "127.0.0.1:8478",
        "49152-65535",
        "UDP",
        "TCP",
    ] {
        assert!(out(&sheet).contains(word), "{word}");
    }
}

#[test]
fn a_relay_alone_has_a_network_sheet_of_its_own() {
    let sheet = hither()
        .args(["relay", "--print-network-sheet", "--data-dir", "/nowhere"])
        .args(["--listen", "10.0.0.5:3478"])
        .env("HITHER_RELAY__EXTERNAL_IPS", "203.0.114.7")
        .env("HITHER_RELAY__LISTEN_TLS", "10.0.0.5:443")
        .env("HITHER_TLS__MODE", "own-ca")
        .output()
        .unwrap();
    assert!(sheet.status.success(), "{}", err(&sheet));
    let lines: Vec<String> = out(&sheet)
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "finding the own address, relay UDP 10.0.0.5:3478 in SRTP/DTLS inside, inside it the envelope",
        "relay where UDP is closed TCP 10.0.0.5:3478 in SRTP/DTLS inside, inside it the envelope",
        "relay where only HTTPS is open TCP 10.0.0.5:443 in TLS 1.2/1.3, inside it SRTP/DTLS and the envelope",
        "relayed transport addresses UDP 203.0.114.7:49152-65535 in and out SRTP/DTLS inside, inside it the envelope",
    ] {
        assert!(
            lines.iter().any(|found| found == line),
            "{line}: {lines:#?}"
        );
    }
    assert!(!lines.iter().any(|line| line.contains("web client")));
}

#[test]
fn the_sheet_of_a_node_names_what_the_networks_of_its_people_let_out() {
    let sheet = hither()
        .args(["serve", "--print-network-sheet", "--data-dir", "/nowhere"])
        .args(["--listen", "10.0.0.5:443"])
        .env("HITHER_HTTP__PUBLIC_URL", "https://chat.example.org")
        .env("HITHER_TLS__MODE", "own-ca")
        .env("HITHER_RELAY__PORT", "3478")
        .output()
        .unwrap();
    assert!(sheet.status.success(), "{}", err(&sheet));
    let text = out(&sheet);
    let outside = text.split("Out of the networks of its people:").nth(1);
    let lines: Vec<&str> = outside.unwrap().lines().map(str::trim).collect();
    for begin in [
        "TCP to chat.example.org port 443: web client, API, signalling (",
        "UDP to chat.example.org port 3478: finding the own address, relay (",
        "UDP to chat.example.org port 443: finding the own address, relay (",
        "TCP to chat.example.org port 3478: relay where UDP is closed (",
        "TCP to chat.example.org port 443: relay where only HTTPS is open (",
        "UDP to the other person (any port): direct media and data between people (",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(begin)),
            "{begin}: {lines:#?}"
        );
    }
    assert_eq!(lines.iter().filter(|line| !line.is_empty()).count(), 6);
}

#[test]
fn an_unknown_setting_names_the_nearest_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hither.toml");
    std::fs::write(&path, "[http]\nlistn = [\"127.0.0.1:1\"]\n").unwrap();
    let refused = hither()
        .args(["serve", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = err(&refused);
    assert!(
        said.contains("unknown setting http.listn; did you mean http.listen?"),
        "{said}"
    );
    assert!(said.contains("hint: "), "{said}");
}

#[test]
fn help_teaches() {
    for (arguments, words) in [
        (
            vec!["--help"],
            vec!["serve", "invite", "http://localhost:8440"],
        ),
        (vec!["serve", "--help"], vec!["--listen", "Examples:"]),
        (vec!["invite", "--help"], vec!["--role", "Examples:"]),
        (
            vec!["relay", "--help"],
            vec![
                "--listen",
                "relay-secret",
                "SIGHUP",
                "turnutils_uclient",
                "Examples:",
            ],
        ),
    ] {
        let help = run(&arguments);
        assert!(help.status.success());
        for word in words {
            assert!(out(&help).contains(word), "{arguments:?}: {word}");
        }
    }
}

#[test]
fn an_invitation_is_minted_while_the_node_runs_and_while_it_is_stopped() {
    let mut node = Node::start();
    Device::owner(&node);
    let invite = |node: &Node, role: &str| {
        let output = hither()
            .args(["invite", "--role", role, "--data-dir"])
            .arg(node.data_dir())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", err(&output));
        match Link::parse(&out(&output)) {
            Some(Link::Registration { origin, token }) => {
                assert_eq!(origin, node.address());
                token
            }
            other => panic!("{other:?}"),
        }
    };
    let token = invite(&node, "member");
    assert_eq!(Device::register(&node, token).role, Role::Member);
    node.stop();
    let token = invite(&node, "admin");
    node.start_again();
    assert_eq!(Device::register(&node, token).role, Role::Admin);
}

#[test]
fn inviting_needs_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let refused = hither()
        .args(["invite", "--address", "http://x", "--data-dir"])
        .arg(directory.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(err(&refused).contains("holds no node"), "{}", err(&refused));
}

#[test]
fn an_invitation_to_no_address_is_refused() {
    let node = Node::start();
    for address in ["foo", "https://a/b", "ftp://a", "https://"] {
        let refused = hither()
            .args(["invite", "--address", address, "--data-dir"])
            .arg(node.data_dir())
            .output()
            .unwrap();
        assert!(!refused.status.success(), "{address}");
        assert!(err(&refused).contains("is no address"), "{}", err(&refused));
    }
}

#[test]
fn the_greeting_names_the_data_directory_that_invitations_need() {
    let node = Node::start();
    let command = format!("hither invite --data-dir {}", node.data_dir().display());
    assert!(node.said().contains(&command), "{}", node.said());
}

#[test]
fn a_directory_that_cannot_be_read_is_not_said_to_be_empty() {
    let directory = tempfile::tempdir().unwrap();
    let circle = directory.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let refused = hither()
        .args(["admin", "retained", "--data-dir"])
        .arg(&circle)
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = err(&refused);
    assert!(said.contains("cannot read the data directory"), "{said}");
}

#[test]
fn a_variable_that_is_no_setting_is_said_to_be_none() {
    let sheet = hither()
        .args(["--print-network-sheet", "--data-dir", "/nowhere"])
        .env("HITHER_LOG_FILTER", "debug")
        .output()
        .unwrap();
    assert!(sheet.status.success(), "{}", err(&sheet));
    let said = err(&sheet);
    assert!(
        said.contains("HITHER_LOG_FILTER is no setting; did you mean HITHER_LOG__FILTER?"),
        "{said}"
    );
}

#[test]
fn what_is_retained_is_listed_kind_by_kind() {
    let node = Node::start();
    let mut socket = Device::owner(&node).sign_in(&node);
    let mailbox = socket.create_mailbox();
    mailbox.put(&node, &[1; 1000]).expect(202);
    let output = hither()
        .args(["admin", "retained", "--data-dir"])
        .arg(node.data_dir())
        .output()
        .unwrap();
    let listed = out(&output);
    for (kind, records) in [
        ("accounts", "1"),
        ("devices", "1"),
        ("mailboxes", "1"),
        ("envelopes", "1"),
        ("invitations", "0"),
    ] {
        let line = listed.lines().find(|line| line.starts_with(kind)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some(records), "{line}");
    }
}
