// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node with HTTPS on a network of the laboratory, and browsers that trust it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hither_lab::{Host, LabError, Net, Node, NodeConfig, Person, PersonConfig};
use tempfile::TempDir;

pub(super) type Outcome = Result<(), LabError>;

/// A call needs both cores.
static TURN: Mutex<()> = Mutex::new(());

/// A node at port 443 of its host.
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) host: Host,
    pub(super) net: Net,
    homes: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// `None` where there are no networks to be had; the terminal says so.
    pub(super) fn new_or_skip(test: &str) -> Result<Option<Self>, LabError> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(net) = Net::new_or_skip(test)? else {
            return Ok(None);
        };
        let host = net.host("node")?;
        let address = host.ipv4().to_string();
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let node = Node::start(NodeConfig {
            name: "relay".to_owned(),
            netns: Some(host.netns().to_owned()),
            args: vec![format!("--listen={address}:443")],
            env: vec![
                setting("HITHER_TLS__MODE", "own-ca"),
                setting("HITHER_TLS__NAMES", &address),
            ],
        })?;
        let homes = tempfile::tempdir().map_err(|source| LabError::Io {
            what: "make homes".to_owned(),
            source,
        })?;
        Ok(Some(Self {
            node,
            host,
            net,
            homes,
            _turn: turn,
        }))
    }

    /// The certificate that browsers are to trust.
    pub(super) fn authority(&self) -> std::path::PathBuf {
        self.node.data_dir().join("tls").join("ca.crt")
    }

    /// Somebody on this host whose browser trusts the node's authority, as one to whom it was given.
    pub(super) fn arrive(&self, name: &str, host: &Host, url: &str) -> Result<Person, LabError> {
        let home = self.trusting_home(name);
        let config = PersonConfig {
            netns: Some(host.netns().to_owned()),
            env: vec![("HOME".to_owned(), home)],
            ..PersonConfig::default()
        };
        Person::arrive(name, url, config)
    }

    /// A home directory with a store of certificates (NSS) that has the node's authority in it.
    pub(super) fn trusting_home(&self, name: &str) -> String {
        let home = self.homes.path().join(name);
        let store = home.join(".pki/nssdb");
        fs::create_dir_all(&store).expect("a home can be made");
        let store = format!("sql:{}", store.display());
        certutil(&["-N", "--empty-password", "-d", &store]);
        let authority = self.authority();
        let authority = path(&authority);
        certutil(&[
            "-A", "-n", "the node", "-t", "C,,", "-i", authority, "-d", &store,
        ]);
        path(&home).to_owned()
    }
}

fn certutil(args: &[&str]) {
    let output = Command::new("certutil").args(args).output();
    let output = output.expect("certutil is installed (Debian: libnss3-tools)");
    assert!(output.status.success(), "certutil {args:?}: {output:?}");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
