// SPDX-License-Identifier: MIT OR Apache-2.0
//! A signed-in socket: requests, envelopes, and how it ends.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::ws::WebSocket;
use hither_api::{
    ClientFrame, KeyHash, MailboxId, Problem, ReadKey, ServerFrame, TurnGrant, limits,
};
use hither_store::{StoreError, SubscribeError, Unavailable};
use tokio::sync::watch;

use super::pump::{Heard, Pump, broken_frame};
use super::sign_in::{Admitted, sign_in};
use super::stopping;
use crate::api::Fault;
use crate::clock;
use crate::node::bus::Inbox;
use crate::node::rate::Kind;
use crate::node::sessions::{Caller, End};
use crate::node::{Node, random};

/// Envelopes and bytes of one page from the store.
const PAGE: (usize, usize) = (16, 256 * 1024);
/// Access to the relay is renewed when no more than this is left of it.
const GRANT_MARGIN_SECS: u64 = 3600;

/// Serves one socket from its challenge to its end.
pub(super) async fn serve(node: Arc<Node>, source: IpAddr, host: String, socket: WebSocket) {
    let mut pump = Pump::new(socket);
    let mut stopping = node.stopping.subscribe();
    let admitted = tokio::select! {
        admitted = sign_in(&node, source, &mut pump) => admitted,
        () = until_stopping(&mut stopping) => {
            return pump.finish(Some(goodbye(super::stopping()))).await;
        }
    };
    let Admitted {
        caller,
        bearer,
        mut signed_in,
    } = match admitted {
        Ok(admitted) => admitted,
        Err(fault) => return pump.finish(fault.last_word().map(goodbye)).await,
    };
    let turn = match node.grants.grant(&host, clock::now()) {
        Ok(turn) => turn,
        Err(fault) => return pump.finish(Some(goodbye(fault.problem()))).await,
    };
    pump.say(&ServerFrame::Welcome {
        bearer,
        role: caller.role,
        turn: turn.clone(),
    });
    let mut served = Served {
        node,
        source,
        host,
        caller,
        pump,
        inbox: Arc::default(),
        subscriptions: BTreeMap::new(),
        day: clock::now().day(),
        turn,
    };
    let last = served.run(&mut signed_in.end, &mut stopping).await;
    // Signed out before the last word, so that nobody who hears it can still use the bearer.
    drop(signed_in);
    served.unsubscribe_all();
    served.pump.finish(last).await;
}

fn goodbye(problem: Problem) -> ServerFrame {
    ServerFrame::Goodbye { problem }
}

struct Served {
    node: Arc<Node>,
    source: IpAddr,
    host: String,
    caller: Caller,
    pump: Pump,
    inbox: Arc<Inbox>,
    /// The last sequence sent, by mailbox.
    subscriptions: BTreeMap<MailboxId, Option<u64>>,
    /// The day on which the device was last noted as seen.
    day: u64,
    /// The access to the relay that was handed out last.
    turn: TurnGrant,
}

impl Served {
    /// Runs until the socket ends; returns the last word, if there is somebody to hear it.
    async fn run(
        &mut self,
        end: &mut watch::Receiver<Option<End>>,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<ServerFrame> {
        loop {
            let turned = match self.turn_of_day().await {
                Ok(()) if self.pump.wants_more() => self.queue_page().await,
                other => other,
            };
            if let Err(fault) = turned {
                return Some(goodbye(fault.problem()));
            }
            let idle = self.pump.wants_more();
            tokio::select! {
                biased;
                reason = until_end(end) => return Some(ended(reason)),
                () = until_stopping(stop) => return Some(goodbye(stopping())),
                heard = self.pump.next() => match heard {
                    Heard::Frame(frame) => {
                        if let Err(problem) = self.handle(frame).await {
                            return Some(goodbye(problem));
                        }
                    }
                    Heard::Broken(error) => return Some(goodbye(broken_frame(&error))),
                    Heard::Gone => return None,
                    Heard::Moved => {}
                },
                () = self.inbox.marked(), if idle => {}
            }
        }
    }

    /// Once a day, a socket that stays open counts as signing in and subscribing anew. It never sleeps longer
    /// than its ping interval, so the day cannot be missed.
    async fn turn_of_day(&mut self) -> Result<(), PageFault> {
        let now = clock::now();
        if now.day() == self.day {
            return Ok(());
        }
        self.day = now.day();
        let device = self.caller.device;
        let mailboxes: Vec<MailboxId> = self.subscriptions.keys().copied().collect();
        self.node
            .store
            .call(move |store| {
                store.note_seen(device, now.day())?;
                store.prolong(&mailboxes, now)
            })
            .await??;
        Ok(())
    }

    /// Queues one page of one marked mailbox, if there is one.
    async fn queue_page(&mut self) -> Result<(), PageFault> {
        while let Some(mailbox) = self.inbox.take() {
            let Some(&after) = self.subscriptions.get(&mailbox) else {
                continue;
            };
            let page = self
                .node
                .store
                .call(move |store| store.waiting(mailbox, after, PAGE, clock::now()))
                .await??;
            let Some(last) = page.last().map(|envelope| envelope.sequence) else {
                continue;
            };
            self.subscriptions.insert(mailbox, Some(last));
            for envelope in page {
                self.pump.say(&ServerFrame::Envelope {
                    mailbox,
                    sequence: envelope.sequence,
                    bytes: envelope.bytes,
                });
            }
            // There may be more behind this page.
            self.inbox.mark(mailbox);
            return Ok(());
        }
        Ok(())
    }

    /// Carries out one frame. An error ends the socket.
    async fn handle(&mut self, frame: ClientFrame) -> Result<(), Problem> {
        match frame {
            ClientFrame::SignIn { .. } => {
                return Err(Problem::new(
                    400,
                    "signed-in-already",
                    "This socket is signed in already.",
                    "",
                ));
            }
            ClientFrame::CreateMailbox {
                request,
                mailbox,
                write_hash,
                read_hash,
            } => {
                let outcome = self.create(mailbox, (write_hash, read_hash)).await;
                self.answer(request, outcome);
            }
            ClientFrame::Subscribe {
                request,
                mailbox,
                read_key,
            } => {
                let outcome = self.subscribe(mailbox, read_key).await;
                let subscribed = outcome.is_ok();
                self.answer(request, outcome);
                if subscribed {
                    self.inbox.mark(mailbox);
                }
            }
            ClientFrame::Acknowledge { mailbox, sequence } => {
                self.acknowledge(mailbox, sequence).await?;
            }
            ClientFrame::DeleteMailbox {
                request,
                mailbox,
                read_key,
            } => {
                let outcome = self.delete(mailbox, read_key).await;
                self.answer(request, outcome);
            }
            ClientFrame::TurnGrant => {
                self.renew_grant()?;
                self.pump.say(&ServerFrame::TurnGrant(self.turn.clone()));
            }
            ClientFrame::Ping => self.pump.say(&ServerFrame::Pong),
        }
        Ok(())
    }

    /// A new grant only shortly before the old one ends: the relay's bound per username is to mean something.
    fn renew_grant(&mut self) -> Result<(), Problem> {
        let now = clock::now();
        if self.turn.expires <= now.as_secs() + GRANT_MARGIN_SECS {
            self.turn = self.node.grants.grant(&self.host, now).map_err(heard)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: u32, outcome: Result<(), Problem>) {
        self.pump.say(&match outcome {
            Ok(()) => ServerFrame::Done { request },
            Err(problem) => ServerFrame::Refused { request, problem },
        });
    }

    async fn create(&self, mailbox: MailboxId, hashes: (KeyHash, KeyHash)) -> Result<(), Problem> {
        let account = self.caller.account;
        let first = u32::from_le_bytes(random().map_err(heard)?);
        self.node
            .store
            .call(move |store| store.create_mailbox(account, mailbox, hashes, first, clock::now()))
            .await
            .map_err(heard)?
            .map_err(heard)
    }

    async fn subscribe(&mut self, mailbox: MailboxId, key: ReadKey) -> Result<(), Problem> {
        let known = self.subscriptions.contains_key(&mailbox);
        if !known && self.subscriptions.len() >= limits::MAX_SUBSCRIPTIONS {
            return Err(Problem::new(
                429,
                "too-many-subscriptions",
                "This socket reads as many mailboxes as it can.",
                "",
            ));
        }
        self.node
            .rates
            .check(Kind::Failure, self.source)
            .map_err(heard)?;
        let subscribed = self
            .node
            .store
            .call(move |store| store.subscribe(mailbox, &key, clock::now()))
            .await
            .map_err(heard)?;
        if matches!(subscribed, Err(SubscribeError::Refused)) {
            let _counted = self.node.rates.spend(Kind::Failure, self.source);
        }
        subscribed.map_err(heard)?;
        self.node.bus.subscribe(mailbox, &self.inbox);
        self.subscriptions.insert(mailbox, None);
        Ok(())
    }

    /// Forgets an envelope of a subscribed mailbox. It need not be durable: what comes again is acknowledged again.
    async fn acknowledge(&self, mailbox: MailboxId, sequence: u64) -> Result<(), Problem> {
        if !self.subscriptions.contains_key(&mailbox) {
            return Ok(());
        }
        let acknowledged = self.node.store.cast(move |store| {
            if let Err(error) = store.acknowledge(mailbox, sequence) {
                let _logged = error.problem();
            }
        });
        acknowledged.await.map_err(heard)
    }

    async fn delete(&mut self, mailbox: MailboxId, key: ReadKey) -> Result<(), Problem> {
        let account = self.caller.account;
        self.node
            .store
            .call(move |store| store.delete_mailbox(account, mailbox, &key, clock::now()))
            .await
            .map_err(heard)?
            .map_err(heard)?;
        self.node.bus.forget(mailbox);
        self.subscriptions.remove(&mailbox);
        Ok(())
    }

    fn unsubscribe_all(&mut self) {
        for mailbox in std::mem::take(&mut self.subscriptions).into_keys() {
            self.node.bus.unsubscribe(mailbox, &self.inbox);
        }
    }
}

async fn until_end(end: &mut watch::Receiver<Option<End>>) -> Option<End> {
    let reason = end.wait_for(Option::is_some).await;
    reason.ok().and_then(|reason| *reason)
}

async fn until_stopping(stopping: &mut watch::Receiver<bool>) {
    // An error means that the node is gone.
    let _stopping = stopping.wait_for(|stopping| *stopping).await;
}

/// What the client hears of a fault.
#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn heard(fault: impl Fault) -> Problem {
    fault.problem()
}

fn ended(reason: Option<End>) -> ServerFrame {
    match reason {
        Some(End::Revoked) => ServerFrame::Revoked,
        Some(End::Crowded) | None => goodbye(Problem::new(
            429,
            "too-many-sockets",
            "This device opened too many further connections.",
            "",
        )),
    }
}

/// No page could be read.
#[derive(Debug, thiserror::Error)]
enum PageFault {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for PageFault {
    fn problem(&self) -> Problem {
        match self {
            Self::Unavailable(error) => error.problem(),
            Self::Store(error) => error.problem(),
        }
    }
}
