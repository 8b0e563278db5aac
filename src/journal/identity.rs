//! The control file of a data directory: written once, at its creation.

use std::path::Path;

use super::error::RecoverError;
use super::position::Lsn;
use super::segment::{checked_body, damage, with_prefix};
use super::wire::Fields;

const MAGIC: [u8; 8] = *b"tplusDIR";

/// What a data directory is, and will be for as long as it lives.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Tells this directory from every other; mixed into the checks of all its files.
    pub id: [u8; 16],
    /// The key of the fingerprints of ids that are derived from this journal.
    pub fingerprint_key: [u8; 16],
    /// What the creator wanted remembered, in its order.
    pub attributes: Vec<(String, String)>,
}

impl Identity {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.id);
        body.extend_from_slice(&self.fingerprint_key);
        body.extend_from_slice(&(self.attributes.len() as u32).to_le_bytes());
        for text in self.attributes.iter().flat_map(|(key, value)| [key, value]) {
            body.extend_from_slice(&(text.len() as u32).to_le_bytes());
            body.extend_from_slice(text.as_bytes());
        }
        with_prefix(MAGIC, &body)
    }

    pub(crate) fn decode(file: &Path, bytes: &[u8]) -> Result<Identity, RecoverError> {
        let mut fields = Fields(checked_body(file, MAGIC, bytes)?);
        let parsed = Identity::parse(&mut fields).filter(|_| fields.0.is_empty());
        parsed.ok_or_else(|| damage(file, 0, Lsn::ZERO, "the identity is incomplete").into())
    }

    fn parse(fields: &mut Fields<'_>) -> Option<Identity> {
        let id = fields.array()?;
        let fingerprint_key = fields.array()?;
        let count = fields.u32()?;
        let mut attributes = Vec::new();
        for _ in 0..count {
            attributes.push((text(fields)?, text(fields)?));
        }
        Some(Identity { id, fingerprint_key, attributes })
    }
}

fn text(fields: &mut Fields<'_>) -> Option<String> {
    let len = fields.u32()? as usize;
    String::from_utf8(fields.take(len)?.to_vec()).ok()
}

/// The key is a secret of the directory: whoever knows it can aim at collisions.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        f.debug_struct("Identity").field("id", &id).field("attributes", &self.attributes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_refused() {
        let attributes = vec![("clock".to_owned(), "manual".to_owned()), (String::new(), "ü".to_owned())];
        let identity = Identity { id: [1; 16], fingerprint_key: [2; 16], attributes };
        let file = Path::new("identity");
        let mut bytes = identity.encode();
        assert_eq!(Identity::decode(file, &bytes).unwrap(), identity);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(file, &bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            assert!(Identity::decode(file, &bytes[..len]).is_err(), "{len} bytes");
        }
    }
}
