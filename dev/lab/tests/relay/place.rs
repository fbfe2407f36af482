// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node with HTTPS on a network of the laboratory, and browsers that trust it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hither_api::{ServerFrame, TurnGrant};
use hither_lab::{
    Browser, BrowserConfig, Host, LabError, Net, Node, NodeConfig, Person, PersonConfig,
};
use tempfile::TempDir;

pub(super) type Outcome = Result<(), LabError>;

/// A call needs both cores.
static TURN: Mutex<()> = Mutex::new(());

/// Keeps what the node says over the page's socket within reach of the test.
const LISTENING: &str = "(() => {
    const Original = window.WebSocket;
    window.heard = [];
    window.WebSocket = class extends Original {
        constructor(...words) {
            super(...words);
            this.addEventListener('message', async ({ data }) => {
                const bytes = data.arrayBuffer ? await data.arrayBuffer() : data;
                heard.push([...new Uint8Array(bytes)]);
            });
        }
    };
})();";

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
        let homes = tempfile::tempdir().map_err(|source| LabError::Io {
            what: "make homes".to_owned(),
            source,
        })?;
        let secret = homes.path().join("secret");
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let node = Node::start(NodeConfig {
            name: "relay".to_owned(),
            netns: Some(host.netns().to_owned()),
            args: vec![format!("--listen={address}:443")],
            env: vec![
                setting("HITHER_TLS__MODE", "own-ca"),
                setting("HITHER_TLS__NAMES", &address),
                setting(
                    "HITHER_RELAY__LISTEN_UDP",
                    &format!("{address}:3478,{address}:443"),
                ),
                setting("HITHER_RELAY__LISTEN_TCP", &format!("{address}:3478")),
                setting("HITHER_RELAY__SECRET_FILE", path(&secret)),
            ],
        })?;
        Ok(Some(Self {
            node,
            host,
            net,
            homes,
            _turn: turn,
        }))
    }

    /// What access to the relay is minted with.
    pub(super) fn secret(&self) -> String {
        let secret = fs::read_to_string(self.homes.path().join("secret"));
        secret.expect("the node made one").trim().to_owned()
    }

    /// The certificate that clients are to trust.
    pub(super) fn authority(&self) -> std::path::PathBuf {
        self.node.data_dir().join("tls").join("ca.crt")
    }

    /// Somebody on this host whose browser trusts the node's authority, as one to whom it was given.
    pub(super) fn arrive(&self, name: &str, host: &Host, url: &str) -> Result<Person, LabError> {
        Person::arrive(name, url, self.person(name, host))
    }

    /// A browser on this host that trusts the node's authority, and shows pages the addresses of the host.
    pub(super) fn browse(&self, name: &str, host: &Host) -> Result<Browser, LabError> {
        Browser::launch(&BrowserConfig {
            netns: Some(host.netns().to_owned()),
            env: vec![("HOME".to_owned(), self.trusting_home(name))],
            disable_features: vec!["WebRtcHideLocalIpsWithMdns".to_owned()],
            ..BrowserConfig::new(&format!("relay-{name}"))
        })
    }

    /// Access to the relay, as the node gave it to its owner.
    pub(super) fn access(&self) -> Result<TurnGrant, LabError> {
        let host = self.net.host("owner")?;
        let invitation = self.node.ready().owner_invitation.clone();
        let config = PersonConfig {
            scripts: vec![LISTENING.to_owned()],
            ..self.person("Owner", &host)
        };
        let owner = Person::arrive("Owner", &invitation.expect("nobody owns it yet"), config)?;
        owner.onboard()?;
        owner.wait_for_node("online")?;
        let frames: Vec<Vec<u8>> = owner.page().eval_as("heard")?;
        let grant = frames
            .iter()
            .find_map(|frame| match ServerFrame::parse(frame) {
                Ok(ServerFrame::Welcome { turn, .. }) => Some(turn),
                _ => None,
            });
        grant.ok_or_else(|| LabError::Unexpected("the node granted nothing".to_owned()))
    }

    fn person(&self, name: &str, host: &Host) -> PersonConfig {
        PersonConfig {
            netns: Some(host.netns().to_owned()),
            env: vec![("HOME".to_owned(), self.trusting_home(name))],
            ..PersonConfig::default()
        }
    }

    /// A home directory with a store of certificates (NSS) that has the node's authority in it.
    fn trusting_home(&self, name: &str) -> String {
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

pub(super) fn path(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
