// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node with a name, reached over both families of addresses, and people whose browsers know the name and
//! trust the node's authority.

use std::cell::RefCell;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hither_lab::{Host, LabError, Net, Node, NodeConfig, Person, PersonConfig};
use tempfile::TempDir;

pub(super) type Outcome = Result<(), LabError>;

/// What people call the node.
pub(super) const NAME: &str = "node.example";

/// A call needs both cores.
static TURN: Mutex<()> = Mutex::new(());

/// A node at port 443 of its host, with its relay at 3478 and 443.
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) host: Host,
    pub(super) net: Net,
    homes: TempDir,
    names: Names,
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
            names: Names::default(),
            _turn: turn,
        }))
    }

    /// The addresses of the node, IPv4 first.
    pub(super) fn addresses(&self) -> [IpAddr; 2] {
        [self.host.ipv4().into(), self.host.ipv6().into()]
    }

    /// How somebody sets out on this host, where the node's name leads to these addresses of it.
    pub(super) fn person(
        &self,
        name: &str,
        host: &Host,
        node: &[IpAddr],
    ) -> Result<PersonConfig, LabError> {
        self.names.tell(host, node)?;
        Ok(PersonConfig {
            netns: Some(host.netns().to_owned()),
            env: vec![("HOME".to_owned(), self.trusting_home(name))],
            ..PersonConfig::default()
        })
    }

    /// The first person here, who owns the node.
    pub(super) fn arrive_as_owner(
        &self,
        name: &str,
        config: PersonConfig,
    ) -> Result<Person, LabError> {
        let link = self.node.ready().owner_invitation.clone();
        let owner = Person::arrive(name, &link.expect("nobody owns it yet"), config)?;
        owner.onboard()?;
        Ok(owner)
    }

    /// Somebody whom the owner invites and lets in: the two are contacts.
    pub(super) fn arrive_invited(
        &self,
        owner: &Person,
        name: &str,
        config: PersonConfig,
    ) -> Result<Person, LabError> {
        let passed = owner.invite(name, true)?;
        let person = Person::arrive(name, &passed.link, config)?;
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

/// Files of names (`hosts`) that `ip netns exec` shows to the programs of a namespace instead of the machine's own. A
/// browser's own rules for names would not do: WebRTC looks past them. The files go with the value.
#[derive(Default)]
struct Names {
    dirs: RefCell<Vec<PathBuf>>,
}

impl Names {
    fn tell(&self, host: &Host, node: &[IpAddr]) -> Outcome {
        let dir = Path::new("/etc/netns").join(host.netns());
        let lines: String = node.iter().map(|ip| format!("{ip} {NAME}\n")).collect();
        let written = fs::create_dir_all(&dir).and_then(|()| {
            self.dirs.borrow_mut().push(dir.clone());
            fs::write(dir.join("hosts"), format!("127.0.0.1 localhost\n{lines}"))
        });
        written.map_err(|source| LabError::Io {
            what: format!("write names into {}", dir.display()),
            source,
        })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for dir in self.dirs.get_mut() {
            // What is gone already need not be removed.
            let _removed = fs::remove_dir_all(dir);
        }
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
            setting("HITHER_HTTP__PUBLIC_URL", &format!("https://{NAME}")),
            setting("HITHER_TLS__MODE", "own-ca"),
            setting("HITHER_TLS__NAMES", NAME),
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
