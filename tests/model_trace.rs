//! Random histories on the model alone: its books are right at every step, and a background task changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::inconsistent_digit_grouping,
    reason = "test code; cents are written 1_000_00"
)]

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::api::{ModelRefusal, Request};
use model::history::FactClock;
use model::ledger::{Entry, Recorded};
use model::merchant::ModelMerchant;
use model::plain::DAY;
use model::strategy::any_trace;
use model::trace::{Executed, Executor, is_command, release_limit_steps};
use model::{Model, ModelPolicy};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Previews and refusals change nothing, reads change nothing, and every answer is the same whether due work waits
    /// for the next request or is done in between.
    #[test]
    fn books_are_right_and_a_background_task_changes_nothing(trace in any_trace()) {
        let mut run = Executor::of(&trace);
        let mut eager = Model::with_limits(trace.policy, trace.start, trace.limits);
        for (number, step) in trace.steps.iter().enumerate() {
            let before = run.model.clone();
            let Executed { request, expected } = run.execute(step);
            run.model.check_invariants();
            if let Request::Advance { to } = request {
                eager.advance(eager.now + (to - eager.now) / 3);
                eager.apply_all_due();
            }
            prop_assert_eq!(&eager.handle(&request), &expected);
            if number % 2 == 0 {
                eager.apply_all_due();
            }
            if expected.is_err() || changes_nothing(&request) {
                prop_assert_eq!(&run.model, &before);
            }
        }
        run.model.apply_all_due();
        eager.apply_all_due();
        // When a fact was recorded is all that may differ.
        let told = |model: &Model| -> Vec<_> { model.merchants.keys().map(|id| facts(model, id)).collect() };
        prop_assert_eq!(told(&run.model), told(&eager));
        for id in run.model.merchants.keys() {
            let (one, other) = (run.model.peek(id), eager.peek(id));
            for at in [run.model.now, run.model.now - DAY, trace.start + DAY, trace.start + 3 * DAY] {
                for clock in [FactClock::Effective, FactClock::Recorded] {
                    let shown = |merchant: &ModelMerchant| {
                        let then = merchant.as_of(at, clock, &run.model.policies);
                        then.map(|then| then.shown(id, &run.model.policies.announced_by(at), at))
                    };
                    prop_assert_eq!(shown(&one), shown(&other));
                }
            }
        }
    }

    /// What GetMargin answered is what it answers for that instant by the recorded clock, ever after. By the effective clock it is
    /// so as long as nothing comes late.
    #[test]
    fn the_past_stays_as_it_was_told(trace in any_trace()) {
        let mut run = Executor::of(&trace);
        let mut told = BTreeMap::new();
        for step in &trace.steps {
            run.execute(step);
            for id in run.model.merchants.keys() {
                told.insert((id.clone(), run.model.now), run.model.margin(id).unwrap());
            }
        }
        for ((id, at), shown) in told {
            let then = run.model.peek(&id).as_of(at, FactClock::Recorded, &run.model.policies).unwrap();
            prop_assert_eq!(then.shown(&id, &run.model.policies.announced_by(at), at), shown);
        }
    }

    /// The concrete requests alone say everything: sent to a fresh model they get the same answers.
    #[test]
    fn requests_stand_by_themselves(trace in any_trace()) {
        let mut run = Executor::of(&trace);
        let mut second = Model::with_limits(trace.policy, trace.start, trace.limits);
        for step in &trace.steps {
            let Executed { request, expected } = run.execute(step);
            prop_assert_eq!(second.handle(&request), expected);
        }
    }

    /// Everything that was accepted gets its first answer again, however much has happened since.
    #[test]
    fn first_answers_stay(trace in any_trace()) {
        let mut run = Executor::of(&trace);
        let mut first = Vec::new();
        for step in &trace.steps {
            let Executed { request, expected } = run.execute(step);
            match expected {
                // A proposal that is proposed again is told as it stands now, and forgotten some day.
                Ok(_) if matches!(request, Request::Propose(_) | Request::Decide(_)) => {}
                Ok(answer) if is_command(&request) && !changes_nothing(&request) && !answer.is_replay() => first.push((request, answer)),
                _ => {}
            }
        }
        for (request, answer) in first {
            prop_assert_eq!(run.model.handle(&request), Ok(answer.again()));
        }
    }
}

fn changes_nothing(request: &Request) -> bool {
    match request {
        Request::Classify(request) => request.validate_only,
        Request::Modify(request) => request.validate_only,
        Request::Import(request) => request.validate_only,
        Request::Command(request) => request.validate_only,
        Request::SetPolicy(request) => request.validate_only,
        Request::Propose(_) | Request::Decide(_) => false,
        Request::Read { .. } | Request::Ask(_) | Request::Restart | Request::Checkpoint => true,
        Request::Advance { .. } => false,
    }
}

/// All entries of a merchant, but for when they were recorded.
fn facts(model: &Model, id: &str) -> Vec<Entry> {
    let one = |recorded: &Arc<Recorded>| Entry { recorded_at: 0, ..recorded.entry.clone() };
    model.merchants[id].entries.iter().map(one).collect()
}

#[test]
fn the_limit_of_open_releases() {
    let mut run = Executor::new(ModelPolicy::default(), 0);
    let mut refused = Vec::new();
    let steps = release_limit_steps(1_000);
    for (number, step) in steps.iter().enumerate() {
        if run.execute(step).expected == Err(ModelRefusal::TooManyReleases) {
            refused.push(number);
        }
    }
    run.model.check_invariants();
    // Import, raise, 1,000 lowerings each with its jump; the next lowering is refused, and again a microsecond early.
    assert_eq!(refused, [2 + 2_000, 2 + 2_000 + 4]);
}
