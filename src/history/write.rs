//! From a draft to the files.

use fjall::{OwnedWriteBatch, PersistMode};
use prost::Message as _;

use super::{
    HistoryError, Sums,
    draft::Draft,
    ids,
    keys::{self, Tree},
    pace::Pace,
    pack::{MOST_RECORDS, pack_record},
    rows,
    trees::{Trees, View, meta},
};
use crate::{domain::Day, proto::journal::HistoryDay};

/// Takes rows by their keys, in the order of the keys; none: the row goes.
type Take<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> fjall::Result<()>;

/// Where rows are written to.
pub(super) struct Sink<'a>(Take<'a>, &'a dyn Fn());

impl Sink<'_> {
    /// Writes a row.
    pub(super) fn put(&mut self, key: &[u8], row: &[u8]) -> Result<(), HistoryError> {
        Ok((self.0)(key, Some(row))?)
    }

    /// Takes a row away.
    pub(super) fn remove(&mut self, key: &[u8]) -> Result<(), HistoryError> {
        Ok((self.0)(key, None)?)
    }
}

impl Draft {
    /// Writes all rows, whole or not at all. A few go through the store's journal and memory, and are there for good once the journal is
    /// synced; many go past both, into a table of their own, which is synced.
    /// `pass` is called between any two trees.
    pub(super) fn write(&mut self, trees: &Trees, are_many: bool, pass: &dyn Fn()) -> Result<(), HistoryError> {
        let view = trees.view()?;
        self.part.sheets.sort_unstable_by_key(|(number, _)| *number);
        let ids = self.ids(&view)?;
        if are_many {
            self.ledger.past_journal = self.ledger.applied;
            let mut pace = Pace::of(&trees.rows);
            let mut table = trees.rows.start_ingestion()?;
            let mut take = |key: &[u8], row: Option<&[u8]>| {
                pace.wrote(key.len() + row.map_or(0, <[u8]>::len));
                match row {
                    Some(row) => table.write(key, row),
                    None => table.write_tombstone(key),
                }
            };
            self.write_rows(&view, ids, &mut Sink(&mut take, pass))?;
            table.finish()?;
        } else {
            let batch = OwnedWriteBatch::with_capacity(trees.db.clone(), 1_024);
            let mut batch = batch.durability(Some(PersistMode::Buffer));
            let mut take = |key: &[u8], row: Option<&[u8]>| {
                match row {
                    Some(row) => batch.insert(&trees.rows, key, row),
                    None => batch.remove(&trees.rows, key),
                }
                Ok(())
            };
            self.write_rows(&view, ids, &mut Sink(&mut take, pass))?;
            batch.commit()?;
        }
        Ok(())
    }

    /// Hands over all rows, tree by tree, in the order of their keys.
    fn write_rows(&mut self, view: &View, ids: ids::Change, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        sink.put(&keys::meta(meta::LEDGER), &self.ledger.encode())?;
        self.write_names(sink)?;
        for tree in [Tree::Entries, Tree::Snapshots, Tree::Dates, Tree::Kinds] {
            (sink.1)();
            self.part.sheets.iter().try_for_each(|(of, sheet)| sheet.write(tree, *of, sink))?;
        }
        (sink.1)();
        self.write_told(sink)?;
        (sink.1)();
        ids.write(sink)?;
        (sink.1)();
        self.write_events(sink)?;
        self.policies.iter().try_for_each(|(version, row)| sink.put(&keys::policy(*version), row))?;
        self.write_days(view, sink)?;
        (sink.1)();
        Ok(())
    }

    fn write_events(&self, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        let mut first = self.first;
        let mut row = Vec::new();
        for records in self.records.chunks(MOST_RECORDS) {
            row.clear();
            records.iter().for_each(|record| pack_record(&mut row, *record));
            sink.put(&keys::events(first), &row)?;
            first = first.after(records.len() as u64);
        }
        Ok(())
    }

    fn write_names(&mut self, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        self.opened.sort_unstable();
        for (id, number) in &self.opened {
            sink.put(&keys::merchant(id.as_str()), &number.to_be_bytes())?;
        }
        self.opened.sort_unstable_by_key(|(_, number)| *number);
        self.opened.iter().try_for_each(|(id, number)| sink.put(&keys::name(*number), id.as_str().as_bytes()))
    }

    fn write_told(&mut self, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        let mut releases: Vec<_> = self.part.releases.drain().collect();
        releases.sort_unstable_by_key(|(key, _)| *key);
        for ((of, number), row) in releases {
            sink.put(&keys::numbered(Tree::Releases, of, number), &rows::encode_release(&row))?;
        }
        self.part.later.sort_unstable();
        self.part.later.iter().try_for_each(|(key, row)| sink.put(key, row))?;
        let mut standings: Vec<_> = self.part.standings.drain().collect();
        standings.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        standings.iter().try_for_each(|(of, row)| sink.put(&keys::standing(*of), &row.encode_to_vec()))
    }

    fn write_days(&self, view: &View, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        let mut days: Vec<_> =
            self.part.days.iter().map(|((clock, day), change)| (keys::day(*clock, *day), change)).collect();
        days.sort_unstable_by_key(|(key, _)| *key);
        for (key, change) in days {
            let mut sums = match view.get(key)? {
                Some(row) => Sums::decode(HistoryDay::decode(&*row)?)?,
                None => Sums::default(),
            };
            sums.add(change);
            sink.put(&key, &sums.encode().encode_to_vec())?;
        }
        let mut quick: Vec<_> = self.part.quick.iter().collect();
        quick.sort_unstable_by_key(|((Day(day), of), _)| (*day, *of));
        quick.into_iter().try_for_each(|((day, of), change)| {
            sink.put(&keys::quick(*day, *of, self.ledger.applied), &rows::encode_amount(*change))
        })
    }
}
