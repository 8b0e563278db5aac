//! All policies, each from its instant on.

use std::time::Duration;

use super::{Announcement, Calendar, Cycle, Day, InForce, Policy, Rejection, RequestId, Text, Timestamp};

/// Every policy that was ever in force or is announced, in the order of their instants. Never empty.
///
/// Every decision follows the version in force at its own instant, and so does the background: a limit of policy is judged by
/// the version in force when it is crossed, whenever anybody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    first: InForce,
    later: Vec<InForce>,
}

/// What the policies say of an order that is completed within a span of time, in which they say the same of every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The span: from here on.
    from: Timestamp,
    /// The span: up to here, this instant excluded.
    until: Timestamp,
    /// The policy in force when the order is decided.
    version: u64,
    /// The settlement day it counts towards.
    pub day: Day,
    /// When that day ends.
    pub resets_at: Timestamp,
    /// When an order of each cycle settles.
    quick: Timestamp,
    standard: Timestamp,
}

impl Dates {
    /// Whether they are those of an order completed at an instant and decided under a policy.
    pub fn are_of(&self, completed_at: Timestamp, in_force: &InForce) -> bool {
        (self.from..self.until).contains(&completed_at) && self.version == in_force.version
    }

    /// When an order settles.
    pub const fn settles_at(&self, cycle: Cycle) -> Timestamp {
        match cycle {
            Cycle::Quick => self.quick,
            Cycle::Standard => self.standard,
        }
    }
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
        if self.later.is_empty() {
            // Nearly always, and asked for every order several times.
            return &self.first;
        }
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

    /// The dates of an order. The calendar is the one in force when it was completed, so that no day has two; everything else is that
    /// of the policy that decides.
    pub fn dates(&self, completed_at: Timestamp, in_force: &InForce) -> Dates {
        let calendar = self.calendar_at(completed_at);
        let day = calendar.day_of(completed_at);
        let mut changes = self.later.iter().map(|next| next.effective_at);
        let last_change =
            changes.clone().rev().find(|at| *at <= completed_at).unwrap_or(Timestamp::from_micros(i64::MIN));
        let next_change = changes.find(|at| *at > completed_at).unwrap_or(Timestamp::from_micros(i64::MAX));
        let settles_at = |cycle| calendar.start_of(day.plus(in_force.policy.days(cycle)));
        Dates {
            from: calendar.start_of(day).max(last_change),
            until: calendar.end_of(day).min(next_change),
            version: in_force.version,
            day,
            resets_at: self.end_of_day(completed_at),
            quick: settles_at(Cycle::Quick),
            standard: settles_at(Cycle::Standard),
        }
    }

    /// The first instant of a settlement day, by the calendars of its time.
    pub fn start_of(&self, day: Day) -> Timestamp {
        let mut starts = self.versions().rev().filter_map(|version| {
            let start = version.policy.calendar.start_of(day);
            // The day began by this calendar, or with it.
            let by_it = self.at(start).version == version.version;
            let (eve, first) = (version.effective_at.before(Duration::from_micros(1)), version.effective_at);
            let with_it = self.day_of(eve) < day && self.day_of(first) == day;
            by_it.then_some(start).or_else(|| with_it.then_some(first))
        });
        starts.next().unwrap_or_else(|| self.first.policy.calendar.start_of(day))
    }

    /// The oldest settlement day whose totals are still kept at an instant.
    pub fn oldest_day_kept(&self, now: Timestamp) -> Day {
        self.day_of(now).minus(Policy::DAYS_KEPT - 1)
    }

    /// An instant at which the totals of a settlement day are no longer kept.
    pub fn forgotten_at(&self, day: Day) -> Timestamp {
        let first = day.plus(Policy::DAYS_KEPT);
        let at = self.latest().policy.calendar.start_of(first);
        // A calendar that is only announced may begin its days earlier than the one in force by then.
        if self.day_of(at) >= first { at } else { self.end_of_day(at) }
    }

    /// When something that has lasted since an instant lasts too long for the policy of the time, if ever. Limits may change
    /// while it lasts: the first version whose limit is exceeded while it is in force counts.
    pub fn deadline(&self, since: Timestamp, limit: impl Fn(&Policy) -> Option<Duration>) -> Option<Timestamp> {
        if self.later.is_empty() {
            return limit(&self.first.policy).map(|limit| since.after(limit));
        }
        let ends = self.later.iter().map(|next| Some(next.effective_at)).chain([None]);
        self.versions().zip(ends).find_map(|(version, end)| {
            let by_limit = since.after(limit(&version.policy)?);
            let at = if version.version == self.first.version { by_limit } else { by_limit.max(version.effective_at) };
            end.is_none_or(|end| at < end).then_some(at)
        })
    }
}

/// Another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPolicy {
    /// Makes it known; unique over all policies.
    pub request_id: RequestId,
    /// The rules.
    pub policy: Policy,
    /// When they shall come into force; none: as soon as possible.
    pub effective_at: Option<Timestamp>,
    /// The latest version that the caller has seen; none: do not compare.
    pub expected_version: Option<u64>,
    /// Why; may be empty.
    pub reason: Text,
}

impl Timeline {
    /// How long before it comes into force a policy is announced at least. By then every decision has to know of it.
    pub const ANNOUNCED_BEFORE: Duration = Duration::from_secs(1);

    /// How long before it comes into force a policy is announced at most.
    pub const ANNOUNCED_WITHIN: Duration = Duration::from_secs(366 * 24 * 3_600);

    /// The first answer again, when the request is known.
    ///
    /// # Errors
    /// [`Rejection::Conflict`] when the first request had other content.
    pub fn recall(&self, set: &SetPolicy) -> Result<Option<&InForce>, Rejection> {
        let by_this =
            |version: &&InForce| version.announcement.as_ref().is_some_and(|it| it.request_id == set.request_id);
        let Some(known) = self.versions().find(by_this) else { return Ok(None) };
        let asked = known.announcement.as_ref();
        let same = |field, holds| if holds { Ok(()) } else { Err(Rejection::Conflict { field }) };
        same("policy", known.policy == set.policy)?;
        same("effective_at", asked.is_some_and(|it| it.effective_asked == set.effective_at))?;
        same("reason", asked.is_some_and(|it| it.reason == set.reason))?;
        Ok(Some(known))
    }

    /// Decides from when on another policy counts.
    ///
    /// # Errors
    /// When the caller judged another version, or it cannot come into force when it is wanted.
    pub fn announce(&self, set: &SetPolicy, now: Timestamp) -> Result<InForce, Rejection> {
        let latest = self.latest();
        if set.expected_version.is_some_and(|expected| expected != latest.version) {
            return Err(Rejection::PolicyChanged { latest: latest.version });
        }
        // Strictly after the last version: no instant has two.
        let next = latest.effective_at.after(Duration::from_micros(1));
        let earliest = now.after(Self::ANNOUNCED_BEFORE).max(next);
        let effective_at = match set.effective_at {
            Some(asked) if asked < earliest => return Err(Rejection::PolicyTooEarly { asked, earliest }),
            // A slip of the pen must not stand in the way of every later policy.
            Some(asked) if asked > now.after(Self::ANNOUNCED_WITHIN) => {
                let reason = "has to be at most 366 days ahead".into();
                return Err(Rejection::Invalid { field: "effective_at", reason });
            }
            Some(asked) => self.check_boundary(asked, &set.policy)?,
            None if latest.policy.calendar == set.policy.calendar => earliest,
            None => self.boundary(earliest),
        };
        let announcement = Announcement {
            request_id: set.request_id.clone(),
            announced_at: now,
            effective_asked: set.effective_at,
            reason: set.reason.clone(),
        };
        let (version, policy) = (latest.version + 1, set.policy.clone());
        Ok(InForce { version, effective_at, policy, announcement: Some(announcement) })
    }

    fn check_boundary(&self, asked: Timestamp, policy: &Policy) -> Result<Timestamp, Rejection> {
        let next = self.boundary(asked);
        if self.latest().policy.calendar == policy.calendar || next == asked {
            Ok(asked)
        } else {
            Err(Rejection::PolicyNotAtDayBoundary { next })
        }
    }

    /// The first instant not before this one at which a settlement day begins.
    fn boundary(&self, instant: Timestamp) -> Timestamp {
        let before = instant.before(Duration::from_micros(1));
        if self.day_of(before) < self.day_of(instant) { instant } else { self.end_of_day(instant) }
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
    fn a_policy_is_announced_a_second_ahead_at_least_and_366_days_at_most() {
        let timeline = Timeline::new(version(1, "2026-01-01T00:00:00Z", |_| ()));
        let now = at("2026-01-05T12:00:00Z");
        let announce = |effective_at| {
            let (request_id, reason) = (RequestId::parse("p").unwrap(), Text::parse("").unwrap());
            let set = SetPolicy { request_id, policy: Policy::default(), effective_at, expected_version: None, reason };
            timeline.announce(&set, now).map(|version| version.effective_at)
        };
        let (earliest, latest) = (at("2026-01-05T12:00:01Z"), at("2027-01-06T12:00:00Z"));
        assert_eq!(announce(None), Ok(earliest));
        for asked in [earliest, latest] {
            assert_eq!(announce(Some(asked)), Ok(asked));
        }
        let asked = at("2026-01-05T12:00:00.999999Z");
        assert_eq!(announce(Some(asked)), Err(Rejection::PolicyTooEarly { asked, earliest }));
        let late = announce(Some(at("2027-01-06T12:00:00.000001Z"))).unwrap_err();
        assert!(matches!(late, Rejection::Invalid { field: "effective_at", .. }), "{late}");
    }

    #[test]
    fn totals_are_kept_for_nine_days() {
        let timeline = Timeline::new(version(1, "2026-01-01T00:00:00Z", |_| ()));
        let day = timeline.day_of(at("2026-01-11T00:00:00Z"));
        let [last, forgotten] = [at("2026-01-19T23:59:59.999999Z"), at("2026-01-20T00:00:00Z")];
        assert_eq!(timeline.oldest_day_kept(last), day);
        assert!(timeline.oldest_day_kept(forgotten) > day);
        assert_eq!(timeline.forgotten_at(day), forgotten);
    }

    #[test]
    fn a_later_start_of_the_day_lengthens_a_day() {
        let mut timeline = Timeline::new(version(1, "2026-01-01T00:00:00Z", |_| ()));
        timeline.push(version(2, "2026-01-07T00:00:00Z", |policy| policy.calendar.day_start = 8 * HOUR));
        let before = at("2026-01-06T15:00:00Z");
        assert_eq!(timeline.day_of(before), timeline.day_of(at("2026-01-07T07:59:59Z")));
        assert_eq!(timeline.end_of_day(before), at("2026-01-07T08:00:00Z"));
        assert_eq!(timeline.start_of(timeline.day_of(before)), at("2026-01-06T00:00:00Z"));
        assert_eq!(timeline.start_of(timeline.day_of(at("2026-01-07T08:00:00Z"))), at("2026-01-07T08:00:00Z"));
    }

    #[test]
    fn an_earlier_start_of_the_day_shortens_a_day() {
        let mut timeline =
            Timeline::new(version(1, "2026-01-01T00:00:00Z", |policy| policy.calendar.day_start = 8 * HOUR));
        timeline.push(version(2, "2026-01-07T08:00:00Z", |_| ()));
        assert_eq!(timeline.end_of_day(at("2026-01-06T15:00:00Z")), at("2026-01-07T08:00:00Z"));
        assert_eq!(timeline.end_of_day(at("2026-01-07T08:00:00Z")), at("2026-01-08T00:00:00Z"));
        for (within, start) in [
            ("2026-01-06T15:00:00Z", "2026-01-06T08:00:00Z"),
            ("2026-01-07T08:00:00Z", "2026-01-07T08:00:00Z"),
            ("2026-01-08T00:00:00Z", "2026-01-08T00:00:00Z"),
        ] {
            assert_eq!(timeline.start_of(timeline.day_of(at(within))), at(start), "{within}");
        }
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
