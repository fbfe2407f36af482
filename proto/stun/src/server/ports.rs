// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the shards of a relay share: who owns which relayed port, and how many allocations there are whose.
//!
//! Ports are drawn so that nobody can guess them (RFC 8656 §7.2, RFC 6056), claimed by one atomic exchange, and
//! looked up by one atomic load: that lookup is how data between two clients finds its way without a socket.
//! The even port's neighbour that a client had reserved (RFC 8656 §7.2) waits here too, for whichever shard its
//! token comes to.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hither_sansio::{Duration, Instant};
use rand_core::Rng;

use super::config::{Limits, PortRange};
use super::tenants::Tenants;
use super::tuple::RelayedAddr;
use crate::address::AddressFamily;
use crate::error_code::ErrorCode;

/// How long a reserved port waits for its token (RFC 8656 §7.2).
pub(super) const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// How many ports can wait at one time.
const MAX_RESERVATIONS: usize = 1_024;

/// How often chance is tried before the range is searched from end to end.
const RANDOM_TRIES: usize = 32;

/// One of the servers that a relay is made of, each with its own sockets, clients and allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u8);

/// A shard, and the place of the allocation in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) shard: Shard,
    pub(super) slot: u32,
}

/// What a RESERVATION-TOKEN is (RFC 8656 §18.9).
pub(super) type Token = [u8; 8];

/// The relayed ports of one relay, and whose they are. All shards hold the same one.
pub struct RelayedPorts {
    range: PortRange,
    /// Where chance is tried first; within the range.
    preferred: PortRange,
    ips: Box<[PortsOfIp]>,
    reservations: Mutex<Vec<Reservation>>,
    tenants: Mutex<Tenants>,
}

struct PortsOfIp {
    ip: IpAddr,
    /// From the first port of the range to the last.
    owners: Box<[AtomicU32]>,
}

struct Reservation {
    token: Token,
    relayed: RelayedAddr,
    expires: Instant,
}

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub(super) ip: IpAddr,
    /// RFC 8656 §18.6: an even port.
    pub(super) even: bool,
    /// And its odd neighbour, to be kept for whoever brings this token.
    pub(super) reserve: Option<Token>,
}

impl RelayedPorts {
    /// The ports of this range on each of these addresses, all of them free.
    #[must_use]
    pub fn new(ips: &[IpAddr], range: PortRange) -> Self {
        let of_ip = |&ip| PortsOfIp {
            ip,
            owners: (range.first..=range.last)
                .map(|_| AtomicU32::new(FREE))
                .collect(),
        };
        Self {
            range,
            preferred: range,
            ips: ips.iter().map(of_ip).collect(),
            reservations: Mutex::default(),
            tenants: Mutex::default(),
        }
    }

    /// Draws from these ports of the range as long as some of them are easily found, such as those that the system
    /// gives to nobody else; nothing if none of them is in the range.
    #[must_use]
    pub fn preferring(mut self, ports: PortRange) -> Self {
        let preferred = PortRange {
            first: ports.first.max(self.range.first),
            last: ports.last.min(self.range.last),
        };
        if preferred.first <= preferred.last {
            self.preferred = preferred;
        }
        self
    }

    /// The shard that this relayed address belongs to; `None` if nobody has it.
    #[must_use]
    pub fn shard_of(&self, relayed: RelayedAddr) -> Option<Shard> {
        self.owner(relayed).map(|owner| owner.shard)
    }

    /// How many allocations there are, on all shards.
    #[must_use]
    pub fn allocations(&self) -> usize {
        self.tenants().count()
    }

    /// How many ports somebody owns or has reserved. It looks at every port.
    #[must_use]
    pub fn taken(&self) -> usize {
        let owners = self.ips.iter().flat_map(|ip| &ip.owners);
        owners
            .filter(|owner| owner.load(Ordering::Relaxed) != FREE)
            .count()
    }

    /// Notes one more allocation of this username and client, if all bounds allow it, whichever shards the
    /// others are on.
    pub(super) fn admit(
        &self,
        username: &str,
        source: IpAddr,
        limits: &Limits,
    ) -> Result<Arc<str>, ErrorCode> {
        self.tenants().admit(username, source, limits)
    }

    /// Notes that one that was admitted is gone.
    pub(super) fn dismiss(&self, username: &Arc<str>, source: IpAddr) {
        self.tenants().dismiss(username, source);
    }

    /// The address to relay from for a client that sent to `local`: that one, if it is one of ours; else the
    /// preferred one of the family.
    pub(super) fn ip_for(&self, family: AddressFamily, local: IpAddr) -> Option<IpAddr> {
        let ips = self.ips.iter().map(|ports| ports.ip);
        let mut fitting = ips.filter(|ip| AddressFamily::of(*ip) == family);
        let preferred = fitting.next()?;
        let is_reached = preferred == local || fitting.any(|ip| ip == local);
        Some(if is_reached { local } else { preferred })
    }

    pub(super) fn owner(&self, relayed: RelayedAddr) -> Option<Owner> {
        decode(self.cell(relayed.0)?.load(Ordering::Acquire))
    }

    /// Draws a free port, and makes it the owner's.
    pub(super) fn draw(
        &self,
        draw: Draw,
        owner: Owner,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<RelayedAddr> {
        let owner = encode(owner)?;
        if draw.reserve.is_some() && !self.has_room_for_reservation(now) {
            return None;
        }
        let at = |port| SocketAddr::new(draw.ip, port);
        let claim = |port: u16| {
            if !self.exchange(at(port), FREE, owner) {
                return false;
            }
            let keeps_neighbour =
                draw.reserve.is_none() || self.exchange(at(port | 1), FREE, RESERVED);
            if !keeps_neighbour {
                self.exchange(at(port), owner, FREE);
            }
            keeps_neighbour
        };
        let port = draw_port((self.preferred, self.range), draw.even, claim, rng)?;
        if let Some(token) = draw.reserve {
            self.reservations().push(Reservation {
                token,
                relayed: RelayedAddr(at(port | 1)),
                expires: now + RESERVATION_LIFETIME,
            });
        }
        Some(RelayedAddr(at(port)))
    }

    /// Makes the port that waits for this token the owner's.
    pub(super) fn redeem(&self, token: Token, owner: Owner, now: Instant) -> Option<RelayedAddr> {
        self.expire_reservations(now);
        let owner = encode(owner)?;
        let mut reservations = self.reservations();
        let index = reservations
            .iter()
            .position(|reservation| reservation.token == token)?;
        let relayed = reservations.swap_remove(index).relayed;
        self.exchange(relayed.0, RESERVED, owner).then_some(relayed)
    }

    /// Gives up what the owner has; nothing if it is not his.
    pub(super) fn release(&self, relayed: RelayedAddr, owner: Owner) {
        if let Some(owner) = encode(owner) {
            self.exchange(relayed.0, owner, FREE);
        }
    }

    /// Gives up the ports whose tokens did not come in time.
    pub(super) fn expire_reservations(&self, now: Instant) {
        self.reservations().retain(|reservation| {
            let keep = now < reservation.expires;
            if !keep {
                self.exchange(reservation.relayed.0, RESERVED, FREE);
            }
            keep
        });
    }

    fn has_room_for_reservation(&self, now: Instant) -> bool {
        self.expire_reservations(now);
        self.reservations().len() < MAX_RESERVATIONS
    }

    fn exchange(&self, at: SocketAddr, from: u32, to: u32) -> bool {
        self.cell(at).is_some_and(|cell| {
            cell.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
    }

    fn cell(&self, at: SocketAddr) -> Option<&AtomicU32> {
        let index = usize::from(at.port().checked_sub(self.range.first)?);
        let ports = self.ips.iter().find(|ports| ports.ip == at.ip())?;
        ports.owners.get(index)
    }

    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reservations(&self) -> MutexGuard<'_, Vec<Reservation>> {
        self.reservations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts nothing and names nobody.
impl fmt::Debug for RelayedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayedPorts(…)")
    }
}

/// An owner as it stands in a cell: the shard plus one, then 24 bits of slot.
const FREE: u32 = 0;
const RESERVED: u32 = u32::MAX;
const SLOT_BITS: u32 = 24;

/// How many allocations one shard can have.
pub(super) const MAX_SLOTS: u32 = (1 << SLOT_BITS) - 1;

fn encode(owner: Owner) -> Option<u32> {
    let shard = u32::from(owner.shard.0.checked_add(1)?);
    (owner.slot < MAX_SLOTS).then_some(shard << SLOT_BITS | owner.slot)
}

fn decode(cell: u32) -> Option<Owner> {
    if cell == RESERVED {
        return None;
    }
    let [high, ..] = cell.to_be_bytes();
    Some(Owner {
        shard: Shard(high.checked_sub(1)?),
        slot: cell & MAX_SLOTS,
    })
}

/// Draws a port that `claim` says yes to: by chance from the preferred ones, then from the whole range.
fn draw_port(
    (preferred, range): (PortRange, PortRange),
    even: bool,
    mut claim: impl FnMut(u16) -> bool,
    rng: &mut impl Rng,
) -> Option<u16> {
    let mut port_at = |of: PortRange, offset: u32| {
        let port = u16::try_from(u32::from(of.first) + offset % span(of)).ok()?;
        let port = if even { port & !1 } else { port };
        (range.contains(port) && claim(port)).then_some(port)
    };
    for of in [preferred, range] {
        for _ in 0..RANDOM_TRIES {
            if let Some(port) = port_at(of, rng.next_u32() % span(of)) {
                return Some(port);
            }
        }
    }
    let start = rng.next_u32() % span(range);
    (0..span(range)).find_map(|step| port_at(range, start + step))
}

fn span(range: PortRange) -> u32 {
    u32::from(range.last - range.first) + 1
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const RANGE: PortRange = PortRange {
        first: 50_001,
        last: 50_004,
    };
    const IP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const ANY: Draw = Draw {
        ip: IP,
        even: false,
        reserve: None,
    };
    const ANA: Owner = Owner {
        shard: Shard(0),
        slot: 7,
    };
    const BEN: Owner = Owner {
        shard: Shard(254),
        slot: MAX_SLOTS - 1,
    };

    #[test]
    fn the_last_free_port_is_found_and_then_none() {
        let (ports, mut rng) = (ports(RANGE), rng());
        let mut drawn: Vec<_> = (0..4)
            .filter_map(|_| ports.draw(ANY, ANA, Instant::ZERO, &mut rng))
            .map(|relayed| relayed.0.port())
            .collect();
        drawn.sort_unstable();
        assert_eq!(drawn, [50_001, 50_002, 50_003, 50_004]);
        assert_eq!(ports.taken(), 4);
        assert_eq!(ports.draw(ANY, BEN, Instant::ZERO, &mut rng), None);
    }

    #[test]
    fn a_port_belongs_to_who_drew_it_until_he_gives_it_up() {
        let (ports, mut rng) = (ports(RANGE), rng());
        let [at_ana, at_ben] =
            [ANA, BEN].map(|owner| ports.draw(ANY, owner, Instant::ZERO, &mut rng).unwrap());
        assert_eq!(ports.owner(at_ana), Some(ANA));
        assert_eq!(ports.owner(at_ben), Some(BEN));
        ports.release(at_ana, BEN);
        assert_eq!(ports.owner(at_ana), Some(ANA));
        ports.release(at_ana, ANA);
        assert_eq!(ports.owner(at_ana), None);
        let elsewhere = SocketAddr::new([192, 0, 2, 2].into(), at_ben.0.port());
        assert_eq!(ports.owner(RelayedAddr(elsewhere)), None);
        for port in [0, 1, 50_000, 50_005, u16::MAX] {
            assert_eq!(ports.owner(RelayedAddr(SocketAddr::new(IP, port))), None);
        }
    }

    #[test]
    fn a_shard_beyond_the_last_owns_nothing() {
        let owner = Owner {
            shard: Shard(255),
            slot: 0,
        };
        let drawn = ports(RANGE).draw(ANY, owner, Instant::ZERO, &mut rng());
        assert_eq!(drawn, None);
    }

    #[test]
    fn an_even_port_is_even_and_in_the_range() {
        let mut rng = rng();
        for _ in 0..100 {
            let even = Draw { even: true, ..ANY };
            let drawn = ports(RANGE).draw(even, ANA, Instant::ZERO, &mut rng);
            let port = drawn.unwrap().0.port();
            assert!(port == 50_002 || port == 50_004, "{port}");
        }
    }

    #[test]
    fn a_reserved_neighbour_waits_half_a_minute_for_its_token() {
        let (ports, mut rng) = (ports(RANGE), rng());
        let start = Instant::from_millis(5_000);
        let (first, pair) = (Draw { ..ANY }, |token| Draw {
            even: true,
            reserve: Some(token),
            ..ANY
        });
        // Only 50,002 has its neighbour in the range.
        let even = ports.draw(pair([1; 8]), ANA, start, &mut rng).unwrap();
        assert_eq!(even.0.port(), 50_002);
        assert_eq!(ports.draw(pair([2; 8]), ANA, start, &mut rng), None);
        assert_eq!(ports.taken(), 2);
        for _ in 0..2 {
            assert!(ports.draw(first, BEN, start, &mut rng).is_some());
        }
        assert_eq!(ports.draw(first, BEN, start, &mut rng), None);
        assert_eq!(ports.redeem([3; 8], BEN, start), None);

        let in_time = start + Duration::from_millis(29_999);
        let odd = ports.redeem([1; 8], BEN, in_time).unwrap();
        assert_eq!(odd.0.port(), 50_003);
        assert_eq!(ports.owner(odd), Some(BEN));
        assert_eq!(ports.redeem([1; 8], ANA, in_time), None);

        ports.release(even, ANA);
        ports.release(odd, BEN);
        assert!(ports.draw(pair([4; 8]), ANA, start, &mut rng).is_some());
        let late = start + RESERVATION_LIFETIME;
        assert_eq!(ports.redeem([4; 8], BEN, late), None);
        assert_eq!(ports.taken(), 3);
    }

    #[test]
    fn preferred_ports_are_drawn_first_and_the_others_when_they_are_taken() {
        let preferred = PortRange {
            first: 50_003,
            last: u16::MAX,
        };
        let mut rng = rng();
        let ports = ports(RANGE).preferring(preferred);
        let mut draw = || {
            let drawn = ports.draw(ANY, ANA, Instant::ZERO, &mut rng).unwrap();
            drawn.0.port()
        };
        let mut drawn = [draw(), draw(), draw(), draw()];
        drawn[..2].sort_unstable();
        assert_eq!(drawn[..2], [50_003, 50_004]);
        drawn[2..].sort_unstable();
        assert_eq!(drawn[2..], [50_001, 50_002]);
    }

    #[test]
    fn ports_outside_the_range_are_not_preferred() {
        let elsewhere = PortRange {
            first: 60_000,
            last: 61_000,
        };
        let ports = ports(RANGE).preferring(elsewhere);
        let drawn = ports.draw(ANY, ANA, Instant::ZERO, &mut rng()).unwrap();
        assert!(RANGE.contains(drawn.0.port()));
    }

    #[test]
    fn the_whole_port_space_is_a_range() {
        let range = PortRange {
            first: 1,
            last: u16::MAX,
        };
        let drawn = draw_port((range, range), false, |port| port == u16::MAX, &mut rng());
        assert_eq!(drawn, Some(u16::MAX));
    }

    fn ports(range: PortRange) -> RelayedPorts {
        RelayedPorts::new(&[IP], range)
    }

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }
}
