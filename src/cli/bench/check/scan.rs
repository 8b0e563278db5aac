//! A look at every answer that costs some nanoseconds an order: how many results, which cycles, any refusals.

use prost::Message as _;

use super::super::record::{Method, Tally};
use crate::proto::v1::OrderResult;

/// The key of the field `cycle`, which an answer without refusal begins with.
const CYCLE: u8 = 0x08;
/// The key of the field `sequence`.
const SEQUENCE: u8 = 0x08;

/// Counts the results of an answer, and answers how many there are.
pub(in crate::cli::bench) fn scan(method: Method, answer: &[u8], tally: &mut Tally) -> u64 {
    let key = match method {
        Method::Order => {
            let counted = Counted::of(answer, tally);
            counted.add_to(tally);
            return 1;
        }
        Method::Chunk => 0x0a,
        Method::Stream => 0x12,
    };
    let (mut rest, mut all) = (answer, Counted::default());
    while let Some((field, number, value)) = field(rest) {
        rest = value;
        if field == key {
            let length = usize::try_from(number).unwrap_or(usize::MAX);
            let Some((result, behind)) = value.split_at_checked(length) else { break };
            all.add(Counted::of(result, tally));
            rest = behind;
        } else if field != SEQUENCE {
            break;
        }
    }
    all.add_to(tally);
    all.results
}

/// The key of the field that begins here, the number behind it, and what follows.
fn field(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let [key, value @ ..] = bytes else { return None };
    let (number, rest) = varint(value)?;
    Some((*key, number, rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    if let [byte @ 0..0x80, rest @ ..] = bytes {
        return Some((u64::from(*byte), rest));
    }
    let mut rest = bytes;
    let number = prost::encoding::decode_varint(&mut rest).ok()?;
    Some((number, rest))
}

/// Results by what they say, while an answer is looked at.
#[derive(Default)]
struct Counted {
    results: u64,
    quick: u64,
    standard: u64,
}

impl Counted {
    /// A single result.
    fn of(result: &[u8], tally: &mut Tally) -> Self {
        match result {
            [CYCLE, 1, ..] => Self { results: 1, quick: 1, standard: 0 },
            [CYCLE, 2, ..] => Self { results: 1, quick: 0, standard: 1 },
            _ => {
                tally.unusual(result);
                Self { results: 1, quick: 0, standard: 0 }
            }
        }
    }

    const fn add(&mut self, other: Self) {
        self.results += other.results;
        self.quick += other.quick;
        self.standard += other.standard;
    }

    const fn add_to(&self, tally: &mut Tally) {
        tally.quick += self.quick;
        tally.standard += self.standard;
    }
}

impl Tally {
    fn unusual(&mut self, result: &[u8]) {
        match OrderResult::decode(result).map(|result| (result.refusal, result.cycle)) {
            Ok((Some(refusal), _)) => *self.refused.entry(refusal.reason).or_default() += 1,
            Ok((None, cycle)) => self.count(cycle),
            Err(error) => self.faults.add(|| format!("an answer that cannot be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{ClassifyOrdersResponse, OrderRefusal, StreamClassifyOrdersResponse};

    fn results() -> Vec<OrderResult> {
        let refusal = OrderRefusal { reason: "OVERLOADED".into(), ..OrderRefusal::default() };
        vec![
            OrderResult { cycle: 1, replayed: true, ..OrderResult::default() },
            OrderResult { cycle: 2, ..OrderResult::default() },
            OrderResult { refusal: Some(refusal), ..OrderResult::default() },
            OrderResult { cycle: 2, ..OrderResult::default() },
        ]
    }

    #[test]
    fn results_are_counted_by_what_they_say() {
        let stream = StreamClassifyOrdersResponse { sequence: 300, results: results() }.encode_to_vec();
        let chunk = ClassifyOrdersResponse { results: results() }.encode_to_vec();
        for (method, answer) in [(Method::Stream, stream), (Method::Chunk, chunk)] {
            let mut tally = Tally::default();
            assert_eq!(scan(method, &answer, &mut tally), 4);
            assert_eq!((tally.quick, tally.standard, tally.refused["OVERLOADED"]), (1, 2, 1));
            assert_eq!(tally.faults.count(), 0);
        }
    }

    #[test]
    fn what_is_cut_off_is_not_counted() {
        let whole = ClassifyOrdersResponse { results: results() }.encode_to_vec();
        assert!(scan(Method::Chunk, &whole[..whole.len() - 1], &mut Tally::default()) < 4);
    }
}
