//! Lists of one merchant, in pages.

use std::collections::{HashMap, HashSet};

use fjall::{Guard, Iter, Slice};

use super::{Reader, View, not_there};
use crate::{
    domain::{MerchantId, Standing, Timestamp},
    history::{
        Clock, Entry, Found, HistoryError, Kind, Order, ReleaseRow,
        keys::{self, Dated, Number, Tree},
        pack::{BLOCK, Facts, Line, Numbers, block_start, first_line},
        rows::{self, decode_number},
        states::last_fact,
    },
};

/// How many entries may lie between two that are wanted for passing over them to be cheaper than looking the next one up.
const SPARSE: u64 = 2 * BLOCK;
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
            if kinds.is_empty() || kinds.contains(&Kind::OrderClassified) {
                return view.listed(merchant, of, kinds, (first, last), order, limit);
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
            let rows = || view.rows.range(keys::later(of, number, 0), keys::later(of, number, u64::MAX));
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
            let numbers = view.numbers(key(first), key(last), order, limit)?;
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
            let key = |number| keys::numbered(Tree::Releases, of, number);
            let rows = view.rows.range(key(first), key(last));
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
            let last = key(before(Some(to)), u64::MAX);
            let numbers = view.numbers(key(from, 0), last, Order::OldestFirst, usize::MAX)?;
            view.numbered(merchant, of, &numbers)
        })
    }
}

impl View {
    /// Entries of an interval of numbers, of some kinds or of all.
    fn listed(
        &self,
        merchant: &MerchantId,
        of: Number,
        kinds: &[Kind],
        interval: (u64, u64),
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.scan(of, interval, order, &mut |line| {
                if kinds.is_empty() || kinds.contains(&line.kind) {
                    entries.push(line.entry(merchant)?);
                }
                Ok(entries.len() < limit)
            })?;
        }
        Ok(entries)
    }

    /// Hands over the facts of an interval of numbers in this order, until `visit` answers false.
    pub(super) fn scan(
        &self,
        of: Number,
        (first, last): (u64, u64),
        order: Order,
        visit: &mut dyn FnMut(&Line<'_>) -> Result<bool, HistoryError>,
    ) -> Result<(), HistoryError> {
        let rows = self.rows.range(keys::entries(of, block_start(first)), keys::entries(of, last));
        for row in in_order(rows, order) {
            let (key, row) = row.into_inner()?;
            let lines = Facts::new(keys::number(&key)?, &row)?;
            let within =
                |line: &Result<Line<'_>, _>| line.as_ref().map_or(true, |line| (first..=last).contains(&line.number));
            let goes_on = match order {
                Order::OldestFirst => all(lines.filter(within), visit)?,
                Order::NewestFirst => all(lines.filter(within).collect::<Vec<_>>().into_iter().rev(), visit)?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
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
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        let mut entries = HashMap::with_capacity(sorted.len());
        for close in sorted.chunk_by(|a, b| b - a <= SPARSE) {
            let (Some(first), Some(last)) = (close.first(), close.last()) else { continue };
            let mut wanted = close.iter().peekable();
            self.scan(of, (*first, *last), Order::OldestFirst, &mut |line| {
                if wanted.next_if(|number| **number == line.number).is_some() {
                    entries.insert(line.number, line.entry(merchant)?);
                }
                Ok(wanted.peek().is_some())
            })?;
        }
        let entry = |number| entries.remove(number).ok_or_else(|| not_there(*number));
        numbers.iter().map(entry).collect()
    }

    /// The entries among these that there are later facts about, found in one scan, which costs a tenth of looking each of them up;
    /// none if there are too many others between them for that.
    fn changed(&self, of: Number, numbers: &[u64]) -> Result<Option<HashSet<u64>>, HistoryError> {
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return Ok(None) };
        let rows = self.rows.range(keys::later(of, *first, 0), keys::later(of, *last, u64::MAX));
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
            all.extend(self.numbers(keys::kind(of, *kind, first), keys::kind(of, *kind, last), order, limit)?);
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
        let end = last_fact(&self.rows, of)? + 1;
        let counts_from = |line: &Line<'_>| match clock {
            Clock::Effective => line.effective_at,
            Clock::Recorded => line.recorded_at,
        };
        // The last block that begins before the instant; each begins with a row of its own.
        let (mut low, mut high) = (0, end.div_ceil(BLOCK));
        while low < high {
            let middle = low + (high - low) / 2;
            let first = middle * BLOCK + 1;
            let row = if first < end { self.rows.get(keys::entries(of, first))? } else { None };
            match row {
                Some(row) if counts_from(&first_line(first, &row)?) < at => low = middle + 1,
                None if first < end => return Err(not_there(first)),
                _ => high = middle,
            }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(1) };
        let mut found = ((block + 1) * BLOCK + 1).min(end);
        self.scan(of, (block * BLOCK + 1, (block + 1) * BLOCK), Order::OldestFirst, &mut |line| {
            let is_before = counts_from(line) < at;
            if !is_before {
                found = line.number;
            }
            Ok(is_before)
        })?;
        Ok(found)
    }

    /// Numbers of facts out of rows of numbers, between two keys that end with a number.
    fn numbers<const LEN: usize>(
        &self,
        first: [u8; LEN],
        last: [u8; LEN],
        order: Order,
        limit: usize,
    ) -> Result<Vec<u64>, HistoryError> {
        let (low, high) = (keys::number(&first)?, keys::number(&last)?);
        let (low_group, high_group) = (group(&first), group(&last));
        // The row in which the first one lies may begin before it.
        let mut start = Slice::from(first);
        if low > 0
            && let Some(row) = self.rows.range([low_group, &[0; 8]].concat(), first.to_vec()).next_back()
        {
            start = row.key()?;
        }
        let mut numbers = Vec::new();
        for row in in_order(self.rows.range(&*start, &last[..]), order) {
            let (key, row) = row.into_inner()?;
            let mut of_row = Numbers::new(keys::number(&key)?, &row).collect::<Result<Vec<_>, _>>()?;
            of_row.retain(|number| {
                (group(&key) != low_group || *number >= low) && (group(&key) != high_group || *number <= high)
            });
            if order == Order::NewestFirst {
                of_row.reverse();
            }
            numbers.extend(of_row);
            if numbers.len() >= limit {
                numbers.truncate(limit);
                break;
            }
        }
        Ok(numbers)
    }
}

/// A key without the number with which it ends.
fn group(key: &[u8]) -> &[u8] {
    key.split_last_chunk::<8>().map_or(key, |(group, _)| group)
}

/// Hands over facts until `visit` answers false, and answers whether it never did.
fn all<'a>(
    mut lines: impl Iterator<Item = Result<Line<'a>, HistoryError>>,
    visit: &mut dyn FnMut(&Line<'_>) -> Result<bool, HistoryError>,
) -> Result<bool, HistoryError> {
    lines.try_fold(true, |goes_on, line| if goes_on { visit(&line?) } else { Ok(false) })
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

fn in_order(rows: Iter, order: Order) -> Box<dyn Iterator<Item = Guard>> {
    match order {
        Order::OldestFirst => Box::new(rows),
        Order::NewestFirst => Box::new(rows.rev()),
    }
}
