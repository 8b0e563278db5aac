//! What a line gives, before it is known whether it makes sense.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// A value as it stands there. Unlike a value of serde_json it keeps no number that was rounded, and no name twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// As if it were not there.
    Null,
    /// A string.
    Text(String),
    /// A whole number.
    Count(u64),
    /// Something that is never wanted.
    Other(&'static str),
    /// Several values.
    List(Vec<Self>),
    /// Named values.
    Object(Vec<(String, Self)>),
}

impl Given {
    /// What it is.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a string",
            Self::Count(_) => "a number",
            Self::Other(kind) => kind,
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Given, E> {
        Ok(Given::Other("true or false"))
    }

    fn visit_u64<E>(self, count: u64) -> Result<Given, E> {
        Ok(Given::Count(count))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given, E> {
        Ok(Given::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given, E> {
        Ok(Given::Other("a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Given::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Given, A::Error> {
        let mut fields: Vec<(String, Given)> = Vec::new();
        while let Some((name, value)) = entries.next_entry::<String, _>()? {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("{name} is given twice")));
            }
            // What has no name that is known is refused: no more than a handful can be good.
            if fields.len() == MOST_FIELDS {
                return Err(A::Error::custom(format_args!("an object has more than {MOST_FIELDS} fields")));
            }
            fields.push((name, value));
        }
        Ok(Given::Object(fields))
    }
}

/// More than any object has that is taken.
const MOST_FIELDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(json: &str) -> Result<Given, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_what_they_are() {
        for (json, kind) in [
            ("null", "null"),
            ("\"1\"", "a string"),
            ("1", "a number"),
            ("-1", "a number"),
            ("1.5", "a number"),
            ("1e300", "a number"),
            ("18446744073709551616", "a number"),
            ("false", "true or false"),
            ("[1,{}]", "an array"),
            ("{\"a\":[]}", "an object"),
        ] {
            assert_eq!(given(json).unwrap().kind(), kind, "{json}");
        }
        assert_eq!(given("\"a\\n\""), Ok(Given::Text("a\n".into())));
        assert_eq!(given("18446744073709551615"), Ok(Given::Count(u64::MAX)));
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        assert!(given(r#"{"a":"1","b":{"c":"1","c":"2"}}"#).unwrap_err().starts_with("c is given twice"));
    }
}
