//! From text to values within bounds. A refusal begins with the value and says what would have been right.

use std::{
    any::type_name,
    fmt::{self, Display},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use super::LogFormat;
use crate::clock::{self, Micros};
use crate::domain::Timestamp;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration with its unit, `min` to `max`, both included.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|_| format!("{text:?} is no duration such as \"5s\""))?;
    if !duration.subsec_nanos().is_multiple_of(1_000) {
        return Err(format!("{text:?} is finer than a microsecond"));
    }
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("{text:?} is outside {} to {}", Short(min), Short(max)))
}

/// A whole number, `min` to `max`, both included.
pub(super) fn whole<T>(text: &str, min: u64, max: u64) -> Result<T, String>
where
    T: TryFrom<u64>,
{
    // Wide enough that a number somewhat out of range is told apart from a word.
    let number: i128 = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
    let outside = || format!("{number} is outside {min} to {max}");
    let number = u64::try_from(number).ok().filter(|number| (min..=max).contains(number)).ok_or_else(outside)?;
    // Bounds are chosen to fit the type, so this is never said.
    T::try_from(number).map_err(|_| format!("{number} does not fit {}", type_name::<T>()))
}

pub(super) fn multiple_of(unit: u64, number: u64) -> Result<u64, String> {
    if number.is_multiple_of(unit) { Ok(number) } else { Err(format!("{number} is not a multiple of {unit}")) }
}

pub(super) fn power_of_two(number: usize) -> Result<usize, String> {
    if number.is_power_of_two() { Ok(number) } else { Err(format!("{number} is not a power of two")) }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither \"true\" nor \"false\""))
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("\"\" is not a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IP address with a port such as \"127.0.0.1:50051\""))
}

pub(super) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    address(text).map(Some).map_err(|problem| format!("{problem}, nor \"off\""))
}

/// Where a collector is, in a build that can send to one.
pub(super) fn collector_or_off(text: &str) -> Result<Option<String>, String> {
    if text == "off" {
        return Ok(None);
    }
    let url: Option<http::Uri> = text.parse().ok();
    if url.is_none_or(|url| !matches!(url.scheme_str(), Some("http" | "https")) || url.authority().is_none()) {
        return Err(format!("{text:?} is no address such as \"http://127.0.0.1:4317\", nor \"off\""));
    }
    if cfg!(feature = "otlp") {
        return Ok(Some(text.to_owned()));
    }
    Err(format!("{text:?} cannot be sent to by this build; build it with --features otlp"))
}

/// Whether an address is one that is encrypted.
pub(super) fn is_https(address: &str) -> bool {
    address.parse().is_ok_and(|url: http::Uri| url.scheme_str() == Some("https"))
}

/// A share from 0 to 1, in millionths.
pub(super) fn of_a_million(text: &str) -> Result<u32, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text:?} is no number such as \"0.01\""))?;
    if !(0.0..=1.0).contains(&share) {
        return Err(format!("{text} is outside 0 to 1"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 1,000,000")]
    Ok((share * 1e6).round() as u32)
}

pub(super) fn instant(text: &str) -> Result<Micros, String> {
    let time =
        Timestamp::parse(text).map_err(|_| format!("{text:?} is no RFC 3339 time such as \"2026-03-01T12:00:00Z\""))?;
    if (Timestamp::MIN..=Timestamp::MAX).contains(&time) {
        return Ok(time.micros());
    }
    Err(format!("{text:?} is outside {} to {}", Timestamp::MIN, Timestamp::MAX))
}

pub(super) fn clock_mode(text: &str) -> Result<clock::Mode, String> {
    one_of(text, &[clock::Mode::System, clock::Mode::Manual])
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    one_of(text, &[LogFormat::Auto, LogFormat::Human, LogFormat::Json])
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is no log filter such as \"info,tplus=debug\": {error}")),
    }
}

/// The one of `choices` that is written like `text`.
pub(super) fn one_of<T: Copy + Display>(text: &str, choices: &[T]) -> Result<T, String> {
    if let Some(choice) = choices.iter().find(|choice| choice.to_string() == text) {
        return Ok(*choice);
    }
    let choices: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
    Err(format!("{text:?} is not one of {}", choices.join(", ")))
}

/// A round duration as a person would write it: `7d`, where humantime writes `7days`.
struct Short(Duration);

impl Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (unit, letter) in [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')] {
            if seconds > 0 && seconds.is_multiple_of(unit.as_secs()) {
                return write!(f, "{}{letter}", seconds / unit.as_secs());
            }
        }
        write!(f, "{seconds}s")
    }
}

/// What a TOML error says, beginning with the whole key where it names one, and its line, counted from 1.
pub(super) fn toml_problem(text: &str, mut error: toml::de::Error) -> (String, usize) {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let message = error.message().trim_end().replace('\n', ", ");
    // The path to the key is only told by the way it is displayed without the text.
    error.set_input(None);
    let shown = error.to_string();
    let path = shown.rsplit_once("\nin `").and_then(|(_, path)| path.trim_end().strip_suffix('`'));
    // For an unknown key that path leads to its section; the key itself is in the message.
    let key = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let problem = match (path, key) {
        (Some(path), Some((key, rest))) => format!("{path}.{key}: unknown key{rest}"),
        (None, Some((key, rest))) => format!("{key}: unknown key{rest}"),
        (Some(path), None) => format!("{path}: {message}"),
        (None, None) => message,
    };
    (problem, line)
}

/// The line of a byte offset, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
