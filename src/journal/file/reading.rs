//! Reading what is durable while the journal is in use: one segment at a time, beside the commits.

use super::layout::{self, Layout};
use crate::journal::error::RecoverError;
use crate::journal::frame::Seed;
use crate::journal::position::Lsn;
use crate::journal::segment::{self, Expect, damage};
use crate::journal::store::VisitRecord;

/// Visits the records from `from` to `most` that are in the segment of `from`, and returns the position after them.
///
/// Everything up to `most` is durable. So the frames that are looked at were written before the file is read, whatever
/// is being written behind them, and none of them can be torn.
pub(super) fn read(
    layout: &Layout,
    seed: &Seed,
    from: Lsn,
    most: Lsn,
    visit: &mut VisitRecord<'_>,
) -> Result<Lsn, RecoverError> {
    let from = from.max(Lsn::FIRST);
    if from > most {
        return Ok(from);
    }
    let mut segments = layout.segments()?;
    let file = segments.swap_remove(layout::holder(&segments, from)?);
    let mut bytes = Vec::new();
    layout.load(&file, &mut bytes)?;
    let expect = Expect { file: &file.path, seed, before: None, is_last: false, most: Some(most) };
    let scan = segment::scan(&bytes, &expect, &mut |lsn, record| {
        if lsn < from || lsn > most { Ok(()) } else { visit(lsn, record) }
    })?;
    scan.check_name(&file.path, file.first)?;
    if scan.end.next <= from {
        let reason = format!("the segment ends here, but records from lsn {from} are needed");
        return Err(damage(&file.path, scan.end_offset, scan.end.next, reason).into());
    }
    Ok(scan.end.next.min(most.next()))
}
