//! When a call is made again, and how long it waits before.
//!
//! Every call may be made again: a command is known by its id and gets its first answer, a read changes nothing. So what limits
//! repeats is not safety but load: waits grow, differ from caller to caller, and stop when most calls fail.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::Error;

/// How patiently calls are repeated. The default is what `proto/service_config.json` tells clients in other languages.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// How often a call is made at most, the first time included; 1 to never repeat.
    pub most_tries: u32,
    /// How long to wait before the second try, give or take a fifth; doubled from try to try.
    pub first_wait: Duration,
    /// What the wait grows to at most. A server that asks for more gets more.
    pub longest_wait: Duration,
    /// How many failures in a row, over all calls of a client, use up half of what it may repeat: beyond that a failure is final
    /// until calls succeed again. So a server that is down or overloaded is not asked several times as often for it.
    pub budget: u32,
    /// How many successes make up for ten failures.
    pub successes_for_ten_failures: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            most_tries: 5,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
            budget: 50,
            successes_for_ten_failures: 100,
        }
    }
}

/// What all calls of a client share: the failures they may still repeat.
#[derive(Debug)]
pub(super) struct Budget {
    /// In thousandths of a failure.
    left: AtomicU32,
    most: u32,
    for_a_success: u32,
}

/// A failure, in the unit of [`Budget`].
const FAILURE: u32 = 1_000;

impl Budget {
    pub(super) fn new(retry: &Retry) -> Self {
        let most = retry.budget.clamp(1, 1_000_000).saturating_mul(2 * FAILURE);
        let for_a_success = (10 * FAILURE).checked_div(retry.successes_for_ten_failures).unwrap_or(most);
        Self { left: AtomicU32::new(most), most, for_a_success }
    }

    pub(super) fn succeeded(&self) {
        // Nearly always full: then nothing is written, and no cache line goes from core to core.
        if self.left.load(Ordering::Relaxed) < self.most {
            self.change(|left| left.saturating_add(self.for_a_success).min(self.most));
        }
    }

    /// Takes a failure down; whether it may be repeated.
    pub(super) fn failed(&self) -> bool {
        self.change(|left| left.saturating_sub(FAILURE)) > self.most / 2
    }

    fn change(&self, to: impl Fn(u32) -> u32) -> u32 {
        let changed = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(to(left)));
        to(changed.unwrap_or_else(|left| left))
    }
}

/// The tries of one call.
#[derive(Debug)]
pub(super) struct Tries {
    retry: Retry,
    until: Instant,
    made: u32,
    /// A try ended without telling whether it did anything.
    unclear: bool,
}

impl Tries {
    pub(super) fn new(retry: &Retry, deadline: Duration) -> Self {
        let now = Instant::now();
        // A deadline that no clock can show is none: a year is as good.
        let until = now.checked_add(deadline).unwrap_or(now + Duration::from_secs(365 * 86_400));
        Self { retry: retry.clone(), until, made: 0, unclear: false }
    }

    /// Begins a try: how long it may take. Half of what is left, so that one that gets lost leaves time for another; the last one
    /// takes all.
    pub(super) fn begin(&mut self) -> Duration {
        self.made += 1;
        let left = self.left();
        let last = self.made >= self.retry.most_tries;
        if last { left } else { left.min((left / 2).max(Duration::from_secs(1))) }
    }

    /// How long to wait before the next try; none, with what is to be said of all of them, when there is to be none.
    pub(super) fn after(&mut self, error: Error, budget: &Budget) -> Result<Duration, Error> {
        self.unclear |= error.is_unclear();
        let may_repeat = error.is_retryable() && budget.failed();
        let wait = self.wait(error.retry_after());
        if may_repeat && self.made < self.retry.most_tries && wait < self.left() {
            Ok(wait)
        } else {
            Err(error.in_all(self.made, self.unclear))
        }
    }

    /// What the server asks for and something on top, so that not all who were sent away come back at once; else ever longer.
    fn wait(&self, asked: Option<Duration>) -> Duration {
        let doublings = self.made.saturating_sub(1).min(20);
        let grown = self.retry.first_wait.saturating_mul(1 << doublings).min(self.retry.longest_wait);
        match asked {
            Some(asked) => asked.saturating_add(grown.mul_f64(fastrand::f64())),
            None => grown.mul_f64(0.8 + 0.4 * fastrand::f64()),
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(retry: &Retry) -> Tries {
        Tries::new(retry, Duration::from_secs(10))
    }

    #[test]
    fn waits_grow_differ_and_stay_bounded() {
        let mut tries = tries(&Retry::default());
        for (made, wait) in [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (4_000_000_000, 2_000)] {
            tries.made = made;
            let (wait, got) = (Duration::from_millis(wait), tries.wait(None));
            assert!(got >= wait.mul_f64(0.79) && got <= wait.mul_f64(1.21), "{made}: {got:?}");
        }
        let asked = Duration::from_secs(5);
        let got = tries.wait(Some(asked));
        assert!(got >= asked && got <= asked + Duration::from_secs(2), "{got:?}");
    }

    #[test]
    fn one_try_leaves_time_for_another() {
        let mut tries = tries(&Retry { most_tries: 2, ..Retry::default() });
        let (first, second) = (tries.begin(), tries.begin());
        assert!(first <= Duration::from_secs(5), "{first:?}");
        assert!(second > Duration::from_secs(5), "the last one takes all that is left: {second:?}");
    }

    #[test]
    fn a_deadline_without_end_is_no_panic() {
        assert!(Tries::new(&Retry::default(), Duration::MAX).begin() > Duration::from_secs(86_400));
    }

    #[test]
    fn failures_use_up_the_budget_and_successes_fill_it() {
        let budget = Budget::new(&Retry { budget: 2, successes_for_ten_failures: 10, ..Retry::default() });
        assert_eq!([budget.failed(), budget.failed(), budget.failed()], [true, false, false]);
        budget.succeeded();
        budget.succeeded();
        budget.succeeded();
        assert!(budget.failed());
        for _ in 0..100 {
            budget.succeeded();
        }
        assert_eq!(budget.left.load(Ordering::Relaxed), budget.most, "no more than at the beginning");
    }
}
