// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is signed in, in memory only. A session lives as long as its socket, and its bearer with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hither_api::{AccountId, Bearer, DeviceId, KeyHash, Role};
use tokio::sync::watch;

/// Sockets of one device at the same time; one more ends the oldest.
const MAX_PER_DEVICE: usize = 8;

/// Why a session ends before its socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The device was revoked.
    Revoked,
    /// The device opened too many further sockets.
    Crowded,
}

/// A signed-in device, as handlers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) role: Role,
}

#[derive(Debug)]
struct Session {
    caller: Caller,
    bearer: KeyHash,
    end: watch::Sender<Option<End>>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    caller_by_bearer: BTreeMap<KeyHash, Caller>,
    /// Oldest first.
    sessions_by_device: BTreeMap<DeviceId, Vec<Session>>,
}

/// Keeps a session signed in; dropping it signs it out.
#[derive(Debug)]
pub(crate) struct SignedIn {
    sessions: Arc<Sessions>,
    device: DeviceId,
    bearer: KeyHash,
    /// Turns to a reason when the session ends early.
    pub(crate) end: watch::Receiver<Option<End>>,
}

impl Sessions {
    /// Signs a device in under a bearer.
    pub(crate) fn sign_in(self: &Arc<Self>, caller: Caller, bearer: &Bearer) -> SignedIn {
        let bearer = bearer.hash();
        let (end, ended) = watch::channel(None);
        let mut table = self.lock();
        let Table {
            caller_by_bearer,
            sessions_by_device,
        } = &mut *table;
        let sessions = sessions_by_device.entry(caller.device).or_default();
        if sessions.len() >= MAX_PER_DEVICE {
            let oldest = sessions.remove(0);
            caller_by_bearer.remove(&oldest.bearer);
            oldest.end.send_replace(Some(End::Crowded));
        }
        sessions.push(Session {
            caller,
            bearer,
            end,
        });
        caller_by_bearer.insert(bearer, caller);
        SignedIn {
            sessions: Arc::clone(self),
            device: caller.device,
            bearer,
            end: ended,
        }
    }

    /// Who shows this bearer.
    pub(crate) fn caller(&self, bearer: &Bearer) -> Option<Caller> {
        // Looked up by hash, so the time it takes tells nothing about the bearer.
        self.lock().caller_by_bearer.get(&bearer.hash()).copied()
    }

    /// Ends every session of a device: its bearers at once, its sockets as soon as they look.
    pub(crate) fn revoke(&self, device: DeviceId) {
        let mut table = self.lock();
        for session in table.sessions_by_device.remove(&device).unwrap_or_default() {
            debug_assert_eq!(session.caller.device, device);
            table.caller_by_bearer.remove(&session.bearer);
            session.end.send_replace(Some(End::Revoked));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SignedIn {
    fn drop(&mut self) {
        let mut table = self.sessions.lock();
        table.caller_by_bearer.remove(&self.bearer);
        if let Some(sessions) = table.sessions_by_device.get_mut(&self.device) {
            sessions.retain(|session| session.bearer != self.bearer);
            if sessions.is_empty() {
                table.sessions_by_device.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            account: AccountId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            role: Role::Member,
        }
    }

    #[test]
    fn a_revoked_device_loses_its_bearer_and_hears_why() {
        let sessions = Arc::new(Sessions::default());
        let bearer = Bearer::from_bytes([3; 32]);
        let signed_in = sessions.sign_in(caller(), &bearer);
        assert!(sessions.caller(&bearer).is_some());
        sessions.revoke(caller().device);
        assert!(sessions.caller(&bearer).is_none());
        assert_eq!(*signed_in.end.borrow(), Some(End::Revoked));
    }

    #[test]
    fn a_bearer_ends_with_its_socket() {
        let sessions = Arc::new(Sessions::default());
        let bearer = Bearer::from_bytes([3; 32]);
        drop(sessions.sign_in(caller(), &bearer));
        assert!(sessions.caller(&bearer).is_none());
        assert!(sessions.lock().sessions_by_device.is_empty());
    }

    #[test]
    fn one_socket_too_many_ends_the_oldest() {
        let sessions = Arc::new(Sessions::default());
        let all: Vec<_> = (0..=u8::try_from(MAX_PER_DEVICE).unwrap_or(u8::MAX))
            .map(|n| sessions.sign_in(caller(), &Bearer::from_bytes([n; 32])))
            .collect();
        assert_eq!(*all[0].end.borrow(), Some(End::Crowded));
        assert!(all[1..].iter().all(|one| one.end.borrow().is_none()));
        assert!(sessions.caller(&Bearer::from_bytes([0; 32])).is_none());
    }
}
