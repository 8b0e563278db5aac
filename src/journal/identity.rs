//! The control file of a data directory: written once, at its creation.

use std::path::Path;

use super::error::RecoverError;
use super::position::Lsn;
use super::segment::{checked_body, damage, with_prefix};
use super::wire::Fields;

const MAGIC: [u8; 8] = *b"tplusDIR";
/// The attribute that names the directory in which a restored journal began, in hexadecimal digits.
const LINEAGE: &str = "journal.lineage";

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

    /// The id of the directory in which the journal began. It is what the hash chain begins with, so that a restored journal has the hashes of
    /// the one that it is a copy of.
    pub fn lineage(&self) -> [u8; 16] {
        self.attribute(LINEAGE).and_then(from_hex).unwrap_or(self.id)
    }

    /// The identity of a new directory that goes on with this one's journal, under the same key. `attributes` are added to those there are, or
    /// replace them.
    #[must_use]
    pub fn descendant(&self, id: [u8; 16], attributes: Vec<(String, String)>) -> Identity {
        let new = || attributes.iter().map(|(name, _)| name.as_str()).chain([LINEAGE]);
        let kept = self.attributes.iter().filter(|(name, _)| new().all(|new| new != name)).cloned();
        let lineage = [(LINEAGE.to_owned(), to_hex(&self.lineage()))];
        let attributes = kept.chain(lineage).chain(attributes.iter().cloned()).collect();
        Identity { id, fingerprint_key: self.fingerprint_key, attributes }
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
        let parsed = parsed.filter(|identity| identity.attribute(LINEAGE).is_none_or(|id| from_hex(id).is_some()));
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

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(number.to_be_bytes())
}

fn text(fields: &mut Fields<'_>) -> Option<String> {
    let len = fields.u32()? as usize;
    String::from_utf8(fields.take(len)?.to_vec()).ok()
}

/// The key is a secret of the directory: whoever knows it can aim at collisions.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("id", &to_hex(&self.id))
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
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

    #[test]
    fn a_descendant_knows_where_its_journal_began() {
        let attributes = vec![("clock".to_owned(), "manual".to_owned()), ("from".to_owned(), "x".to_owned())];
        let first = Identity { id: [1; 16], fingerprint_key: [2; 16], attributes };
        assert_eq!(first.lineage(), [1; 16]);
        let second = first.descendant([3; 16], vec![("from".to_owned(), "first".to_owned())]);
        let third = second.descendant([4; 16], vec![]);
        for descendant in [&second, &third] {
            assert_eq!((descendant.lineage(), descendant.fingerprint_key), ([1; 16], [2; 16]));
            assert_eq!((descendant.attribute("clock"), descendant.attribute("from")), (Some("manual"), Some("first")));
            assert_eq!(Identity::decode(Path::new("identity"), &descendant.encode()).unwrap(), *descendant);
        }
        assert_eq!(third.attributes.len(), 3);
        let unreadable = Identity { attributes: vec![(LINEAGE.to_owned(), "+1".repeat(16))], ..first };
        assert!(Identity::decode(Path::new("identity"), &unreadable.encode()).is_err());
    }
}
