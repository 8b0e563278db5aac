//! What a batch writes about one merchant.

use prost::Message as _;

use super::{
    HistoryError, Kind,
    keys::{self, Dated, Number, Tree},
    pack::{BLOCK, MOST_NUMBERS, Noted, Packer, pack_numbers},
    write::Sink,
};
use crate::{
    codec::encode_merchant,
    domain::{Fact, Merchant, MerchantId, Timestamp},
};

/// The rows of one merchant, in the making.
#[derive(Default)]
pub(super) struct Sheet {
    packer: Packer,
    /// The number with which the row of facts begins that is in the making; 0: none is.
    first: u64,
    entries: Vec<(u64, Vec<u8>)>,
    snapshots: Vec<(u64, Vec<u8>)>,
    dates: Vec<(Dated, Timestamp, u64)>,
    kinds: Vec<(Kind, u64)>,
}

impl Sheet {
    /// Adds a fact, whose number is that of the facts that the merchant has after it.
    pub(super) fn add(&mut self, id: &MerchantId, merchant: &Merchant, noted: &Noted<'_>) {
        let number = merchant.facts();
        if self.first == 0 {
            self.first = number;
        }
        self.packer.put(noted);
        self.arrange(number, &noted.event.fact);
        if number.is_multiple_of(BLOCK) {
            self.finish_row();
            self.snapshots.push((number, encode_merchant(id, merchant, noted.lsn).encode_to_vec()));
        }
    }

    /// Orders are found by settlement date, and everything but classified orders by kind.
    fn arrange(&mut self, number: u64, fact: &Fact) {
        match (fact, fact.order()) {
            (_, Some(order)) => self.dates.push((Dated::Orders, order.settles_at, number)),
            (Fact::ProfitSettled(fact), _) => self.dates.push((Dated::Settlements, fact.settles_at, number)),
            _ => {}
        }
        let kind = Kind::of(fact);
        if kind != Kind::OrderClassified {
            self.kinds.push((kind, number));
        }
    }

    fn finish_row(&mut self) {
        if self.first != 0 {
            self.entries.push((self.first, self.packer.finish()));
            self.first = 0;
        }
    }

    /// Nothing more is added.
    pub(super) fn finish(&mut self) {
        self.finish_row();
        self.dates.sort_unstable();
        self.kinds.sort_unstable();
    }

    /// Writes the rows of one tree.
    pub(super) fn write(&self, tree: Tree, of: Number, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        match tree {
            Tree::Entries => {
                self.entries.iter().try_for_each(|(first, row)| sink.put(&keys::entries(of, *first), row))?;
            }
            Tree::Snapshots => {
                let key = |number| keys::numbered(Tree::Snapshots, of, number);
                self.snapshots.iter().try_for_each(|(number, row)| sink.put(&key(*number), row))?;
            }
            Tree::Dates => {
                for same in self.dates.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
                    let Some((dated, at, _)) = same.first() else { continue };
                    write_numbers(same, |(.., number)| *number, |first| keys::date(of, *dated, *at, first), sink)?;
                }
            }
            Tree::Kinds => {
                for same in self.kinds.chunk_by(|a, b| a.0 == b.0) {
                    let Some((kind, _)) = same.first() else { continue };
                    write_numbers(same, |(_, number)| *number, |first| keys::kind(of, *kind, first), sink)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes numbers that rise in rows that are not too long.
fn write_numbers<T, const LEN: usize>(
    items: &[T],
    number: impl Fn(&T) -> u64,
    key: impl Fn(u64) -> [u8; LEN],
    sink: &mut Sink<'_>,
) -> Result<(), HistoryError> {
    for items in items.chunks(MOST_NUMBERS) {
        let numbers: Vec<_> = items.iter().map(&number).collect();
        if let Some(first) = numbers.first() {
            sink.put(&key(*first), &pack_numbers(&numbers))?;
        }
    }
    Ok(())
}
