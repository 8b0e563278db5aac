//! Processor time of a process and of all that it has started, as the kernel counts it.

use std::{collections::HashMap, fs, time::Duration};

use anyhow::{Context, Result};

/// Ticks of the kernel's accounting, in a second.
const TICKS: u64 = 100;

/// What a process and its living descendants have used so far, with children that have ended.
pub fn time_of(pid: u32) -> Result<Duration> {
    let mut of: HashMap<u32, (u32, u64)> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // Whoever has ended in between is counted by its parent.
        if let Some(found) = stat(pid) {
            of.insert(pid, found);
        }
    }
    of.get(&pid).with_context(|| format!("process {pid} is gone"))?;
    let belongs = |mut process: u32| {
        while process != pid {
            match of.get(&process) {
                Some((parent, _)) if *parent > 1 => process = *parent,
                _ => return false,
            }
        }
        true
    };
    let ticks: u64 = of.iter().filter(|(process, _)| belongs(**process)).map(|(_, (_, ticks))| ticks).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// What everything on this machine has used so far, over all processors.
pub fn time_of_all() -> Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat")?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
    // user, nice, system, then idle and waiting, then interrupts.
    let busy: u64 = ticks.iter().take(7).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>();
    Ok(Duration::from_millis(busy * 1_000 / TICKS))
}

/// The parent, and ticks of itself and of the children it has waited for.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, ticks))
}
