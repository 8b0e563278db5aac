//! Values that are printed, as JSON or for people.

use std::fmt;

/// What there is to say about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Words, amounts and instants.
    Text(String),
    /// A whole number.
    Number(i128),
    /// Several values.
    List(Vec<Value>),
    /// Named values, in this order.
    Fields(Fields),
}

/// Named values, in the order in which they are shown.
pub(super) type Fields = Vec<(&'static str, Value)>;

impl Value {
    /// The text that something displays as.
    pub(super) fn text(shown: impl fmt::Display) -> Self {
        Self::Text(shown.to_string())
    }

    /// A whole number.
    pub(super) fn number(number: impl Into<i128>) -> Self {
        Self::Number(number.into())
    }
}

impl fmt::Display for Value {
    /// As JSON, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Fields(fields) => {
                f.write_str("{")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_valid_json() {
        let value = Value::Fields(vec![
            ("text", Value::text("a \"b\"\\\n\u{1}é")),
            ("list", Value::List(vec![Value::number(-1), Value::number(2)])),
            ("none", Value::Fields(vec![])),
        ]);
        assert_eq!(value.to_string(), r#"{"text":"a \"b\"\\\u000a\u0001é","list":[-1,2],"none":{}}"#);
    }
}
