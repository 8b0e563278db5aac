//! The policy file: the published rules, what may be changed, and what is refused by which key.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{collections::BTreeMap, time::Duration};

use tplus::{
    config::{PUBLISHED_POLICY, PolicyFile},
    domain::{Calendar, Category, Money, Policy, QuotaBasis, QuotaCounts, Tier},
};

const DAY: Duration = Duration::from_secs(86_400);

fn parse(text: &str) -> Policy {
    PolicyFile::parse(text).unwrap()
}

fn tiers_of(cents: &[(i128, u32)]) -> Vec<Tier> {
    cents.iter().map(|&(above, multiple)| Tier { above: Money::from_cents(above), multiple }).collect()
}

fn minimum(category: &str, dollars: u64) -> (Category, Money) {
    (Category::parse(category).unwrap(), Money::from_dollars(dollars))
}

fn refusal(text: &str) -> String {
    PolicyFile::parse(text).unwrap_err().to_string()
}

#[test]
fn the_embedded_file_is_the_published_rules() {
    let published = Policy {
        tiers: tiers_of(&[(3_000_000, 10), (500_000, 5), (100_000, 3)]),
        base_multiple: 1,
        counts: QuotaCounts::All,
        basis: QuotaBasis::Guarantee,
        calendar: Calendar { day_start: Duration::ZERO },
        quick_days: 2,
        standard_days: 7,
        release_after: 7 * DAY,
        max_guarantee: None,
        max_lateness: DAY,
        max_ahead: Duration::from_secs(5),
        appeal_window: 30 * DAY,
        clean_record: None,
        category_minimums: BTreeMap::new(),
        warn_gap_after: None,
        warn_debt_after: None,
        warn_quota_percent: None,
    };
    assert_eq!(parse(PUBLISHED_POLICY), published);
    assert_eq!(parse(""), published);
}

#[test]
fn the_embedded_file_shows_every_key() {
    let optional = ["maximum", "clean_record", "electronics", "\"toys", "gap_after", "debt_after", "quota_percent"];
    let uncomment = |text: String, key: &str| text.replace(&format!("# {key}"), key);
    let everything = optional.into_iter().fold(PUBLISHED_POLICY.to_owned(), uncomment);
    let values = parse(&everything);
    assert_eq!(values.max_guarantee, Some(Money::from_dollars(100_000)));
    assert_eq!(values.clean_record, Some(30 * DAY));
    let minimums = [("electronics", 500), ("toys.wooden", 50)].map(|(name, dollars)| minimum(name, dollars));
    assert_eq!(values.category_minimums, BTreeMap::from(minimums));
    assert_eq!((values.warn_gap_after, values.warn_debt_after), (Some(3 * DAY), Some(3 * DAY)));
    assert_eq!(values.warn_quota_percent, Some(80));
    for key in [
        "counts",
        "basis",
        "base_multiple",
        "tiers",
        "day_start",
        "quick_days",
        "standard_days",
        "release_after",
        "maximum",
        "max_lateness",
        "max_ahead",
        "clean_record",
        "window",
        "electronics",
        "gap_after",
        "debt_after",
        "quota_percent",
    ] {
        assert!(everything.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} is missing");
    }
}

#[test]
fn every_key_changes_its_value() {
    let values = parse(
        r#"
        [quota]
        counts = "quick"
        basis = "frozen"
        base_multiple = 2
        tiers = [{ above = "0.5", multiple = 4 }, { above = "999999999999.99", multiple = 1000 }]
        [calendar]
        day_start = "23:59"
        [settlement]
        quick_days = 1
        standard_days = 30
        [guarantee]
        release_after = "36h"
        maximum = "10000.00"
        clean_record = "1d"
        [orders]
        max_lateness = "7d"
        max_ahead = "1m"
        [appeals]
        window = "0s"
        [categories]
        "a:b" = "50.00"
        [warnings]
        gap_after = "1s"
        debt_after = "365d"
        quota_percent = 100
        "#,
    );
    assert_eq!(
        values,
        Policy {
            tiers: tiers_of(&[(99_999_999_999_999, 1_000), (50, 4)]),
            base_multiple: 2,
            counts: QuotaCounts::Quick,
            basis: QuotaBasis::Frozen,
            calendar: Calendar { day_start: DAY - Duration::from_secs(60) },
            quick_days: 1,
            standard_days: 30,
            release_after: Duration::from_secs(36 * 3_600),
            max_guarantee: Some(Money::from_dollars(10_000)),
            max_lateness: 7 * DAY,
            max_ahead: Duration::from_secs(60),
            appeal_window: Duration::ZERO,
            clean_record: Some(DAY),
            category_minimums: BTreeMap::from([minimum("a:b", 50)]),
            warn_gap_after: Some(Duration::from_secs(1)),
            warn_debt_after: Some(365 * DAY),
            warn_quota_percent: Some(100),
        }
    );
}

#[test]
fn what_is_left_out_keeps_its_published_value() {
    let values = parse("[settlement]\nstandard_days = 14\n");
    assert_eq!(values, Policy { standard_days: 14, ..Policy::default() });
    assert!(parse("[quota]\ntiers = []").tiers.is_empty());
    assert_eq!(parse("[quota]\nbase_multiple = 3").base_multiple, 3, "as high as the lowest tier is in order");
}

#[test]
fn tiers_may_stand_in_any_order() {
    let values = parse(
        "[[quota.tiers]]\nabove = '5000'\nmultiple = 5\n[[quota.tiers]]\nabove = '30000'\nmultiple = 10\n\
         [[quota.tiers]]\nabove = '1000.00'\nmultiple = 3\n",
    );
    assert_eq!(values, Policy::default());
}

#[test]
fn a_bad_value_is_refused_by_its_key() {
    let cases = [
        ("[quota]\ncounts = 'slow'", "quota.counts: \"slow\" is not one of \"all\", \"quick\" (line 2)"),
        ("[quota]\ncounts = 1", "quota.counts: 1 is not a string (line 2)"),
        ("[quota]\n\nbasis = 'hope'", "quota.basis: \"hope\" is not one of \"guarantee\", \"frozen\" (line 3)"),
        ("[quota]\nbase_multiple = 0", "quota.base_multiple: 0 is outside 1 to 1000 (line 2)"),
        ("[quota]\nbase_multiple = 1001", "quota.base_multiple: 1001 is outside 1 to 1000 (line 2)"),
        ("[quota]\nbase_multiple = -1", "quota.base_multiple: -1 is outside 1 to 1000 (line 2)"),
        ("[quota]\nbase_multiple = '3'", "quota.base_multiple: \"3\" is not a whole number (line 2)"),
        ("[quota]\nbase_multiple = 1.5", "quota.base_multiple: 1.5 is not a whole number (line 2)"),
        (
            "[quota]\nbase_multiple = 4",
            "quota.base_multiple: 4 is more than the multiple of the tier above \"1000.00\", which is 3 (line 2)",
        ),
        (
            "[calendar]\nday_start = '24:00'",
            "calendar.day_start: \"24:00\" is no time of day from \"00:00\" to \"23:59\" (line 2)",
        ),
        ("[settlement]\nquick_days = 0", "settlement.quick_days: 0 is outside 1 to 30 (line 2)"),
        ("[settlement]\nstandard_days = 31", "settlement.standard_days: 31 is outside 1 to 30 (line 2)"),
        (
            "[settlement]\nquick_days = 7",
            "settlement.quick_days: 7 is not below settlement.standard_days, which is 7 (line 2)",
        ),
        (
            "[settlement]\nstandard_days = 2",
            "settlement.standard_days: 2 is not above settlement.quick_days, which is 2 (line 2)",
        ),
        ("[guarantee]\nrelease_after = '0s'", "guarantee.release_after: \"0s\" is outside 1s to 365d (line 2)"),
        ("[guarantee]\nrelease_after = 7", "guarantee.release_after: 7 is not a string (line 2)"),
        (
            "[guarantee]\nrelease_after = 'soon'",
            "guarantee.release_after: \"soon\" is no duration such as \"5s\" (line 2)",
        ),
        ("[guarantee]\nmaximum = '10.50'", "guarantee.maximum: \"10.50\" is not whole dollars (line 2)"),
        ("[guarantee]\nmaximum = 10", "guarantee.maximum: 10 is no amount such as \"1000\" or \"1000.50\" (line 2)"),
        ("[orders]\nmax_lateness = '169h'", "orders.max_lateness: \"169h\" is outside 0s to 7d (line 2)"),
        ("[orders]\nmax_ahead = '61s'", "orders.max_ahead: \"61s\" is outside 0s to 1m (line 2)"),
        ("[guarantee]\nclean_record = '0s'", "guarantee.clean_record: \"0s\" is outside 1s to 365d (line 2)"),
        ("[appeals]\nwindow = '366d'", "appeals.window: \"366d\" is outside 0s to 365d (line 2)"),
        ("[categories]\na = '0'", "categories.a: \"0\" is not above 0 (line 2)"),
        ("[categories]\n\na = '1.50'", "categories.a: \"1.50\" is not whole dollars (line 3)"),
        ("[categories]\na = 50", "categories.a: 50 is no amount such as \"1000\" or \"1000.50\" (line 2)"),
        (
            "[categories]\n'a b' = '50'",
            "categories: \"a b\" is not an id of 1 to 64 characters of A-Z a-z 0-9 . _ : - (line 2)",
        ),
        ("[warnings]\ngap_after = '0s'", "warnings.gap_after: \"0s\" is outside 1s to 365d (line 2)"),
        ("[warnings]\ndebt_after = 3", "warnings.debt_after: 3 is not a string (line 2)"),
        ("[warnings]\nquota_percent = 101", "warnings.quota_percent: 101 is outside 1 to 100 (line 2)"),
        ("[orders]\nmax_ahead = ['1s']", "orders.max_ahead: an array is not a string (line 2)"),
    ];
    for (text, sentence) in cases {
        assert_eq!(refusal(text), sentence);
    }
    for wrong in ["0:00", "00:0", "00:60", "000:00", "+1:00", "0000", "00:00:00", "a:bc", ""] {
        let sentence = refusal(&format!("[calendar]\nday_start = '{wrong}'"));
        assert!(sentence.starts_with("calendar.day_start: "), "{sentence}");
    }
}

fn tiers(tiers: &[(&str, i64)]) -> String {
    let tiers: Vec<_> =
        tiers.iter().map(|(above, multiple)| format!("  {{ above = '{above}', multiple = {multiple} }},\n")).collect();
    format!("[quota]\ntiers = [\n{}]\n", tiers.concat())
}

#[test]
fn a_bad_tier_is_refused_by_its_index() {
    let cases = [
        (tiers(&[("2", 2), ("1", 0)]), "quota.tiers[1].multiple: 0 is outside 1 to 1000 (line 4)"),
        (tiers(&[("2", 1_001)]), "quota.tiers[0].multiple: 1001 is outside 1 to 1000 (line 3)"),
        (
            tiers(&[("3", 3), ("1,000", 2)]),
            "quota.tiers[1].above: \"1,000\" is no amount such as \"1000\" or \"1000.50\" (line 4)",
        ),
        (
            tiers(&[("5", 3), ("1", 2), ("5.00", 4)]),
            "quota.tiers[2].above: \"5.00\" is there already, in quota.tiers[0] (line 5)",
        ),
        (
            tiers(&[("5", 3), ("1", 2), ("9", 3)]),
            "quota.tiers[2].multiple: 3 is not more than that of the lower quota.tiers[0], 3 (line 5)",
        ),
        (
            "[quota]\ntiers = [{ abov = '1', multiple = 2 }]".to_owned(),
            "quota.tiers.abov: unknown key, expected `above` or `multiple` (line 2)",
        ),
        ("[quota]\ntiers = [{ above = '1' }]".to_owned(), "quota.tiers: missing field `multiple` (line 2)"),
    ];
    for (text, sentence) in cases {
        assert_eq!(refusal(&text), sentence);
    }
    for wrong in ["", "-1", "+1", "1.", ".5", "1.234", "1e3", "1234567890123", " 1", "1 ", "١"] {
        let sentence = refusal(&tiers(&[(wrong, 2)]));
        assert!(sentence.starts_with("quota.tiers[0].above: "), "{sentence}");
    }
}

#[test]
fn there_is_a_limit_to_tiers() {
    let many = |count: i64| {
        let amounts: Vec<(String, i64)> = (1..=count).map(|tier| (tier.to_string(), tier + 1)).collect();
        let amounts: Vec<(&str, i64)> = amounts.iter().map(|(above, multiple)| (above.as_str(), *multiple)).collect();
        tiers(&amounts)
    };
    assert_eq!(parse(&many(32)).tiers.len(), 32);
    assert_eq!(refusal(&many(33)), "quota.tiers: 33 tiers are more than 32 (line 2)");
}

#[test]
fn unknown_keys_are_refused() {
    let cases = [
        ("[quotas]\ncounts = 'all'", "quotas: unknown key, expected one of "),
        ("[quota]\ncount = 'all'", "quota.count: unknown key, expected one of "),
        (
            "[orders]\n\nlateness = '1h'",
            "orders.lateness: unknown key, expected `max_lateness` or `max_ahead` (line 3)",
        ),
        ("counts = 'all'", "counts: unknown key, expected one of "),
    ];
    for (text, beginning) in cases {
        let sentence = refusal(text);
        assert!(sentence.starts_with(beginning), "{sentence}");
    }
}

#[test]
fn a_refusal_is_one_line() {
    for text in ["[quota", "quota = 1", "[quota]\ntiers = 5", "[quota]\ncounts = { a = 1 }", "\u{0}", "a = \"\n"] {
        let sentence = refusal(text);
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}
