//! Random traces against the independent model: every answer, every refusal and every balance, over the services that the wire
//! reaches, with crashes, restarts and checkpoints in between, and with the background task on and off.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod approvals;
mod ask;
mod chunk;
mod dice;
mod disk;
mod history;
#[path = "../model/mod.rs"]
mod model;
mod partition;
mod send;
mod storm;
mod storms;
mod tally;
mod wire;

use model::{
    answers::ModelAnswer,
    api::{ModelRefusal, Request},
    strategy::{any_trace, trace_under, trace_with_past},
    trace::{Executed, Executor, Trace},
};
use partition::{Background, Partition};
use proptest::prelude::*;

/// As the program: a storm asks for memory for most of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Follows a trace; when that fails, with as few of its steps as still make it fail.
fn follow_or_cut_down(trace: &Trace) {
    let fails = |trace: &Trace| std::panic::catch_unwind(|| follow(trace)).is_err();
    if !fails(trace) {
        return;
    }
    let mut smallest = trace.clone();
    let mut size = smallest.steps.len();
    while size > 0 {
        let mut from = 0;
        while from < smallest.steps.len() {
            let mut fewer = smallest.clone();
            fewer.steps.drain(from..(from + size).min(smallest.steps.len()));
            if fails(&fewer) {
                smallest = fewer;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    println!("the smallest trace that fails: {smallest:#?}");
    follow(&smallest);
}

/// Runs a trace on the model and on two engines that differ only in whether the background task does its work, and compares
/// after every step.
fn follow(trace: &Trace) {
    let mut expectation = Executor::of(trace);
    let mut engines = [Background::Off, Background::Eager].map(|work| Partition::new(trace, work));
    // With a background task facts are recorded earlier, which is all that may differ.
    let mut eager = expectation.model.clone();
    for (n, step) in trace.steps.iter().enumerate() {
        let Executed { request, expected } = expectation.execute(step);
        let expected_eager = eager.handle(&request);
        eager.apply_all_due();
        for (engine, expected) in engines.iter_mut().zip([expected, expected_eager]) {
            let answer = engine.answer(&request);
            let expected = expected.map_err(wire::Refusal::from);
            assert_eq!(answer, expected, "step {n}, {step:?}: {request:?}");
            engine.check();
        }
        expectation.model.check_invariants();
    }
    compare_all(&mut expectation, &mut engines);
}

/// At the end, and again after a restart, every merchant and every proposal looks the same everywhere.
fn compare_all(expectation: &mut Executor, engines: &mut [Partition; 2]) {
    for restart in [false, true] {
        for engine in &mut *engines {
            if restart {
                engine.answer(&Request::Restart).expect("restarted");
            }
            for merchant in expectation.model.merchants.keys() {
                let expected = expectation.model.margin(merchant);
                let read = engine.answer(&Request::Read { merchant_id: merchant.clone() });
                let expected = expected.map(ModelAnswer::Margin).map_err(|refusal: ModelRefusal| refusal.into());
                assert_eq!(read, expected, "{merchant}, restarted: {restart}");
            }
            let all = ask::all_proposals(7);
            let expected = expectation.model.handle(&all).map_err(wire::Refusal::from);
            assert_eq!(engine.answer(&all), expected, "restarted: {restart}");
        }
    }
}

/// How many traces: `TPLUS_TRACES`, or a few that take seconds.
fn cases() -> ProptestConfig {
    let cases = std::env::var("TPLUS_TRACES").ok().and_then(|count| count.parse().ok()).unwrap_or(48);
    // A trace cuts itself down, which is faster.
    ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn engines_answer_as_the_model_does_under_any_policy(trace in any_trace()) {
        follow_or_cut_down(&trace);
    }

    #[test]
    fn engines_tell_the_past_as_the_model_does(trace in trace_with_past()) {
        follow_or_cut_down(&trace);
    }

    #[test]
    fn engines_answer_as_the_model_does_under_the_published_rules(
        trace in trace_under(model::ModelPolicy::default())
    ) {
        follow_or_cut_down(&trace);
    }
}

#[test]
fn a_thousand_releases_are_open_and_no_more() {
    let policy = model::ModelPolicy::default();
    let steps = model::trace::release_limit_steps(1_000);
    follow(&Trace { policy, limits: model::Limits::default(), start: 1_767_258_000_000_000, steps });
}
