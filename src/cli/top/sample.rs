//! What `/metrics` said at a moment.

use std::{collections::HashMap, time::Instant};

/// Values of series, as they are written with their labels.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) taken: Instant,
    values: HashMap<String, f64>,
}

impl Sample {
    /// Reads the text format of OpenMetrics. What is no sample is passed over.
    pub(super) fn read(text: &str, taken: Instant) -> Self {
        let sample = |line: &str| {
            // Labels may hold blanks; what comes behind a value is a time that nobody here asks for.
            let end = line.rfind('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1))?;
            let (series, rest) = line.split_at_checked(end)?;
            Some((series.to_owned(), rest.split_whitespace().next()?.parse().ok()?))
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self { taken, values: lines.filter_map(sample).collect() }
    }

    /// The value of a series, as it is written; 0 if it is not there.
    pub(super) fn get(&self, series: &str) -> f64 {
        self.values.get(series).copied().unwrap_or_default()
    }

    /// All series of a name, with their labels.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.values.iter().filter_map(move |(series, value)| {
            let labels = series.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, *value))
        })
    }

    /// All series of a name added up, of those whose labels contain this.
    pub(super) fn sum(&self, name: &str, label: &str) -> f64 {
        self.all(name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
    }
}

/// What a label says.
pub(super) fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = labels.split_once(&format!("{name}=\""))?;
    behind.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_and_the_rest_is_not() {
        let text =
            "# TYPE a gauge\na 1\nb{x=\"y z\",le=\"0.5\"} 2.5 1700000000\nb{x=\"q\"} 4\nbb 7\nnonsense\n{ 1\n# EOF\n";
        let sample = Sample::read(text, Instant::now());
        assert!((sample.get("a") - 1.0).abs() < 1e-9);
        assert!((sample.get("b{x=\"y z\",le=\"0.5\"}") - 2.5).abs() < 1e-9);
        assert!((sample.sum("b", "") - 6.5).abs() < 1e-9);
        assert!((sample.sum("b", "x=\"q\"") - 4.0).abs() < 1e-9);
        assert!(sample.get("absent").abs() < 1e-9);
        assert_eq!(label("{x=\"y z\",le=\"0.5\"}", "le"), Some("0.5"));
        assert_eq!(label("{x=\"1\"}", "y"), None);
    }
}
