//! The journal, read for rows.

use std::{collections::HashMap, path::Path};

use prost::Message as _;

use super::{
    ExportError, Selection, Sink, Summary, Table,
    rows::{self, Place, State},
    table::Cell,
};
use crate::{
    codec::{Malformed, WrittenFacts, decode_fact, decode_policy, next_fact, read_facts},
    domain::{Merchant, MerchantId, Money, Timeline, Timestamp},
    journal::{
        Lsn, VisitError,
        inspect::{self, Met},
    },
    proto::journal::{Record, record::Body},
};

/// What has been read so far.
pub(super) struct Source<'a> {
    table: Table,
    selection: &'a Selection,
    directory: String,
    timeline: Option<Timeline>,
    merchants: HashMap<MerchantId, Merchant>,
    newest: Timestamp,
    rows: u64,
    /// Of the columns that are added up.
    sums: Vec<(usize, &'static str, Money)>,
    /// What stopped the reading, where that was not the journal.
    stopped: Option<ExportError>,
}

impl<'a> Source<'a> {
    pub(super) fn new(dir: &Path, table: Table, selection: &'a Selection) -> Result<Self, ExportError> {
        let id = inspect::identity(dir)?.id;
        Ok(Self {
            table,
            selection,
            directory: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            timeline: None,
            merchants: HashMap::new(),
            newest: Timestamp::from_micros(i64::MIN),
            rows: 0,
            sums: table.summed().map(|(at, name)| (at, name, Money::ZERO)).collect(),
            stopped: None,
        })
    }

    /// Reads the journal, and hands over the rows that are wanted: all of them, unless what there is will do (`partial`).
    pub(super) fn read(mut self, dir: &Path, partial: bool, sink: &mut dyn Sink) -> Result<Summary, ExportError> {
        let through = self.selection.through.map(Lsn::new);
        let read = inspect::follow_chain(dir, Lsn::FIRST, through, &mut |met| match met {
            Met::Chain(..) => Ok(()),
            Met::Record(lsn, record) => self.take(lsn, record, sink),
        });
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let last = read?.last;
        let reached = through.max(Some(Lsn::new(self.selection.after)));
        if reached.is_some_and(|reached| last < reached) {
            return Err(ExportError::Short { last: last.get() });
        }
        if self.selection.until.is_some() && self.timeline.is_none() && !partial {
            return Err(ExportError::NoDays);
        }
        let newest = self.newest;
        let until = self.selection.until.zip(self.timeline.as_ref()).map(|(until, timeline)| until.instant(timeline));
        let missing = until.filter(|until| newest < until.after(Selection::SETTLES));
        match missing {
            Some(until) if !partial => Err(ExportError::NotYet { until, newest }),
            missing => {
                let no_days = self.selection.until.is_some() && self.timeline.is_none();
                Ok(self.summary(last, missing.is_none() && !no_days))
            }
        }
    }

    fn take(&mut self, lsn: Lsn, record: &[u8], sink: &mut dyn Sink) -> Result<(), VisitError> {
        let Some(facts) = read_facts(record) else { return self.take_other(record) };
        self.newest = self.newest.max(facts.recorded_at);
        let wanted = self.selection.merchant.as_ref();
        if wanted.is_some_and(|wanted| wanted.as_bytes() != facts.merchant) {
            return Ok(());
        }
        match self.take_facts(lsn, &facts, sink) {
            Ok(()) => Ok(()),
            Err(Stop::Malformed(malformed)) => Err(VisitError::new(malformed)),
            Err(Stop::Export(error)) => {
                self.stopped = Some(error);
                Err(VisitError::new("the rows could not be written"))
            }
        }
    }

    /// What is about no merchant: policies, which cut time into days, and the clock.
    fn take_other(&mut self, record: &[u8]) -> Result<(), VisitError> {
        let record = Record::decode(record).map_err(VisitError::new)?;
        self.newest = self.newest.max(Timestamp::from_micros(record.recorded_at));
        match record.body {
            Some(Body::PolicySet(set)) => {
                let policy = decode_policy(set).map_err(VisitError::new)?;
                match &mut self.timeline {
                    Some(timeline) => timeline.push(policy),
                    none => *none = Some(Timeline::new(policy)),
                }
                Ok(())
            }
            Some(Body::ClockAdvanced(advanced)) => {
                self.newest = self.newest.max(Timestamp::from_micros(advanced.to));
                Ok(())
            }
            Some(Body::ClockLease(_) | Body::ProposalMade(_) | Body::ProposalClosed(_)) => Ok(()),
            Some(Body::Merchant(_)) => Err(VisitError::new("facts that are written in another way")),
            None => Err(VisitError::new("a record that says nothing")),
        }
    }

    fn take_facts(&mut self, lsn: Lsn, record: &WrittenFacts<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|error| Malformed(error.to_string()));
        let (merchant, caller) = (text(record.merchant)?, text(record.caller)?);
        let timeline = self.timeline.as_ref().ok_or_else(|| Malformed("a fact before the first policy".to_owned()))?;
        let recorded_at = record.recorded_at;
        let recorded_day = timeline.day_of(recorded_at);
        let is_wanted = self.selection.includes(lsn.get(), recorded_at, recorded_day);
        if self.table == Table::Orders && !is_wanted {
            return Ok(());
        }
        let id = MerchantId::parse(merchant).map_err(|error| Malformed(error.to_string()))?;
        let mut state = (self.table == Table::Entries).then(|| self.merchants.entry(id).or_default());
        let (mut facts, mut fact) = (record.facts, 0);
        while let Some(raw) = next_fact(&mut facts) {
            let event = decode_fact(raw)?;
            let effective_day = timeline.day_of(event.effective_at);
            let place = Place { lsn: lsn.get(), fact, merchant, caller, recorded_at, recorded_day, effective_day };
            let row = match &mut state {
                None => rows::order(&place, &event),
                Some(merchant) => {
                    let before = is_wanted.then(|| State::of(merchant));
                    merchant.apply(&event);
                    before.map(|before| rows::entry(&place, &event, &before, merchant))
                }
            };
            if let Some(row) = row {
                add(&mut self.sums, &row);
                self.rows += 1;
                sink.put(&row)?;
            }
            fact += 1;
        }
        if facts.is_empty() { Ok(()) } else { Err(Malformed("something among facts that is none".to_owned()).into()) }
    }

    fn summary(&self, last: Lsn, complete: bool) -> Summary {
        let Selection { from, until, merchant, after, .. } = self.selection;
        let sum = |(_, name, sum): &(usize, &'static str, Money)| ((*name).to_owned(), sum.to_string().into());
        Summary {
            format: "tplus export v1",
            table: self.table.name(),
            directory: self.directory.clone(),
            from: from.as_ref().map(ToString::to_string),
            until: until.as_ref().map(ToString::to_string),
            merchant: merchant.as_ref().map(ToString::to_string),
            after_lsn: *after,
            through_lsn: last.get(),
            recorded_until: self.newest.to_string(),
            complete,
            rows: self.rows,
            sums: self.sums.iter().map(sum).collect(),
            bytes: None,
            blake3: None,
        }
    }
}

/// Why the reading stops.
enum Stop {
    Malformed(Malformed),
    Export(ExportError),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<ExportError> for Stop {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

fn add(sums: &mut [(usize, &'static str, Money)], row: &[Cell<'_>]) {
    for (at, _, sum) in sums {
        if let Some(Cell::Amount(amount)) = row.get(*at) {
            *sum += *amount;
        }
    }
}
