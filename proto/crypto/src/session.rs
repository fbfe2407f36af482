// SPDX-License-Identifier: MIT OR Apache-2.0
//! What two people have after one accepted the other's invitation: an MLS group (RFC 9420).
//!
//! One suite, `MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87` (0x0907 of draft-ietf-mls-pq-ciphersuites), behind
//! the narrow [`GroupSession`], so that another MLS library could take its place. Everything is a
//! PrivateMessage; one past epoch is kept, so that what crosses a commit still arrives; nothing is padded here,
//! because the envelope pads.
//!
//! A session never changes who is in it. What a peer may do is speak, propose new keys for its own leaf, and
//! commit new keys; everything else is refused, and after every refusal the session is as it was before.
//!
//! Who commits when is the endpoint's rule. Should both have done so in the same epoch, leaf 0's commit holds:
//! leaf 0 answers the other's with [`ReceiveError::Outranked`], and leaf 1 gives up its own by receiving leaf 0's.
//!
//! Two things are not as arguments would have them. OpenMLS draws the randomness inside a session (reuse
//! guards, path secrets, encapsulations) from a generator that the operating system seeds. And it reads the
//! calendar to look at lifetimes; those that it sees are unbounded, so that the answer never depends on it.

mod error;
mod leaf;

use openmls::group::{
    GroupId, MlsGroup, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, StagedCommit,
};
use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{
    Ciphersuite, LeafNode, LeafNodeIndex, LeafNodeParameters, MlsMessageBodyIn, MlsMessageIn,
    PreSharedKeyProposal, ProcessedMessageContent, Proposal, ProtocolMessage, QueuedProposal,
    Sender, SenderRatchetConfiguration,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use serde::{Deserialize, Serialize};

use crate::envelope::{HeaderKey, MAX_BODY};
use crate::identity::{DeviceCert, Fingerprint, LeafKey};
use crate::primitives;
use crate::secret::Secret;
use crate::storage::{Digests, Provider, Snapshot};
use crate::wire::Reader;

pub use error::{MergeError, ReceiveError, RestoreError, SealError};
pub(crate) use leaf::{CredentialContent, LeafSigner, capabilities};

/// The one suite.
pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_256_MLKEM1024_AES256GCM_SHA384_MLDSA87;
/// The longest plaintext that [`Session::seal`] takes: what fits into an envelope beside signature and framing.
pub const MAX_PLAINTEXT: usize = MAX_BODY - 5 * 1024;

const MAX_PAST_EPOCHS: usize = 1;
const OUT_OF_ORDER: u32 = 32;
const FORWARD: u32 = 1000;
/// Where a session notes what OpenMLS does not: version ‖ group id ‖ leaf key seed.
const META_KEY: &[u8] = b"hither/session";
const META_VERSION: u8 = 1;
const PSK_ID_LABEL: &[u8] = b"hither/v1/psk id";
const EXPORT_HEADER: &str = "hither/v1/header";
const EXPORT_QUICK: &str = "hither/v1/quick";
const EXPORT_MEDIA: &str = "hither/v1/media";

/// What the rest of Hither needs from a session, and all that another MLS library would have to give.
pub trait GroupSession {
    /// The current epoch.
    fn epoch(&self) -> u64;
    /// This side's leaf: 0 for who created the group, 1 for who invited.
    fn own_leaf(&self) -> u32;
    /// The other side's leaf.
    fn peer_leaf(&self) -> u32;
    /// See [`Session::seal`].
    ///
    /// # Errors
    /// See there.
    fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError>;
    /// See [`Session::receive`].
    ///
    /// # Errors
    /// See there.
    fn receive(&mut self, message: &[u8]) -> Result<Received, ReceiveError>;
    /// See [`Session::propose_update`].
    ///
    /// # Errors
    /// See there.
    fn propose_update(&mut self) -> Result<Vec<u8>, SealError>;
    /// See [`Session::commit`].
    ///
    /// # Errors
    /// See there.
    fn commit(&mut self, psk: Option<&Secret<32>>) -> Result<Vec<u8>, SealError>;
    /// See [`Session::pending`].
    fn pending(&self) -> bool;
    /// See [`Session::merge_pending`].
    ///
    /// # Errors
    /// See there.
    fn merge_pending(&mut self) -> Result<(), MergeError>;
    /// See [`Session::drop_pending`].
    fn drop_pending(&mut self);
    /// See [`Session::secrets`].
    fn secrets(&self) -> EpochSecrets;
    /// See [`Session::pending_secrets`].
    fn pending_secrets(&self) -> Option<EpochSecrets>;
    /// See [`Session::changes`].
    fn changes(&mut self) -> Vec<Change>;
}

/// A two-person MLS group over OpenMLS.
pub struct Session {
    provider: Provider,
    group: MlsGroup,
    signer: LeafSigner,
    current: EpochSecrets,
    pending: Option<EpochSecrets>,
    /// What the storage held when [`Session::changes`] was last asked.
    persisted: Digests,
}

impl Session {
    /// Takes over a group that was just created or joined, with both members in it.
    pub(crate) fn new(
        provider: Provider,
        group: MlsGroup,
        leaf: LeafKey,
    ) -> Result<Self, RestoreError> {
        let mut meta = vec![META_VERSION];
        crate::wire::put_bytes(&mut meta, group.group_id().as_slice());
        meta.extend_from_slice(leaf.seed().as_bytes());
        provider.put(META_KEY, meta);
        Self::assemble(provider, group, LeafSigner(leaf))
    }

    /// As [`Session::new`], for a group of any size: who lies in a test needs a session as well.
    #[cfg(test)]
    pub(crate) fn new_unchecked(provider: Provider, group: MlsGroup, leaf: LeafKey) -> Self {
        Self {
            current: EpochSecrets::current(&group, &provider).expect("the group has an epoch"),
            provider,
            group,
            signer: LeafSigner(leaf),
            pending: None,
            persisted: Digests::default(),
        }
    }

    fn assemble(
        provider: Provider,
        group: MlsGroup,
        signer: LeafSigner,
    ) -> Result<Self, RestoreError> {
        let two = group.members().count() == 2 && group.own_leaf_index().u32() < 2;
        let own = group.own_leaf_node().map(LeafNode::signature_key);
        let ours = own.is_some_and(|key| key.as_slice() == signer.0.public());
        if !two || !ours || group.ciphersuite() != SUITE {
            return Err(RestoreError::Malformed);
        }
        let current = EpochSecrets::current(&group, &provider).ok_or(RestoreError::Malformed)?;
        let pending = EpochSecrets::pending(&group, &provider);
        Ok(Self {
            provider,
            group,
            signer,
            current,
            pending,
            persisted: Digests::default(),
        })
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// This side's leaf: 0 for who created the group (the invited), 1 for who was added (the inviter).
    #[must_use]
    pub fn own_leaf(&self) -> u32 {
        self.group.own_leaf_index().u32()
    }

    /// The other side's leaf.
    #[must_use]
    pub fn peer_leaf(&self) -> u32 {
        1 - self.own_leaf()
    }

    /// Whether this side's commit holds if both made one in the same epoch: leaf 0's does.
    #[must_use]
    pub fn may_commit(&self) -> bool {
        self.own_leaf() == 0
    }

    /// Whom the other leaf stands for, as its credential says and its certificate proved at the join.
    #[must_use]
    pub fn peer_fingerprint(&self) -> Option<Fingerprint> {
        let leaf = self.leaf(self.peer_leaf())?;
        Some(CredentialContent::of(leaf.credential())?.fingerprint)
    }

    /// Whether the other leaf is the one that this certificate certifies.
    pub(crate) fn peer_is(&self, cert: &DeviceCert) -> bool {
        let leaf = self.leaf(self.peer_leaf());
        leaf.is_some_and(|leaf| CredentialContent::certifies(cert, leaf))
    }

    /// Seals a message of at most [`MAX_PLAINTEXT`] bytes; the result is an MLS PrivateMessage.
    ///
    /// Works while a commit or a proposal is outstanding. RFC 9420 section 12.4 wants proposals committed
    /// before application data is sent, so that nobody speaks to whom they are about to remove; here nobody
    /// is ever removed, and a leaf that only proposes must not fall silent until the other one is online.
    ///
    /// # Errors
    /// If the message is too long, or OpenMLS refuses.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(SealError::TooLong);
        }
        // OpenMLS enforces the rule above, so the proposals are put aside for a moment.
        self.or_restore(|session| {
            let storage = session.provider.storage();
            let aside: Vec<QueuedProposal> = session.group.pending_proposals().cloned().collect();
            session.group.clear_pending_proposals(storage).ok()?;
            let message =
                session
                    .group
                    .create_message(&session.provider, &session.signer, plaintext);
            for proposal in aside {
                session
                    .group
                    .store_pending_proposal(storage, proposal)
                    .ok()?;
            }
            message.ok()?.to_bytes().ok()
        })
    }

    /// Takes a message of the peer. A commit is merged at once.
    ///
    /// # Errors
    /// See [`ReceiveError`]; the session is then as it was before.
    pub fn receive(&mut self, message: &[u8]) -> Result<Received, ReceiveError> {
        let message = self.parse(message)?;
        let before = self.provider.snapshot();
        let result = self.process(message);
        if result.is_err() {
            self.roll_back(&before);
        }
        result
    }

    fn parse(&self, message: &[u8]) -> Result<ProtocolMessage, ReceiveError> {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(message)
            .map_err(|_| ReceiveError::Malformed)?;
        let MlsMessageBodyIn::PrivateMessage(message) = message.extract() else {
            return Err(ReceiveError::Malformed);
        };
        let message = ProtocolMessage::from(message);
        if message.group_id() != self.group.group_id() {
            return Err(ReceiveError::Malformed);
        }
        let (ours, theirs) = (self.epoch(), message.epoch().as_u64());
        let kept = if message.is_handshake_message() {
            0
        } else {
            MAX_PAST_EPOCHS as u64
        };
        if theirs > ours {
            return Err(ReceiveError::WrongEpoch { ours, theirs });
        }
        if ours - theirs > kept {
            return Err(ReceiveError::TooOld);
        }
        Ok(message)
    }

    fn process(&mut self, message: ProtocolMessage) -> Result<Received, ReceiveError> {
        let epoch = message.epoch().as_u64();
        let processed = self
            .group
            .process_message(&self.provider, message)
            .map_err(|error| ReceiveError::from_openmls(&error))?;
        let peer = LeafNodeIndex::new(self.peer_leaf());
        if !matches!(processed.sender(), Sender::Member(sender) if *sender == peer) {
            return Err(ReceiveError::Refused);
        }
        if !processed.aad().is_empty() {
            return Err(ReceiveError::Refused);
        }
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(message) => Ok(Received::Application {
                epoch,
                plaintext: message.into_bytes(),
            }),
            ProcessedMessageContent::ProposalMessage(proposal) => self.take_proposal(*proposal),
            ProcessedMessageContent::StagedCommitMessage(commit) => self.take_commit(*commit),
            ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::OwnPendingCommit
            | ProcessedMessageContent::OwnPrivateMessage => Err(ReceiveError::Refused),
        }
    }

    /// Keeps the newest proposal of the peer, so that they cannot pile up.
    fn take_proposal(&mut self, proposal: QueuedProposal) -> Result<Received, ReceiveError> {
        let Proposal::Update(update) = proposal.proposal() else {
            return Err(ReceiveError::Refused);
        };
        self.check_leaf(self.peer_leaf(), update.leaf_node())?;
        let storage = self.provider.storage();
        let older: Vec<_> = self
            .group
            .pending_proposals()
            .filter(|queued| queued.sender() == proposal.sender())
            .map(|queued| queued.proposal_reference_ref().clone())
            .collect();
        for reference in older {
            self.group
                .remove_pending_proposal(storage, &reference)
                .map_err(|_| ReceiveError::Refused)?;
        }
        self.group
            .store_pending_proposal(storage, proposal)
            .map_err(|_| ReceiveError::Refused)?;
        Ok(Received::Proposal)
    }

    fn take_commit(&mut self, commit: StagedCommit) -> Result<Received, ReceiveError> {
        self.check_commit(&commit)?;
        if self.pending() && self.own_leaf() < self.peer_leaf() {
            return Err(ReceiveError::Outranked);
        }
        self.group
            .merge_staged_commit(&self.provider, commit)
            .map_err(|_| ReceiveError::Refused)?;
        self.provider.forget_psks();
        self.current =
            EpochSecrets::current(&self.group, &self.provider).ok_or(ReceiveError::Refused)?;
        self.pending = None;
        Ok(Received::Commit {
            epoch: self.epoch(),
        })
    }

    /// A commit may renew keys and mix in a secret that both sides have, and nothing else.
    fn check_commit(&self, commit: &StagedCommit) -> Result<(), ReceiveError> {
        let path = commit
            .update_path_leaf_node()
            .ok_or(ReceiveError::Refused)?;
        self.check_leaf(self.peer_leaf(), path)?;
        for queued in commit.queued_proposals() {
            match (queued.proposal(), queued.sender()) {
                (Proposal::Update(update), Sender::Member(leaf)) => {
                    self.check_leaf(leaf.u32(), update.leaf_node())?;
                }
                (Proposal::PreSharedKey(_), Sender::Member(_)) => {}
                _ => return Err(ReceiveError::Refused),
            }
        }
        let same_extensions = commit.group_context().extensions() == self.group.extensions();
        if commit.self_removed() || !same_extensions {
            return Err(ReceiveError::Refused);
        }
        Ok(())
    }

    /// A new leaf node differs from the old one in its encryption key, and in nothing that says whose it is.
    fn check_leaf(&self, index: u32, new: &LeafNode) -> Result<(), ReceiveError> {
        let old = self.leaf(index).ok_or(ReceiveError::Refused)?;
        let same = old.credential() == new.credential()
            && old.signature_key() == new.signature_key()
            && old.capabilities() == new.capabilities()
            && old.extensions() == new.extensions();
        if same {
            Ok(())
        } else {
            Err(ReceiveError::Refused)
        }
    }

    fn leaf(&self, index: u32) -> Option<&LeafNode> {
        self.group.public_group().leaf(LeafNodeIndex::new(index))
    }

    /// Proposes new keys for this side's leaf; the peer's next commit carries them out.
    ///
    /// # Errors
    /// If a proposal or a commit of this side is outstanding in this epoch, or OpenMLS refuses.
    pub fn propose_update(&mut self) -> Result<Vec<u8>, SealError> {
        let own = Sender::Member(self.group.own_leaf_index());
        let outstanding = self
            .group
            .pending_proposals()
            .any(|queued| *queued.sender() == own);
        if self.pending() || outstanding {
            return Err(SealError::Pending);
        }
        self.or_restore(|session| {
            let (message, _) = session
                .group
                .propose_self_update(
                    &session.provider,
                    &session.signer,
                    LeafNodeParameters::default(),
                )
                .ok()?;
            message.to_bytes().ok()
        })
    }

    /// Commits new keys for this side's leaf, the peer's proposal if there is one, and `psk` if both sides have
    /// it ([`Session::add_psk`]). The commit stays pending until [`Session::merge_pending`].
    ///
    /// # Errors
    /// If a commit is pending already, or OpenMLS refuses.
    pub fn commit(&mut self, psk: Option<&Secret<32>>) -> Result<Vec<u8>, SealError> {
        if self.pending() {
            return Err(SealError::Pending);
        }
        self.or_restore(|session| {
            let psk = match psk {
                Some(psk) => Some(session.store_psk(psk)?),
                None => None,
            };
            let psk = psk.map(|id| Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id))));
            let own = Sender::Member(session.group.own_leaf_index());
            let Self {
                provider,
                group,
                signer,
                ..
            } = session;
            let bundle = group
                .commit_builder()
                .consume_proposal_store(true)
                .force_self_update(true)
                .add_proposals(psk)
                .load_psks(provider.storage())
                .ok()?
                .create_group_info(false)
                .build(provider.rand(), provider.crypto(), signer, |queued| {
                    *queued.sender() != own
                        || matches!(queued.proposal(), Proposal::PreSharedKey(_))
                })
                .ok()?
                .stage_commit(provider)
                .ok()?;
            let commit = bundle.into_commit().to_bytes().ok()?;
            session.pending = Some(EpochSecrets::pending(&session.group, &session.provider)?);
            Some(commit)
        })
    }

    /// Remembers a secret that the peer's next commit may mix in. Forgotten with the next epoch.
    ///
    /// # Errors
    /// If OpenMLS refuses.
    pub fn add_psk(&mut self, psk: &Secret<32>) -> Result<(), SealError> {
        self.store_psk(psk).map(|_| ()).ok_or(SealError::Failed)
    }

    fn store_psk(&self, psk: &Secret<32>) -> Option<PreSharedKeyId> {
        // The id is a one-way image of the secret, and travels only inside a sealed commit.
        let id = primitives::derive::<32>(&[], psk.as_bytes(), &[PSK_ID_LABEL]);
        store_psk(&self.provider, id.as_bytes(), psk.as_bytes())
    }

    /// Whether a commit of this side waits for its acknowledgement.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Enters the epoch of the pending commit. Only once the peer acknowledged it.
    ///
    /// # Errors
    /// If there is none, or OpenMLS refuses; the session is then as it was before.
    pub fn merge_pending(&mut self) -> Result<(), MergeError> {
        if !self.pending() {
            return Err(MergeError::Nothing);
        }
        let before = self.provider.snapshot();
        let merged = self.group.merge_pending_commit(&self.provider).is_ok();
        let secrets = EpochSecrets::current(&self.group, &self.provider).filter(|_| merged);
        let Some(secrets) = secrets else {
            self.roll_back(&before);
            return Err(MergeError::Failed);
        };
        self.provider.forget_psks();
        self.current = secrets;
        self.pending = None;
        Ok(())
    }

    /// Gives the pending commit up, if there is one. Only if the peer cannot have taken it.
    pub fn drop_pending(&mut self) {
        // The only error is one of a storage that is a map in memory.
        let dropped = self.group.clear_pending_commit(self.provider.storage());
        debug_assert!(dropped.is_ok(), "a map in memory takes every entry");
        self.pending = None;
    }

    /// The secrets of the current epoch.
    #[must_use]
    pub fn secrets(&self) -> EpochSecrets {
        self.current.clone()
    }

    /// The secrets of the epoch that the pending commit leads to.
    #[must_use]
    pub fn pending_secrets(&self) -> Option<EpochSecrets> {
        self.pending.clone()
    }

    /// The storage entries that differ from the last time this was asked: all of them, the first time.
    ///
    /// They hold every secret of the session; what was deleted must be deleted from the disk as well. They are to
    /// be stored before anything goes out that was sealed since.
    pub fn changes(&mut self) -> Vec<Change> {
        let snapshot = self.provider.snapshot();
        let now = snapshot.digests();
        let changes = snapshot.since(&self.persisted, &now);
        self.persisted = now;
        changes
    }

    /// Puts a session together from its stored entries.
    ///
    /// # Errors
    /// If there is no session in them, or an entry is damaged.
    pub fn restore(
        entries: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, RestoreError> {
        let provider = Provider::from_entries(entries).ok_or(RestoreError::Malformed)?;
        let (group_id, leaf) = Self::meta(&provider)?;
        let group = MlsGroup::load(provider.storage(), &group_id)
            .map_err(|_| RestoreError::Malformed)?
            .ok_or(RestoreError::Missing)?;
        let persisted = provider.snapshot().digests();
        let mut session = Self::assemble(provider, group, LeafSigner(leaf))?;
        session.persisted = persisted;
        Ok(session)
    }

    fn meta(provider: &Provider) -> Result<(GroupId, LeafKey), RestoreError> {
        let meta = provider.get(META_KEY).ok_or(RestoreError::Missing)?;
        let mut reader = Reader::new(&meta);
        let malformed = |_| RestoreError::Malformed;
        if reader.u8().map_err(malformed)? != META_VERSION {
            return Err(RestoreError::Malformed);
        }
        let group_id = GroupId::from_slice(reader.bytes().map_err(malformed)?);
        let seed = Secret::from_bytes(reader.array().map_err(malformed)?);
        reader.end().map_err(malformed)?;
        Ok((group_id, LeafKey::from_seed(seed)))
    }

    /// Runs something that changes the group; if it fails, the group is as before.
    fn or_restore(
        &mut self,
        change: impl FnOnce(&mut Self) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, SealError> {
        let before = self.provider.snapshot();
        let result = change(self);
        if result.is_none() {
            self.roll_back(&before);
        }
        result.ok_or(SealError::Failed)
    }

    fn roll_back(&mut self, before: &Snapshot) {
        if self.provider.reset(before) {
            let loaded = MlsGroup::load(self.provider.storage(), self.group.group_id());
            if let Ok(Some(group)) = loaded {
                self.group = group;
            }
        }
    }
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session")
            .field("epoch", &self.epoch())
            .field("own_leaf", &self.own_leaf())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl GroupSession for Session {
    fn epoch(&self) -> u64 {
        self.epoch()
    }
    fn own_leaf(&self) -> u32 {
        self.own_leaf()
    }
    fn peer_leaf(&self) -> u32 {
        self.peer_leaf()
    }
    fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal(plaintext)
    }
    fn receive(&mut self, message: &[u8]) -> Result<Received, ReceiveError> {
        self.receive(message)
    }
    fn propose_update(&mut self) -> Result<Vec<u8>, SealError> {
        self.propose_update()
    }
    fn commit(&mut self, psk: Option<&Secret<32>>) -> Result<Vec<u8>, SealError> {
        self.commit(psk)
    }
    fn pending(&self) -> bool {
        self.pending()
    }
    fn merge_pending(&mut self) -> Result<(), MergeError> {
        self.merge_pending()
    }
    fn drop_pending(&mut self) {
        self.drop_pending();
    }
    fn secrets(&self) -> EpochSecrets {
        self.secrets()
    }
    fn pending_secrets(&self) -> Option<EpochSecrets> {
        self.pending_secrets()
    }
    fn changes(&mut self) -> Vec<Change> {
        self.changes()
    }
}

/// How every group of Hither is run.
pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(0)
        .max_past_epochs(MAX_PAST_EPOCHS)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(ratchet())
        .build()
}

pub(crate) fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER, FORWARD)
}

pub(crate) const fn max_past_epochs() -> usize {
    MAX_PAST_EPOCHS
}

/// Puts an external PSK where OpenMLS looks for it.
pub(crate) fn store_psk(provider: &Provider, id: &[u8], psk: &[u8]) -> Option<PreSharedKeyId> {
    let psk_id = Psk::External(ExternalPsk::new(id.to_vec()));
    let id = PreSharedKeyId::new(SUITE, provider.rand(), psk_id).ok()?;
    id.store(provider, psk).ok()?;
    Some(id)
}

/// What a message of the peer was.
#[derive(PartialEq, Eq)]
pub enum Received {
    /// Bytes for the endpoint.
    Application {
        /// The epoch it was sealed in: the current one, or the one before.
        epoch: u64,
        /// The bytes.
        plaintext: Vec<u8>,
    },
    /// The peer asks for new keys; the next commit will carry it out.
    Proposal,
    /// The peer committed, and this side is now in the new epoch.
    Commit {
        /// The new epoch.
        epoch: u64,
    },
}

impl core::fmt::Debug for Received {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Application { epoch, .. } => f
                .debug_struct("Application")
                .field("epoch", epoch)
                .finish_non_exhaustive(),
            Self::Proposal => f.write_str("Proposal"),
            Self::Commit { epoch } => f.debug_struct("Commit").field("epoch", epoch).finish(),
        }
    }
}

/// One storage entry that changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry's key.
    pub key: Vec<u8>,
    /// Its new value, or nothing if it is to be deleted. Secret.
    pub value: Option<Vec<u8>>,
}

impl core::fmt::Debug for Change {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Change(…)")
    }
}

/// What an epoch gives to those around it, from the MLS exporter (RFC 9420 section 8.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochSecrets {
    /// The epoch.
    pub epoch: u64,
    /// Seals envelopes; label "hither/v1/header".
    pub header: HeaderKey,
    /// Seals the quick channel; label "hither/v1/quick".
    pub quick: Secret<32>,
    /// Seals calls; label "hither/v1/media".
    pub media: Secret<32>,
    /// What both sides have if nobody is in between (RFC 9420 section 8.7).
    pub authenticator: Secret<48>,
}

impl EpochSecrets {
    fn current(group: &MlsGroup, provider: &Provider) -> Option<Self> {
        Self::collect(
            group.epoch().as_u64(),
            group.epoch_authenticator().as_slice(),
            |label| group.export_secret(provider.crypto(), label, &[], 32).ok(),
        )
    }

    fn pending(group: &MlsGroup, provider: &Provider) -> Option<Self> {
        let staged = group.pending_commit()?;
        Self::collect(
            staged.epoch().as_u64(),
            staged.epoch_authenticator()?.as_slice(),
            |label| staged.export_secret(provider.crypto(), label, &[], 32).ok(),
        )
    }

    fn collect(
        epoch: u64,
        authenticator: &[u8],
        export: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let export = |label: &str| {
            let bytes = zeroize::Zeroizing::new(export(label)?);
            Some(Secret::from_bytes(
                <[u8; 32]>::try_from(bytes.as_slice()).ok()?,
            ))
        };
        Some(Self {
            epoch,
            header: export(EXPORT_HEADER)?.into(),
            quick: export(EXPORT_QUICK)?,
            media: export(EXPORT_MEDIA)?,
            authenticator: Secret::from_bytes(authenticator.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests;
