// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laboratory's own tests: the node as a process.

use hither_lab::{Browser, BrowserConfig, LabError, Node, NodeConfig};

#[test]
fn a_node_comes_up_stops_and_comes_back_where_it_was() -> Result<(), LabError> {
    let mut node = Node::start(NodeConfig::new("lab")?)?;
    let first = node.ready().clone();
    assert!(first.owner_invitation.is_some(), "{first:?}");
    node.stop()?;
    assert_eq!(node.pid(), None);
    node.restart()?;
    assert_eq!(node.ready().address, first.address);

    node.kill();
    node.restart()?;
    assert_eq!(node.ready().address, first.address);
    Ok(())
}

#[test]
fn a_node_that_cannot_come_up_says_why() -> Result<(), LabError> {
    let mut config = NodeConfig::new("lab-broken")?;
    config.args.push("--no-such-flag".to_owned());
    let Err(error) = Node::start(config) else {
        return Err(LabError::Unexpected("it came up".to_owned()));
    };
    assert!(error.to_string().contains("--no-such-flag"), "{error}");
    Ok(())
}

#[test]
fn a_browser_opens_the_page_of_a_node_without_complaint() -> Result<(), LabError> {
    let node = Node::start(NodeConfig::new("lab-page")?)?;
    let browser = Browser::launch(&BrowserConfig::new("lab-page"))?;
    let page = browser.new_page(&node.url("/"))?;
    page.wait_for("document.title.includes('Hither')", "the title")?;
    assert_eq!(page.eval("isSecureContext")?, serde_json::json!(true));
    assert_eq!(page.complaints(), []);
    Ok(())
}
