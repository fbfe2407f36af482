// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a node's store promises, on a real database in a real directory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::path::Path;

use hither_api::{
    AccountId, Capability, DeviceAuthKey, DeviceId, InvitationId, KeyHash, MailboxId, ReadKey,
    RegistrationToken, Role, WithdrawKey, limits,
};
use hither_sansio::{Duration, UnixTime};
use hither_store::{
    CreateMailboxError, NewAccount, NodeStore, OpenError, ParkError, ProfileError, PutError,
    RegisterError, RevokeDeviceError, Store, SubscribeError, WithdrawError, expiry,
};

const DAY: Duration = Duration::from_secs(86_400);
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const PAGE: (usize, usize) = (1000, usize::MAX);

fn days_later(days: u32) -> UnixTime {
    NOW + DAY * days
}

fn new_account(n: u8) -> NewAccount {
    NewAccount {
        account: AccountId::from_bytes([n; 16]),
        device: DeviceId::from_bytes([n; 16]),
        device_key: DeviceAuthKey::from_bytes([n; 32]),
        label: vec![n],
    }
}

/// A fresh store with one member.
fn store() -> (tempfile::TempDir, NodeStore, NewAccount) {
    let directory = tempfile::tempdir().unwrap();
    let mut store = NodeStore::open(directory.path()).unwrap();
    let account = new_account(1);
    store.register(None, true, &account, NOW).unwrap();
    (directory, store, account)
}

struct Box {
    id: MailboxId,
    capability: Capability,
    key: ReadKey,
}

impl Box {
    fn number(n: u8) -> Self {
        Self {
            id: MailboxId::from_bytes([n; 32]),
            capability: Capability::from_bytes([n; 32]),
            key: ReadKey::from_bytes([n; 32]),
        }
    }

    fn hashes(&self) -> (KeyHash, KeyHash) {
        (self.capability.hash(), self.key.hash())
    }

    fn create(&self, store: &mut NodeStore, by: &NewAccount) -> Result<(), CreateMailboxError> {
        store.create_mailbox(by.account, self.id, self.hashes(), 7, NOW)
    }

    fn put(&self, store: &mut NodeStore, bytes: &[u8]) -> Result<u64, PutError> {
        let expires = expiry::coarse(NOW, limits::MAX_ENVELOPE_SECS);
        store.put(self.id, &self.capability, bytes, expires, NOW)
    }

    fn waiting(&self, store: &mut NodeStore, now: UnixTime) -> Vec<Vec<u8>> {
        let page = store.waiting(self.id, None, PAGE, now).unwrap();
        page.into_iter().map(|envelope| envelope.bytes).collect()
    }
}

fn count(store: &mut NodeStore, kind: &str) -> u64 {
    let retained = store.retained().unwrap();
    let found = retained.iter().find(|retained| retained.kind == kind);
    found.unwrap().count
}

#[test]
fn a_token_is_spent_by_its_first_use_and_dies_with_its_expiry() {
    let (_directory, mut store, _) = store();
    let token = RegistrationToken::from_bytes([5; 32]).hash();
    let expires = expiry::coarse(NOW, 3600);
    store.add_token(token, Role::Admin, expires).unwrap();
    let late = UnixTime::from_secs(expires);
    let refused = store.register(Some(token), true, &new_account(2), late);
    assert!(matches!(refused, Err(RegisterError::TokenUnknown)));
    let role = store
        .register(Some(token), false, &new_account(2), NOW)
        .map(|it| it.role);
    assert_eq!(role.unwrap(), Role::Admin);
    let again = store.register(Some(token), false, &new_account(3), NOW);
    assert!(matches!(again, Err(RegisterError::TokenUnknown)));
}

#[test]
fn there_is_one_owner_and_one_owner_token() {
    let (_directory, mut store, _) = store();
    let (first, second) = (KeyHash::from_bytes([1; 32]), KeyHash::from_bytes([2; 32]));
    let far = expiry::coarse(NOW, 86_400);
    assert!(store.replace_owner_token(first, far).unwrap());
    assert!(store.replace_owner_token(second, far).unwrap());
    let refused = store.register(Some(first), false, &new_account(2), NOW);
    assert!(matches!(refused, Err(RegisterError::TokenUnknown)));
    let role = store
        .register(Some(second), false, &new_account(2), NOW)
        .map(|it| it.role);
    assert_eq!(role.unwrap(), Role::Owner);
    assert!(!store.replace_owner_token(first, far).unwrap());
    // A token that was minted by other means does not make a second one.
    store.add_token(first, Role::Owner, far).unwrap();
    let refused = store.register(Some(first), false, &new_account(3), NOW);
    assert!(matches!(refused, Err(RegisterError::OwnerExists)));
}

#[test]
fn with_its_last_device_goes_the_account() {
    let (_directory, mut store, account) = store();
    let second = DeviceId::from_bytes([9; 16]);
    let key = DeviceAuthKey::from_bytes([9; 32]);
    store.add_device(account.account, second, key, b"").unwrap();
    store
        .revoke_device(account.account, account.device)
        .unwrap();
    assert_eq!(count(&mut store, "accounts"), 1);
    store.revoke_device(account.account, second).unwrap();
    assert_eq!(count(&mut store, "accounts"), 0);
    let again = store.revoke_device(account.account, second);
    assert!(matches!(again, Err(RevokeDeviceError::Unknown)));
}

#[test]
fn only_the_day_of_a_sign_in_is_kept() {
    let (_directory, mut store, account) = store();
    assert!(store.note_seen(account.device, NOW.day()).unwrap());
    let devices = store.devices(account.account).unwrap();
    assert_eq!(devices[0].last_seen_day, Some(NOW.day()));
    let unknown = DeviceId::from_bytes([77; 16]);
    assert!(!store.note_seen(unknown, NOW.day()).unwrap());
}

#[test]
fn sequences_grow_even_when_a_mailbox_was_emptied() {
    let (_directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    let first = mailbox.put(&mut store, b"a").unwrap();
    assert_eq!(first, 7);
    store.acknowledge(mailbox.id, first).unwrap();
    assert_eq!(mailbox.put(&mut store, b"b").unwrap(), 8);
    // A late acknowledgement of the first takes nothing else with it.
    store.acknowledge(mailbox.id, first).unwrap();
    assert_eq!(mailbox.waiting(&mut store, NOW), [b"b"]);
}

#[test]
fn a_page_ends_where_it_is_told_and_the_next_begins_there() {
    let (_directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    for n in 0..10_u8 {
        mailbox.put(&mut store, &[n; 100]).unwrap();
    }
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        // The second envelope reaches 150 bytes.
        let page = store.waiting(mailbox.id, after, (5, 150), NOW).unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!(page.len(), 2);
        after = Some(last.sequence);
        seen.extend(page.into_iter().map(|envelope| envelope.bytes[0]));
    }
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
}

#[test]
fn quotas_of_a_mailbox_hold_and_follow_what_leaves_it() {
    let (_directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    store.begin_batch().unwrap();
    let first = mailbox.put(&mut store, b"x").unwrap();
    for _ in 1..limits::MAX_WAITING {
        mailbox.put(&mut store, b"x").unwrap();
    }
    store.commit_batch().unwrap();
    let refused = mailbox.put(&mut store, b"x");
    assert!(matches!(refused, Err(PutError::Full)));
    store.acknowledge(mailbox.id, first).unwrap();
    mailbox.put(&mut store, b"x").unwrap();
}

#[test]
fn a_full_node_takes_nothing_until_something_has_gone() {
    let (_directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    store.set_capacity(512 * 1024);
    let mut sequences = Vec::new();
    loop {
        match mailbox.put(&mut store, &[1; 100_000]) {
            Ok(sequence) => sequences.push(sequence),
            Err(refused) => break assert!(matches!(refused, PutError::NodeFull)),
        }
    }
    assert!((4..=6).contains(&sequences.len()), "{}", sequences.len());
    let refused = store.put_profile(account.account, b"x");
    assert!(matches!(refused, Err(ProfileError::NodeFull)));
    for sequence in sequences {
        store.acknowledge(mailbox.id, sequence).unwrap();
    }
    mailbox.put(&mut store, &[1; 100_000]).unwrap();
}

#[tokio::test]
async fn an_operation_that_panics_does_not_take_the_store_with_it() {
    let (_directory, store, account) = store();
    let (store, _thread) = Store::start(store).unwrap();
    let owner = account.account;
    let panicked = store.call(move |store| {
        store.put_profile(owner, b"half done").unwrap();
        panic!("this operation panics on purpose");
    });
    assert!(panicked.await.is_err());
    let profile = store.call(move |store| store.profile(owner)).await;
    assert!(profile.unwrap().is_ok());
}

#[test]
fn wrong_keys_and_unknown_mailboxes_are_one_error() {
    let (_directory, mut store, account) = store();
    let (mailbox, other) = (Box::number(4), Box::number(5));
    mailbox.create(&mut store, &account).unwrap();
    let far = expiry::coarse(NOW, 60);
    for (id, capability) in [
        (mailbox.id, &other.capability),
        (other.id, &other.capability),
    ] {
        let refused = store.put(id, capability, b"x", far, NOW);
        assert!(matches!(refused, Err(PutError::Refused)));
    }
    for (id, key) in [(mailbox.id, &other.key), (other.id, &other.key)] {
        let refused = store.subscribe(id, key, NOW);
        assert!(matches!(refused, Err(SubscribeError::Refused)));
    }
    // A mailbox with the hash of nothing cannot be opened by being unknown.
    let zero = KeyHash::from_bytes([0; 32]);
    let taken = store.create_mailbox(account.account, mailbox.id, (zero, zero), 0, NOW);
    assert!(matches!(taken, Err(CreateMailboxError::Taken)));
}

#[test]
fn a_sweep_removes_what_has_ended_and_nothing_else() {
    let (_directory, mut store, account) = store();
    let (short, long) = (Box::number(4), Box::number(5));
    for mailbox in [&short, &long] {
        mailbox.create(&mut store, &account).unwrap();
    }
    let soon = expiry::coarse(NOW, 60);
    store
        .put(short.id, &short.capability, b"soon", soon, NOW)
        .unwrap();
    short.put(&mut store, b"month").unwrap();
    long.put(&mut store, b"month").unwrap();
    let invitation = InvitationId::from_bytes([1; 32]);
    let hash = WithdrawKey::from_bytes([1; 32]).hash();
    let week = expiry::coarse(NOW, limits::MAX_PARKED_SECS);
    store
        .park(account.account, invitation, (b"blob", hash), week, NOW)
        .unwrap();

    store.sweep(days_later(1)).unwrap();
    assert_eq!(short.waiting(&mut store, NOW), [b"month"]);
    assert_eq!(count(&mut store, "invitations"), 1);
    store.sweep(days_later(9)).unwrap();
    assert_eq!(count(&mut store, "invitations"), 0);
    assert_eq!(count(&mut store, "parking"), 0);
    store.sweep(days_later(32)).unwrap();
    assert_eq!(count(&mut store, "envelopes"), 0);
    assert_eq!(count(&mut store, "mailboxes"), 2);
    // One of them has a reader, who stays for weeks; the other ends.
    store.subscribe(long.id, &long.key, days_later(1)).unwrap();
    let gone = MailboxId::from_bytes([99; 32]);
    store.prolong(&[long.id, gone], days_later(60)).unwrap();
    store.sweep(days_later(92)).unwrap();
    assert_eq!(count(&mut store, "mailboxes"), 1);
    assert_eq!(count(&mut store, "accounts"), 1);
}

#[test]
fn what_has_ended_is_not_served_even_before_the_sweep() {
    let (_directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    mailbox.put(&mut store, b"x").unwrap();
    assert!(mailbox.waiting(&mut store, days_later(32)).is_empty());
    let refused = store.subscribe(mailbox.id, &mailbox.key, days_later(92));
    assert!(matches!(refused, Err(SubscribeError::Refused)));
    let far = expiry::coarse(days_later(92), 60);
    let refused = store.put(mailbox.id, &mailbox.capability, b"x", far, days_later(92));
    assert!(matches!(refused, Err(PutError::Refused)));
}

#[test]
fn an_account_that_is_away_for_long_may_make_mailboxes_again() {
    let (_directory, mut store, account) = store();
    store.note_seen(account.device, NOW.day()).unwrap();
    store.begin_batch().unwrap();
    for n in 0..limits::MAX_MAILBOXES {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        let hash = KeyHash::from_bytes([1; 32]);
        let id = MailboxId::from_bytes(id);
        store
            .create_mailbox(account.account, id, (hash, hash), 0, NOW)
            .unwrap();
    }
    store.commit_batch().unwrap();
    let more = Box::number(4);
    let refused = more.create(&mut store, &account);
    assert!(matches!(refused, Err(CreateMailboxError::TooMany)));
    store.sweep(days_later(50)).unwrap();
    assert!(more.create(&mut store, &account).is_err());
    store.sweep(days_later(91)).unwrap();
    more.create(&mut store, &account).unwrap();
}

#[test]
fn places_for_invitations_become_free_with_their_expiry() {
    let (_directory, mut store, account) = store();
    let key = WithdrawKey::from_bytes([1; 32]);
    let mut n = 0;
    let mut park = |store: &mut NodeStore, now| {
        n += 1;
        let id = InvitationId::from_bytes([n; 32]);
        let day = expiry::coarse(now, 86_400);
        store.park(account.account, id, (b"blob", key.hash()), day, now)
    };
    for _ in 0..limits::MAX_PARKED_PER_ACCOUNT {
        park(&mut store, NOW).unwrap();
    }
    assert!(matches!(park(&mut store, NOW), Err(ParkError::TooMany)));
    let first = InvitationId::from_bytes([1; 32]);
    store.withdraw(first, &key).unwrap();
    let again = store.withdraw(first, &key);
    assert!(matches!(again, Err(WithdrawError::Refused)));
    // The invitation does not say whose it was, so its place is taken until it would have ended.
    assert!(matches!(park(&mut store, NOW), Err(ParkError::TooMany)));
    park(&mut store, days_later(2)).unwrap();
}

#[test]
fn no_table_links_an_account_with_a_mailbox_or_an_invitation() {
    let (directory, mut store, account) = store();
    Box::number(4).create(&mut store, &account).unwrap();
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("node.sqlite")).unwrap();
    let with_column = |column: &str| -> Vec<String> {
        let mut statement = file
            .prepare(
                "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND c.name = ?1 ORDER BY m.name",
            )
            .unwrap();
        let names = statement.query_map([column], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    assert_eq!(with_column("account"), ["accounts", "devices", "parking"]);
    assert_eq!(with_column("mailbox"), ["envelopes", "mailboxes"]);
    assert_eq!(with_column("invitation"), ["invitations"]);
    // Every table is strict and keeps no order of arrival.
    let loose: u32 = file
        .query_row(
            "SELECT count(*) FROM pragma_table_list
             WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND NOT (strict AND wr)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0);
}

#[test]
fn what_was_removed_is_in_no_file() {
    const MARKER: &[u8] = b"planted-marker-51c0";
    let (directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    for _ in 0..50 {
        let long = MARKER.repeat(1000);
        let sequence = mailbox.put(&mut store, &long).unwrap();
        store.put_profile(account.account, &long).unwrap();
        store.acknowledge(mailbox.id, sequence).unwrap();
    }
    assert!(is_in_a_file(directory.path(), MARKER));
    store.delete_own_account(account.account).unwrap();
    store.forget_removed().unwrap();
    assert!(!is_in_a_file(directory.path(), MARKER));
}

fn is_in_a_file(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_newer_database_is_refused_with_its_version() {
    let (directory, store, _) = store();
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("node.sqlite")).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    drop(file);
    let refused = NodeStore::open(directory.path());
    assert!(matches!(refused, Err(OpenError::TooNew { found: 999 })));
}

#[test]
fn a_batch_happens_together_and_a_refused_operation_leaves_the_rest() {
    let (directory, mut store, account) = store();
    let mailbox = Box::number(4);
    store.begin_batch().unwrap();
    mailbox.create(&mut store, &account).unwrap();
    mailbox.put(&mut store, b"one").unwrap();
    let wrong = Box {
        capability: Capability::from_bytes([99; 32]),
        ..Box::number(4)
    };
    assert!(wrong.put(&mut store, b"two").is_err());
    mailbox.put(&mut store, b"three").unwrap();
    let seen_by_others: u32 = rusqlite::Connection::open(directory.path().join("node.sqlite"))
        .unwrap()
        .query_row("SELECT count(*) FROM envelopes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(seen_by_others, 0);
    store.commit_batch().unwrap();
    let mut other = NodeStore::open(directory.path()).unwrap();
    assert_eq!(
        mailbox.waiting(&mut other, NOW),
        [b"one".as_slice(), b"three"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_lose_nothing() {
    let (directory, mut store, account) = store();
    let mailbox = Box::number(4);
    mailbox.create(&mut store, &account).unwrap();
    let (store, thread) = Store::start(store).unwrap();
    let puts: Vec<_> = (0..500_u16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let put = store
                    .call(move |store| Box::number(4).put(store, &n.to_le_bytes()).map_err(|_| ()));
                put.await.unwrap().unwrap()
            })
        })
        .collect();
    let mut sequences = Vec::new();
    for put in puts {
        sequences.push(put.await.unwrap());
    }
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), 500);
    drop(store);
    thread.join().unwrap();
    let mut store = NodeStore::open(directory.path()).unwrap();
    assert_eq!(mailbox.waiting(&mut store, NOW).len(), 500);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("made/by/the/store");
    let _store = NodeStore::open(&directory).unwrap();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn a_device_that_lost_the_answer_gets_its_account_again_for_a_spent_token() {
    let (_directory, mut store, _) = store();
    let token = RegistrationToken::from_bytes([5; 32]).hash();
    let expires = expiry::coarse(NOW, 3600);
    store.add_token(token, Role::Member, expires).unwrap();
    let first = store.register(Some(token), false, &new_account(2), NOW);
    let asked_anew = NewAccount {
        account: AccountId::from_bytes([7; 16]),
        device: DeviceId::from_bytes([7; 16]),
        ..new_account(2)
    };
    let again = store.register(Some(token), false, &asked_anew, NOW);
    assert_eq!(first.unwrap(), again.unwrap());
    assert_eq!(count(&mut store, "accounts"), 2);
}
