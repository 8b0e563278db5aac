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

impl Timing {
    /// Whether what is sent at that moment is measured.
    pub(super) fn measures(&self, sent: Instant) -> bool {
        (self.from..self.until).contains(&sent)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const BETWEEN: Duration = Duration::from_millis(10);

    /// A message every 10 ms for a second, from a begin on that is answered too.
    fn pace(scheduled: bool, most: u64) -> (Pace, Instant) {
        let begin = Instant::now();
        let timing = Timing { begin, from: begin, until: begin + Duration::from_secs(1) };
        let schedule = scheduled.then(|| (begin, BETWEEN.as_secs_f64()));
        (Pace { timing, schedule, sent: 0, most }, begin)
    }

    #[test]
    fn without_a_schedule_there_is_always_one_more_until_the_end() {
        let (mut pace, begin) = pace(false, 3);
        assert_eq!(pace.due(begin, 2), 2);
        assert!(pace.all_at_once(2));
        assert_eq!(pace.due(begin, 2), 1);
        assert_eq!(pace.due(begin + Duration::from_secs(1), 1), 0);
        assert_eq!(pace.send(begin + BETWEEN), begin + BETWEEN);
        assert!(pace.is_over(begin));
        assert_eq!(pace.wait(begin), None);
    }

    #[test]
    fn with_a_schedule_a_late_message_is_waited_for_since_it_was_due() {
        let (mut pace, begin) = pace(true, u64::MAX);
        assert_eq!(pace.due(begin, 9), 1);
        assert_eq!(pace.send(begin), begin);
        assert_eq!(pace.due(begin, 9), 0);
        assert_eq!(pace.wait(begin), Some(BETWEEN));
        let stalled = begin + BETWEEN * 7 / 2;
        assert_eq!(pace.due(stalled, 9), 3);
        assert!(!pace.all_at_once(3));
        assert_eq!(pace.send(stalled), begin + BETWEEN);
        assert_eq!(pace.send(stalled), begin + BETWEEN * 2);
    }

    #[test]
    fn what_was_due_before_the_end_is_sent_after_it() {
        let (mut pace, begin) = pace(true, u64::MAX);
        let after = begin + Duration::from_secs(5);
        assert!(!pace.is_over(after));
        let due = pace.due(after, u32::MAX);
        assert!((100..=101).contains(&due), "{due}");
        for _ in 0..due {
            pace.send(after);
        }
        assert!(pace.is_over(after));
        assert_eq!(pace.wait(after), None);
    }
}
