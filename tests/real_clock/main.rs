//! The wall clock of the real program is set while it runs and between its runs: nothing is released early or twice, no answer is taken
//! back, and no day has two quotas. What tells is the history of its clients alone (`ledger`), which knows engine time and no other.
//!
//! `TPLUS_FAKETIME` names libfaketimeMT.so.1, of Debian's package libfaketime; `.ci/clock` gets it and runs this. `TPLUS_CLOCK_ROUNDS` says how
//! long the random walk is, `TPLUS_SEED` repeats its choices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::large_enum_variant,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod calls;
mod ledger;
mod wall;
#[path = "../watched/mod.rs"]
mod watched;
mod world;

use std::hash::{BuildHasher as _, RandomState};

use self::{
    wall::{DAY, HOUR, SECOND, YEAR},
    world::{End, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn steps_while_it_runs_move_nothing() {
    let mut world = World::new(1).await;
    // The small one is slewed away, the others are alarmed; each begins and ends where the clock is right, or nearly.
    for step in [HOUR, -HOUR, 8 * DAY, -YEAR, 2 * SECOND] {
        world.step(step).await;
        world.step(-step).await;
    }
    // From one wrong time to the next.
    for step in [HOUR, -2 * HOUR, 8 * DAY, -YEAR] {
        world.step(step).await;
    }
    let (orders, settled, released) = world.figures();
    assert!(orders > 100, "{orders}");
    assert_eq!((settled, released), (0, 0), "it is noon of the first day still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn steps_back_between_runs_move_nothing() {
    let mut world = World::new(2).await;
    for (end, step) in [(End::Stopped, -HOUR), (End::Killed, -HOUR), (End::Stopped, -YEAR), (End::Killed, -YEAR)] {
        world.end_in_trade(end).await;
        world.wall.step(step);
        world.start(&[]).await;
        world.notices().await;
        world.audit().await;
        // It is put right while it runs, and while it does not.
        match end {
            End::Stopped => world.step(-step).await,
            End::Killed => {
                world.end_in_trade(End::Killed).await;
                world.wall.step(-step);
                world.start(&[]).await;
            }
        }
        world.audit().await;
    }
    assert_eq!((world.figures().1, world.figures().2), (0, 0), "it is noon of the first day still");
}

/// An hour and 8 days ahead at a start: the one is taken for downtime, the other is refused, and put right does no harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn steps_ahead_between_runs_are_downtime_or_refused() {
    let mut world = World::new(3).await;
    for end in [End::Stopped, End::Killed] {
        world.end_in_trade(end).await;
        world.wall.step(HOUR);
        world.start(&[]).await;
        world.notices().await;
        world.audit().await;

        world.end_in_trade(end).await;
        world.wall.step(8 * DAY);
        let said = world.refused().await;
        assert!(said.contains("--accept-clock-gap"), "{said}");
        world.wall.step(-8 * DAY);
        world.start(&[]).await;
        world.audit().await;
    }
    assert_eq!((world.figures().1, world.figures().2), (0, 0), "it is the first day still");
}

/// After 2 days T+2 settles, after 7 more T+7 and releases; each day has a total of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn stops_of_days_bring_what_is_due_and_no_more() {
    let mut world = World::new(4).await;
    let mut figures = (0, 0, 0);
    for (end, days) in [(End::Stopped, 2), (End::Killed, 1), (End::Killed, 4), (End::Stopped, 1), (End::Killed, 6)] {
        world.end_in_trade(end).await;
        world.wall.step(days * DAY);
        world.start(&[]).await;
        world.audit().await;
        world.trade(40).join().await;
        world.audit().await;
        let now = world.figures();
        assert!(now.1 >= figures.1 && now.2 >= figures.2, "{now:?} after {figures:?}");
        figures = now;
    }
    let (orders, settled, released) = figures;
    assert!(settled > 100 && settled < orders && released > 20, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn stops_of_weeks_need_consent_each() {
    let mut world = World::new(5).await;
    for end in [End::Stopped, End::Killed] {
        world.end_in_trade(end).await;
        world.wall.step(21 * DAY);
        for _ in 0..2 {
            let said = world.refused().await;
            assert!(said.contains("--accept-clock-gap"), "{said}");
        }
        world.start(&["--accept-clock-gap"]).await;
        world.audit().await;
        world.trade(40).join().await;
        world.audit().await;
    }
    let (orders, settled, released) = world.figures();
    assert!(settled > 100 && settled < orders && released > 20, "{:?}", world.figures());

    // It was not true: what was settled stays, and nothing settles until the days have really passed.
    let before = world.figures();
    for end in [End::Killed, End::Stopped] {
        world.end_in_trade(end).await;
        world.wall.step(-5 * DAY);
        world.start(&[]).await;
        world.notices().await;
        world.audit().await;
    }
    assert_eq!((world.figures().1, world.figures().2), (before.1, before.2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn a_process_that_is_suspended_while_the_clock_is_set_goes_on() {
    let mut world = World::new(6).await;
    for (seconds, step) in [(3, 0), (2, HOUR), (2, -HOUR), (1, 8 * DAY), (1, -YEAR)] {
        world.suspend(seconds, step).await;
    }
    world.end_in_trade(End::Killed).await;
    world.wall.step(YEAR - 8 * DAY);
    world.start(&[]).await;
    world.audit().await;
    assert_eq!((world.figures().1, world.figures().2), (0, 0), "it is noon of the first day still");
}

/// All of it, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime"]
async fn whatever_is_done_to_the_clock_answers_stand() {
    const STEPS: [i64; 9] = [0, SECOND, HOUR, -HOUR, DAY, 3 * DAY, 8 * DAY, -YEAR, 40 * DAY];
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed = number("TPLUS_SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("TPLUS_SEED={seed}");
    let mut world = World::new(seed).await;
    let (mut refused, mut agreed) = (0, 0);
    let rounds = number("TPLUS_CLOCK_ROUNDS").unwrap_or(8);
    for _ in 0..rounds {
        // How far the wall clock shall be from engine time.
        let choice = usize::try_from(world.random.below(STEPS.len() as u64)).unwrap();
        let now = world.now().await;
        let by = STEPS[choice] - (world.wall.now() - now) / 1_000_000;
        match world.random.below(4) {
            0 => world.step(by).await,
            1 => {
                let seconds = 1 + world.random.below(2);
                world.suspend(seconds, by).await;
            }
            end => {
                world.end_in_trade(if end == 2 { End::Stopped } else { End::Killed }).await;
                world.wall.step(by);
                if STEPS[choice] > 7 * DAY {
                    world.refused().await;
                    refused += 1;
                    if world.random.below(2) == 0 {
                        agreed += 1;
                        world.start(&["--accept-clock-gap"]).await;
                    } else {
                        world.wall.step(-STEPS[choice]);
                        world.start(&[]).await;
                    }
                } else {
                    world.start(&[]).await;
                }
                world.notices().await;
                world.audit().await;
            }
        }
    }
    let (orders, settled, released) = world.figures();
    println!(
        "TPLUS_SEED={seed}: {rounds} rounds, {refused} starts refused, {agreed} agreed to; {orders} orders, {settled} of them settled, {released} \
         releases"
    );
}
