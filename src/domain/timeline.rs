//! All policies, each from its instant on.

use std::time::Duration;

use super::{Calendar, Day, InForce, Policy, Timestamp};

/// Every policy that was ever in force or is announced, in the order of their instants. Never empty.
///
/// Every decision follows the version in force at its own instant, and so does the background: a limit of policy is judged by
/// the version in force when it is crossed, whenever anybody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    first: InForce,
    later: Vec<InForce>,
}

impl Timeline {
    /// The policies that begin with this one.
    pub const fn new(first: InForce) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Adds a policy that comes into force after all others.
    pub fn push(&mut self, next: InForce) {
        self.later.push(next);
    }

    /// The policy in force at an instant; before the first came into force, the first.
    pub fn at(&self, instant: Timestamp) -> &InForce {
        self.later.iter().rev().find(|version| version.effective_at <= instant).unwrap_or(&self.first)
    }

    /// The last policy, which may only be announced yet.
    pub fn latest(&self) -> &InForce {
        self.later.last().unwrap_or(&self.first)
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &InForce> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// A version by its number.
    pub fn version(&self, number: u64) -> Option<&InForce> {
        self.versions().find(|version| version.version == number)
    }

    /// What was known of the policies at an instant: those announced by then.
    pub fn announced_by(&self, instant: Timestamp) -> Self {
        let announced = |version: &&InForce| version.announcement.as_ref().is_none_or(|it| it.announced_at <= instant);
        Self { first: self.first.clone(), later: self.later.iter().filter(announced).cloned().collect() }
    }

    /// The calendar in force at an instant.
    pub fn calendar_at(&self, instant: Timestamp) -> Calendar {
        self.at(instant).policy.calendar
    }

    /// The settlement day an instant lies in, by the calendar of that instant. Days never fall as time goes on.
    pub fn day_of(&self, instant: Timestamp) -> Day {
        self.calendar_at(instant).day_of(instant)
    }

    /// When the settlement day in which an instant lies ends. A change of the calendar may lengthen or shorten a day, but gives it no
    /// second quota.
    pub fn end_of_day(&self, instant: Timestamp) -> Timestamp {
        let day = self.day_of(instant);
        let mut end = self.calendar_at(instant).end_of(day);
        while self.day_of(end) <= day {
            end = self.calendar_at(end).end_of(day);
        }
        end
    }

    /// When something that has lasted since an instant lasts too long for the policy of the time, if ever. Limits may change
    /// while it lasts: the first version whose limit is exceeded while it is in force counts.
    pub fn deadline(&self, since: Timestamp, limit: impl Fn(&Policy) -> Option<Duration>) -> Option<Timestamp> {
        let ends = self.later.iter().map(|next| Some(next.effective_at)).chain([None]);
        self.versions().zip(ends).find_map(|(version, end)| {
            let by_limit = since.after(limit(&version.policy)?);
            let at = if version.version == self.first.version { by_limit } else { by_limit.max(version.effective_at) };
            end.is_none_or(|end| at < end).then_some(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn version(number: u64, effective_at: &str, change: impl FnOnce(&mut Policy)) -> InForce {
        let mut policy = Policy::default();
        change(&mut policy);
        InForce { version: number, ..InForce::first(policy, at(effective_at)) }
    }

    #[test]
    fn each_instant_has_its_policy() {
        let mut timeline = Timeline::new(version(1, "2026-01-05T12:00:00Z", |_| ()));
        timeline.push(version(2, "2026-01-07T00:00:00Z", |_| ()));
        let versions = ["2026-01-01T00:00:00Z", "2026-01-06T23:59:59.999999Z", "2026-01-07T00:00:00Z"]
            .map(|instant| timeline.at(at(instant)).version);
        assert_eq!(versions, [1, 1, 2]);
    }

    #[test]
    fn a_later_start_of_the_day_lengthens_a_day() {
        let mut timeline = Timeline::new(version(1, "2026-01-01T00:00:00Z", |_| ()));
        timeline.push(version(2, "2026-01-07T00:00:00Z", |policy| policy.calendar.day_start = 8 * HOUR));
        let before = at("2026-01-06T15:00:00Z");
        assert_eq!(timeline.day_of(before), timeline.day_of(at("2026-01-07T07:59:59Z")));
        assert_eq!(timeline.end_of_day(before), at("2026-01-07T08:00:00Z"));
    }

    #[test]
    fn an_earlier_start_of_the_day_shortens_a_day() {
        let mut timeline =
            Timeline::new(version(1, "2026-01-01T00:00:00Z", |policy| policy.calendar.day_start = 8 * HOUR));
        timeline.push(version(2, "2026-01-07T08:00:00Z", |_| ()));
        assert_eq!(timeline.end_of_day(at("2026-01-06T15:00:00Z")), at("2026-01-07T08:00:00Z"));
        assert_eq!(timeline.end_of_day(at("2026-01-07T08:00:00Z")), at("2026-01-08T00:00:00Z"));
    }

    #[test]
    fn a_limit_is_judged_by_the_policy_of_the_time() {
        let days = |days: u32| Some(24 * days * HOUR);
        let mut timeline = Timeline::new(version(1, "2026-01-01T00:00:00Z", |_| ()));
        timeline.push(version(2, "2026-01-10T00:00:00Z", |policy| policy.warn_gap_after = days(5)));
        timeline.push(version(3, "2026-01-20T00:00:00Z", |_| ()));
        let deadline = |since| timeline.deadline(at(since), |policy| policy.warn_gap_after);
        assert_eq!(deadline("2026-01-01T00:00:00Z"), Some(at("2026-01-10T00:00:00Z")));
        assert_eq!(deadline("2026-01-12T00:00:00Z"), Some(at("2026-01-17T00:00:00Z")));
        assert_eq!(deadline("2026-01-15T00:00:00Z"), None);
    }
}
