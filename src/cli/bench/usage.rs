//! What processes and files take of the machine.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    time::{ClockId, clock_gettime},
};

/// What a process has used since it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    /// Time on all processors, in user and kernel mode.
    pub(super) cpu: Duration,
    /// Bytes of memory that are resident now.
    pub(super) memory: u64,
}

impl Process {
    /// Of a process of this machine.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// As the kernel tells it; the name, which may hold anything, ends with the last bracket.
    fn read(stat: &str) -> Option<Self> {
        let (_, figures) = stat.rsplit_once(')')?;
        let figures: Vec<&str> = figures.split_whitespace().collect();
        let figure = |at: usize| figures.get(at)?.parse::<u64>().ok();
        let ticks = figure(11)? + figure(12)?;
        let cpu = Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
        Some(Self { cpu, memory: figure(21)? * page_size() as u64 })
    }
}

/// The time that this process has had on all processors.
pub(super) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The bytes of all files in a directory, and in those within. A file with several names has its share under each.
pub(super) fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => metadata.len() / metadata.nlink().max(1),
        // It was deleted meanwhile.
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let process = Process::of(std::process::id()).unwrap();
        assert!(process.memory > 0);
        assert!(own_cpu() > Duration::ZERO);
    }

    #[test]
    fn a_name_may_hold_brackets() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 20 0 0 20 0 1 0 99 4096 3 0";
        let process = Process::read(stat).unwrap();
        assert_eq!(process.cpu, Duration::from_secs_f64(50.0 / clock_ticks_per_second() as f64));
        assert_eq!(process.memory, 3 * page_size() as u64);
    }
}
