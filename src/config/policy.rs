//! The policy file: the rules of settlement as TOML, to be read once into an empty data directory.
//!
//! This knows how a file says it, and names the key and the line of what it refuses. What a policy may be is the domain's to
//! know.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::value::{self, DAY, HOUR, MINUTE};
use crate::domain::{Category, InvalidPolicy, Money, Policy, QuotaBasis, QuotaCounts, Tier};

/// The published rules as a file with comments, to copy and to edit. It parses to [`Policy::default`].
pub const PUBLISHED_POLICY: &str = include_str!("policy.default.toml");

/// Why a policy file is refused: one sentence that begins with the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {line})")]
pub struct PolicyError {
    /// What is wrong, beginning with the key where there is one; names the value and the bounds.
    pub problem: String,
    /// The line of the file, counted from 1.
    pub line: usize,
}

/// A policy file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFile {
    quota: QuotaSection,
    calendar: CalendarSection,
    settlement: SettlementSection,
    guarantee: GuaranteeSection,
    orders: OrdersSection,
    appeals: AppealsSection,
    categories: BTreeMap<String, Spanned<Value>>,
    warnings: WarningsSection,
}

/// A value of any type, so that one of the wrong type is refused by its whole key as one out of bounds is.
type Given = Option<Spanned<Value>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QuotaSection {
    counts: Given,
    basis: Given,
    base_multiple: Given,
    tiers: Option<Spanned<Vec<TierEntry>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierEntry {
    above: Spanned<Value>,
    multiple: Spanned<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CalendarSection {
    day_start: Given,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SettlementSection {
    quick_days: Given,
    standard_days: Given,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GuaranteeSection {
    release_after: Given,
    maximum: Given,
    clean_record: Given,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OrdersSection {
    max_lateness: Given,
    max_ahead: Given,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AppealsSection {
    window: Given,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WarningsSection {
    gap_after: Given,
    debt_after: Given,
    quota_percent: Given,
}

impl PolicyFile {
    /// Reads a policy file. What it leaves out has its published value.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] that names the key and the line: the text is no TOML, a key is unknown, a value is of the
    /// wrong type or out of bounds, or two do not go together.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| {
            let (problem, line) = value::toml_problem(text, error);
            PolicyError { problem, line }
        })?;
        Reader { text }.read(file)
    }
}

/// Turns what is written into values; holds the text to tell the line of what it refuses.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn read(&self, file: PolicyFile) -> Result<Policy, PolicyError> {
        let PolicyFile { quota, calendar, settlement, guarantee, orders, appeals, categories, warnings } = file;
        let mut values = Policy::default();

        let counts = |value: &Value| value::one_of(string(value)?, &[QuotaCounts::All, QuotaCounts::Quick]);
        self.take("quota.counts", &quota.counts, &mut values.counts, counts)?;
        let basis = |value: &Value| value::one_of(string(value)?, &[QuotaBasis::Guarantee, QuotaBasis::Frozen]);
        self.take("quota.basis", &quota.basis, &mut values.basis, basis)?;
        self.take_multiples(&quota, &mut values)?;

        self.take("calendar.day_start", &calendar.day_start, &mut values.calendar.day_start, time_of_day)?;
        self.take_days(&settlement, &mut values)?;

        let release_after = |value: &Value| value::duration(string(value)?, Duration::from_secs(1), 365 * DAY);
        self.take("guarantee.release_after", &guarantee.release_after, &mut values.release_after, release_after)?;
        let maximum = |value: &Value| whole_dollars(value).map(Some);
        self.take("guarantee.maximum", &guarantee.maximum, &mut values.max_guarantee, maximum)?;
        self.take("guarantee.clean_record", &guarantee.clean_record, &mut values.clean_record, up_to_a_year)?;

        let max_lateness = |value: &Value| value::duration(string(value)?, Duration::ZERO, 7 * DAY);
        self.take("orders.max_lateness", &orders.max_lateness, &mut values.max_lateness, max_lateness)?;
        let max_ahead = |value: &Value| value::duration(string(value)?, Duration::ZERO, MINUTE);
        self.take("orders.max_ahead", &orders.max_ahead, &mut values.max_ahead, max_ahead)?;

        let window = |value: &Value| value::duration(string(value)?, Duration::ZERO, 365 * DAY);
        self.take("appeals.window", &appeals.window, &mut values.appeal_window, window)?;
        values.category_minimums = self.categories(&categories)?;
        self.take_warnings(&warnings, &mut values)?;
        // What is left to refuse lies between values of which the file may have given none.
        values
            .validated()
            .map_err(|InvalidPolicy { key, reason }| PolicyError { problem: format!("{key}: {reason}"), line: 1 })
    }

    fn take_warnings(&self, section: &WarningsSection, values: &mut Policy) -> Result<(), PolicyError> {
        self.take("warnings.gap_after", &section.gap_after, &mut values.warn_gap_after, up_to_a_year)?;
        self.take("warnings.debt_after", &section.debt_after, &mut values.warn_debt_after, up_to_a_year)?;
        let percent = |value: &Value| number(value, 100).map(Some);
        self.take("warnings.quota_percent", &section.quota_percent, &mut values.warn_quota_percent, percent)
    }

    /// What each category requires. A name that cannot be a category is refused where its amount stands.
    fn categories(&self, given: &BTreeMap<String, Spanned<Value>>) -> Result<BTreeMap<Category, Money>, PolicyError> {
        let minimum = |(name, given): (&String, &Spanned<Value>)| {
            let category = Category::parse(name).map_err(|reason| {
                self.refuse("categories", given, format!("{} {reason}", shown(&Value::String(name.clone()))))
            })?;
            let amount = whole_dollars(given.get_ref()).and_then(|amount| match amount {
                Money::ZERO => Err(format!("{} is not above 0", shown(given.get_ref()))),
                amount => Ok(amount),
            });
            let amount = amount.map_err(|problem| self.refuse(&format!("categories.{category}"), given, problem))?;
            Ok((category, amount))
        };
        given.iter().map(minimum).collect()
    }

    fn take_days(&self, section: &SettlementSection, values: &mut Policy) -> Result<(), PolicyError> {
        let days = |value: &Value| number(value, Policy::MAX_DAYS);
        self.take("settlement.quick_days", &section.quick_days, &mut values.quick_days, days)?;
        self.take("settlement.standard_days", &section.standard_days, &mut values.standard_days, days)?;
        let (quick, standard) = (values.quick_days, values.standard_days);
        if quick < standard {
            return Ok(());
        }
        // The file gave at least one of them, for the published ones are in order.
        if let Some(given) = &section.quick_days {
            let problem = format!("{quick} is not below settlement.standard_days, which is {standard}");
            return Err(self.refuse("settlement.quick_days", given, problem));
        }
        let Some(given) = &section.standard_days else { return Ok(()) };
        let problem = format!("{standard} is not above settlement.quick_days, which is {quick}");
        Err(self.refuse("settlement.standard_days", given, problem))
    }

    fn take_multiples(&self, section: &QuotaSection, values: &mut Policy) -> Result<(), PolicyError> {
        let multiple = |value: &Value| number(value, Policy::MAX_MULTIPLE);
        self.take("quota.base_multiple", &section.base_multiple, &mut values.base_multiple, multiple)?;
        if let Some(tiers) = &section.tiers {
            values.tiers = self.tiers(tiers)?;
        }
        let base = values.base_multiple;
        match (&section.base_multiple, values.tiers.last()) {
            (Some(given), Some(Tier { above, multiple })) if base > *multiple => {
                let problem =
                    format!("{base} is more than the multiple of the tier above \"{above}\", which is {multiple}");
                Err(self.refuse("quota.base_multiple", given, problem))
            }
            _ => Ok(()),
        }
    }

    /// The tiers, highest first, however they are written.
    fn tiers(&self, given: &Spanned<Vec<TierEntry>>) -> Result<Vec<Tier>, PolicyError> {
        let count = given.get_ref().len();
        if count > Policy::MAX_TIERS {
            return Err(self.refuse(
                "quota.tiers",
                given,
                format!("{count} tiers are more than {}", Policy::MAX_TIERS),
            ));
        }
        let mut tiers = Vec::with_capacity(count);
        for (index, tier) in given.get_ref().iter().enumerate() {
            let (key, field) = (format!("quota.tiers[{index}].above"), &tier.above);
            let above = amount(field.get_ref()).map_err(|problem| self.refuse(&key, field, problem))?;
            let (key, field) = (format!("quota.tiers[{index}].multiple"), &tier.multiple);
            let multiple =
                number(field.get_ref(), Policy::MAX_MULTIPLE).map_err(|problem| self.refuse(&key, field, problem))?;
            tiers.push((above, multiple, index, tier));
        }
        tiers.sort_by_key(|(above, ..)| *above);
        for (lower, higher) in tiers.iter().zip(tiers.iter().skip(1)) {
            let (above, multiple, index, tier) = higher;
            if *above == lower.0 {
                // Of two that say the same the sort keeps the order, so this is the second.
                let problem = format!("\"{above}\" is there already, in quota.tiers[{}]", lower.2);
                return Err(self.refuse(&format!("quota.tiers[{index}].above"), &tier.above, problem));
            }
            if *multiple <= lower.1 {
                let problem =
                    format!("{multiple} is not more than that of the lower quota.tiers[{}], {}", lower.2, lower.1);
                return Err(self.refuse(&format!("quota.tiers[{index}].multiple"), &tier.multiple, problem));
            }
        }
        Ok(tiers.into_iter().rev().map(|(above, multiple, ..)| Tier { above, multiple }).collect())
    }

    /// Reads what was given for `key` into `target`; leaves it alone if nothing was.
    fn take<T>(
        &self,
        key: &str,
        given: &Given,
        target: &mut T,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<(), PolicyError> {
        if let Some(given) = given {
            *target = read(given.get_ref()).map_err(|problem| self.refuse(key, given, problem))?;
        }
        Ok(())
    }

    fn refuse<T>(&self, key: &str, given: &Spanned<T>, problem: String) -> PolicyError {
        PolicyError { problem: format!("{key}: {problem}"), line: value::line_of(self.text, given.span().start) }
    }
}

/// A value as it may stand in a sentence of one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        _ => value.to_string(),
    }
}

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{} is not a string", shown(value)))
}

/// A whole number from 1 to `max`.
fn number(value: &Value, max: u64) -> Result<u32, String> {
    match value {
        Value::Integer(number) => value::whole(&number.to_string(), 1, max),
        _ => Err(format!("{} is not a whole number", shown(value))),
    }
}

/// An amount, as the API takes it.
fn amount(value: &Value) -> Result<Money, String> {
    let amount = value.as_str().and_then(|text| Money::parse(text).ok());
    amount.ok_or_else(|| format!("{} is no amount such as \"1000\" or \"1000.50\"", shown(value)))
}

/// A duration that policy may do without.
fn up_to_a_year(value: &Value) -> Result<Option<Duration>, String> {
    value::duration(string(value)?, Duration::from_secs(1), 365 * DAY).map(Some)
}

fn whole_dollars(value: &Value) -> Result<Money, String> {
    let amount = amount(value)?;
    if amount.is_whole_dollars() { Ok(amount) } else { Err(format!("{} is not whole dollars", shown(value))) }
}

/// `HH:MM`, 00:00 to 23:59.
fn time_of_day(value: &Value) -> Result<Duration, String> {
    let refused = || format!("{} is no time of day from \"00:00\" to \"23:59\"", shown(value));
    let (hours, minutes) = value.as_str().and_then(|text| text.split_once(':')).ok_or_else(refused)?;
    let part = |text: &str, below: u32| {
        let number = text.parse::<u32>().ok().filter(|number| *number < below);
        number.filter(|_| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(refused)
    };
    Ok(part(hours, 24)? * HOUR + part(minutes, 60)? * MINUTE)
}
