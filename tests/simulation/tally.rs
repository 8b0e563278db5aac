//! What has happened: a generator that never meets a case finds nothing in it.

use std::collections::BTreeMap;

use prost::Message as _;
use tonic::Status;
use tonic_types::StatusExt as _;
use tplus::{
    journal::{Lsn, Store},
    proto::journal::{Record, record::Body},
};

use crate::model::api::Request;

/// What has to happen in some hundred storms.
const REQUESTS: &str = "AdjustBalance Advance ApproveProposal Checkpoint Classify CloseMerchant DeductMargin FailWithdrawal Forecast Guarantees Import \
    LiftHold Merchant Modify OpenAppeal PayMargin PlaceHold Policy Proposal Proposals Propose Quote Read RejectProposal ReopenMerchant ResolveAppeal Restart ReturnPayment \
    ReverseOrder SetCategories SetPolicy Withdraw WithdrawProposal";
const REFUSALS: &str = "APPEALED_ALREADY APPEAL_NOT_FOUND APPEAL_RESOLVED APPEAL_TOO_LATE APPROVER_IS_PROPOSER BELOW_CATEGORY_MINIMUM \
    DECIDED_ALREADY DEDUCTION_NOT_FOUND GUARANTEE_ABOVE_MAXIMUM HOLD_LIFTED HOLD_NOT_FOUND IDENTITY_REQUIRED ID_REUSED \
    INSUFFICIENT_AVAILABLE INVALID_FIELD MERCHANT_CLOSING MERCHANT_HELD \
    MERCHANT_NOT_CLOSING MERCHANT_NOT_FOUND MERCHANT_OPEN NOT_AFTER_PASSED NOT_THE_PROPOSER NO_CLEAN_RECORD ORDER_AHEAD_OF_TIME ORDER_NOT_FOUND \
    ORDER_TOO_OLD OVERTURN_EXCEEDS_DEDUCTION PAYMENT_NOT_FOUND PAYMENT_RETURNED POLICY_CHANGED POLICY_NOT_AT_DAY_BOUNDARY \
    POLICY_NOT_FOUND POLICY_TOO_EARLY PROPOSAL_CLOSED PROPOSAL_EXPIRED PROPOSAL_NOT_FOUND REVERSAL_EXCEEDS_ORDER TOO_MANY_APPEALS TOO_MANY_CATEGORIES TOO_MANY_HOLDS TOO_MANY_RELEASES \
    WITHDRAWAL_FAILED WITHDRAWAL_NOT_FOUND";
const FACTS: &str = "AppealOpened AppealResolved BalanceAdjusted CategoriesSet ClockAdvanced ClockLease ClosingStarted GuaranteeModified \
    HoldLifted HoldPlaced MarginDeducted MarginPaid MerchantClosed MerchantImported MerchantReopened OrderClassified OrderImported \
    OrderReversed PaymentReturned PolicySet ProfitSettled ProposalApproved ProposalClosed ProposalMade ReleaseCompleted WarningRaised WithdrawalFailed Withdrawn";
const FAULTS: &[&str] = &[
    "a checkpoint",
    "a checkpoint that broke off",
    "a flipped bit that was harmless",
    "a flipped bit that was refused",
    "a full disk",
    "a killed process",
    "a power loss",
    "a recovery that broke off",
    "a request that was kept without an answer",
    "a request that was lost",
    "a slow sync",
    "a start that was refused for a gap in time",
    "a wall clock that was set",
    "linking",
    "making a file",
    "names lost",
    "refused for want of room",
    "removing",
    "renaming",
    "shortening",
    "syncing",
    "syncing a directory",
    "the power gone",
    "writes lost",
    "writes torn",
    "writing",
];

/// How often each thing has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: BTreeMap<String, u64>,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) facts: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn request(&mut self, request: &Request) {
        let kind = match request {
            Request::Command(command) => first_word(&command.action),
            Request::Ask(query) => first_word(query),
            Request::Decide(decision) => format!("{:?}Proposal", decision.verdict),
            other => first_word(other),
        };
        count(&mut self.requests, &kind, 1);
    }

    pub(crate) fn refusal(&mut self, status: &Status) {
        let reason = status.get_error_details().error_info().map_or(String::new(), |info| info.reason.clone());
        count(&mut self.refusals, &reason, 1);
    }

    pub(crate) fn fault(&mut self, what: &str) {
        count(&mut self.faults, what, 1);
    }

    pub(crate) fn struck(&mut self, disk: &BTreeMap<&'static str, u64>) {
        disk.iter().for_each(|(what, times)| count(&mut self.faults, what, *times));
    }

    /// All facts of a journal.
    pub(crate) fn events(&mut self, store: &dyn Store) {
        let mut from = Lsn::FIRST;
        loop {
            let next = store.read(from, Lsn::new(u64::MAX), &mut |_, record| {
                self.record(&Record::decode(record).expect("a record"));
                Ok(())
            });
            match next.expect("read") {
                next if next == from => return,
                next => from = next,
            }
        }
    }

    fn record(&mut self, record: &Record) {
        if record.approval.is_some() {
            count(&mut self.facts, "ProposalApproved", 1);
        }
        match record.body.as_ref().expect("a body") {
            Body::Merchant(facts) => {
                let kinds = facts.facts.iter().filter_map(|fact| fact.kind.as_ref());
                kinds.for_each(|kind| count(&mut self.facts, &first_word(kind), 1));
            }
            other => count(&mut self.facts, &first_word(other), 1),
        }
    }

    /// What should have happened and has not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let words = |words: &'static str, met: &BTreeMap<String, u64>| {
            words.split_whitespace().filter(|word| !met.contains_key(*word)).collect::<Vec<_>>()
        };
        let mut missing = words(REQUESTS, &self.requests);
        missing.extend(words(REFUSALS, &self.refusals));
        missing.extend(words(FACTS, &self.facts));
        missing.extend(FAULTS.iter().filter(|fault| !self.faults.contains_key(**fault)));
        missing
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let add = |all: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>| {
            more.iter().for_each(|(what, times)| count(all, what, *times));
        };
        add(&mut self.requests, &other.requests);
        add(&mut self.refusals, &other.refusals);
        add(&mut self.facts, &other.facts);
        add(&mut self.faults, &other.faults);
    }
}

fn count(all: &mut BTreeMap<String, u64>, what: &str, times: u64) {
    *all.entry(what.to_owned()).or_default() += times;
}

/// The name of a variant.
fn first_word(variant: &impl std::fmt::Debug) -> String {
    let told = format!("{variant:?}");
    told.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
