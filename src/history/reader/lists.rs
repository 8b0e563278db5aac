//! Lists of one merchant, in pages.

use std::collections::{HashMap, HashSet};

use fjall::Iter;

use super::{Reader, View};
use crate::{
    domain::{MerchantId, Standing, Timestamp},
    history::{
        Clock, Entry, Found, HistoryError, Kind, Order, ReleaseRow,
        keys::{self, Dated, Number},
        rows::{self, Head, decode_number},
    },
};

/// How many entries may lie where one is wanted, on average, for passing over them to be cheaper than looking each one up.
const SPARSE: u64 = 4;
/// How many later facts are looked at to see which entries they are about.
const MOST_LATER: usize = 256;

impl Reader {
    /// Entries of a merchant: of some kinds, or all where none is named; that count from `from` on and before `to`; in this order of
    /// their numbers; behind the number `after`, if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    #[allow(clippy::too_many_arguments, reason = "the filters of a list")]
    pub fn entries(
        &self,
        merchant: &MerchantId,
        kinds: &[Kind],
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(vec![]) };
            // By the effective clock entries of an interval are consecutive.
            let before = |at: Timestamp| view.first_from(of, Clock::Effective, at).map(|first| first - 1);
            let first = from.map_or(Ok(1), |from| Ok::<_, HistoryError>(before(from)? + 1))?;
            let last = to.map_or(Ok(u64::MAX), before)?;
            let (first, last) = behind(order, after, first, last);
            if first > last {
                return Ok(vec![]);
            }
            if kinds.is_empty() {
                return view.unfiltered(merchant, of, (first, last), order, limit);
            }
            if kinds.contains(&Kind::OrderClassified) {
                return view.filtered(merchant, of, kinds, (first, last), order, limit);
            }
            let numbers = view.of_kinds(of, kinds, (first, last), order, limit)?;
            view.numbered(merchant, of, &numbers)
        })
    }

    /// The facts about an earlier fact, oldest first, at most `limit`; and how many there are in all.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn later(&self, merchant: &MerchantId, number: u64, limit: usize) -> Result<(Vec<Entry>, u64), HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok((vec![], 0)) };
            let rows = || view.range(&view.trees.later, keys::later(of, number, 0), keys::later(of, number, u64::MAX));
            let count = rows().next_back().map_or(Ok(0), |last| decode_number(&last.value()?))?;
            let entries = rows().take(limit).map(|row| view.entry(merchant, of, keys::number(&row.key()?)?));
            Ok((entries.collect::<Result<_, _>>()?, count))
        })
    }

    /// Orders of a merchant that settle from `from` on and before `to`, by settlement date and then by number; behind the order with
    /// this date and number, if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn orders(
        &self,
        merchant: &MerchantId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        order: Order,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(vec![]) };
            let mut first = (from.unwrap_or(Timestamp::from_micros(i64::MIN)), 0);
            let mut last = (before(to), u64::MAX);
            match (order, after) {
                (Order::OldestFirst, Some((at, number))) => first = first.max((at, number.saturating_add(1))),
                (Order::NewestFirst, Some((at, 0))) => last = last.min((before(Some(at)), u64::MAX)),
                (Order::NewestFirst, Some((at, number))) => last = last.min((at, number - 1)),
                (_, None) => {}
            }
            let key = |(at, number)| keys::date(of, Dated::Orders, at, number);
            if to == Some(Timestamp::from_micros(i64::MIN)) || first > last {
                return Ok(vec![]);
            }
            let numbers = numbers(view.range(&view.trees.dates, key(first), key(last)), order, limit)?;
            view.all_found(merchant, of, &numbers)
        })
    }

    /// Deductions, appeals, holds, or anything else of one kind but classified orders, with what became of them, in this order of
    /// their numbers; behind the number `after`, if one is given; at most `limit`. Nothing for [`Kind::OrderClassified`].
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn of_kind(
        &self,
        merchant: &MerchantId,
        kind: Kind,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(vec![]) };
            let (first, last) = behind(order, after, 1, u64::MAX);
            let numbers = view.of_kinds(of, &[kind], (first, last), order, limit)?;
            view.all_found(merchant, of, &numbers)
        })
    }

    /// The releases of a merchant in this order of their numbers; behind the number `after`, if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn releases(
        &self,
        merchant: &MerchantId,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ReleaseRow>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(vec![]) };
            let (first, last) = behind(order, after, 1, u64::MAX);
            if first > last {
                return Ok(vec![]);
            }
            let rows = view.range(&view.trees.releases, keys::fact(of, first), keys::fact(of, last));
            in_order(rows, order)
                .take(limit)
                .map(|row| {
                    let (key, row) = row.into_inner()?;
                    rows::decode_release(keys::number(&key)?, &row)
                })
                .collect()
        })
    }

    /// The settlements of a merchant that were due from `from` on and before `to`, by when they were due.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn settled(&self, merchant: &MerchantId, from: Timestamp, to: Timestamp) -> Result<Vec<Entry>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)?.filter(|_| from < to) else { return Ok(vec![]) };
            let key = |at, number| keys::date(of, Dated::Settlements, at, number);
            let rows = view.range(&view.trees.dates, key(from, 0), key(before(Some(to)), u64::MAX));
            let numbers: Vec<_> = rows.map(|row| keys::number(&row.key()?)).collect::<Result<_, _>>()?;
            view.numbered(merchant, of, &numbers)
        })
    }
}

impl View {
    /// Entries of an interval of numbers. None is missing in between: so those wanted are known by their numbers, and read in the
    /// order in which they lie, which is the faster one.
    fn unfiltered(
        &self,
        merchant: &MerchantId,
        of: Number,
        (first, last): (u64, u64),
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        let rows = |first, last| self.range(&self.trees.entries, keys::fact(of, first), keys::fact(of, last));
        let first = match (order, rows(first, last).next_back()) {
            (Order::OldestFirst, _) => first,
            (Order::NewestFirst, Some(row)) => first.max((keys::number(&row.key()?)? + 1).saturating_sub(limit as u64)),
            (Order::NewestFirst, None) => return Ok(vec![]),
        };
        let entry = |row: fjall::Guard| {
            let (key, row) = row.into_inner()?;
            rows::decode_entry(merchant, keys::number(&key)?, &row)
        };
        let mut entries = rows(first, last).take(limit).map(entry).collect::<Result<Vec<_>, _>>()?;
        if order == Order::NewestFirst {
            entries.reverse();
        }
        Ok(entries)
    }

    /// Entries of an interval of numbers and of some kinds, by looking at each.
    fn filtered(
        &self,
        merchant: &MerchantId,
        of: Number,
        kinds: &[Kind],
        (first, last): (u64, u64),
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        let mut entries = Vec::new();
        for row in in_order(self.range(&self.trees.entries, keys::fact(of, first), keys::fact(of, last)), order) {
            if entries.len() >= limit {
                break;
            }
            let (key, row) = row.into_inner()?;
            let (head, _) = Head::split(&row)?;
            if kinds.contains(&head.kind) {
                entries.push(rows::decode_entry(merchant, keys::number(&key)?, &row)?);
            }
        }
        Ok(entries)
    }

    /// Entries with what became of them.
    fn all_found(&self, merchant: &MerchantId, of: Number, numbers: &[u64]) -> Result<Vec<Found>, HistoryError> {
        let changed = self.changed(of, numbers)?;
        let found = |entry: Entry| {
            let unchanged = changed.as_ref().is_some_and(|all| !all.contains(&entry.number));
            // What becomes of an appeal happens to the deduction.
            if unchanged && entry.kind() != Kind::AppealOpened {
                Ok(Found { entry, standing: Standing::Unchanged })
            } else {
                self.found(entry)
            }
        };
        self.numbered(merchant, of, numbers)?.into_iter().map(found).collect()
    }

    /// The entries with these numbers, in their order: in one scan where they lie close together, which most do that are asked for
    /// together.
    fn numbered(&self, merchant: &MerchantId, of: Number, numbers: &[u64]) -> Result<Vec<Entry>, HistoryError> {
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return Ok(vec![]) };
        if (last - first) / SPARSE >= numbers.len() as u64 {
            return numbers.iter().map(|number| self.entry(merchant, of, *number)).collect();
        }
        let wanted: HashSet<_> = numbers.iter().collect();
        let mut entries = HashMap::new();
        for row in self.range(&self.trees.entries, keys::fact(of, *first), keys::fact(of, *last)) {
            let (key, row) = row.into_inner()?;
            let number = keys::number(&key)?;
            if wanted.contains(&number) {
                entries.insert(number, rows::decode_entry(merchant, number, &row)?);
            }
        }
        let entry = |number| entries.remove(number).ok_or_else(|| Self::not_there(*number));
        numbers.iter().map(entry).collect()
    }

    /// The entries among these that there are later facts about, found in one scan, which costs a tenth of looking each of them up;
    /// none if there are too many others between them for that.
    fn changed(&self, of: Number, numbers: &[u64]) -> Result<Option<HashSet<u64>>, HistoryError> {
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return Ok(None) };
        let rows = self.range(&self.trees.later, keys::later(of, *first, 0), keys::later(of, *last, u64::MAX));
        let mut changed = HashSet::new();
        for (met, row) in rows.enumerate() {
            if met >= MOST_LATER {
                return Ok(None);
            }
            changed.insert(keys::later_subject(&row.key()?)?);
        }
        Ok(Some(changed))
    }

    /// The numbers of an interval that are of these kinds, which are arranged by kind.
    fn of_kinds(
        &self,
        of: Number,
        kinds: &[Kind],
        (first, last): (u64, u64),
        order: Order,
        limit: usize,
    ) -> Result<Vec<u64>, HistoryError> {
        let mut all = Vec::new();
        for kind in kinds.iter().filter(|_| first <= last) {
            let rows = self.range(&self.trees.kinds, keys::kind(of, *kind, first), keys::kind(of, *kind, last));
            all.extend(numbers(rows, order, limit)?);
        }
        all.sort_unstable();
        all.dedup();
        if order == Order::NewestFirst {
            all.reverse();
        }
        all.truncate(limit);
        Ok(all)
    }

    /// The number of the first fact that counts from an instant or later; one more than there are, if there is none. Neither clock
    /// falls along the numbers.
    pub(super) fn first_from(&self, of: Number, clock: Clock, at: Timestamp) -> Result<u64, HistoryError> {
        let (mut low, mut high) = (1, self.head(of)?.facts + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.row(of, middle)?;
            let (head, _) = Head::split(&row)?;
            let counts = if clock == Clock::Effective { head.effective_at } else { head.recorded_at };
            if counts < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// What of an interval of numbers lies behind one.
fn behind(order: Order, after: Option<u64>, first: u64, last: u64) -> (u64, u64) {
    match (order, after) {
        (_, None) => (first, last),
        (Order::OldestFirst, Some(after)) => (first.max(after.saturating_add(1)), last),
        (Order::NewestFirst, Some(after)) => (first, last.min(after.saturating_sub(1))),
    }
}

/// The last instant before one; the last of all for none.
fn before(at: Option<Timestamp>) -> Timestamp {
    Timestamp::from_micros(at.map_or(i64::MAX, |at| at.micros().saturating_sub(1)))
}

fn in_order(rows: Iter, order: Order) -> Box<dyn Iterator<Item = fjall::Guard>> {
    match order {
        Order::OldestFirst => Box::new(rows),
        Order::NewestFirst => Box::new(rows.rev()),
    }
}

/// The numbers with which keys end.
fn numbers(rows: Iter, order: Order, limit: usize) -> Result<Vec<u64>, HistoryError> {
    in_order(rows, order).take(limit).map(|row| keys::number(&row.key()?)).collect()
}
