//! How long a write takes until it is durable.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    time::Instant,
};

use rustix::fs::fdatasync;

use super::Figure;

/// What is written at once, with its name and how often.
const SIZES: [(&str, usize, u32); 3] = [("4 KiB", 4 << 10, 400), ("60 KiB", 60 << 10, 300), ("1 MiB", 1 << 20, 100)];

/// The median of writing and syncing, at the end of a file, and within one that was written before.
pub(super) fn measure(directory: &Path) -> io::Result<Vec<Figure>> {
    let mut figures = vec![];
    for (name, size, times) in SIZES {
        let path = directory.join("disk");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let appended = median(&file, size, times)?;
        file.sync_all()?;
        let rewritten = median(&file, size, times)?;
        figures.push(Figure { name: format!("append {name} and fdatasync, p50"), nanos: appended });
        figures.push(Figure { name: format!("write {name} in place and fdatasync, p50"), nanos: rewritten });
        std::fs::remove_file(path)?;
    }
    Ok(figures)
}

fn median(file: &File, size: usize, times: u32) -> io::Result<f64> {
    let bytes = vec![7; size];
    let mut took = Vec::with_capacity(times as usize);
    for time in 0..times {
        let started = Instant::now();
        file.write_all_at(&bytes, u64::from(time) * size as u64)?;
        fdatasync(file)?;
        took.push(started.elapsed().as_nanos() as f64);
    }
    Ok(super::super::report::median(&took))
}
