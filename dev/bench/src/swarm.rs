// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thousands of clients behind one socket: each has an address of its own in 127.64.0.0/10, which the kernel
//! is told with every datagram (`IP_PKTINFO`). For set-ups and idle allocations, where a socket for each
//! would cost the generator more than the relay.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};

use crate::BenchError;
use crate::flows::channel_of;
use crate::payload::{Pool, Stamp};
use crate::turn::{CHANNEL_HEADER_LEN, Outcome, Session, channel_header, sessions};

/// Where the first client is.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 1]);

/// How many clients are being served at one time.
const WINDOW: usize = 64;

/// After so long without an answer everything is asked again.
const PATIENCE: Duration = Duration::from_millis(200);

const MAX_REPEATS: usize = 25;

const PAYLOAD: usize = 160;

/// What a client shall have in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// An allocation.
    Allocation,
    /// An allocation, and permission and channel for the client beside it: numbers 2n and 2n + 1 are a pair.
    Pair,
    /// An allocation, and permission and channel for this address outside of the relay.
    Peer(SocketAddr),
    /// What it has, for longer.
    Refresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Idle,
    Allocate,
    /// It has its allocation and waits until the other of its pair has one.
    Wait,
    Permission,
    Channel,
    Refresh,
}

#[derive(Debug)]
struct Member {
    session: Session,
    step: Step,
    relayed: Option<SocketAddr>,
}

/// Clients, without anything at first.
#[derive(Debug)]
pub(crate) struct Swarm {
    socket: UdpSocket,
    relay: SockaddrIn,
    members: Vec<Member>,
    done: usize,
    /// Requests that had to be sent again.
    pub(crate) repeats: usize,
}

impl Swarm {
    pub(crate) fn new(relay: SocketAddr, size: usize) -> Result<Self, BenchError> {
        let SocketAddr::V4(relay) = relay else {
            return Err(BenchError::Silent);
        };
        let open = || -> std::io::Result<UdpSocket> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            setsockopt(&socket, sockopt::RcvBuf, &(4 << 20))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let members = sessions(size).into_iter().map(|session| Member {
            session,
            step: Step::Idle,
            relayed: None,
        });
        Ok(Self {
            socket: open().map_err(BenchError::io("open the socket of the swarm"))?,
            relay: SockaddrIn::from(relay),
            members: members.collect(),
            done: 0,
            repeats: 0,
        })
    }

    /// Brings these members to the goal; tells how long it took.
    pub(crate) fn bring(
        &mut self,
        members: Range<usize>,
        goal: Goal,
    ) -> Result<Duration, BenchError> {
        let start = Instant::now();
        self.done = 0;
        let wanted = members.len();
        let mut next = members.start;
        let mut last_answer = start;
        let mut repeats = 0;
        while self.done < wanted {
            while next < members.end && next - members.start < self.done + WINDOW {
                self.begin(next, goal)?;
                next += 1;
            }
            if self.take_answers(goal)? > 0 {
                last_answer = Instant::now();
            } else if last_answer.elapsed() > PATIENCE {
                repeats += 1;
                if repeats > MAX_REPEATS {
                    return Err(BenchError::Silent);
                }
                self.repeat(members.start..next, goal)?;
                last_answer = Instant::now();
            }
        }
        Ok(start.elapsed())
    }

    /// Sends a payload both ways between the members of this pair, and waits for it.
    pub(crate) fn talk(&self, pair: usize, pool: &Pool) -> Result<(), BenchError> {
        for from in [2 * pair, 2 * pair + 1] {
            let to = from ^ 1;
            let lane = u32::try_from(from).unwrap_or(u32::MAX);
            let mut datagram = channel_header(channel_of(from), PAYLOAD).to_vec();
            datagram.extend(pool.body(lane, 0, PAYLOAD));
            let stamp = Stamp {
                run: 0,
                lane,
                slot: 0,
                sequence: 0,
                nanos: 0,
            };
            stamp.emit(&mut datagram[CHANNEL_HEADER_LEN..]);
            self.send(from, &datagram)?;
            datagram[..CHANNEL_HEADER_LEN]
                .copy_from_slice(&channel_header(channel_of(to), PAYLOAD));
            let (receiver, received) = self.wait()?;
            if receiver != to || received != datagram {
                return Err(BenchError::Damaged(
                    "a payload reached another client or has changed",
                ));
            }
        }
        Ok(())
    }

    fn wait(&self) -> Result<(usize, Vec<u8>), BenchError> {
        let start = Instant::now();
        let mut buffer = [0; 1_500];
        while start.elapsed() < Duration::from_secs(1) {
            if let Some((number, length)) = self.receive(&mut buffer)? {
                return Ok((number, buffer[..length].to_vec()));
            }
        }
        Err(BenchError::Silent)
    }

    fn begin(&mut self, number: usize, goal: Goal) -> Result<(), BenchError> {
        let member = &mut self.members[number];
        member.step = match (goal, member.relayed) {
            (Goal::Refresh, _) => Step::Refresh,
            (_, None) => Step::Allocate,
            (Goal::Allocation, Some(_)) => {
                self.done += 1;
                return Ok(());
            }
            (Goal::Pair | Goal::Peer(_), Some(_)) => return self.pass_on(number, goal),
        };
        self.ask(number, goal)
    }

    /// The member has its allocation.
    fn pass_on(&mut self, number: usize, goal: Goal) -> Result<(), BenchError> {
        match goal {
            Goal::Allocation | Goal::Refresh => {
                self.members[number].step = Step::Idle;
                self.done += 1;
                Ok(())
            }
            Goal::Peer(_) => {
                self.members[number].step = Step::Permission;
                self.ask(number, goal)
            }
            Goal::Pair => {
                self.members[number].step = Step::Wait;
                if self.members[number ^ 1].step == Step::Wait {
                    for number in [number, number ^ 1] {
                        self.members[number].step = Step::Permission;
                        self.ask(number, goal)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends the request that the member's step needs.
    fn ask(&self, number: usize, goal: Goal) -> Result<(), BenchError> {
        let member = &self.members[number];
        let peer = match goal {
            Goal::Peer(peer) => Some(peer),
            Goal::Pair | Goal::Allocation | Goal::Refresh => self.members[number ^ 1].relayed,
        };
        let id = id(number, member.step);
        let request = match (member.step, peer) {
            (Step::Allocate, _) => member.session.allocate(id),
            (Step::Permission, Some(peer)) => member.session.create_permission(id, peer),
            (Step::Channel, Some(peer)) => {
                member.session.bind_channel(id, channel_of(number), peer)
            }
            (Step::Refresh, _) => member.session.refresh(id),
            (Step::Idle | Step::Wait | Step::Permission | Step::Channel, _) => return Ok(()),
        };
        self.send(number, &request)
    }

    fn repeat(&mut self, members: Range<usize>, goal: Goal) -> Result<(), BenchError> {
        for number in members {
            if !matches!(self.members[number].step, Step::Idle | Step::Wait) {
                self.repeats += 1;
                self.ask(number, goal)?;
            }
        }
        Ok(())
    }

    /// Takes what answers there are; tells how many.
    fn take_answers(&mut self, goal: Goal) -> Result<usize, BenchError> {
        let mut answers = 0;
        let mut buffer = [0; 1_500];
        while let Some((number, length)) = self.receive(&mut buffer)? {
            answers += 1;
            let Some(member) = self.members.get_mut(number) else {
                return Err(BenchError::Damaged(
                    "an answer to a client that there is not",
                ));
            };
            let step = member.step;
            let answer = member.session.read(&buffer[..length]);
            let Some(answer) = answer.filter(|answer| answer.id == id(number, step)) else {
                continue;
            };
            match (step, answer.outcome) {
                (Step::Allocate, Outcome::Refused(401)) => self.ask(number, goal)?,
                (Step::Allocate, Outcome::Granted(relayed)) => {
                    member.relayed = relayed;
                    self.pass_on(number, goal)?;
                }
                (Step::Permission, Outcome::Granted(_)) => {
                    member.step = Step::Channel;
                    self.ask(number, goal)?;
                }
                (Step::Channel | Step::Refresh, Outcome::Granted(_)) => {
                    member.step = Step::Idle;
                    self.done += 1;
                }
                (step, Outcome::Refused(code)) => {
                    return Err(BenchError::Refused(step.name(), code));
                }
                (Step::Idle | Step::Wait, Outcome::Granted(_)) => {}
            }
        }
        Ok(answers)
    }

    fn send(&self, number: usize, bytes: &[u8]) -> Result<(), BenchError> {
        let from = FIRST + u32::try_from(number).unwrap_or(0);
        let info = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: from.to_be(),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let (slices, control) = (
            [IoSlice::new(bytes)],
            [ControlMessage::Ipv4PacketInfo(&info)],
        );
        let fd = self.socket.as_raw_fd();
        match sendmsg(fd, &slices, &control, MsgFlags::empty(), Some(&self.relay)) {
            Ok(_) | Err(Errno::EAGAIN | Errno::ECONNREFUSED) => Ok(()),
            Err(error) => Err(BenchError::io("send for the swarm")(error.into())),
        }
    }

    /// For which member something came, and how long it is.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, usize)>, BenchError> {
        let mut control = cmsg_space!(in_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::empty();
        let message = match recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::ECONNREFUSED) => return Ok(None),
            Err(error) => return Err(BenchError::io("receive for the swarm")(error.into())),
        };
        let length = message.bytes;
        let mut control = message
            .cmsgs()
            .map_err(|error| BenchError::io("read an address")(error.into()))?;
        let to = control.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(u32::from_be(info.ipi_addr.s_addr)),
            _ => None,
        });
        let number = to.and_then(|to| usize::try_from(to.checked_sub(FIRST)?).ok());
        let number = number.ok_or(BenchError::Damaged("a datagram for no client"))?;
        Ok(Some((number, length)))
    }
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle | Self::Wait => "nothing",
            Self::Allocate => "an allocation",
            Self::Permission => "a permission",
            Self::Channel => "a channel",
            Self::Refresh => "a refresh",
        }
    }
}

/// Transaction ids say who asked for what.
fn id(number: usize, step: Step) -> u64 {
    number as u64 * 8 + step as u64
}

/// A plain socket that a member's peer can be.
pub(crate) fn plain_peer() -> Result<(UdpSocket, SocketAddr), BenchError> {
    let open = || -> std::io::Result<_> {
        let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::new(127, 0, 2, 1), 0))?;
        let address = socket.local_addr()?;
        Ok((socket, address))
    };
    open().map_err(BenchError::io("open a peer's socket"))
}
