// SPDX-License-Identifier: MIT OR Apache-2.0

use hither_api::{NodeDescription, VERSION, path};

use crate::support::{Node, Request, Response, hither};

fn get(node: &Node, path: &str) -> Response {
    Request::new("GET", path).send(node)
}

#[test]
fn a_node_says_what_it_is() {
    let node = Node::start_with(&[("HITHER_NODE__NAME", "our house")]);
    let description: NodeDescription = get(&node, path::NODE).json(200);
    assert_eq!(description.version, VERSION);
    assert_eq!(description.name, "our house");
    assert!(!description.open_registration);
    let hash = hither()
        .args(["serve", "--print-web-hash"])
        .output()
        .unwrap();
    assert_eq!(
        description.web_hash,
        String::from_utf8(hash.stdout).unwrap().trim()
    );
    assert_eq!(description.web_hash.len(), 64);
}

#[test]
fn every_answer_tells_the_browser_to_be_strict() {
    let node = Node::start();
    for path in [
        "/",
        "/i",
        path::NODE,
        "/api/v1/nothing",
        "/assets/nothing.js",
    ] {
        let answer = get(&node, path);
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(
            answer.header("cross-origin-embedder-policy"),
            "require-corp"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(
            answer
                .header("permissions-policy")
                .contains("camera=(self)")
        );
    }
}

#[test]
fn every_place_in_the_client_is_the_same_page_and_is_asked_for_again() {
    let node = Node::start();
    let page = get(&node, "/");
    assert_eq!(page.expect(200).header("cache-control"), "no-cache");
    assert!(page.header("content-type").starts_with("text/html"));
    for place in ["/i", "/r", "/contacts/anybody", "/index.html"] {
        assert_eq!(get(&node, place).expect(200).body, page.body, "{place}");
    }
    get(&node, "/assets/nothing.js").expect(404);
    get(&node, "/favicon.ico").expect(404);
}

#[test]
fn a_compressed_page_is_sent_to_those_who_take_it() {
    let node = Node::start();
    let plain = get(&node, "/");
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("vary"), "accept-encoding");
    let squeezed = Request::new("GET", "/")
        .header("accept-encoding", "gzip, br")
        .send(&node);
    assert_eq!(squeezed.header("content-encoding"), "br");
    assert!(squeezed.body.len() < plain.body.len());
    assert!(squeezed.header("content-type").starts_with("text/html"));
    get(&node, "/index.html.br").expect(404);
}

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let node = Node::start();
    let etag = get(&node, "/").header("etag").to_owned();
    let ask = |tag: &str| {
        Request::new("GET", "/i")
            .header("if-none-match", tag)
            .send(&node)
    };
    let again = ask(&etag);
    assert!(again.expect(304).body.is_empty());
    assert_eq!(again.header("cache-control"), "no-cache");
    assert_eq!(again.header("etag"), etag);
    assert!(
        again
            .header("content-security-policy")
            .starts_with("default-src")
    );
    ask("\"another\"").expect(200);
}
