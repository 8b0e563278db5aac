//! Who is at the other end of a connection.

use std::net::SocketAddr;

use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::Identity;
use crate::clock::Micros;

/// Who is at the other end of a connection, as far as its certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// From where.
    pub address: Option<SocketAddr>,
    /// The names in its certificate, which was verified; none without one.
    pub identities: Vec<Identity>,
    /// When that certificate expires, on the wall clock.
    pub until: Option<Micros>,
}

impl Peer {
    /// Somebody without a certificate.
    pub const fn unnamed(address: Option<SocketAddr>) -> Self {
        Self { address, identities: Vec::new(), until: None }
    }

    /// Somebody with this certificate, which has been verified: the SPIFFE ID if there is exactly one, as its standard wants it, and then the DNS
    /// names. A common name names nobody.
    pub fn with_certificate(address: Option<SocketAddr>, der: &[u8]) -> Self {
        let Ok((_, certificate)) = parse_x509_certificate(der) else { return Self::unnamed(address) };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return Self::unnamed(address) };
        let names = &names.value.general_names;
        let uris: Vec<&str> =
            names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
        let spiffe = match uris.as_slice() {
            [uri] if uri.starts_with("spiffe://") => Some(Identity::Spiffe((*uri).to_owned())),
            _ => None,
        };
        let dns = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Identity::Dns(name.to_ascii_lowercase())),
            _ => None,
        });
        let until = certificate.validity().not_after.timestamp().saturating_mul(1_000_000);
        Self { address, identities: spiffe.into_iter().chain(dns).collect(), until: Some(until) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn named(names: &[SanType]) -> Vec<String> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Peer::with_certificate(None, certificate.der()).identities.iter().map(Identity::name).collect()
    }

    fn uri(uri: &str) -> SanType {
        SanType::URI(uri.try_into().unwrap())
    }

    #[test]
    fn a_certificate_tells_a_spiffe_id_and_dns_names() {
        let dns = SanType::DnsName("Checkout.shop.example".try_into().unwrap());
        assert_eq!(
            named(&[dns, uri("spiffe://shop.example/checkout")]),
            ["spiffe://shop.example/checkout", "dns:checkout.shop.example"]
        );
    }

    #[test]
    fn of_two_spiffe_ids_none_holds_and_other_addresses_are_no_names() {
        assert!(named(&[uri("spiffe://shop.example/a"), uri("spiffe://shop.example/b")]).is_empty());
        assert!(named(&[uri("https://shop.example/a")]).is_empty());
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert!(Peer::with_certificate(None, b"no certificate").identities.is_empty());
    }
}
