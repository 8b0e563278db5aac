//! How much a caller may ask for, and how much he does.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// What is left of a caller's limits; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limits: Limits,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    concurrent: Option<Arc<Semaphore>>,
    uses: Arc<Uses>,
}

/// What came of what was asked for, over all limits that the caller has had. Counts say nothing about each other.
#[derive(Debug, Default)]
struct Uses {
    under_way: AtomicU64,
    taken: AtomicU64,
    over_rate: AtomicU64,
    over_concurrency: AtomicU64,
}

/// How much a caller may ask for, and how much it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerUse {
    /// Who, as it stands in records.
    pub caller: Arc<str>,
    /// How much it may.
    pub limits: Limits,
    /// Calls that are not answered yet.
    pub under_way: u64,
    /// Calls that were let in, and orders of chunks and streams behind the first of a chunk.
    pub taken: u64,
    /// The same that were refused, as there were too many in a second or at once.
    pub over_rate: u64,
    /// Calls that were refused, as there were too many under way.
    pub over_concurrency: u64,
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// More than in a second are wanted.
    #[error("too many calls or orders in a second")]
    Rate {
        /// When there will be as many as were wanted.
        retry_after: Duration,
    },
    /// More at once are wanted than there ever are.
    #[error("at most {most} orders may come at once")]
    Burst {
        /// How many there are at most.
        most: u32,
    },
    /// Too many are not answered yet.
    #[error("at most {most} calls may be under way")]
    Concurrent {
        /// How many may be.
        most: u32,
    },
}

/// A call that is not answered yet.
#[derive(Debug)]
pub struct UnderWay {
    uses: Arc<Uses>,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Whoever sees that it is over finds its place free.
        drop(self.place.take());
        self.uses.under_way.fetch_sub(1, Release);
    }
}

impl Budget {
    /// Limits of somebody who had a budget before, or none: if they are the same he keeps what is left of them, and he keeps his counts.
    pub(super) fn after(before: Option<&Self>, limits: Limits) -> Self {
        match before {
            Some(before) if before.limits == limits => before.clone(),
            Some(before) => Self { uses: Arc::clone(&before.uses), ..Self::new(limits) },
            None => Self::new(limits),
        }
    }

    fn new(limits: Limits) -> Self {
        let rate = limits.rate.zip(limits.most_at_once());
        let rate = rate.map(|(rate, burst)| Arc::new(RateLimiter::direct(Quota::per_second(rate).allow_burst(burst))));
        let concurrent = limits.concurrent.map(|most| Arc::new(Semaphore::new(size(most))));
        Self { limits, rate, concurrent, uses: Arc::default() }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes so many of the calls that may come, or none of them.
    pub(super) fn take(&self, calls: NonZeroU32) -> Result<(), Exceeded> {
        match self.rate.as_ref().map(|rate| rate.check_n(calls)) {
            None | Some(Ok(Ok(()))) => {
                self.uses.taken.fetch_add(calls.get().into(), Relaxed);
                Ok(())
            }
            Some(Ok(Err(not_yet))) => {
                Err(Exceeded::Rate { retry_after: not_yet.wait_time_from(DefaultClock::default().now()) })
            }
            Some(Err(insufficient)) => Err(Exceeded::Burst { most: insufficient.0 }),
        }
    }

    /// So many calls are refused because of this; a stream that waits for its rate is not.
    pub(super) fn refused(&self, calls: NonZeroU32, exceeded: Exceeded) {
        let count = match exceeded {
            Exceeded::Rate { .. } | Exceeded::Burst { .. } => &self.uses.over_rate,
            Exceeded::Concurrent { .. } => &self.uses.over_concurrency,
        };
        count.fetch_add(calls.get().into(), Relaxed);
    }

    /// What has come of it by now.
    pub(super) fn used_by(&self, caller: &Arc<str>) -> CallerUse {
        CallerUse {
            caller: Arc::clone(caller),
            limits: self.limits,
            under_way: self.uses.under_way.load(Acquire),
            taken: self.uses.taken.load(Relaxed),
            over_rate: self.uses.over_rate.load(Relaxed),
            over_concurrency: self.uses.over_concurrency.load(Relaxed),
        }
    }

    /// One more call that is not answered, until it is dropped.
    pub(super) fn begin(&self) -> Result<UnderWay, Exceeded> {
        let place = self.concurrent.as_ref().map(|places| Arc::clone(places).try_acquire_owned()).transpose();
        let most = self.limits.concurrent.map_or(0, NonZeroU32::get);
        let place = place.map_err(|_| Exceeded::Concurrent { most })?;
        self.uses.under_way.fetch_add(1, Relaxed);
        Ok(UnderWay { uses: Arc::clone(&self.uses), place })
    }
}

fn size(most: NonZeroU32) -> usize {
    usize::try_from(most.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const fn some(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn nothing_is_limited_that_has_no_limit() {
        let budget = Budget::new(Limits::default());
        budget.take(NonZeroU32::MAX).unwrap();
        let _places = [budget.begin().unwrap(), budget.begin().unwrap()];
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_says_when_to_come_back() {
        // One in a second, so that none comes back while this runs; were it slow, there would be one more.
        let budget = Budget::new(Limits { rate: Some(some(1)), burst: Some(some(4)), concurrent: None });
        budget.take(some(3)).unwrap();
        assert_eq!(budget.take(some(5)), Err(Exceeded::Burst { most: 4 }));
        let Err(Exceeded::Rate { retry_after }) = budget.take(some(4)) else { panic!("four are not there") };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(3), "{retry_after:?}");
    }

    /// Under way, taken, refused for their rate and for their number.
    fn counts(budget: &Budget) -> [u64; 4] {
        let used = budget.used_by(&"ann".into());
        [used.under_way, used.taken, used.over_rate, used.over_concurrency]
    }

    #[test]
    fn counts_outlive_the_limits_that_they_began_under() {
        let before = Budget::new(Limits { rate: Some(some(1)), burst: Some(some(4)), concurrent: Some(some(1)) });
        let call = before.begin().unwrap();
        before.take(some(3)).unwrap();
        before.refused(some(5), before.take(some(5)).unwrap_err());
        before.refused(some(1), before.begin().unwrap_err());
        assert_eq!(counts(&before), [1, 3, 5, 1]);
        let same = Budget::after(Some(&before), before.limits());
        assert!(same.take(some(4)).is_err(), "what was taken is gone under the same limits");
        let other = Budget::after(Some(&same), Limits::default());
        other.take(some(4)).unwrap();
        drop(call);
        assert_eq!(counts(&other), [0, 7, 5, 1]);
        assert_eq!(counts(&Budget::after(None, Limits::default())), [0; 4]);
    }

    #[test]
    fn a_place_comes_back_with_the_answer() {
        let budget = Budget::new(Limits { concurrent: Some(some(1)), ..Limits::default() });
        let place = budget.begin().unwrap();
        assert_eq!(budget.clone().begin().unwrap_err(), Exceeded::Concurrent { most: 1 });
        drop(place);
        budget.begin().unwrap();
    }
}
