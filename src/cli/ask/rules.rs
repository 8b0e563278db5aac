//! The rules of a policy as the file they can be given in: what `tplus policy show` prints, `tplus policy set` takes.

use std::{collections::BTreeMap, time::Duration};

use crate::proto::v1::{Policy, QuotaBasis, QuotaCounts};

/// The file.
pub(super) fn toml(policy: &Policy) -> String {
    let mut file = File(String::new());
    file.section("quota");
    file.key("counts", quoted(if policy.quota_counts() == QuotaCounts::Quick { "quick" } else { "all" }));
    file.key("basis", quoted(if policy.quota_basis() == QuotaBasis::Frozen { "frozen" } else { "guarantee" }));
    file.key("base_multiple", policy.base_multiple.to_string());
    let tier = |tier: &crate::proto::v1::MultipleTier| {
        format!("\n  {{ above = {}, multiple = {} }},", quoted(&tier.above), tier.multiple)
    };
    file.key("tiers", format!("[{}\n]", policy.tiers.iter().map(tier).collect::<String>()).replace("[\n]", "[]"));
    file.section("calendar");
    file.key("day_start", quoted(&time_of_day(length(policy.day_start))));
    file.section("settlement");
    file.key("quick_days", policy.quick_days.to_string());
    file.key("standard_days", policy.standard_days.to_string());
    file.section("guarantee");
    file.key("release_after", spelt(policy.release_after));
    file.key_if("maximum", policy.max_guarantee.map(|dollars| quoted(&dollars.to_string())));
    file.key_if("clean_record", policy.clean_record.map(|length| spelt(Some(length))));
    file.section("orders");
    file.key("max_lateness", spelt(policy.max_lateness));
    file.key("max_ahead", spelt(policy.max_ahead));
    file.section("appeals");
    file.key("window", spelt(policy.appeal_window));
    file.section("categories");
    for (category, dollars) in policy.category_minimums.iter().collect::<BTreeMap<_, _>>() {
        file.key(&quoted(category), quoted(&dollars.to_string()));
    }
    file.section("warnings");
    file.key_if("gap_after", policy.warn_gap_after.map(|length| spelt(Some(length))));
    file.key_if("debt_after", policy.warn_debt_after.map(|length| spelt(Some(length))));
    file.key_if("quota_percent", policy.warn_quota_percent.map(|percent| percent.to_string()));
    file.0
}

struct File(String);

impl File {
    fn section(&mut self, name: &str) {
        let blank = if self.0.is_empty() { "" } else { "\n" };
        self.line(&format!("{blank}[{name}]"));
    }

    fn key(&mut self, name: &str, value: String) {
        self.line(&format!("{name} = {value}"));
    }

    fn key_if(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.key(name, value);
        }
    }

    fn line(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }
}

/// A string of TOML; whatever needs an escape in it has one.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn length(of: Option<prost_types::Duration>) -> Duration {
    let of = of.unwrap_or_default();
    Duration::new(of.seconds.try_into().unwrap_or_default(), of.nanos.try_into().unwrap_or_default())
}

/// `"7d"`.
fn spelt(of: Option<prost_types::Duration>) -> String {
    quoted(&humantime::format_duration(length(of)).to_string().replace(' ', ""))
}

/// `06:00`; with what is finer than a minute where there is any, which a file cannot say: then it is refused, and not bent.
fn time_of_day(since_midnight: Duration) -> String {
    let seconds = since_midnight.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let finer = since_midnight - Duration::from_secs(seconds - seconds % 60);
    let finer = if finer.is_zero() { String::new() } else { format!(":{}", humantime::format_duration(finer)) };
    format!("{hours:02}:{minutes:02}{finer}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{PUBLISHED_POLICY, PolicyFile},
        domain,
        grpc::convert,
    };

    fn round(policy: &domain::Policy) -> domain::Policy {
        let text = toml(&convert::rules(policy));
        PolicyFile::parse(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
    }

    #[test]
    fn what_is_shown_can_be_given() {
        let published = PolicyFile::parse(PUBLISHED_POLICY).unwrap();
        assert_eq!(round(&published), published);
        let other = "[quota]\ncounts = \"quick\"\nbasis = \"frozen\"\nbase_multiple = 2\ntiers = []\n\
            [calendar]\nday_start = \"06:30\"\n[settlement]\nquick_days = 1\nstandard_days = 3\n\
            [guarantee]\nrelease_after = \"36h\"\nmaximum = \"5000\"\nclean_record = \"1500ms\"\n\
            [orders]\nmax_lateness = \"0s\"\nmax_ahead = \"250ms\"\n[appeals]\nwindow = \"365d\"\n\
            [categories]\n\"toys.wooden\" = \"50\"\nelectronics = \"500\"\n\
            [warnings]\ngap_after = \"3d\"\ndebt_after = \"90m\"\nquota_percent = 80\n";
        let other = PolicyFile::parse(other).unwrap();
        assert_eq!(round(&other), other);
    }

    #[test]
    fn a_day_that_a_file_cannot_say_is_refused() {
        let mut policy = convert::rules(&domain::Policy::default());
        policy.day_start = Some(prost_types::Duration { seconds: 61, nanos: 0 });
        assert!(PolicyFile::parse(&toml(&policy)).unwrap_err().to_string().contains("00:01:1s"));
    }
}
