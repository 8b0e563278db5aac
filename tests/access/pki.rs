//! An authority, and those it certifies.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Certifies servers and clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn server(&self) -> Issued {
        self.issue(vec![SanType::DnsName("localhost".try_into().unwrap())], ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// With a SPIFFE ID, or a DNS name.
    pub(crate) fn client(&self, name: &str) -> Issued {
        let name = match name.split_once("://") {
            Some(_) => SanType::URI(name.try_into().unwrap()),
            None => SanType::DnsName(name.try_into().unwrap()),
        };
        self.issue(vec![name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, names: Vec<SanType>, purpose: ExtendedKeyUsagePurpose) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { cert: certificate.pem(), key: key.serialize_pem() }
    }
}
