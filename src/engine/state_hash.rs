//! One hash for all that follows from a journal, to tell whether two of them lead to the same.

use std::convert::Infallible;

use prost::Message as _;

use super::{Options, recovery::OpenError, recovery::State, replay::replay};
use crate::{
    codec::{encode_merchant, encode_policy, keep_proposal},
    journal::{Lsn, RecoverError, VisitError},
    proto::journal::DecidedFact,
};

/// The state behind the records that were read, in short.
///
/// Two journals have the same hash if and only if they lead to the same merchants, the same policies and proposals, the same decided orders and requests with
/// what became of them, and a manual clock that stands at the same time. Positions do not count, nor do leases of a clock that goes by itself: a
/// journal that was restored has others. The ids of orders and requests are told apart by their fingerprints, so that the hashes of two
/// directories can only be compared if these have the same key, as a restored one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHash {
    /// BLAKE3 over the state, under a context of its own.
    pub hash: [u8; 32],
    /// How many merchants there are.
    pub merchants: u64,
    /// How many decided orders and requests.
    pub decided: u64,
}

/// Replays records from the first on, without any checkpoint, and hashes what they lead to. All decided orders and requests are in memory
/// meanwhile, at some 250 bytes each. `key` is that of the directory's fingerprints; `manual_clock` says whether its clock is.
///
/// # Errors
/// When reading fails, a record makes no sense, or the state is none that the rules lead to.
pub fn state_hash(
    key: [u8; 16],
    manual_clock: bool,
    read: impl FnOnce(&mut dyn FnMut(Lsn, &[u8]) -> Result<(), VisitError>) -> Result<(), RecoverError>,
) -> Result<StateHash, OpenError> {
    let (state, ()) = replay(State::empty(key, &Options::default()), read)?;
    state.check()?;
    let mut hasher = Hasher(blake3::Hasher::new_derive_key("tplus state v1"));
    hasher.number(state.clock.filter(|_| manual_clock).map_or(0, |clock| clock.micros().cast_unsigned()));
    hasher.all(state.policies().map(|in_force| encode_policy(in_force).encode_to_vec()));
    let (proposals, _) = state.proposals.kept();
    // Who has never proposed anything has the hash that he had before there were proposals.
    if proposals.latest() > 0 {
        hasher.number(proposals.latest());
        hasher.all(proposals.after(0).map(|proposal| keep_proposal(proposal).encode_to_vec()));
    }
    let mut ids: Vec<_> = state.merchants.iter().map(|cell| cell.key().clone()).collect();
    ids.sort_unstable();
    let merchant = |id| state.merchants.get(id).map(|cell| encode_merchant(id, &cell.merchant, Lsn::ZERO));
    hasher.all(ids.iter().filter_map(merchant).map(|merchant| merchant.encode_to_vec()));
    let decided = decided(&state)?;
    hasher.all(decided.iter());
    let (merchants, decided) = (ids.len() as u64, decided.len() as u64);
    Ok(StateHash { hash: *hasher.0.finalize().as_bytes(), merchants, decided })
}

/// The hashes of all decided facts, by fingerprint.
fn decided(state: &State) -> Result<Vec<[u8; 32]>, RecoverError> {
    let (mut hashes, mut malformed) = (Vec::new(), None);
    let walked = state.decided.walk(|decided| {
        match decided {
            Ok(fact) => {
                let place = (fact.fingerprint_high, fact.fingerprint_low);
                let fact = DecidedFact { lsn: 0, ..fact };
                hashes.push((place, *blake3::hash(&fact.encode_to_vec()).as_bytes()));
            }
            Err(error) => malformed = Some(error),
        }
        Ok::<(), Infallible>(())
    });
    match (walked, malformed) {
        (Ok(()), None) => {
            hashes.sort_unstable();
            Ok(hashes.into_iter().map(|(_, hash)| hash).collect())
        }
        (_, Some(error)) => Err(RecoverError::Visit { lsn: Lsn::ZERO, source: VisitError::new(error) }),
        (Err(never), None) => match never {},
    }
}

/// Hashes items so that none can be taken for a part of another.
struct Hasher(blake3::Hasher);

impl Hasher {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn all(&mut self, items: impl Iterator<Item = impl AsRef<[u8]>>) {
        let mut count = 0;
        for item in items {
            let item = item.as_ref();
            self.number(item.len() as u64);
            self.0.update(item);
            count += 1;
        }
        // Behind them, and marked: no item is so long.
        self.number(u64::MAX);
        self.number(count);
    }
}
