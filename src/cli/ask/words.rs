//! The words of the API as people type and read them: `margin-deducted` for `ENTRY_KIND_MARGIN_DEDUCTED`.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::sheet::{self, Sheet};
use crate::proto::v1::*;

/// An enumeration of the API.
pub(super) trait Word: TryFrom<i32> + Copy + Send + Sync + 'static {
    /// What all of its names begin with.
    const PREFIX: &'static str;

    /// The name in the proto file.
    fn name(&self) -> &'static str;

    /// As people write it.
    fn word(&self) -> String {
        self.name().strip_prefix(Self::PREFIX).unwrap_or_default().to_lowercase().replace('_', "-")
    }
}

macro_rules! words {
    ($($word:ty: $prefix:literal),+ $(,)?) => {
        $(impl Word for $word {
            const PREFIX: &'static str = $prefix;

            fn name(&self) -> &'static str {
                self.as_str_name()
            }
        })+
    };
}

words! {
    AppealOutcome: "APPEAL_OUTCOME_",
    AppealState: "APPEAL_STATE_",
    Beneficiary: "BENEFICIARY_",
    DeductionReason: "DEDUCTION_REASON_",
    EntryKind: "ENTRY_KIND_",
    FactClock: "FACT_CLOCK_",
    MerchantState: "MERCHANT_STATE_",
    OrderState: "ORDER_STATE_",
    ProposalState: "PROPOSAL_STATE_",
    ReleaseState: "RELEASE_STATE_",
    WarningKind: "WARNING_KIND_",
}

/// Reads one of the words; the unspecified one is none of them.
pub(super) fn parser<W: Word>() -> impl TypedValueParser<Value = W> {
    let all = || (1..).map_while(|number| W::try_from(number).ok());
    PossibleValuesParser::new(all().map(|word| word.word()))
        // It is one of those that were just offered.
        .try_map(move |text| all().find(|word| word.word() == text).ok_or("is none of the words"))
}

/// The word for a number of an answer, for reading; `unknown` for what a newer server may say.
pub(super) fn word<W: Word>(number: i32) -> String {
    W::try_from(number).map_or_else(|_| "unknown".to_owned(), |word| word.word().replace('-', " "))
}

/// `T+2` or `T+7`.
pub(super) const fn cycle(cycle: SettlementCycle) -> &'static str {
    match cycle {
        SettlementCycle::Quick => "T+2",
        SettlementCycle::Standard => "T+7",
        SettlementCycle::Unspecified => "unknown",
    }
}

/// What a change was, besides done.
pub(super) const fn done(dry_run: bool, replayed: bool) -> &'static str {
    match (dry_run, replayed) {
        (_, true) => "(known already: this is the first answer again)",
        (true, false) => "(dry run: nothing was changed)",
        (false, false) => "",
    }
}

/// Where an income went.
pub(super) fn income(sheet: &mut Sheet, income: Option<&Income>) {
    let Some(income) = income else { return };
    sheet.amount_if_any("repaid debt", &income.to_debt);
    sheet.amount_if_any("into the gap", &income.to_gap);
    sheet.amount_if_any("made available", &income.to_available);
}

/// Where a charge came from.
pub(super) fn charge(sheet: &mut Sheet, charge: Option<&Charge>) {
    let Some(charge) = charge else { return };
    sheet.amount_if_any("from available", &charge.from_available);
    sheet.amount_if_any("now owed", &charge.to_debt);
}

/// Money on its way back.
pub(super) fn release(sheet: &mut Sheet, release: Option<&Release>) {
    let Some(release) = release else { return };
    let note = format!("on {}, release {}", sheet::time(release.due_at), release.number);
    sheet.noted("comes back", sheet::Cell::amount(&release.amount), &note);
}

/// What a decision rested on.
pub(super) fn receipt(sheet: &mut Sheet, receipt: Option<&Receipt>) {
    let Some(receipt) = receipt else { return };
    let Receipt { policy_version, multiple, quota, day_total_after, remaining, resets_at, .. } = receipt;
    sheet.noted("quota", sheet::Cell::amount(quota), &format!("× {multiple}, policy {policy_version}"));
    sheet.amount("day total", day_total_after);
    sheet.noted("left", sheet::Cell::amount(remaining), &format!("until {}", sheet::time(*resets_at)));
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        let command = clap::Command::new("test");
        let read = |text: &str| parser::<EntryKind>().parse_ref(&command, None, OsStr::new(text)).ok();
        assert_eq!(read("margin-deducted"), Some(EntryKind::MarginDeducted));
        assert_eq!((read("unspecified"), read("MARGIN_DEDUCTED")), (None, None));
        assert_eq!(parser::<EntryKind>().possible_values().unwrap().count(), 23);
        assert_eq!(word::<OrderState>(OrderState::Settled.into()), "settled");
        assert_eq!(word::<OrderState>(99), "unknown");
    }
}
