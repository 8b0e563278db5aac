//! Which merchants a caller may touch.

use std::collections::BTreeSet;

/// Some merchants, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All there are and will be.
    All,
    /// Those that are named, and those whose ids begin with one of the prefixes.
    Some {
        /// By their ids.
        ids: BTreeSet<String>,
        /// By how their ids begin.
        prefixes: Vec<String>,
    },
}

impl Scope {
    /// From what is written: ids, and prefixes with a star behind them. A star alone is all.
    ///
    /// # Errors
    /// What is wrong, to be read behind the name of the key.
    pub fn parse(patterns: &[String]) -> Result<Self, String> {
        let (mut ids, mut prefixes) = (BTreeSet::new(), Vec::new());
        for pattern in patterns {
            match pattern.strip_suffix('*') {
                Some("") => return Ok(Self::All),
                Some(prefix) if !prefix.contains('*') => prefixes.push(prefix.to_owned()),
                None if !pattern.is_empty() && !pattern.contains('*') => drop(ids.insert(pattern.clone())),
                _ => return Err(format!("{pattern:?} is neither an id nor a prefix with a star behind it")),
            }
        }
        Ok(Self::Some { ids, prefixes })
    }

    /// Whether this merchant is among them.
    pub fn contains(&self, merchant: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some { ids, prefixes } => {
                ids.contains(merchant) || prefixes.iter().any(|prefix| merchant.starts_with(prefix.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn scope(patterns: &[&str]) -> Result<Scope, String> {
        Scope::parse(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn ids_are_whole_and_prefixes_are_not() {
        let scope = scope(&["m-1", "eu-*"]).unwrap();
        for (merchant, inside) in
            [("m-1", true), ("m-12", false), ("eu-", true), ("eu-7", true), ("eu", false), ("", false)]
        {
            assert_eq!(scope.contains(merchant), inside, "{merchant}");
        }
    }

    #[test]
    fn nothing_is_nobody_and_a_star_is_all() {
        assert!(!scope(&[]).unwrap().contains("m-1"));
        assert_eq!(scope(&["m-1", "*"]).unwrap(), Scope::All);
    }

    #[test]
    fn other_patterns_are_refused() {
        for pattern in ["", "**", "a*b", "a*b*"] {
            scope(&[pattern]).unwrap_err();
        }
    }
}
