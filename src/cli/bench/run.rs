//! A run: threads send, this one watches.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::{
    check::Expected,
    load::Load,
    options::Plan,
    pace::Timing,
    record::{Latencies, Progress, Recorder, Tally},
    report::bar,
    server::Target,
    usage::{Process, own_cpu},
    wire::{Line, Prepared, WireError, pace},
};
use crate::cli::{Exit, Failure, target::Way};

/// How often throughput is looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long after the end answers may still come.
const PATIENCE: Duration = Duration::from_secs(60);
/// From when all is ready until sending begins, so that all begin together.
const COUNTDOWN: Duration = Duration::from_millis(20);

/// What came of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was made ready before.
    pub(super) prepared: Prepared,
    /// When measuring began, when it ended, and orders answered at each tick between.
    pub(super) ticks: Vec<(Duration, u64)>,
    /// How long messages took.
    pub(super) latencies: Latencies,
    /// All that was answered, outside of the measured time too.
    pub(super) tally: Tally,
    /// What it took of the machine while it was measured.
    pub(super) used: Used,
}

/// What was taken of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Processor time of the server, where its process is known.
    pub(super) server_cpu: Option<Duration>,
    /// Processor time of this program.
    pub(super) client_cpu: Duration,
    /// Memory of the server at the end, and by how much it grew.
    pub(super) server_memory: Option<(u64, i64)>,
    /// What the journal has written.
    pub(super) journal_bytes: Option<u64>,
    /// By how much the data directory grew.
    pub(super) disk_bytes: Option<i64>,
}

/// What is kept at a moment.
struct Kept {
    journal_bytes: Option<u64>,
    disk_bytes: Option<u64>,
}

impl Kept {
    fn by(target: &Target) -> Self {
        Self { journal_bytes: target.journal_bytes(), disk_bytes: target.disk_bytes() }
    }
}

/// How things stand at a moment: what goes fast is asked for at that moment, and the rest just outside of the time that is measured.
struct Snapshot {
    server: Option<Process>,
    client_cpu: Duration,
    kept: Kept,
}

impl Snapshot {
    fn since(&self, before: &Self) -> Used {
        let both = self.server.zip(before.server);
        let grown = |now: u64, then: u64| i64::try_from(now).unwrap_or(i64::MAX).saturating_sub_unsigned(then);
        let (now, then) = (&self.kept, &before.kept);
        Used {
            server_cpu: both.map(|(now, then)| now.cpu.saturating_sub(then.cpu)),
            client_cpu: self.client_cpu.saturating_sub(before.client_cpu),
            server_memory: both.map(|(now, then)| (now.memory, grown(now.memory, then.memory))),
            journal_bytes: now.journal_bytes.zip(then.journal_bytes).map(|(now, then)| now.saturating_sub(then)),
            disk_bytes: now.disk_bytes.zip(then.disk_bytes).map(|(now, then)| grown(now, then)),
        }
    }
}

/// What all threads of a run share.
struct Common {
    way: Way,
    plan: Plan,
    load: Arc<Load>,
    expected: Arc<Expected>,
    progress: Arc<Progress>,
    run: u32,
}

/// What a thread has noted.
type Noted = Result<(Latencies, Tally), Failure>;

/// Sends what is planned, and measures.
pub(super) async fn run(
    plan: &Plan,
    target: &Target,
    load: &Arc<Load>,
    expected: &Arc<Expected>,
    run: u32,
) -> Result<Outcome, Failure> {
    let common = Arc::new(Common {
        way: target.way().clone(),
        plan: plan.clone(),
        load: Arc::clone(load),
        expected: Arc::clone(expected),
        progress: Arc::default(),
        run,
    });
    let (ready, mut readiness) = mpsc::channel(1);
    let (noted, mut notes) = mpsc::channel(1);
    let starts = (0..plan.threads).map(|thread| spawn(&common, thread, ready.clone(), noted.clone()));
    let starts = starts.collect::<Result<Vec<_>, _>>()?;
    drop((ready, noted));
    let prepared = all_ready(&mut readiness, &mut notes, starts.len()).await?;
    let begin = Instant::now() + COUNTDOWN;
    let timing = Timing { begin, from: begin + plan.warmup, until: begin + plan.warmup + plan.duration };
    for start in starts {
        // A thread that is gone has said why.
        start.send(timing).unwrap_or_default();
    }
    let mut gathered = Gathered { latencies: Latencies::new()?, tally: Tally::default(), left: plan.threads };
    let (ticks, used) = watch(timing, target, &common.progress, &mut notes, &mut gathered).await?;
    while gathered.left > 0 {
        let next = timeout(PATIENCE, notes.recv()).await;
        let next = next.map_err(|_| Failure::new(Exit::Failed, "answers do not come any more"))?;
        gathered.add(next)?;
    }
    Ok(Outcome { prepared, ticks, latencies: gathered.latencies, tally: gathered.tally, used })
}

/// What threads have noted, put together.
struct Gathered {
    latencies: Latencies,
    tally: Tally,
    left: u32,
}

impl Gathered {
    fn add(&mut self, noted: Option<Noted>) -> Result<(), Failure> {
        let (latencies, tally) = noted.ok_or_else(broke_off)??;
        self.latencies.add(&latencies)?;
        self.tally.add(tally);
        self.left -= 1;
        Ok(())
    }
}

fn broke_off() -> Failure {
    Failure::new(Exit::Failed, "a sending thread broke off")
}

async fn all_ready(
    readiness: &mut mpsc::Receiver<Prepared>,
    notes: &mut mpsc::Receiver<Noted>,
    threads: usize,
) -> Result<Prepared, Failure> {
    let mut all = Prepared::default();
    for _ in 0..threads {
        match readiness.recv().await {
            Some(one) => all = Prepared { orders: all.orders + one.orders, bytes: all.bytes + one.bytes },
            None => return Err(notes.recv().await.and_then(Result::err).unwrap_or_else(broke_off)),
        }
    }
    Ok(all)
}

/// Looks at the counts until the time is over, or everything was sent.
async fn watch(
    timing: Timing,
    target: &Target,
    progress: &Progress,
    notes: &mut mpsc::Receiver<Noted>,
    gathered: &mut Gathered,
) -> Result<(Vec<(Duration, u64)>, Used), Failure> {
    sleep_until((timing.from - COUNTDOWN).into()).await;
    let kept = Kept::by(target);
    sleep_until(timing.from.into()).await;
    let before = Snapshot { server: target.process(), client_cpu: own_cpu(), kept };
    // Without a warm-up everything counts, also what was answered while this woke up.
    let first = if timing.from == timing.begin { 0 } else { progress.orders() };
    let started = Instant::now();
    let shown = bar((timing.until - timing.from).as_millis() as u64, "{bar:40} {msg}");
    let mut ticks = vec![(Duration::ZERO, 0)];
    let mut next = started + TICK;
    while next <= timing.until + TICK / 2 && gathered.left > 0 {
        tokio::select! {
            () = sleep_until(next.into()) => {}
            noted = notes.recv() => {
                gathered.add(noted)?;
                if gathered.left > 0 { continue }
            }
        }
        let at = started.elapsed();
        ticks.push((at, progress.orders() - first));
        show(&shown, &ticks);
        next += TICK;
    }
    let (server, client_cpu) = (target.process(), own_cpu());
    let used = Snapshot { server, client_cpu, kept: Kept::by(target) }.since(&before);
    shown.finish_and_clear();
    Ok((ticks, used))
}

/// The orders of the last second.
fn show(shown: &ProgressBar, ticks: &[(Duration, u64)]) {
    let Some((now, orders)) = ticks.last() else { return };
    let ago = ticks.iter().rev().nth(10).or(ticks.first());
    let Some((then, before)) = ago else { return };
    let rate = (orders - before) as f64 / (*now - *then).as_secs_f64().max(f64::EPSILON);
    shown.set_position(now.as_millis() as u64);
    shown.set_message(format!("{:.0} s, {} orders/s", now.as_secs_f64(), indicatif::HumanCount(rate as u64)));
}

/// Starts a thread, which tells when it is ready and then waits to be told when to begin.
fn spawn(
    common: &Arc<Common>,
    thread: u32,
    ready: mpsc::Sender<Prepared>,
    noted: mpsc::Sender<Noted>,
) -> Result<oneshot::Sender<Timing>, Failure> {
    let failed = |error| Failure::new(Exit::Failed, error).during("cannot start a thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (start, started) = oneshot::channel();
    let common = Arc::clone(common);
    let work = move || {
        runtime.block_on(async {
            let result = send(&common, thread, ready, started).await;
            // Whoever does not listen any more has given up.
            drop(noted.send(result).await);
        });
    };
    let thread = thread::Builder::new().name(format!("bench-{thread}"));
    thread.spawn(work).map_err(failed)?;
    Ok(start)
}

/// The work of a thread: its share of the connections.
async fn send(
    common: &Common,
    thread: u32,
    ready: mpsc::Sender<Prepared>,
    started: oneshot::Receiver<Timing>,
) -> Noted {
    let plan = &common.plan;
    let (mut lines, mut prepared) = (vec![], Prepared::default());
    for connection in (thread..plan.connections).step_by(plan.threads as usize) {
        let opened = Line::open(&common.way, plan, &common.load, common.run, connection).await;
        let (line, with) = opened.map_err(unsent)?;
        prepared = Prepared { orders: prepared.orders + with.orders, bytes: prepared.bytes + with.bytes };
        lines.push((connection, line));
    }
    ready.send(prepared).await.map_err(|_| broke_off())?;
    drop(ready);
    let timing = started.await.map_err(|_| broke_off())?;
    let recorder = Recorder::new(plan, timing, Arc::clone(&common.expected), Arc::clone(&common.progress))?;
    let recorder = Arc::new(Mutex::new(recorder));
    sleep_until(timing.begin.into()).await;
    let mut driven = JoinSet::new();
    for (connection, line) in lines {
        driven.spawn(line.drive(pace(plan, connection, timing), Arc::clone(&recorder)));
    }
    while let Some(ended) = driven.join_next().await {
        ended.map_err(WireError::BrokeOff).and_then(|ended| ended).map_err(unsent)?;
    }
    let recorder = Arc::into_inner(recorder).ok_or_else(broke_off)?;
    Ok(recorder.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
}

fn unsent(error: WireError) -> Failure {
    Failure::new(Exit::Failed, error).during("sending orders")
}
