//! When the next message is sent: as soon as there is room for it, or when its time has come.

use std::{
    io,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe;

use super::options::Plan;

/// Messages that are due within so short a time are sent together, so that waking up costs less than sending.
const FINEST: Duration = Duration::from_micros(100);

/// The moments of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Sending begins.
    pub(super) begin: Instant,
    /// Measuring begins.
    pub(super) from: Instant,
    /// Both end.
    pub(super) until: Instant,
}

/// Tells a connection when to send.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    timing: Timing,
    /// When the messages are due: the first, and how far they are apart.
    schedule: Option<(Instant, f64)>,
    sent: u64,
    most: u64,
}

impl Pace {
    /// Of a connection among those of a plan, which send in turns.
    pub(super) fn new(plan: &Plan, connection: u32, timing: Timing) -> Self {
        let messages = |orders: u64| orders.div_ceil(u64::from(plan.chunk) * u64::from(plan.connections));
        let schedule = plan.rate.map(|rate| {
            let apart = f64::from(plan.chunk) / rate as f64;
            let first = timing.begin + Duration::from_secs_f64(apart * f64::from(connection));
            (first, apart * f64::from(plan.connections))
        });
        Self { timing, schedule, sent: 0, most: plan.orders.map_or(u64::MAX, messages) }
    }

    /// How many messages may be sent now, at most as many as wanted.
    pub(super) fn due(&self, now: Instant, wanted: u32) -> u32 {
        let due = match self.schedule {
            _ if now >= self.timing.until && self.schedule.is_none() => 0,
            None => u64::from(wanted),
            Some((first, apart)) => {
                let upto = now.min(self.timing.until);
                let passed = upto.saturating_duration_since(first).as_secs_f64();
                let all = if upto < first { 0 } else { (passed / apart) as u64 + 1 };
                all.saturating_sub(self.sent)
            }
        };
        u32::try_from(due.min(self.most - self.sent)).unwrap_or(u32::MAX).min(wanted)
    }

    /// Notes that a message is sent, and answers since when its answer is waited for.
    pub(super) fn send(&mut self, now: Instant) -> Instant {
        let since =
            self.schedule.map_or(now, |(first, apart)| first + Duration::from_secs_f64(apart * self.sent as f64));
        self.sent += 1;
        since
    }

    /// As often as messages were sent together; with a schedule each is waited for since a time of its own.
    pub(super) const fn all_at_once(&mut self, messages: u32) -> bool {
        if self.schedule.is_some() {
            return false;
        }
        self.sent += messages as u64;
        true
    }

    /// Whether nothing will be due any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.sent == self.most || (now >= self.timing.until && self.due(now, 1) == 0)
    }

    /// How long until the next message is due, where there is a schedule, and one is to come.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let (first, apart) = self.schedule.filter(|_| !self.is_over(now))?;
        let next = first + Duration::from_secs_f64(apart * self.sent as f64);
        Some(next.min(self.timing.until).saturating_duration_since(now).max(FINEST))
    }
}

/// A timer to some microseconds; the runtime's own goes by milliseconds.
#[derive(Debug)]
pub(super) struct Timer {
    /// Told to the reactor as the end of a pipe, which it resembles: it becomes readable, and is read.
    timer: pipe::Receiver,
    armed: bool,
}

impl Timer {
    /// One that is not set.
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: pipe::Receiver::from_owned_fd_unchecked(timer)?, armed: false })
    }

    /// Wakes when this time has passed, unless it is set already; ready once that has happened.
    pub(super) fn poll_after(&mut self, cx: &mut Context<'_>, wait: Duration) -> Poll<io::Result<()>> {
        if !self.armed {
            self.set(wait)?;
        }
        loop {
            ready!(self.timer.poll_read_ready(cx))?;
            match self.timer.try_read(&mut [0; 8]) {
                // It was not the timer; the reactor knows now, and is asked again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    self.armed = false;
                    return Poll::Ready(read.map(|_| ()));
                }
            }
        }
    }

    fn set(&mut self, wait: Duration) -> io::Result<()> {
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let wait = Timespec { tv_sec, tv_nsec: i64::from(wait.subsec_nanos()) };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: once, it_value: wait })?;
        self.armed = true;
        Ok(())
    }
}
