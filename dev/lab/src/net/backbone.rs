// SPDX-License-Identifier: MIT OR Apache-2.0
//! The backbone, and the places on it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use super::namespace::Namespace;
use crate::LabError;
use crate::connection::lock;

/// The IPv4 ranges for documentation (RFC 5737 §3). Places are strewn over them, so that no two look like
/// neighbours.
const RANGES: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];

/// Addresses of a link: network, gateway, host, broadcast.
const LINK: u8 = 4;

/// Places that there are addresses for.
const PLACES: u8 = 192;

/// The settings of both ends of a link that a forwarder stands in: one address, so that neither end has to be looked
/// for, and no packets that hardware would have to cut.
pub(super) const BARE: &str = "gso_max_segs 1 address 02:00:00:00:00:01 arp off";

/// A namespace that routes between the places on it, and nothing else.
#[derive(Debug)]
pub(super) struct Backbone {
    namespace: Namespace,
    taken: Mutex<Taken>,
    /// Addresses of machines that are nobody's client.
    hosts: Mutex<BTreeSet<IpAddr>>,
}

#[derive(Debug, Default)]
struct Taken {
    places: BTreeSet<u8>,
    next: u8,
    networks: u8,
}

impl Backbone {
    pub(super) fn new() -> Result<Arc<Self>, LabError> {
        let namespace = Namespace::new("backbone")?;
        namespace.route_between_links()?;
        Ok(Arc::new(Self {
            namespace,
            taken: Mutex::default(),
            hosts: Mutex::default(),
        }))
    }

    /// Takes a place. The one that was free for the longest time comes first: of others, the link may still be there.
    pub(super) fn place(self: &Arc<Self>) -> Result<Place, LabError> {
        let mut taken = lock(&self.taken);
        let next = taken.next;
        let mut numbers = (0..PLACES).map(|step| (u16::from(next) + u16::from(step)) % 192);
        let number = numbers
            .find_map(|number| {
                let number = u8::try_from(number).ok()?;
                (!taken.places.contains(&number)).then_some(number)
            })
            .ok_or_else(|| {
                LabError::Unexpected("the ranges for documentation are used up".to_owned())
            })?;
        taken.places.insert(number);
        taken.next = (number + 1) % PLACES;
        Ok(Place {
            number,
            backbone: Arc::clone(self),
        })
    }

    /// A number for a network behind a router, which others have only when very many were made since.
    pub(super) fn network(&self) -> u8 {
        let mut taken = lock(&self.taken);
        taken.networks = taken.networks % 250 + 1;
        taken.networks
    }

    /// Notes that a machine with these addresses is nobody's client.
    pub(super) fn add_host(&self, addresses: [IpAddr; 2]) {
        lock(&self.hosts).extend(addresses);
    }

    pub(super) fn remove_host(&self, addresses: [IpAddr; 2]) {
        lock(&self.hosts).retain(|host| !addresses.contains(host));
    }

    pub(super) fn is_host(&self, address: IpAddr) -> bool {
        lock(&self.hosts).contains(&address)
    }
}

/// A place on the backbone, with addresses of both families; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u8,
    backbone: Arc<Backbone>,
}

impl Place {
    pub(super) fn backbone(&self) -> &Arc<Backbone> {
        &self.backbone
    }

    /// The address on the backbone's end of the link.
    pub(super) fn gateway(&self) -> Ipv4Addr {
        self.at(1)
    }

    /// The address on the other end.
    pub(super) fn ipv4(&self) -> Ipv4Addr {
        self.at(2)
    }

    pub(super) fn gateway_v6(&self) -> Ipv6Addr {
        self.at_v6(1)
    }

    /// An address in the place's IPv6 network, which is a whole /64; 1 is the backbone's.
    pub(super) fn at_v6(&self, host: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, self.number.into(), 0, 0, 0, host)
    }

    /// Lays the link to this place and sets the near end up, with this end of it in another namespace.
    pub(super) fn link(&self, end: &Namespace, interface: &str, how: &str) -> Result<(), LabError> {
        let number = self.number;
        self.backbone.namespace.ip(&format!(
            "link add to-{number} {how} type veth peer name {interface} {how} netns {netns}\n\
             address add {gateway}/30 dev to-{number}\n\
             address add {gateway_v6}/64 nodad dev to-{number}\n\
             link set to-{number} up\n",
            netns = end.name(),
            gateway = self.gateway(),
            gateway_v6 = self.gateway_v6(),
        ))
    }

    /// Waits until the backbone's end of the link carries, once the other end is up, and until it is the gateway.
    pub(super) fn wait_for_link(&self) -> Result<(), LabError> {
        let interface = format!("to-{}", self.number);
        self.backbone.namespace.wait_for_link(&interface)?;
        self.backbone.namespace.wait_for_address(self.gateway_v6())
    }

    fn at(&self, offset: u8) -> Ipv4Addr {
        let range = RANGES[usize::from(self.number) % RANGES.len()];
        let first = self.number / 3 * LINK;
        Ipv4Addr::new(range[0], range[1], range[2], first + offset)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.backbone.taken).places.remove(&self.number);
    }
}
