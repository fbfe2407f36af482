// SPDX-License-Identifier: MIT OR Apache-2.0
//! A certificate authority of the node's own, made at the first start.
//!
//! It is constrained (RFC 5280 §4.2.1.10) to local names, private addresses, and what the configuration named
//! when it was made: whoever trusts it does not hand the node the rest of the web. Its key stays in the data
//! directory, readable by the owner only, and signs one leaf, which is renewed at a start near its end.

use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use super::Identity;
use super::names::{Name, Names};
use crate::failure::Failure;
use crate::private_file;

/// Life of the authority.
const AUTHORITY: Duration = Duration::days(3650);
/// Life of the leaf; some systems refuse more than 398 days.
const LEAF: Duration = Duration::days(397);
/// The leaf is renewed at a start this long before its end.
const RENEW: Duration = Duration::days(60);
/// Certificates begin this long in the past, for clocks that are slow.
const SLOW_CLOCKS: Duration = Duration::days(1);

/// Addresses that exist only locally (RFC 1918, 3927, 4193, 4291, 6598), and the machine itself.
const LOCAL_NETWORKS: [&str; 9] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];
/// Names that exist only locally (RFC 6761, 6762, 8375, and `internal`, which is reserved for private use).
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "home.arpa", "internal"];

/// The authority as people see it.
#[derive(Clone, Debug)]
pub(crate) struct OwnCa {
    pub(crate) pem: String,
    /// SHA-256 of the certificate, in pairs of hexadecimal digits.
    pub(crate) fingerprint: String,
}

/// What has to be known of the certificates without reading them.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    common_name: String,
    permitted_names: Vec<String>,
    permitted_networks: Vec<String>,
    fingerprint: String,
    leaf_names: Vec<String>,
    /// Seconds since 1970.
    leaf_ends: i64,
}

/// The leaf for these names, and the authority it comes from; makes or renews what is missing.
pub(super) fn issue(directory: &Path, names: Names) -> Result<(Identity, OwnCa), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::caused_by("cannot make or read the node's own certificates", error).hint(format!(
            "They are in {}; without that directory new ones are made, and everybody has to trust them anew.",
            directory.display()
        ))
    };
    let files = Files { directory };
    if !directory.join("authority.json").exists() {
        files
            .make_authority(&names)
            .map_err(|error| failed(&*error))?;
    }
    let mut record = files.record().map_err(|error| failed(&*error))?;
    let leaf_names = record.certifiable(names)?;
    let now = OffsetDateTime::now_utc();
    if record.leaf_names != leaf_names || record.leaf_ends < (now + RENEW).unix_timestamp() {
        files
            .make_leaf(&mut record, leaf_names, now)
            .map_err(|error| failed(&*error))?;
    }
    files
        .load(record.fingerprint)
        .map_err(|error| failed(&*error))
}

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

struct Files<'a> {
    directory: &'a Path,
}

impl Files<'_> {
    fn make_authority(&self, names: &Names) -> Anything<()> {
        private_file::make_directory(self.directory)?;
        let mut record = Record {
            common_name: format!("Hither node {}", short_name()?),
            permitted_names: LOCAL_NAMES.map(str::to_owned).to_vec(),
            permitted_networks: LOCAL_NETWORKS.map(str::to_owned).to_vec(),
            fingerprint: String::new(),
            leaf_names: Vec::new(),
            leaf_ends: 0,
        };
        for name in &names.wanted {
            match name {
                Name::Dns(name) => record.permitted_names.push(name.clone()),
                Name::Ip(ip @ IpAddr::V4(_)) => record.permitted_networks.push(format!("{ip}/32")),
                Name::Ip(ip @ IpAddr::V6(_)) => record.permitted_networks.push(format!("{ip}/128")),
            }
        }
        let key = KeyPair::generate()?;
        let certificate = record.authority()?.self_signed(&key)?;
        record.fingerprint = fingerprint(certificate.der());
        self.write("ca.key", key.serialize_pem().as_bytes())?;
        self.write("ca.crt", certificate.pem().as_bytes())?;
        self.write_record(&record)
    }

    fn make_leaf(
        &self,
        record: &mut Record,
        names: Vec<String>,
        now: OffsetDateTime,
    ) -> Anything<()> {
        let authority_key = KeyPair::from_pem(&self.read("ca.key")?)?;
        let issuer = Issuer::new(record.authority()?, authority_key);
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = named("Hither");
        leaf.not_before = now - SLOW_CLOCKS;
        leaf.not_after = now + LEAF - SLOW_CLOCKS;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        for name in &names {
            leaf.subject_alt_names.push(match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;
        self.write("leaf.key", key.serialize_pem().as_bytes())?;
        self.write("leaf.crt", certificate.pem().as_bytes())?;
        record.leaf_names = names;
        record.leaf_ends = leaf.not_after.unix_timestamp();
        self.write_record(record)
    }

    fn load(&self, fingerprint: String) -> Anything<(Identity, OwnCa)> {
        let ca = OwnCa {
            pem: self.read("ca.crt")?,
            fingerprint,
        };
        let identity = Identity {
            chain: [self.read("leaf.crt")?.as_str(), ca.pem.as_str()]
                .concat()
                .into_bytes(),
            key: self.read("leaf.key")?.into_bytes(),
        };
        Ok((identity, ca))
    }

    fn record(&self) -> Anything<Record> {
        Ok(serde_json::from_str(&self.read("authority.json")?)?)
    }

    fn write_record(&self, record: &Record) -> Anything<()> {
        self.write("authority.json", &serde_json::to_vec_pretty(record)?)
    }

    fn read(&self, name: &str) -> Anything<String> {
        Ok(std::fs::read_to_string(self.directory.join(name))?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Anything<()> {
        Ok(private_file::write(&self.directory.join(name), bytes)?)
    }
}

impl Record {
    /// The authority's own certificate, before it is signed; the same whenever it is asked for.
    fn authority(&self) -> Anything<CertificateParams> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name = named(&self.common_name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = OffsetDateTime::now_utc();
        authority.not_before = now - SLOW_CLOCKS;
        authority.not_after = now + AUTHORITY;
        let names = self.permitted_names.iter().cloned();
        let mut permitted: Vec<_> = names.map(GeneralSubtree::DnsName).collect();
        for network in &self.permitted_networks {
            let (ip, prefix) = parse_network(network).ok_or("a permitted network is malformed")?;
            permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                ip, prefix,
            )));
        }
        authority.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: Vec::new(),
        });
        Ok(authority)
    }

    /// The names that the authority may certify; every configured one must be among them.
    fn certifiable(&self, names: Names) -> Result<Vec<String>, Failure> {
        if names.wanted.iter().any(|name| !self.permits(name)) {
            return Err(Failure::new(
                "the node's own authority was made before a name in tls.names or http.public_url \
                 was configured, and may not certify it",
            )
            .hint(
                "Remove the directory `tls` in the data directory to make a new authority; \
                 everybody has to trust it anew.",
            ));
        }
        let all = names.wanted.into_iter().chain(names.own);
        let permitted = all.filter(|name| self.permits(name));
        let mut certifiable: Vec<String> = permitted.map(|name| name.to_string()).collect();
        certifiable.sort();
        certifiable.dedup();
        Ok(certifiable)
    }

    fn permits(&self, name: &Name) -> bool {
        match name {
            Name::Dns(name) => self.permitted_names.iter().any(|permitted| {
                name == permitted
                    || name
                        .strip_suffix(permitted.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
            }),
            Name::Ip(ip) => self
                .permitted_networks
                .iter()
                .filter_map(|network| parse_network(network))
                .any(|(network, prefix)| contains(network, prefix, *ip)),
        }
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Something that tells two nodes of one house apart in a list of authorities.
fn short_name() -> Result<String, getrandom::Error> {
    let bytes: [u8; 3] = crate::node::random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn fingerprint(der: &[u8]) -> String {
    let digest = Sha256::digest(der);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = text.split_once('/')?;
    Some((ip.parse().ok()?, prefix.parse().ok()?))
}

fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let differs = u32::from(network) ^ u32::from(ip);
            differs.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let differs = u128::from(network) ^ u128::from(ip);
            differs.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str], own: &[&str]) -> Names {
        let set = |list: &[&str]| {
            let names = list.iter().map(|text| match text.parse() {
                Ok(ip) => Name::Ip(ip),
                Err(_) => Name::Dns((*text).to_owned()),
            });
            names.collect()
        };
        Names {
            wanted: set(wanted),
            own: set(own),
        }
    }

    #[test]
    fn the_authority_stays_and_the_leaf_follows_the_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tls");
        let own = ["localhost", "10.0.0.7"];
        let (first, ca) = issue(&path, names(&["chat.example"], &own)).expect("made");
        let (same, same_ca) = issue(&path, names(&["chat.example"], &own)).expect("read");
        assert_eq!(first.chain, same.chain);
        assert_eq!(ca.fingerprint, same_ca.fingerprint);
        let (moved, moved_ca) = issue(&path, names(&[], &["10.0.0.8"])).expect("renewed");
        assert_ne!(first.chain, moved.chain);
        assert_eq!(ca.pem, moved_ca.pem);
    }

    #[test]
    fn a_leaf_near_its_end_is_renewed() {
        let directory = tempfile::tempdir().expect("a directory");
        let own = ["localhost"];
        let (first, _) = issue(directory.path(), names(&[], &own)).expect("made");
        let files = Files {
            directory: directory.path(),
        };
        let mut record = files.record().expect("a record");
        let soon: OffsetDateTime = OffsetDateTime::now_utc() + Duration::days(30);
        record.leaf_ends = soon.unix_timestamp();
        files.write_record(&record).expect("written");
        let (second, _) = issue(directory.path(), names(&[], &own)).expect("renewed");
        assert_ne!(first.chain, second.chain);
    }

    #[test]
    fn a_public_name_that_came_later_needs_a_new_authority() {
        let directory = tempfile::tempdir().expect("a directory");
        issue(directory.path(), names(&[], &["localhost"])).expect("made");
        assert!(issue(directory.path(), names(&["chat.example"], &[])).is_err());
        // A public address of the machine's own is left out silently.
        issue(directory.path(), names(&[], &["localhost", "198.51.100.1"])).expect("renewed");
        let files = Files {
            directory: directory.path(),
        };
        assert_eq!(files.record().expect("a record").leaf_names, ["localhost"]);
    }

    #[test]
    fn networks_contain_their_addresses_only() {
        for (network, ip, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.2", false),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("10.0.0.0/8", "::1", false),
        ] {
            let (network, prefix) = parse_network(network).expect("a network");
            let ip = ip.parse().expect("an address");
            assert_eq!(contains(network, prefix, ip), inside, "{network} {ip}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        issue(directory.path(), names(&[], &["localhost"])).expect("made");
        for name in ["ca.key", "leaf.key"] {
            let metadata = std::fs::metadata(directory.path().join(name)).expect("a file");
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{name}");
        }
    }
}
