//! The process, under the names that every exporter of processes uses; looked at when somebody scrapes. Where there is no `/proc`, all of it
//! stays at 0.

use std::{fs, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::figures::signed;

type Float = Gauge<f64, AtomicU64>;

#[derive(Debug)]
pub(super) struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    size: Gauge,
    open_files: Gauge,
    most_files: Gauge,
    threads: Gauge,
    started: Float,
}

impl Process {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let process = Self {
            cpu: Counter::default(),
            resident: Gauge::default(),
            size: Gauge::default(),
            open_files: Gauge::default(),
            most_files: Gauge::default(),
            threads: Gauge::default(),
            started: Float::default(),
        };
        let help = "Time on processors, in user and kernel mode";
        registry.register_with_unit("process_cpu", help, Unit::Seconds, process.cpu.clone());
        let help = "Memory that is resident";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, process.resident.clone());
        let help = "Memory that is mapped";
        registry.register_with_unit("process_virtual_memory", help, Unit::Bytes, process.size.clone());
        registry.register("process_open_fds", "Open files, sockets among them", process.open_files.clone());
        registry.register("process_max_fds", "The most there may be", process.most_files.clone());
        registry.register("process_threads", "Threads", process.threads.clone());
        let help = "When the process was started, since 1970";
        registry.register_with_unit("process_start_time", help, Unit::Seconds, process.started.clone());
        process
    }

    /// What cannot be read keeps its last value.
    pub(super) fn look(&self) {
        self.look_at_stat().unwrap_or_default();
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(signed(files.count() as u64));
        }
        self.most_files.set(signed(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)));
    }

    /// By proc_pid_stat(5), whose fields are counted from 1 and of which the second, a name in parentheses, may hold anything.
    fn look_at_stat(&self) -> Option<()> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        self.cpu.inner().store(seconds(field(14)? + field(15)?).to_bits(), std::sync::atomic::Ordering::Relaxed);
        self.threads.set(signed(field(20)?));
        self.size.set(signed(field(23)?));
        self.resident.set(signed(field(24)?.saturating_mul(page_size() as u64)));
        let all = fs::read_to_string("/proc/stat").ok()?;
        let booted = all.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()?;
        self.started.set(booted as f64 + seconds(field(22)?));
        Some(())
    }
}
