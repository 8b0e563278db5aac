//! How much room the journal takes, and how much there is.

use std::sync::Mutex;

use super::layout::{Layout, SegmentFile};
use crate::journal::faults::lock;
use crate::journal::store::{Extent, Usage};

/// Counts files. The archive only grows, and its segments never change: each is looked at once.
#[derive(Debug, Default)]
pub(super) struct Census {
    archived: Mutex<Extent>,
}

impl Census {
    /// What cannot be told just now is left at 0.
    pub(super) fn take(&self, layout: &Layout) -> Usage {
        let live = layout.live().unwrap_or_default();
        let archived = layout.archived().unwrap_or_default();
        let mut known = lock(&self.archived);
        if archived.len() as u64 != known.segments {
            *known = extent(layout, &archived);
        }
        let space = layout.disk.space(&layout.root).unwrap_or_default();
        Usage { live: extent(layout, &live), archived: *known, free: space.free, total: space.total }
    }
}

fn extent(layout: &Layout, files: &[SegmentFile]) -> Extent {
    let bytes = files.iter().map(|file| layout.disk.len(&file.path).unwrap_or_default()).sum();
    Extent { segments: files.len() as u64, bytes }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::journal::{Lsn, OsDisk};

    #[test]
    fn segments_are_counted_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(Arc::new(OsDisk), dir.path());
        for part in [&layout.journal, &layout.archive] {
            fs::create_dir(part).unwrap();
        }
        fs::write(layout.segment(Lsn::new(9)), [0; 30]).unwrap();
        fs::write(layout.journal.join("spare"), [0; 1_000]).unwrap();
        let census = Census::default();
        let counted = census.take(&layout);
        assert_eq!(counted.live, Extent { segments: 1, bytes: 30 });
        assert_eq!(counted.archived, Extent::default());
        assert!(0 < counted.free && counted.free <= counted.total, "{counted:?}");
        fs::rename(layout.segment(Lsn::new(9)), layout.archive.join("00000000000000000009.seg")).unwrap();
        let counted = census.take(&layout);
        assert_eq!((counted.live, counted.archived), (Extent::default(), Extent { segments: 1, bytes: 30 }));
    }
}
