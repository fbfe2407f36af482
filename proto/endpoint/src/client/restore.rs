// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rebuilds the client from its records.

use std::collections::BTreeMap;

use hither_crypto::identity::{Identity, PublicIdentity};
use hither_crypto::session::Session;
use hither_sansio::Now;

use super::{ACCOUNT, Account, CALL, Client, StoredText, Texts};
use crate::base::{Base, read_record};
use crate::calls::StoredCall;
use crate::calls::past::PastCall;
use crate::contact::{Contact, Stored, StoredProfile};
use crate::hiding::{HIDING, Hiding};
use crate::leftovers::LEFTOVERS;
use crate::meet::{Invitation, JOINING, Joining, StoredInvitation};
use crate::stream::StoredOutgoing;
use crate::{ContactId, InvitationKey, MessageId, Notice};

impl Client {
    /// Rebuilds everything from opened records. Answers `None` if there is no account among them.
    pub(crate) fn restore(
        base: &mut Base,
        opened: Vec<(String, Vec<u8>)>,
        now: Now,
    ) -> Option<Self> {
        let records: BTreeMap<String, Vec<u8>> = opened.into_iter().collect();
        let account: Account = read_record(records.get(ACCOUNT)?)?;
        let mut client = Self::new(account);
        let mut damaged = false;
        for id in contact_ids(&records) {
            match restore_contact(&client.identity, id, &records) {
                Some((contact, texts)) => {
                    client.past_calls.insert(id, past_calls(id, &records));
                    client.contacts.insert(id, contact);
                    client.texts.insert(id, texts);
                }
                None => damaged = true,
            }
        }
        for (name, bytes) in &records {
            if let Some(hex) = name.strip_prefix("invitation/") {
                match (
                    InvitationKey::from_hex(hex),
                    read_record::<StoredInvitation>(bytes),
                ) {
                    (Some(id), Some(stored)) => {
                        client.invitations.insert(id, Invitation::restore(stored));
                    }
                    _ => damaged = true,
                }
            } else if name.starts_with("farewell/")
                && let Some(farewell) = read_record(bytes)
            {
                client.farewells.insert(name.clone(), farewell);
            }
        }
        if let Some(bytes) = records.get(HIDING) {
            client.hiding = Hiding::restore(bytes);
            damaged |= client.hiding.is_damaged();
        }
        if let Some(bytes) = records.get(LEFTOVERS) {
            client.leftovers = read_record(bytes).unwrap_or_default();
        }
        let joining = records.get(JOINING).and_then(|bytes| read_record(bytes));
        client.joining = joining.map(|blob| Joining::of(blob, None));
        if let Some(stored) = records
            .get(CALL)
            .and_then(|bytes| read_record::<StoredCall>(bytes))
        {
            client.resume_call(base, stored, now);
        }
        if damaged {
            base.notice(Notice::StoreUnreadable);
        }
        Some(client)
    }
}

fn contact_ids(records: &BTreeMap<String, Vec<u8>>) -> Vec<ContactId> {
    records
        .keys()
        .filter_map(|name| name.strip_prefix("contact/")?.strip_suffix("/state"))
        .filter_map(ContactId::from_hex)
        .collect()
}

/// Calls that nobody answered. An unreadable one is only a line less.
fn past_calls(id: ContactId, records: &BTreeMap<String, Vec<u8>>) -> Vec<PastCall> {
    let prefix = format!("{}call/", Contact::prefix(id));
    let mut past: Vec<PastCall> = records
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter_map(|(_, bytes)| read_record(bytes))
        .collect();
    past.sort_by_key(PastCall::order);
    past
}

fn restore_contact(
    identity: &Identity,
    id: ContactId,
    records: &BTreeMap<String, Vec<u8>>,
) -> Option<(Contact, Texts)> {
    let prefix = Contact::prefix(id);
    let stored: Stored = read_record(records.get(&format!("{prefix}state"))?)?;
    let profile: StoredProfile = read_record(records.get(&format!("{prefix}profile"))?)?;
    let public = PublicIdentity::parse(&stored.public).ok()?;
    let mut entries = Vec::new();
    let mut waiting: BTreeMap<u64, StoredOutgoing> = BTreeMap::new();
    let mut texts: BTreeMap<u64, (MessageId, StoredText)> = BTreeMap::new();
    let own = records
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix));
    for (name, bytes) in own {
        let rest = name.get(prefix.len()..)?;
        if rest.starts_with("mls/") {
            entries.push(read_record::<(Vec<u8>, Vec<u8>)>(bytes)?);
        } else if let Some(number) = rest.strip_prefix("out/") {
            let number = u64::from_str_radix(number, 16).ok()?;
            waiting.insert(number, read_record(bytes)?);
        } else if let Some(place) = rest.strip_prefix("text/") {
            let place = u64::from_str_radix(place, 16).ok()?;
            let (id, stored): (MessageId, StoredText) = read_record(bytes)?;
            texts.insert(place, (id, StoredText { place, ..stored }));
        }
    }
    let session = Session::restore(entries).ok()?;
    let mut contact = Contact::new(
        id,
        stored,
        profile,
        public,
        session,
        identity.fingerprint(),
        waiting,
    );
    let opened = records.get(&format!("{prefix}quick"));
    if let Some(opened) = opened.and_then(|bytes| read_record(bytes)) {
        contact.restore_opened(opened);
    }
    Some((contact, texts.into_values().collect()))
}
