// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ana, who owns a node, and Ben, whom she invites.
//!
//! Becoming acquainted takes a while, so it is done once and kept: every test that begins with two
//! contacts begins with a copy of their profiles and of the node's data, and is alone with them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hither_lab::{LabError, Meddler, Node, NodeConfig, Person, PersonConfig};
use tempfile::TempDir;

pub(super) type Outcome = Result<(), LabError>;

/// A call needs both cores, and the copies of a node share their ports.
static TURN: Mutex<()> = Mutex::new(());

/// Two people and their node.
pub(super) struct Pair {
    pub(super) ana: Person,
    pub(super) ben: Person,
    pub(super) node: Node,
    pub(super) _turn: MutexGuard<'static, ()>,
}

impl Pair {
    /// Contacts with each other, both unlocked, both with the conversation open.
    pub(super) fn talking() -> Result<Self, LabError> {
        let pair = Self::acquainted()?;
        pair.ana.talk_to("Ben")?;
        pair.ben.talk_to("Ana")?;
        Ok(pair)
    }

    /// Contacts with each other, both unlocked.
    pub(super) fn acquainted() -> Result<Self, LabError> {
        Self::acquainted_with(|config| config, |config| config)
    }

    /// The same, with browsers to one's liking.
    pub(super) fn acquainted_with(
        ana: impl FnOnce(PersonConfig) -> PersonConfig,
        ben: impl FnOnce(PersonConfig) -> PersonConfig,
    ) -> Result<Self, LabError> {
        let turn = turn();
        let kept = kept()?;
        let node = Node::start_from(kept.node.clone(), &kept.data)?;
        let url = node.url("/");
        Self::unlocked(turn, kept, node, &url, ana, ben)
    }

    /// Both unlocked, with the conversation open, and everything that they say to the node goes
    /// through somebody who may alter it.
    pub(super) fn talking_through_a_meddler() -> Result<(Self, Meddler), LabError> {
        let turn = turn();
        let kept = kept()?;
        // The meddler takes the place that the profiles know.
        let elsewhere = NodeConfig {
            args: NodeConfig::new("behind")?.args,
            ..kept.node.clone()
        };
        let node = Node::start_from(elsewhere, &kept.data)?;
        let meddler = Meddler::before(&node, kept.address)?;
        let pair = Self::unlocked(turn, kept, node, &meddler.url("/"), |own| own, |own| own)?;
        pair.ana.talk_to("Ben")?;
        pair.ben.talk_to("Ana")?;
        Ok((pair, meddler))
    }

    fn unlocked(
        turn: MutexGuard<'static, ()>,
        kept: &Kept,
        node: Node,
        url: &str,
        ana: impl FnOnce(PersonConfig) -> PersonConfig,
        ben: impl FnOnce(PersonConfig) -> PersonConfig,
    ) -> Result<Self, LabError> {
        let profile = |path: &PathBuf| PersonConfig {
            profile: Some(path.clone()),
            ..PersonConfig::default()
        };
        let ana = Person::arrive("Ana", url, ana(profile(&kept.ana)))?;
        let ben = Person::arrive("Ben", url, ben(profile(&kept.ben)))?;
        for person in [&ana, &ben] {
            person.unlock()?;
            person.wait_for_node("online")?;
        }
        Ok(Self {
            ana,
            ben,
            node,
            _turn: turn,
        })
    }

    /// Somebody else, whom Ana invites and lets in.
    pub(super) fn arrive_third(&self, name: &str) -> Result<Person, LabError> {
        let passed = self.ana.invite(name, true)?;
        let third = Person::arrive(name, &passed.link, PersonConfig::default())?;
        third.onboard()?;
        third.type_words(&passed.words)?;
        self.ana.approve()?;
        self.ana.wait_for_contact(name)?;
        third.wait_for_contact("Ana")?;
        third.page().click("@join-write")?;
        Ok(third)
    }

    /// A call with picture and sound, both ways.
    pub(super) fn in_a_call() -> Result<Self, LabError> {
        let pair = Self::talking()?;
        pair.ana.call(true)?;
        pair.ben.accept(true)?;
        for person in [&pair.ana, &pair.ben] {
            person.wait_for_call("active")?;
            person.sees()?;
            person.hears()?;
        }
        Ok(pair)
    }
}

/// Waits until no other test is under way.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Kept {
    node: NodeConfig,
    address: SocketAddr,
    data: PathBuf,
    ana: PathBuf,
    ben: PathBuf,
}

fn kept() -> Result<&'static Kept, LabError> {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    if let Some(kept) = KEPT.get() {
        return Ok(kept);
    }
    let kept = become_acquainted()?;
    Ok(KEPT.get_or_init(|| kept))
}

/// Cargo removes nothing from here, so neither do we need to: the next run starts anew.
fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("acquainted")
        .join(name)
}

fn become_acquainted() -> Result<Kept, LabError> {
    let config = NodeConfig::new("story")?;
    let mut node = Node::start(config.clone())?;
    let address = node.address()?;
    let ana = arrive_as_owner(&node)?;
    let ben = arrive_invited(&ana)?;
    ana.approve()?;
    ana.wait_for_contact("Ben")?;
    ben.wait_for_contact("Ana")?;
    node_is_quiet(&ana, &ben)?;

    let [data, ana_profile, ben_profile] = ["node", "ana", "ben"].map(place);
    keep(ana.pack_up()?, &ana_profile)?;
    keep(ben.pack_up()?, &ben_profile)?;
    node.stop()?;
    replace(&node.data_dir(), &data)?;
    Ok(Kept {
        node: config,
        address,
        data,
        ana: ana_profile,
        ben: ben_profile,
    })
}

/// What was still under way when a browser closes comes when it is opened again, but a test that
/// counts messages should find nothing old.
fn node_is_quiet(ana: &Person, ben: &Person) -> Outcome {
    ben.page().click("@join-write")?;
    ben.write("Here I am.")?;
    ben.wait_for_delivery("Here I am.", "delivered")?;
    ana.page().wait_for_element("@message[data-mine=false]")?;
    ben.wait_for_delivery("Here I am.", "read")
}

/// Ana opens the link that the node printed.
pub(super) fn arrive_as_owner(node: &Node) -> Result<Person, LabError> {
    arrive_as_owner_at(&node.url(""), node)
}

/// The same, at another address than the one that was printed.
pub(super) fn arrive_as_owner_at(origin: &str, node: &Node) -> Result<Person, LabError> {
    let link = node.ready().owner_invitation.clone();
    let link = link.ok_or_else(|| LabError::Unexpected("the node has an owner".to_owned()))?;
    let link = link.replace(&node.url(""), origin);
    let ana = Person::arrive("Ana", &link, PersonConfig::default())?;
    ana.onboard()?;
    Ok(ana)
}

/// Ben opens Ana's link, types her words and waits to be let in.
pub(super) fn arrive_invited(ana: &Person) -> Result<Person, LabError> {
    let passed = ana.invite("for Ben", true)?;
    let ben = Person::arrive("Ben", &passed.link, PersonConfig::default())?;
    ben.onboard()?;
    ben.type_words(&passed.words)?;
    ben.page().wait_for_element("@join-write")?;
    Ok(ben)
}

fn keep((home, profile): (TempDir, PathBuf), to: &Path) -> Outcome {
    replace(&profile, to)?;
    drop(home);
    Ok(())
}

fn replace(from: &Path, to: &Path) -> Outcome {
    let io = |what: &str, source| LabError::Io {
        what: format!("{what} {}", to.display()),
        source,
    };
    if to.exists() {
        std::fs::remove_dir_all(to).map_err(|source| io("remove", source))?;
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(|source| io("create", source))?;
    }
    hither_lab::copy_tree(from, to)
}
