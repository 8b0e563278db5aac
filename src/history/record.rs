//! Reading records where they lie.

use prost::Message as _;

use super::HistoryError;
use crate::{
    codec::{Malformed, WrittenFacts, read_facts},
    domain::Timestamp,
    proto::journal::{PolicySet, Record, record::Body},
};

/// A record of the journal.
pub(super) struct Read<'a> {
    pub(super) recorded_at: Timestamp,
    pub(super) caller: &'a str,
    pub(super) says: Says<'a>,
}

/// What a record says.
pub(super) enum Says<'a> {
    /// Facts about a merchant: its id, and the facts one behind the other.
    Facts(&'a str, &'a [u8]),
    /// That a policy was announced.
    Policy(Box<PolicySet>),
    /// Nothing that the history keeps.
    Nothing,
}

impl<'a> Read<'a> {
    /// Takes a record apart.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, HistoryError> {
        if let Some(WrittenFacts { recorded_at, caller, merchant, facts, .. }) = read_facts(bytes) {
            return Ok(Self { recorded_at, caller: text(caller)?, says: Says::Facts(text(merchant)?, facts) });
        }
        let record = Record::decode(bytes)?;
        let says = match record.body.ok_or_else(|| Malformed::missing("body"))? {
            // Facts were met above, in the one order of fields in which they are ever written.
            Body::Merchant(_) => return Err(Malformed("facts that are written in another way".to_owned()).into()),
            Body::PolicySet(set) => Says::Policy(Box::new(set)),
            Body::ClockLease(_) | Body::ClockAdvanced(_) | Body::ProposalMade(_) | Body::ProposalClosed(_) => {
                Says::Nothing
            }
        };
        Ok(Read { recorded_at: Timestamp::from_micros(record.recorded_at), caller: "", says })
    }
}

fn text(bytes: &[u8]) -> Result<&str, HistoryError> {
    std::str::from_utf8(bytes).map_err(|error| Malformed(error.to_string()).into())
}
