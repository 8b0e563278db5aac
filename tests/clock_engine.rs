//! Engine time under everything a wall clock, a machine and a restart can do to it. No test sleeps.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tplus::clock::{
    AdvanceError, Backwards, Clock, ClockError, ClockState, EngineClock, ManualClock, Micros, Mode, Options, OsTime,
    TestTime, TimeSource, random_bytes,
};

/// 2026-03-01T12:00:00Z.
const NOON: Micros = 1_772_366_400_000_000;
const MS: Micros = 1_000;
const SECOND: Micros = 1_000_000;
const HOUR: Micros = 3_600 * SECOND;
const DAY: Micros = 24 * HOUR;

fn start(time: &Arc<TestTime>, floor: Option<Micros>, options: Options) -> Result<EngineClock, ClockError> {
    EngineClock::start(Arc::clone(time) as Arc<dyn TimeSource>, floor, options)
}

/// A clock that started at noon with nothing before it.
fn running() -> (Arc<TestTime>, EngineClock) {
    let time = Arc::new(TestTime::new(NOON));
    let clock = start(&time, None, Options::default()).unwrap();
    (time, clock)
}

/// Lets `seconds` pass with a check after each, as the background task does; time must go at 99 to 101 %.
fn pass(time: &TestTime, clock: &EngineClock, seconds: u64) -> ClockState {
    let mut state = clock.state();
    for _ in 0..seconds {
        let before = clock.now();
        time.advance(Duration::from_secs(1));
        let went = clock.now() - before;
        assert!((990 * MS..=1_010 * MS).contains(&went), "{went} µs in a second");
        state = clock.check();
    }
    state
}

#[test]
fn a_first_start_is_at_the_wall_clock() {
    let (time, clock) = running();
    assert_eq!(clock.now(), NOON);
    time.advance(Duration::from_millis(1_500));
    assert_eq!(clock.now(), NOON + 1_500 * MS);
    assert_eq!(clock.check(), ClockState { offset_to_wall_us: 0, alarm: false });
}

#[test]
fn steps_of_the_wall_clock_are_alarmed_and_not_followed() {
    for step in [HOUR, -HOUR, 8 * DAY, -365 * DAY, 5 * SECOND + 1, -5 * SECOND - 1] {
        let (time, clock) = running();
        time.step_wall(step);
        assert_eq!(clock.now(), NOON, "a step of {step} µs moved the time");
        assert_eq!(clock.check(), ClockState { offset_to_wall_us: step, alarm: true });
        let state = pass(&time, &clock, 100);
        assert_eq!(clock.now(), NOON + 100 * SECOND, "a step of {step} µs changed the rate");
        assert_eq!(state, ClockState { offset_to_wall_us: step, alarm: true });
        assert_eq!(clock.state(), state);
    }
}

#[test]
fn the_alarm_clears_when_the_wall_clock_comes_back() {
    let (time, clock) = running();
    time.step_wall(HOUR);
    assert!(clock.check().alarm);
    time.step_wall(-HOUR);
    assert_eq!(clock.check(), ClockState::default());
}

#[test]
fn an_alarm_ends_a_slew_under_way() {
    let (time, clock) = running();
    time.step_wall(200 * MS);
    clock.check();
    time.advance(Duration::from_secs(1));
    time.step_wall(HOUR);
    assert!(clock.check().alarm);
    let at = clock.now();
    time.advance(Duration::from_secs(10));
    assert_eq!(clock.now(), at + 10 * SECOND);
}

#[test]
fn small_offsets_are_slewed_away() {
    for step in [200 * MS, -200 * MS, 1, -1] {
        let (time, clock) = running();
        time.step_wall(step);
        assert_eq!(clock.check(), ClockState { offset_to_wall_us: step, alarm: false });
        assert_eq!(clock.now(), NOON, "the slew began with a jump");
        // 200 ms at 1 % are 20 s.
        let state = pass(&time, &clock, 21);
        assert_eq!(state, ClockState::default(), "{step} µs are not gone");
        assert_eq!(clock.now(), time.wall());
    }
}

#[test]
fn the_largest_offset_that_is_followed_is_gone_in_nine_minutes() {
    for step in [5 * SECOND, -5 * SECOND] {
        let (time, clock) = running();
        time.step_wall(step);
        assert!(!clock.check().alarm);
        assert_eq!(pass(&time, &clock, 9 * 60), ClockState::default());
    }
}

#[test]
fn a_slew_ends_by_itself_when_nobody_checks() {
    for step in [200 * MS, -200 * MS] {
        let (time, clock) = running();
        time.step_wall(step);
        clock.check();
        time.advance(Duration::from_secs(10 * 24 * 60 * 60));
        assert_eq!(clock.now(), time.wall());
    }
}

#[test]
fn with_no_step_allowed_nothing_is_followed() {
    let time = Arc::new(TestTime::new(NOON));
    let clock = start(&time, None, Options { max_step: Duration::ZERO, ..Options::default() }).unwrap();
    time.step_wall(1);
    assert!(clock.check().alarm);
    time.advance(Duration::from_secs(60));
    assert_eq!(clock.now(), NOON + 60 * SECOND);
}

#[test]
fn suspension_counts() {
    let (time, clock) = running();
    time.advance(Duration::from_secs(3 * 24 * 60 * 60));
    assert_eq!(clock.now(), NOON + 3 * DAY);
    assert_eq!(clock.check(), ClockState::default());
}

#[test]
fn a_wall_clock_that_lost_the_suspension_is_not_followed() {
    let (time, clock) = running();
    time.advance_boot(Duration::from_secs(3_600));
    assert_eq!(clock.check(), ClockState { offset_to_wall_us: -HOUR, alarm: true });
    assert_eq!(clock.now(), NOON + HOUR);
}

#[test]
fn a_restart_goes_on_at_the_wall_clock_when_that_is_ahead() {
    for gap in [0, 1, 2 * SECOND, DAY, 7 * DAY] {
        let time = Arc::new(TestTime::new(NOON));
        let clock = start(&time, Some(NOON - gap), Options::default()).unwrap();
        assert_eq!(clock.now(), NOON);
        assert_eq!(clock.state(), ClockState::default());
    }
}

#[test]
fn a_restart_goes_on_at_the_floor_and_slews_back() {
    let time = Arc::new(TestTime::new(NOON));
    let clock = start(&time, Some(NOON + 2 * SECOND), Options::default()).unwrap();
    assert_eq!(clock.now(), NOON + 2 * SECOND);
    assert_eq!(clock.state(), ClockState { offset_to_wall_us: -2 * SECOND, alarm: false });
    assert_eq!(pass(&time, &clock, 201), ClockState::default());
}

#[test]
fn a_restart_far_behind_the_floor_alarms_and_goes_on_from_the_floor() {
    let time = Arc::new(TestTime::new(NOON));
    let clock = start(&time, Some(NOON + HOUR), Options::default()).unwrap();
    assert_eq!(clock.state(), ClockState { offset_to_wall_us: -HOUR, alarm: true });
    pass(&time, &clock, 10);
    assert_eq!(clock.now(), NOON + HOUR + 10 * SECOND);
}

#[test]
fn a_longer_gap_needs_consent() {
    let time = Arc::new(TestTime::new(NOON));
    let floor = NOON - 7 * DAY - 1;
    let refused = start(&time, Some(floor), Options::default()).unwrap_err();
    let max_gap = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!(refused, ClockError::Gap { wall: NOON, floor, max_gap });
    assert_eq!(
        refused.to_string(),
        "the wall clock says 2026-03-01T12:00:00Z, but the last time this engine gave out is \
         2026-02-22T11:59:59.999999Z; that is more than clock.max_gap (7days) ago; set the wall clock right, or \
         confirm it with --accept-clock-gap"
    );

    let clock = start(&time, Some(floor), Options { accept_gap: true, ..Options::default() }).unwrap();
    assert_eq!(clock.now(), NOON);
}

#[test]
fn the_ends_of_the_range_do_not_wrap() {
    for (wall, floor) in [(Micros::MAX, Some(Micros::MIN)), (Micros::MIN, Some(Micros::MAX)), (Micros::MAX, None)] {
        let time = Arc::new(TestTime::new(wall));
        let clock = start(&time, floor, Options { accept_gap: true, ..Options::default() }).unwrap();
        let before = clock.now();
        time.advance(Duration::from_secs(60));
        clock.check();
        assert!(clock.now() >= before);
    }
}

#[test]
fn no_thread_ever_sees_it_go_back() {
    let (time, clock) = running();
    let done = AtomicBool::new(false);
    // Counted in calls, not in seconds: every reader overlaps with the steps below.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = clock.now();
                while !done.load(Ordering::Relaxed) {
                    let now = clock.now();
                    assert!(now >= last, "{last} and then {now}");
                    last = now;
                }
            });
        }
        for round in 0..20_000 {
            time.advance(Duration::from_micros(137));
            time.step_wall(if round % 2 == 0 { 3 * SECOND } else { -3 * SECOND });
            clock.check();
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A boot clock that reads as told (µs), a reading at a time, and then stays; with the wall clock at noon.
#[derive(Debug)]
struct Script(Mutex<Vec<u64>>);

impl Script {
    fn tell(&self, readings: &[u64]) {
        *self.0.lock().unwrap() = readings.iter().rev().copied().collect();
    }
}

impl TimeSource for Script {
    fn boot(&self) -> Duration {
        let mut readings = self.0.lock().unwrap();
        let next = if readings.len() > 1 { readings.pop() } else { readings.last().copied() };
        Duration::from_micros(next.unwrap())
    }

    fn wall(&self) -> Micros {
        NOON
    }
}

/// What happens when a thread is stopped between reading the boot clock and using what it read.
#[test]
fn an_old_reading_does_not_turn_it_back() {
    let script = Arc::new(Script(Mutex::new(vec![0])));
    // The engine is ahead of the wall clock, so the first course loses time.
    let clock = EngineClock::start(Arc::clone(&script) as Arc<dyn TimeSource>, Some(NOON + SECOND), Options::default());
    let clock = clock.unwrap();
    script.tell(&[10_000_000]);
    let late = clock.now();
    assert_eq!(late, NOON + SECOND + 9_900 * MS);
    script.tell(&[4_000_000]);
    assert_eq!(clock.now(), late, "a reader with an older reading");
    clock.check();
    assert_eq!(clock.now(), late, "a course from an older reading");
    script.tell(&[10_000_001]);
    assert!(clock.now() >= late);
}

#[test]
fn an_interrupted_comparison_is_made_again() {
    let script = Arc::new(Script(Mutex::new(vec![0])));
    let clock = EngineClock::start(Arc::clone(&script) as Arc<dyn TimeSource>, None, Options::default()).unwrap();
    // Eight seconds between the two readings, and then two in one go: four seconds would have been an offset.
    script.tell(&[0, 8_000_000, 10, 30]);
    assert_eq!(clock.check().offset_to_wall_us, -20);

    // Where every one is interrupted, the one that took least has to do. (The 20 µs have been slewed away by then.)
    script.tell(&[100, 8_000, 8_000, 8_200, 9_000, 12_000, 12_000, 15_000, 15_000, 18_000]);
    assert_eq!(clock.check().offset_to_wall_us, -8_080);
}

#[test]
fn what_one_thread_hands_to_another_is_not_ahead_of_it() {
    let (time, clock) = running();
    let (clock, time) = (&clock, &time);
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::sync_channel(0);
        scope.spawn(move || {
            for handed in receive {
                let now = clock.now();
                assert!(now >= handed, "handed {handed}, read {now}");
            }
        });
        scope.spawn(move || {
            for round in 0..2_000 {
                time.advance(Duration::from_micros(500));
                time.step_wall(if round % 2 == 0 { SECOND } else { -SECOND });
                clock.check();
            }
        });
        for _ in 0..2_000 {
            send.send(clock.now()).unwrap();
        }
    });
}

#[test]
fn the_clocks_of_the_operating_system_go() {
    let before = (OsTime.boot(), OsTime.wall());
    assert!(before.0 > Duration::ZERO);
    assert!(before.1 > NOON - 365 * DAY, "the wall clock says {} µs", before.1);
    assert!(OsTime.boot() >= before.0);

    let clock = EngineClock::start(Arc::new(OsTime), None, Options::default()).unwrap();
    let (first, second) = (clock.now(), clock.now());
    assert!(second >= first);
    assert!(clock.check().offset_to_wall_us.abs() < SECOND);
}

#[test]
fn a_manual_clock_stands_until_it_is_advanced() {
    let clock = Clock::Manual(ManualClock::start(NOON, None));
    assert_eq!(clock.mode(), Mode::Manual);
    assert_eq!(clock.now(), NOON);
    assert_eq!(clock.advance(NOON + DAY), Ok(()));
    assert_eq!(clock.advance(NOON + DAY), Ok(()), "where it stands is not back");
    assert_eq!(clock.now(), NOON + DAY);
    assert_eq!(clock.check(), ClockState::default());

    let refused = clock.advance(NOON).unwrap_err();
    assert_eq!(refused, AdvanceError::Backwards(Backwards { now: NOON + DAY, to: NOON }));
    assert_eq!(
        refused.to_string(),
        "the clock stands at 2026-03-02T12:00:00Z and cannot go back to 2026-03-01T12:00:00Z"
    );
    assert_eq!(clock.now(), NOON + DAY);
}

#[test]
fn a_manual_clock_starts_at_or_above_its_floor() {
    assert_eq!(ManualClock::start(NOON, Some(NOON + DAY)).now(), NOON + DAY);
    assert_eq!(ManualClock::start(NOON, Some(NOON - DAY)).now(), NOON);
}

#[test]
fn the_system_clock_cannot_be_advanced() {
    let (_, clock) = running();
    let clock = Clock::System(clock);
    assert_eq!(clock.mode(), Mode::System);
    assert_eq!(clock.advance(NOON + DAY), Err(AdvanceError::NotManual));
    assert_eq!(clock.now(), NOON);
}

#[test]
fn random_bytes_differ() {
    assert_ne!(random_bytes::<16>().unwrap(), random_bytes::<16>().unwrap());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// What can happen to a machine.
    #[derive(Debug, Clone)]
    enum Happening {
        Pass(u64),
        PassWithoutWall(u64),
        Step(Micros),
        Check,
        Look,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (0..3_000_000_u64).prop_map(Happening::Pass),
            1 => (0..20 * 86_400_000_000_u64).prop_map(Happening::Pass),
            1 => (0..10_000_000_u64).prop_map(Happening::PassWithoutWall),
            2 => (-6 * SECOND..=6 * SECOND).prop_map(Happening::Step),
            1 => (-400 * DAY..=400 * DAY).prop_map(Happening::Step),
            4 => Just(Happening::Check),
            2 => Just(Happening::Look),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_never_goes_back_and_keeps_its_rate(
            floor in prop::option::of(-10 * SECOND..=10 * SECOND),
            happenings in prop::collection::vec(happening(), 1..200),
        ) {
            let time = Arc::new(TestTime::new(NOON));
            let clock = start(&time, floor.map(|floor| NOON + floor), Options::default()).unwrap();
            let (mut last, mut passed, mut courses) = (clock.now(), 0_i64, 1_i64);
            prop_assert!(last >= NOON + floor.unwrap_or(0));
            for happening in happenings {
                match happening {
                    Happening::Pass(by) => {
                        time.advance(Duration::from_micros(by));
                        passed += i64::try_from(by).unwrap();
                    }
                    Happening::PassWithoutWall(by) => {
                        time.advance_boot(Duration::from_micros(by));
                        passed += i64::try_from(by).unwrap();
                    }
                    Happening::Step(by) => time.step_wall(by),
                    Happening::Check => {
                        clock.check();
                        courses += 1;
                    }
                    Happening::Look => {
                        let now = clock.now();
                        prop_assert!(now >= last, "{last} and then {now}");
                        // Each course may lose one microsecond to rounding.
                        let most = passed / 100 + courses;
                        prop_assert!((now - last - passed).abs() <= most, "{} µs in {passed} µs", now - last);
                        (last, passed, courses) = (now, 0, 1);
                    }
                }
            }
        }
    }
}
