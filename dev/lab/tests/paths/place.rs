// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node that is reached over both families of addresses, and people whose browsers trust its authority. They reach
//! it by address: WebRTC in a browser takes names from nowhere but a name server.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hither_lab::{Host, LabError, Net, Node, NodeConfig, Person, PersonConfig};
use tempfile::TempDir;

pub(super) type Outcome = Result<(), LabError>;

/// A call needs both cores.
static TURN: Mutex<()> = Mutex::new(());

/// A node at port 443 of its host, with its relay at 3478 and 443.
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
        let homes = tempfile::tempdir().map_err(|source| LabError::Io {
            what: "make homes".to_owned(),
            source,
        })?;
        let node = Node::start(config(&host))?;
        Ok(Some(Self {
            node,
            host,
            net,
            homes,
            _turn: turn,
        }))
    }

    /// The addresses of the node, IPv4 first.
    pub(super) fn addresses(&self) -> [IpAddr; 2] {
        [self.host.ipv4().into(), self.host.ipv6().into()]
    }

    /// How somebody sets out on this host.
    pub(super) fn person(&self, name: &str, host: &Host) -> PersonConfig {
        PersonConfig {
            netns: Some(host.netns().to_owned()),
            env: vec![("HOME".to_owned(), self.trusting_home(name))],
            ..PersonConfig::default()
        }
    }

    /// A link of the node, for somebody who reaches it at this address of it.
    fn at(&self, node: IpAddr, link: &str) -> String {
        link.replace(&self.node.url(""), &origin(node))
    }

    /// The first person here, who owns the node and reaches it over IPv4.
    pub(super) fn arrive_as_owner(
        &self,
        name: &str,
        config: PersonConfig,
    ) -> Result<Person, LabError> {
        self.arrive_as_owner_at(self.addresses()[0], name, config)
    }

    /// The first person here, who owns the node and reaches it at this address of it.
    pub(super) fn arrive_as_owner_at(
        &self,
        node: IpAddr,
        name: &str,
        config: PersonConfig,
    ) -> Result<Person, LabError> {
        let link = self.node.ready().owner_invitation.clone();
        let link = link.expect("nobody owns it yet");
        let owner = Person::arrive(name, &self.at(node, &link), config)?;
        owner.onboard()?;
        Ok(owner)
    }

    /// Somebody whom the owner invites and lets in: the two are contacts.
    pub(super) fn arrive_invited(
        &self,
        owner: &Person,
        name: &str,
        config: PersonConfig,
        node: IpAddr,
    ) -> Result<Person, LabError> {
        let passed = owner.invite(name, true)?;
        let [v4, v6] = self.addresses().map(origin);
        let own = origin(node);
        let link = passed.link.replace(&v4, &own).replace(&v6, &own);
        let person = Person::arrive(name, &link, config)?;
        person.onboard()?;
        person.type_words(&passed.words)?;
        owner.approve()?;
        owner.wait_for_contact(name)?;
        person.wait_for_contact(owner.name())?;
        person.page().click("@join-write")?;
        Ok(person)
    }

    /// A home directory with a store of certificates (NSS) that has the node's authority in it.
    fn trusting_home(&self, name: &str) -> String {
        let home = self.homes.path().join(name);
        let store = home.join(".pki/nssdb");
        fs::create_dir_all(&store).expect("a home can be made");
        let store = format!("sql:{}", store.display());
        certutil(&["-N", "--empty-password", "-d", &store]);
        let authority = self.node.data_dir().join("tls").join("ca.crt");
        let authority = text(&authority);
        certutil(&[
            "-A", "-n", "the node", "-t", "C,,", "-i", authority, "-d", &store,
        ]);
        text(&home).to_owned()
    }
}

/// How the node is called by those who reach it at this address of it.
fn origin(node: IpAddr) -> String {
    match node {
        IpAddr::V4(v4) => format!("https://{v4}"),
        IpAddr::V6(v6) => format!("https://[{v6}]"),
    }
}

fn config(host: &Host) -> NodeConfig {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let listen = [IpAddr::from(host.ipv4()), host.ipv6().into()];
    NodeConfig {
        name: "paths".to_owned(),
        netns: Some(host.netns().to_owned()),
        args: listen
            .map(|ip| format!("--listen={}", SocketAddr::from((ip, 443))))
            .into(),
        env: vec![
            setting("HITHER_TLS__MODE", "own-ca"),
            setting(
                "HITHER_TLS__NAMES",
                &listen.map(|ip| ip.to_string()).join(","),
            ),
            setting("HITHER_RELAY__PORT", "3478"),
        ],
    }
}

fn certutil(args: &[&str]) {
    let output = Command::new("certutil").args(args).output();
    let output = output.expect("certutil is installed (Debian: libnss3-tools)");
    assert!(output.status.success(), "certutil {args:?}: {output:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}
