//! What the generator of random histories reaches: every kind of answer, of refusal and of entry, and the places where an engine
//! could go wrong.

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

use model::Model;
use model::answers::{Effect, MerchantState, ModelAnswer};
use model::api::{Action, Change, Cycle, ModelRefusal, Request, Verdict};
use model::ledger::Kind;
use model::merchant::ModelMerchant;
use model::plain::amount;
use model::proposals::{Proposal, ProposalState};
use model::reads::Told;
use model::strategy::any_trace;
use model::trace::{Executed, Executor, Step, Trace};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// What must have occurred, beside what is counted by hand below.
const EXPECTED: &str = "
    classify: Malformed { field: \"merchant_id\" },
    classify: Malformed { field: \"order_id\" },
    classify: Malformed { field: \"price\" },
    classify: Malformed { field: \"profit\" },
    modify: Malformed { field: \"merchant_id\" },
    modify: Malformed { field: \"request_id\" },
    modify: Malformed { field: \"guarantee\" },
    import: Malformed { field: \"merchant_id\" },
    import: Malformed { field: \"request_id\" },
    import: Malformed { field: \"historical_profit\" },
    import: Malformed { field: \"available\" },
    import: Malformed { field: \"frozen\" },
    import: Malformed { field: \"releasing\" },
    import: Malformed { field: \"orders\" },
    read: Malformed { field: \"merchant_id\" },
    policy: Malformed { field: \"policy\" },
    Quote: Malformed { field: \"prices\" },
    classify: Conflict { field: \"price\" },
    classify: Conflict { field: \"profit\" },
    classify: Conflict { field: \"completed_at\" },
    modify: Conflict { field: \"guarantee\" },
    modify: Conflict { field: \"request_id\" },
    import: Conflict { field: \"request_id\" },
    import: Conflict { field: \"historical_profit\" },
    import: Conflict { field: \"available\" },
    import: Conflict { field: \"debt\" },
    import: Conflict { field: \"orders\" },
    policy: Conflict { field: \"policy\" },
    policy: Conflict { field: \"reason\" },
    policy: Conflict { field: \"effective_at\" },
    ReverseOrder: Conflict { field: \"order_id\" },
    ReverseOrder: Conflict { field: \"amount\" },
    ReverseOrder: Conflict { field: \"reason\" },
    PayMargin: Conflict { field: \"request_id\" },
    PayMargin: Conflict { field: \"amount\" },
    PayMargin: Conflict { field: \"reference\" },
    DeductMargin: Conflict { field: \"amount\" },
    DeductMargin: Conflict { field: \"note\" },
    PlaceHold: Conflict { field: \"reason\" },
    SetCategories: Conflict { field: \"categories\" },
    OpenAppeal: Conflict { field: \"statement\" },
    OpenAppeal: Conflict { field: \"deduction_id\" },
    Withdraw: Conflict { field: \"amount\" },
    LiftHold: Conflict { field: \"hold_id\" },
    classify: NotAfterPassed,
    modify: NotAfterPassed,
    import: NotAfterPassed,
    policy: NotAfterPassed,
    ReverseOrder: NotAfterPassed,
    PayMargin: NotAfterPassed,
    Withdraw: NotAfterPassed,
    DeductMargin: NotAfterPassed,
    classify: TooOld,
    classify: TooFarAhead,
    import: MerchantExists,
    modify: TooManyReleases,
    modify: GuaranteeAboveMaximum,
    modify: BelowRequired,
    modify: NoCleanRecord,
    modify: ClosingAlready,
    CloseMerchant: NoCleanRecord,
    CloseMerchant: TooManyReleases,
    CloseMerchant: ClosingAlready,
    ReopenMerchant: NotClosing,
    read: NotFound,
    ReverseOrder: NotFound,
    Withdraw: NotFound,
    Withdraw: Held,
    Withdraw: NotAvailable,
    ReturnPayment: NotFound,
    DeductMargin: NotFound,
    OpenAppeal: AppealWindowPassed,
    OpenAppeal: TooManyAppeals,
    ResolveAppeal: MoreThanDeducted,
    PlaceHold: TooManyHolds,
    SetCategories: TooManyCategories,
    policy: OtherVersion,
    policy: PolicyTooEarly,
    policy: NotBetweenDays,
    Policy: Unknown { field: \"version\" },
    ReverseOrder: MoreThanLeft { field: \"amount\" },
    ReverseOrder: MoreThanLeft { field: \"profit\" },
    ReverseOrder: Unknown { field: \"order_id\" },
    ReturnPayment: Unknown { field: \"payment_id\" },
    ReturnPayment: DoneAlready { field: \"payment_id\" },
    FailWithdrawal: Unknown { field: \"withdrawal_id\" },
    FailWithdrawal: DoneAlready { field: \"withdrawal_id\" },
    OpenAppeal: Unknown { field: \"deduction_id\" },
    OpenAppeal: DoneAlready { field: \"deduction_id\" },
    ResolveAppeal: Unknown { field: \"deduction_id\" },
    ResolveAppeal: DoneAlready { field: \"deduction_id\" },
    LiftHold: Unknown { field: \"hold_id\" },
    LiftHold: DoneAlready { field: \"hold_id\" },
    propose: IdentityRequired,
    ApproveProposal: IdentityRequired,
    RejectProposal: IdentityRequired,
    WithdrawProposal: IdentityRequired,
    propose: Malformed { field: \"change\" },
    propose: Malformed { field: \"validate_only\" },
    propose: Malformed { field: \"not_after\" },
    propose: Malformed { field: \"amount\" },
    RejectProposal: Malformed { field: \"reason\" },
    ApproveProposal: Malformed { field: \"proposal_id\" },
    propose: NotAfterPassed,
    ApproveProposal: NotAfterPassed,
    RejectProposal: NotAfterPassed,
    WithdrawProposal: NotAfterPassed,
    propose: NotFound,
    propose: OtherProposer,
    propose: DecidedAlready,
    propose: PolicyTooEarly,
    propose: Conflict { field: \"change\" },
    ApproveProposal: UnknownProposal,
    ApproveProposal: ApproverIsProposer,
    ApproveProposal: ProposalExpired,
    ApproveProposal: ProposalClosed,
    ApproveProposal: DecidedAlready,
    ApproveProposal: PolicyTooEarly,
    ApproveProposal: OtherVersion,
    RejectProposal: UnknownProposal,
    RejectProposal: ProposalExpired,
    RejectProposal: ProposalClosed,
    WithdrawProposal: UnknownProposal,
    WithdrawProposal: NotTheProposer,
    WithdrawProposal: ProposalExpired,
    WithdrawProposal: ProposalClosed,
    Proposal: UnknownProposal,
    entry: OrderClassified,
    entry: OrderImported,
    entry: OrderReversed,
    entry: ProfitSettled,
    entry: GuaranteeModified,
    entry: ReleaseCompleted,
    entry: MerchantImported,
    entry: MarginPaid,
    entry: PaymentReturned,
    entry: Withdrawn,
    entry: WithdrawalFailed,
    entry: Credited,
    entry: Debited,
    entry: MarginDeducted,
    entry: AppealOpened,
    entry: AppealResolved,
    entry: HoldPlaced,
    entry: HoldLifted,
    entry: CategoriesSet,
    entry: ClosingStarted,
    entry: MerchantClosed,
    entry: MerchantReopened,
    entry: WarningRaised";

/// As many histories as coverage is measured over.
const TRACES: usize = 700;

/// How often each of what has a name must have occurred.
const AT_LEAST: usize = 4;

/// What the generator struck, by name.
#[derive(Default)]
struct Coverage(BTreeMap<String, Count>);

#[derive(Debug, Default)]
struct Count {
    times: usize,
    /// It has to occur; the rest is counted to be looked at.
    required: bool,
}

impl Coverage {
    fn hit(&mut self, name: impl Into<String>) {
        self.0.entry(name.into()).or_default().times += 1;
    }

    fn when(&mut self, name: &str, holds: bool) {
        let count = self.0.entry(name.to_owned()).or_default();
        count.required = true;
        count.times += usize::from(holds);
    }

    /// What a command did that could be done in more than one way.
    fn commanded(&mut self, old: &ModelMerchant, new: &ModelMerchant, effect: &Effect) {
        match effect {
            Effect::Reversed { charge, uncounted, .. } => {
                self.when("reversal: before settlement", charge.is_none());
                self.when(
                    "reversal: takes available",
                    charge.as_ref().is_some_and(|charge| charge.from_available != "0.00"),
                );
                self.when("reversal: makes a debt", charge.as_ref().is_some_and(|charge| charge.to_debt != "0.00"));
                self.when("reversal: while the day lasts", uncounted != "0.00");
                self.when("reversal: after the day", uncounted == "0.00");
                let whole = |merchant: &ModelMerchant| {
                    merchant.orders.iter().filter(|order| order.reversed == order.price).count()
                };
                self.when("reversal: completes the price", whole(old) < whole(new));
                let of_imported = old.orders.iter().zip(&new.orders);
                let mut of_imported = of_imported.filter(|(one, _)| one.imported);
                self.when(
                    "reversal: of an imported order",
                    of_imported.any(|(one, other)| one.reversed < other.reversed),
                );
            }
            Effect::Deducted { split, refilled, .. } => {
                for (from, amount) in [
                    ("releasing", &split.from_releasing),
                    ("frozen", &split.from_frozen),
                    ("available", &split.from_available),
                    ("debt", &split.to_debt),
                ] {
                    self.when(&format!("deduction: from {from}"), amount != "0.00");
                }
                self.when("deduction: refills the gap", refilled != "0.00");
                self.when("deduction: takes what a hold keeps", old.is_held() && split.from_releasing != "0.00");
            }
            Effect::AppealResolved { overturned, .. } => {
                self.when("appeal: upheld", overturned == "0.00");
                self.when("appeal: overturned", overturned != "0.00");
            }
            Effect::HoldLifted => {
                let completed = |merchant: &ModelMerchant| {
                    merchant.entries.iter().filter(|recorded| recorded.entry.kind == Kind::ReleaseCompleted).count()
                };
                self.when("hold: lifting completes what waited", completed(old) < completed(new));
                self.when("hold: another one stands", new.is_held());
            }
            Effect::Closing { release, .. } => {
                self.when("closing: at once", new.state == MerchantState::Closed);
                self.when("closing: has to wait", new.state == MerchantState::Closing);
                self.when("closing: releases", release.is_some());
            }
            Effect::Reopened => {
                self.when("reopened: closed", old.state == MerchantState::Closed);
                self.when("reopened: closing", old.state == MerchantState::Closing);
            }
            _ => {}
        }
        self.when(
            "command: wakes a closed merchant",
            old.state == MerchantState::Closed && { new.state == MerchantState::Closing },
        );
        let closed = |merchant: &ModelMerchant| {
            merchant.entries.iter().filter(|recorded| recorded.entry.kind == Kind::MerchantClosed).count()
        };
        self.when(
            "command: wakes a closed merchant for a moment",
            old.state == MerchantState::Closed && { closed(old) < closed(new) },
        );
    }

    fn told(&mut self, told: &Told) {
        match told {
            Told::Forecast(shown) => {
                self.when("forecast: several", shown.items.len() > 2);
                self.when("forecast: held", shown.held != "0.00");
            }
            Told::Quote(shown) => {
                self.when("quote: none", shown.guarantee.is_none());
                self.when("quote: in the way", shown.guarantee.is_some() && shown.obstacle);
                self.when("quote: a raise", shown.with_it.as_ref().is_some_and(|with| with[0] != "0.00"));
                self.when("quote: covered", shown.with_it.as_ref().is_some_and(|with| with[1] != "0.00"));
            }
            Told::Guarantees { known, unknown } => {
                self.when("guarantees: known and unknown", !known.is_empty() && !unknown.is_empty());
            }
            Told::Merchant(shown) => self.hit(format!("merchant: {:?}", shown.state)),
            Told::Policy { policy, latest } => self.when("policy: not the latest", policy.version < *latest),
            Told::Proposals(all) => {
                for shown in all {
                    self.when(&format!("proposal: told {:?}", shown.state), true);
                }
                self.when("proposals: several", all.len() > 2);
            }
            Told::Past(_) => {}
        }
    }

    /// What a history left behind.
    fn entries(&mut self, model: &Model) {
        for id in model.merchants.keys() {
            for recorded in &model.peek(id).entries {
                let late = recorded.entry.effective_at < recorded.entry.recorded_at;
                self.hit(format!("entry: {:?}", recorded.entry.kind));
                self.when("entry: counts from before it was recorded", late);
            }
        }
    }

    fn trace(&mut self, trace: &Trace) {
        let mut run = Executor::of(trace);
        for step in &trace.steps {
            let before = run.model.clone();
            let Executed { request, expected } = run.execute(step);
            self.executed(&before, &run.model, step, &request, &expected);
        }
        self.entries(&run.model);
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
                self.hit(format!("{}: {refusal:?}", method(request)));
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
                self.when("order: exactly at the oldest allowed", fresh && late == before.policy().max_lateness);
                self.when("order: exactly 5 s ahead", fresh && late == -before.policy().max_ahead && late < 0);
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
                let releases = |model: &Model| -> Vec<_> {
                    model
                        .peek(&request.merchant_id)
                        .open_releases()
                        .map(|release| (release.number, release.amount))
                        .collect()
                };
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
                    self.when("time: the multiple rises", old.multiple(before.policy()) < new.multiple(after.policy()));
                    self.when("time: a gap is filled", old.gap() > 0 && new.gap() == 0);
                }
                self.when("time: stands still", *to == before.now);
                self.when(
                    "time: to a start of day",
                    *to > before.now && (*to - after.policy().day_start) % 86_400_000_000 == 0,
                );
            }
            (Request::Command(request), Ok(ModelAnswer::Commanded(answer))) => {
                let (old, new) = (before.peek(&request.merchant_id), after.peek(&request.merchant_id));
                let method = action_name(&request.action);
                let fresh = !answer.replayed && !request.validate_only;
                self.when(&format!("{method}: accepted"), fresh);
                self.when(&format!("{method}: replay"), answer.replayed);
                self.when("command: preview", request.validate_only && !answer.replayed);
                if fresh {
                    self.commanded(&old, &new, &answer.effect);
                }
            }
            (Request::SetPolicy(request), Ok(ModelAnswer::PolicySet { policy, replayed })) => {
                let latest = before.policies.latest();
                let fresh = !replayed && !request.validate_only;
                self.when("policy: announced", fresh);
                self.when("policy: replay", *replayed);
                self.when("policy: moves the calendar", fresh && latest.policy.day_start != policy.policy.day_start);
                self.when("policy: behind another that is announced", fresh && latest.effective_at > before.now);
                self.when("policy: at the earliest", fresh && policy.effective_at == before.now + 1_000_000);
            }
            (Request::Propose(request), Ok(ModelAnswer::Proposed { proposal, replayed })) => {
                let policy = matches!(proposal.change, Change::Policy(_));
                self.when("proposal: of a policy", policy && !replayed);
                self.when("proposal: of a deduction or an adjustment", !policy && !replayed);
                self.when("proposal: told again while it is open", *replayed && proposal.state == ProposalState::Open);
                self.when("proposal: told again when it has ended", *replayed && proposal.state != ProposalState::Open);
                let forgotten = before.proposals.iter().any(|old| old.id == request.request_id);
                self.when("proposal: with an id that was forgotten", forgotten && !replayed);
                let rival = |old: &Proposal| old.change == proposal.change && old.state(before.now) == proposal.state;
                let rivals = !replayed && before.kept_proposals().any(rival);
                self.when("proposal: of what is proposed already", rivals);
            }
            (Request::Decide(request), Ok(ModelAnswer::Decided { proposal, replayed, .. })) => {
                let verdict = request.verdict;
                self.when(&format!("{verdict:?}Proposal: accepted"), !replayed);
                self.when(&format!("{verdict:?}Proposal: replay"), *replayed);
                let last = !replayed && proposal.expires_at == before.now;
                self.when("proposal: decided in its last microsecond", last);
                let policy = matches!(proposal.change, Change::Policy(_));
                let approved = !replayed && verdict == Verdict::Approve;
                self.when("proposal: approved, of a policy", approved && policy);
            }
            (Request::Ask(_), Ok(ModelAnswer::Told(told))) => self.told(told),
            (Request::Restart | Request::Checkpoint, Ok(ModelAnswer::Done)) => self.hit(format!("{step:?}")),
            other => panic!("an answer of another kind: {other:?}"),
        }
    }
}

fn method(request: &Request) -> String {
    match request {
        Request::Classify(_) => "classify".into(),
        Request::Modify(_) => "modify".into(),
        Request::Import(_) => "import".into(),
        Request::Command(command) => action_name(&command.action),
        Request::SetPolicy(_) => "policy".into(),
        Request::Propose(_) => "propose".into(),
        Request::Decide(request) => format!("{:?}Proposal", request.verdict),
        Request::Ask(query) => format!("{query:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
        _ => "read".into(),
    }
}

fn action_name(action: &Action) -> String {
    format!("{action:?}").chars().take_while(char::is_ascii_alphabetic).collect()
}

/// How many settlements and releases fall due by then, and whether a release shares its instant with a settlement.
fn due_between(merchant: &ModelMerchant, to: i64) -> (usize, usize, bool) {
    let orders: Vec<i64> = merchant
        .orders
        .iter()
        .filter(|order| !order.settled && order.settles_at <= to)
        .map(|order| order.settles_at)
        .collect();
    let releases: Vec<i64> = merchant.open_releases().map(|release| release.due_at).filter(|due| *due <= to).collect();
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
        println!("{:7} {name}", count.times);
    }
    for name in EXPECTED.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        coverage.when(name, false);
    }
    for multiple in [1, 3, 5, 10] {
        coverage.when(&format!("order: multiple {multiple}"), false);
    }
    let missed: Vec<_> = coverage.0.iter().filter(|(_, count)| count.required && count.times < AT_LEAST).collect();
    assert!(missed.is_empty(), "struck too rarely: {missed:#?}");
}
