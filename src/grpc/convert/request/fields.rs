//! The fields of a request, and what is wrong with them.

use std::{fmt, time::Duration};

use tonic::Status;

use super::super::status;
use crate::{
    domain::{Id, MerchantId, Money, Rejection, Text, Timestamp},
    engine,
};

/// A field by its name as the API has it; one of a repeated field also by its place.
#[derive(Clone, Copy)]
pub(super) struct Field {
    list: Option<(&'static str, usize)>,
    name: &'static str,
}

impl Field {
    /// An item of a repeated field.
    pub(super) const fn item(list: &'static str, index: usize) -> Self {
        Self { list: Some((list, index)), name: "" }
    }

    /// A field of that item.
    pub(super) const fn dot(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

impl From<&'static str> for Field {
    fn from(name: &'static str) -> Self {
        Self { list: None, name }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.list, self.name) {
            (None, name) => f.write_str(name),
            (Some((list, index)), "") => write!(f, "{list}[{index}]"),
            (Some((list, index)), name) => write!(f, "{list}[{index}].{name}"),
        }
    }
}

/// Reads the fields of a request and collects what is wrong with them, each field once.
#[derive(Default)]
pub(super) struct Fields {
    bad: Vec<(String, String)>,
    /// What the names of fields begin with that are those of a message within the request.
    within: &'static str,
}

impl Fields {
    /// The fields from now on are those of a message within the request.
    pub(super) const fn within(&mut self, message: &'static str) {
        self.within = message;
    }

    pub(super) fn id<Kind>(&mut self, field: impl Into<Field>, text: &str) -> Option<Id<Kind>> {
        let field = field.into();
        let text = self.present(field, Some(text).filter(|text| !text.is_empty()))?;
        self.read(field, Id::parse(text))
    }

    pub(super) fn amount(&mut self, field: impl Into<Field>, text: &str) -> Option<Money> {
        let field = field.into();
        let text = self.present(field, Some(text).filter(|text| !text.is_empty()))?;
        self.read(field, Money::parse(text))
    }

    /// An amount that may be left out, which in proto3 is the empty text.
    pub(super) fn optional_amount(&mut self, field: impl Into<Field>, text: &str) -> Option<Money> {
        if text.is_empty() { None } else { self.read(field, Money::parse(text)) }
    }

    /// A text that may be empty; it stands for itself or, when it is bad, for nothing.
    pub(super) fn text(&mut self, field: impl Into<Field>, text: &str) -> Text {
        self.read(field, Text::parse(text)).unwrap_or_default()
    }

    /// A text that may not be empty.
    pub(super) fn written(&mut self, field: impl Into<Field>, text: &str) -> Text {
        let field = field.into();
        if text.is_empty() {
            self.blame(field, "is missing");
        }
        self.text(field, text)
    }

    pub(super) fn instant(
        &mut self,
        field: impl Into<Field>,
        instant: Option<&prost_types::Timestamp>,
    ) -> Option<Timestamp> {
        instant.and_then(|instant| self.read(field, read_instant(instant)))
    }

    pub(super) fn required_instant(
        &mut self,
        field: impl Into<Field>,
        instant: Option<&prost_types::Timestamp>,
    ) -> Option<Timestamp> {
        let field = field.into();
        let instant = self.present(field, instant)?;
        self.instant(field, Some(instant))
    }

    pub(super) fn duration(
        &mut self,
        field: impl Into<Field>,
        duration: Option<&prost_types::Duration>,
    ) -> Option<Duration> {
        duration.and_then(|duration| self.read(field, read_duration(duration)))
    }

    pub(super) fn required_duration(
        &mut self,
        field: impl Into<Field>,
        duration: Option<&prost_types::Duration>,
    ) -> Option<Duration> {
        let field = field.into();
        let duration = self.present(field, duration)?;
        self.duration(field, Some(duration))
    }

    /// One of several; the first of an enumeration says nothing.
    pub(super) fn choice<E: TryFrom<i32>, T>(
        &mut self,
        field: impl Into<Field>,
        number: i32,
        meaning: impl FnOnce(E) -> Option<T>,
    ) -> Option<T> {
        let field = field.into();
        match E::try_from(number) {
            Ok(choice) => self.present(field, meaning(choice)),
            Err(_) => {
                self.blame(field, "has a value that is not known");
                None
            }
        }
    }

    pub(super) fn present<T>(&mut self, field: impl Into<Field>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.blame(field, "is missing");
        }
        value
    }

    pub(super) fn read<T>(&mut self, field: impl Into<Field>, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|reason| self.blame(field, reason)).ok()
    }

    /// What the domain makes of fields that are well-formed each.
    pub(super) fn judged<C>(&mut self, command: Result<C, Rejection>) -> Option<C> {
        command.map_err(|rejection| self.blame_for(rejection, Field::from)).ok()
    }

    /// What the domain makes of an item of a repeated field.
    pub(super) fn judged_item(&mut self, item: Field, judged: Result<(), Rejection>) {
        if let Err(rejection) = judged {
            self.blame_for(rejection, |name| item.dot(name));
        }
    }

    fn blame_for(&mut self, rejection: Rejection, field: impl FnOnce(&'static str) -> Field) {
        match rejection {
            Rejection::Invalid { field: name, reason } => self.blame(field(name), reason),
            other => self.blame("request", other),
        }
    }

    pub(super) fn blame(&mut self, field: impl Into<Field>, reason: impl fmt::Display) {
        self.blame_named(field.into().to_string(), reason);
    }

    pub(super) fn blame_named(&mut self, field: String, reason: impl fmt::Display) {
        let field = if self.within.is_empty() { field } else { format!("{}.{field}", self.within) };
        // What is said first about a field comes from reading it; the rest may follow from that.
        if self.bad.iter().rev().take(MOST_KEPT).all(|(other, _)| *other != field) {
            self.bad.push((field, reason.to_string()));
        }
    }

    pub(super) const fn all_good(&self) -> bool {
        self.bad.is_empty()
    }

    /// What was read, unless anything was wrong.
    pub(super) fn unless_bad<T>(self, read: Option<T>) -> Result<T, Status> {
        match read {
            Some(read) if self.bad.is_empty() => Ok(read),
            _ => Err(status::invalid(self.bad)),
        }
    }

    pub(super) fn request<C>(
        self,
        merchant: Option<MerchantId>,
        command: Option<C>,
        validate_only: bool,
        not_after: Option<Timestamp>,
    ) -> Result<engine::Request<C>, Status> {
        let read = merchant.zip(command).map(|(merchant, command)| {
            // Who asks is known to the service.
            engine::Request { merchant, command, caller: String::new(), validate_only, not_after }
        });
        self.unless_bad(read)
    }
}

/// How far back a field is looked for that is blamed already.
const MOST_KEPT: usize = 64;

/// Stands in for an id that is bad itself, while the other fields are judged.
pub(super) fn any_id<Kind>() -> Option<Id<Kind>> {
    Id::parse("-").ok()
}

/// Keeps microseconds and cuts off finer digits.
fn read_instant(instant: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    const YEARS_1_TO_9999: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    if !YEARS_1_TO_9999.contains(&instant.seconds) {
        return Err("has to lie between the years 1 and 9999");
    }
    if !(0..=999_999_999).contains(&instant.nanos) {
        return Err("has nanos outside 0 to 999,999,999");
    }
    Ok(Timestamp::from_micros(instant.seconds * 1_000_000 + i64::from(instant.nanos / 1_000)))
}

/// A duration that a policy can keep.
fn read_duration(duration: &prost_types::Duration) -> Result<Duration, &'static str> {
    let (seconds, nanos) = (u64::try_from(duration.seconds), u32::try_from(duration.nanos));
    let (Ok(seconds), Ok(nanos @ 0..=999_999_999)) = (seconds, nanos) else {
        return Err("has to be a duration of at least 0, with nanos of at most 999,999,999");
    };
    if nanos % 1_000 != 0 {
        return Err("is finer than a microsecond");
    }
    Ok(Duration::new(seconds, nanos))
}
