//! Random histories on the model alone: its books are right at every step, a background task changes nothing, and the
//! generator reaches everything it is meant to reach.

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

use model::api::{Cycle, ModelAnswer, ModelRefusal, Request};
use model::merchant::ModelMerchant;
use model::plain::amount;
use model::strategy::any_trace;
use model::trace::{Executed, Executor, Step, Trace, release_limit_steps};
use model::{Model, ModelPolicy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// As many histories as coverage is measured over.
const TRACES: usize = 150;

/// How often each of what has a name must have occurred.
const AT_LEAST: usize = 5;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Previews and refusals change nothing, reads change nothing, and every answer is the same whether due work waits
    /// for the next request or is done in between.
    #[test]
    fn books_are_right_and_a_background_task_changes_nothing(trace in any_trace()) {
        let mut run = Executor::new(trace.policy.clone(), trace.start);
        let mut eager = Model::new(trace.policy, trace.start);
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
        prop_assert_eq!(run.model.merchants, eager.merchants);
    }

    /// The concrete requests alone say everything: sent to a fresh model they get the same answers.
    #[test]
    fn requests_stand_by_themselves(trace in any_trace()) {
        let mut run = Executor::new(trace.policy.clone(), trace.start);
        let mut second = Model::new(trace.policy, trace.start);
        for step in &trace.steps {
            let Executed { request, expected } = run.execute(step);
            prop_assert_eq!(second.handle(&request), expected);
        }
    }

    /// Everything that was accepted gets its first answer again, however much has happened since.
    #[test]
    fn first_answers_stay(trace in any_trace()) {
        let mut run = Executor::new(trace.policy, trace.start);
        let mut first = Vec::new();
        for step in &trace.steps {
            let Executed { request, expected } = run.execute(step);
            match expected {
                Ok(answer) if !changes_nothing(&request) && !is_replay(&answer) => first.push((request, answer)),
                _ => {}
            }
        }
        for (request, mut answer) in first {
            match &mut answer {
                ModelAnswer::Classified(answer) => answer.replayed = true,
                ModelAnswer::Modified(answer) => answer.replayed = true,
                ModelAnswer::Imported(answer) => answer.replayed = true,
                _ => continue,
            }
            prop_assert_eq!(run.model.handle(&request), Ok(answer));
        }
    }
}

fn changes_nothing(request: &Request) -> bool {
    match request {
        Request::Classify(request) => request.validate_only,
        Request::Modify(request) => request.validate_only,
        Request::Import(request) => request.validate_only,
        Request::Read { .. } | Request::Restart | Request::Checkpoint => true,
        Request::Advance { .. } => false,
    }
}

fn is_replay(answer: &ModelAnswer) -> bool {
    match answer {
        ModelAnswer::Classified(answer) => answer.replayed,
        ModelAnswer::Modified(answer) => answer.replayed,
        ModelAnswer::Imported(answer) => answer.replayed,
        _ => false,
    }
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

/// What the generator struck, by name.
#[derive(Default)]
struct Coverage(BTreeMap<String, usize>);

impl Coverage {
    fn hit(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    fn when(&mut self, name: &str, holds: bool) {
        *self.0.entry(name.to_owned()).or_default() += usize::from(holds);
    }

    fn trace(&mut self, trace: &Trace) {
        let mut run = Executor::new(trace.policy.clone(), trace.start);
        for step in &trace.steps {
            let before = run.model.clone();
            let Executed { request, expected } = run.execute(step);
            self.executed(&before, &run.model, step, &request, &expected);
        }
    }

    fn executed(
        &mut self,
        before: &Model,
        after: &Model,
        step: &Step,
        request: &Request,
        expected: &Result<ModelAnswer, ModelRefusal>,
    ) {
        match (request, expected) {
            (_, Err(refusal)) => {
                let method = match request {
                    Request::Classify(_) => "classify",
                    Request::Modify(_) => "modify",
                    Request::Import(_) => "import",
                    _ => "read",
                };
                self.hit(format!("{method}: {refusal:?}"));
            }
            (Request::Classify(request), Ok(ModelAnswer::Classified(answer))) => {
                let late = before.now - answer.completed_at;
                let fresh = !answer.replayed && !request.validate_only;
                let quick = answer.cycle == Cycle::Quick;
                let full = answer.receipt.quota == answer.receipt.day_total_after && answer.receipt.quota != "0.00";
                self.when("order: QUICK", quick && fresh);
                self.when("order: STANDARD", !quick && fresh);
                self.when("order: preview", request.validate_only && !answer.replayed);
                self.when("order: replay", answer.replayed);
                self.when("order: replay of an altered spelling", answer.replayed && request.price.len() == 15);
                self.when("order: exactly fills the quota", quick && full && fresh);
                let above = amount(&answer.receipt.day_total_after) - amount(&answer.receipt.quota);
                self.when("order: a cent above the quota", fresh && !quick && above == 1);
                self.when("order: exactly at the oldest allowed", fresh && late == before.policy.max_lateness);
                self.when("order: exactly 5 s ahead", fresh && late == -5_000_000);
                self.when("order: of an earlier day", fresh && answer.receipt.resets_at <= before.now);
                self.when("order: of tomorrow", fresh && answer.receipt.resets_at > before.now + 86_400_000_000);
                self.when("order: settles at once", fresh && answer.settles_at <= before.now);
                self.when("order: settles exactly now", fresh && answer.settles_at == before.now);
                self.when("order: opens a merchant", after.merchants.len() > before.merchants.len());
                self.when("order: no profit", fresh && request.profit.as_deref() == Some("0"));
                self.when("order: largest price", fresh && request.price == "999999999999.99");
                self.when("order: at its not_after", fresh && request.not_after == Some(before.now));
                self.hit(format!("order: multiple {}", answer.receipt.multiple));
            }
            (Request::Modify(request), Ok(ModelAnswer::Modified(answer))) => {
                let fresh = !answer.replayed && !request.validate_only;
                self.when("guarantee: preview", request.validate_only && !answer.replayed);
                self.when("guarantee: replay", answer.replayed);
                self.when("guarantee: same", fresh && answer.guarantee == answer.previous_guarantee);
                self.when("guarantee: starts a release", fresh && answer.release.is_some());
                self.when("guarantee: leaves a gap", fresh && answer.gap != "0.00");
                self.when("guarantee: takes from releasing", fresh && answer.taken_from_releasing != "0.00");
                self.when("guarantee: takes from available", fresh && answer.taken_from_available != "0.00");
                self.when("guarantee: takes from both", {
                    fresh && answer.taken_from_releasing != "0.00" && answer.taken_from_available != "0.00"
                });
                let releases = |model: &Model| model.peek(&request.merchant_id).releases;
                let partly = |old: &[_], new: &[_]| !new.is_empty() && !old.ends_with(new) && !old.starts_with(new);
                let (old, new) = (releases(before), releases(after));
                self.when("guarantee: takes a release in part", answer.release.is_none() && partly(&old, &new));
                self.when("guarantee: takes several releases", old.len() > new.len() + 1);
                let gap = before.peek(&request.merchant_id).gap() > 0;
                self.when(
                    "guarantee: raised with a gap",
                    gap && answer.gap != "0.00" && answer.taken_from_releasing == "0.00",
                );
                self.when("guarantee: lowered out of a gap", gap && answer.gap == "0.00");
                self.when("guarantee: opens a merchant", after.merchants.len() > before.merchants.len());
                self.when("guarantee: largest", fresh && answer.guarantee == "999999999999.00");
            }
            (Request::Import(request), Ok(ModelAnswer::Imported(answer))) => {
                self.when("import: first", !answer.replayed && !request.validate_only);
                self.when("import: preview", request.validate_only && !answer.replayed);
                self.when("import: replay", answer.replayed);
            }
            (Request::Read { .. }, Ok(ModelAnswer::Margin(shown))) => {
                self.when("margin: several pending", shown.pending.len() > 2);
                self.when("margin: several at one instant", {
                    shown.pending.windows(2).any(|two| two[0].settles_at == two[1].settles_at)
                });
                self.when("margin: several releases", shown.releasing.len() > 1);
                self.when("margin: a gap", shown.gap_since.is_some());
                self.when("margin: highest multiple", shown.next_multiple.is_none());
                self.when("margin: the last cent to a multiple", {
                    shown.next_multiple.as_ref().is_some_and(|next| next.missing == "0.01")
                });
                self.when("margin: quota used beyond the limit", {
                    shown.quota.remaining == "0.00" && shown.quota.used_all != shown.quota.limit
                });
            }
            (Request::Advance { to }, Ok(_)) => {
                for id in after.merchants.keys() {
                    let due = due_between(&before.peek(id), *to);
                    self.when("time: settles and releases at one instant", due.0 > 0 && due.1 > 0 && due.2);
                    self.when("time: settles into a gap", due.0 > 0 && before.peek(id).gap() > 0);
                    self.when("time: a jump over ten due dates", due.0 + due.1 > 9);
                    let (old, new) = (before.peek(id), after.peek(id));
                    self.when("time: the multiple rises", old.multiple(&before.policy) < new.multiple(&after.policy));
                    self.when("time: a gap is filled", old.gap() > 0 && new.gap() == 0);
                }
                self.when("time: stands still", *to == before.now);
                self.when(
                    "time: to a start of day",
                    *to > before.now && (*to - after.policy.day_start) % 86_400_000_000 == 0,
                );
            }
            (Request::Restart | Request::Checkpoint, Ok(ModelAnswer::Done)) => self.hit(format!("{step:?}")),
            other => panic!("an answer of another kind: {other:?}"),
        }
    }
}

/// How many settlements and releases fall due by then, and whether a release shares its instant with a settlement.
fn due_between(merchant: &ModelMerchant, to: i64) -> (usize, usize, bool) {
    let orders: Vec<i64> = merchant
        .orders
        .iter()
        .filter(|order| !order.settled && order.settles_at <= to)
        .map(|order| order.settles_at)
        .collect();
    let releases: Vec<i64> = merchant.releases.iter().map(|release| release.due_at).filter(|due| *due <= to).collect();
    (orders.len(), releases.len(), releases.iter().any(|due| orders.contains(due)))
}

/// Every kind of answer and of refusal, and the places where an engine could go wrong, are struck, and not by luck: the
/// seed is fixed.
#[test]
fn the_generator_reaches_everything() {
    let mut runner = TestRunner::deterministic();
    let mut coverage = Coverage::default();
    let mut steps = 0;
    for _ in 0..TRACES {
        let trace = any_trace().new_tree(&mut runner).unwrap().current();
        steps += trace.steps.len();
        coverage.trace(&trace);
    }
    println!("{TRACES} histories, {steps} steps");
    for (name, count) in &coverage.0 {
        println!("{count:7} {name}");
    }
    let expected_refusals = "
        classify: MalformedMerchantId, classify: MalformedOrderId, classify: MalformedPrice, classify: MalformedProfit,
        modify: MalformedMerchantId, modify: MalformedRequestId, modify: MalformedGuarantee,
        import: MalformedMerchantId, import: MalformedRequestId, import: MalformedHistoricalProfit,
        import: MalformedAvailable, read: MalformedMerchantId, read: NotFound,
        classify: Conflict { field: \"price\" }, classify: Conflict { field: \"profit\" },
        classify: Conflict { field: \"completed_at\" }, modify: Conflict { field: \"guarantee\" },
        modify: Conflict { field: \"request_id\" }, import: Conflict { field: \"request_id\" },
        import: Conflict { field: \"historical_profit\" }, import: Conflict { field: \"available\" },
        classify: NotAfterPassed, modify: NotAfterPassed, import: NotAfterPassed,
        classify: TooOld, classify: TooFarAhead,
        import: MerchantExists, modify: TooManyReleases, modify: GuaranteeAboveMaximum";
    for name in expected_refusals.split(',').map(str::trim) {
        coverage.when(name, false);
    }
    for multiple in [1, 3, 5, 10] {
        coverage.when(&format!("order: multiple {multiple}"), false);
    }
    let missed: Vec<_> = coverage.0.iter().filter(|(_, count)| **count < AT_LEAST).collect();
    assert!(missed.is_empty(), "struck too rarely: {missed:#?}");
}
