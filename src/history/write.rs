//! From a draft to the files.

use fjall::{Keyspace, OwnedWriteBatch, PersistMode};
use prost::Message as _;

use super::{
    HistoryError, Sums,
    draft::Draft,
    keys, rows,
    trees::{Trees, meta},
};
use crate::proto::journal::HistoryDay;

/// Keys and values of a tree.
type Rows<const LEN: usize, Value> = Vec<([u8; LEN], Value)>;

impl Draft {
    /// Writes all rows, whole or not at all. They are there for good only once the files are synced.
    pub(super) fn write(&mut self, trees: &Trees) -> Result<(), HistoryError> {
        let rows = self.entries.len() * 5 + self.touched.len();
        let mut batch = OwnedWriteBatch::with_capacity(trees.db.clone(), rows).durability(Some(PersistMode::Buffer));
        put(&mut batch, &trees.heads, self.heads());
        put(&mut batch, &trees.entries, std::mem::take(&mut self.entries));
        put(&mut batch, &trees.snapshots, std::mem::take(&mut self.snapshots));
        put(&mut batch, &trees.ids, self.ids.iter().map(|(id, row)| (keys::id(*id), row.encode_to_vec())).collect());
        put(&mut batch, &trees.later, std::mem::take(&mut self.later));
        put(&mut batch, &trees.dates, std::mem::take(&mut self.dates));
        put(&mut batch, &trees.kinds, std::mem::take(&mut self.kinds));
        let releases = self.releases.iter().map(|(key, row)| (*key, rows::encode_release(row))).collect();
        put(&mut batch, &trees.releases, releases);
        put(&mut batch, &trees.events, std::mem::take(&mut self.events));
        put(&mut batch, &trees.policies, std::mem::take(&mut self.policies));
        put(&mut batch, &trees.days, self.day_rows(trees)?);
        put(&mut batch, &trees.quick, self.quick_rows(trees)?);
        let opened = self.opened.iter().map(|(id, number)| (id.as_str().as_bytes().to_vec(), keys::merchant(*number)));
        put(&mut batch, &trees.merchants, opened.collect());
        for (name, number) in
            [(meta::APPLIED, self.applied.get()), (meta::MERCHANTS, self.merchants), (meta::FACTS, self.facts)]
        {
            batch.insert(&trees.meta, name, number.to_be_bytes().as_slice());
        }
        batch.insert(&trees.meta, meta::LAST_RECORD, self.last_record.as_slice());
        Ok(batch.commit()?)
    }

    fn day_rows(&self, trees: &Trees) -> Result<Rows<5, Vec<u8>>, HistoryError> {
        let row = |(&(clock, day), change): (&(_, _), &Sums)| {
            let key = keys::day(clock, day);
            let mut sums = match trees.days.get(key)? {
                Some(row) => Sums::decode(HistoryDay::decode(&*row)?)?,
                None => Sums::default(),
            };
            sums.add(change);
            Ok((key, sums.encode().encode_to_vec()))
        };
        self.days.iter().map(row).collect()
    }

    fn quick_rows(&self, trees: &Trees) -> Result<Rows<8, [u8; 16]>, HistoryError> {
        let row = |(&(day, merchant), change): (&(_, _), &_)| {
            let key = keys::quick(day, merchant);
            let before = trees.quick.get(key)?.map(|row| rows::decode_amount(&row)).transpose()?;
            Ok((key, rows::encode_amount(before.unwrap_or_default() + *change)))
        };
        self.quick.iter().map(row).collect()
    }
}

/// Adds rows to a batch, in the order of their keys: that halves the work of the store.
fn put<K: AsRef<[u8]> + Ord, V: AsRef<[u8]>>(batch: &mut OwnedWriteBatch, tree: &Keyspace, mut rows: Vec<(K, V)>) {
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (key, value) in rows {
        batch.insert(tree, key.as_ref(), value.as_ref());
    }
}
