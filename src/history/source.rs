//! The records that come next, read ahead while there are many.

use std::{thread::JoinHandle, time::Duration};

use crate::journal::{FollowError, Follower, Run};

/// A follower, and what it reads beside the work on what it read before.
pub(super) struct Source {
    follower: Option<Follower>,
    ahead: Option<Ahead>,
}

type Ahead = JoinHandle<(Follower, Result<Run, FollowError>)>;

impl Source {
    pub(super) const fn new(follower: Follower) -> Self {
        Self { follower: Some(follower), ahead: None }
    }

    /// The next records, as [`Follower::next`] has them. None for ever after a thread that panicked.
    pub(super) fn next(&mut self, most: usize, timeout: Duration) -> Option<Result<Run, FollowError>> {
        if let Some(ahead) = self.ahead.take() {
            let (follower, run) = ahead.join().ok()?;
            self.follower = Some(follower);
            if run.as_ref().map_or(true, |run| !run.is_empty()) {
                return Some(run);
            }
        }
        self.follower.as_mut().map(|follower| follower.next(most, timeout))
    }

    /// Begins to read what is at hand.
    pub(super) fn read_ahead(&mut self, most: usize) {
        let Some(mut follower) = self.follower.take() else { return };
        self.ahead = Some(std::thread::spawn(move || {
            let run = follower.next(most, Duration::ZERO);
            (follower, run)
        }));
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            drop(ahead.join());
        }
    }
}
