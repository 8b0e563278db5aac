//! The access file: who may do what, as TOML.
//!
//! This knows how a file says it, and names the key and the line of what it refuses. What it comes to is `access`'s to know.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use http::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::value::{self, DAY, MINUTE};
use crate::{
    access::{
        Algorithm, CallerRules, FourEyes, Identity, KeySource, Limits, Permission, Permissions, Rules, Scope,
        TokenRules,
    },
    domain::{Money, Proposals},
};

/// Why an access file is refused: one sentence that begins with the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {line})")]
pub struct AccessError {
    /// What is wrong, beginning with the key where there is one; names the value and the bounds.
    pub problem: String,
    /// The line of the file, counted from 1.
    pub line: usize,
}

/// An access file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessFile {
    roles: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    callers: Vec<Spanned<CallerEntry>>,
    limits: LimitsSection,
    tokens: Option<Spanned<TokensSection>>,
    four_eyes: FourEyesSection,
}

type Text = Option<Spanned<String>>;
type Number = Option<Spanned<i64>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerEntry {
    spiffe: Text,
    dns: Text,
    subject: Text,
    roles: Vec<Spanned<String>>,
    merchants: Option<Spanned<Vec<String>>>,
    rate: Number,
    burst: Number,
    concurrent: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    rate: Number,
    burst: Number,
    concurrent: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensSection {
    issuer: Spanned<String>,
    audience: Spanned<String>,
    algorithms: Spanned<Vec<Spanned<String>>>,
    keys: Spanned<String>,
    refresh: Text,
    leeway: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FourEyesSection {
    deduct_over: Text,
    adjust_over: Text,
    policy: bool,
    expires_after: Text,
}

/// The role of this name is always there: it may do everything.
const ADMIN: &str = "admin";

impl AccessFile {
    /// Reads an access file.
    ///
    /// # Errors
    ///
    /// An [`AccessError`] that names the key and the line: the text is no TOML, a key is unknown or missing, a value is of the
    /// wrong type or out of bounds, a role or permission does not exist, or a caller is named twice.
    pub fn parse(text: &str) -> Result<Rules, AccessError> {
        let file: AccessFile = toml::from_str(text).map_err(|error| {
            let (problem, line) = value::toml_problem(text, error);
            AccessError { problem, line }
        })?;
        Reader { text }.read(&file)
    }
}

/// Turns what is written into rules; holds the text to tell the line of what it refuses.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn read(&self, file: &AccessFile) -> Result<Rules, AccessError> {
        let roles = self.roles(&file.roles)?;
        let LimitsSection { rate, burst, concurrent } = &file.limits;
        let limits = self.limits("limits", (rate, burst, concurrent), Limits::default())?;
        let tokens = file.tokens.as_ref().map(|tokens| self.tokens(tokens.get_ref())).transpose()?;
        let (mut callers, mut seen) = (Vec::new(), BTreeSet::new());
        for (index, entry) in file.callers.iter().enumerate() {
            let key = format!("callers[{index}]");
            let caller = self.caller(&key, entry, &roles, limits)?;
            if matches!(caller.identity, Identity::Subject(_)) && tokens.is_none() {
                return Err(self.refuse(
                    &format!("{key}.subject"),
                    entry,
                    "no tokens are believed without [tokens]".into(),
                ));
            }
            if !seen.insert(caller.identity.clone()) {
                return Err(self.refuse(&key, entry, format!("{:?} is there already", caller.identity.name())));
            }
            callers.push(caller);
        }
        Ok(Rules { callers, tokens, four_eyes: self.four_eyes(&file.four_eyes)? })
    }

    fn roles(
        &self,
        given: &BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    ) -> Result<BTreeMap<String, Permissions>, AccessError> {
        let mut roles = BTreeMap::from([(ADMIN.to_owned(), Permissions::all())]);
        for (name, permissions) in given {
            let key = format!("roles.{name}");
            if name == ADMIN {
                return Err(self.refuse(&key, permissions, "may do everything, and is not to be changed".into()));
            }
            let read = |text: &Spanned<String>| {
                Permission::parse(text.get_ref()).ok_or_else(|| {
                    let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.text()).collect();
                    self.refuse(&key, text, format!("{:?} is not one of {}", text.get_ref(), all.join(", ")))
                })
            };
            let read: Result<Permissions, _> = permissions.get_ref().iter().map(read).collect();
            roles.insert(name.clone(), read?);
        }
        Ok(roles)
    }

    fn caller(
        &self,
        key: &str,
        entry: &Spanned<CallerEntry>,
        roles: &BTreeMap<String, Permissions>,
        limits: Limits,
    ) -> Result<CallerRules, AccessError> {
        let CallerEntry { roles: has, merchants, rate, burst, concurrent, .. } = entry.get_ref();
        let mut may = Permissions::default();
        for role in has {
            let permitted = roles.get(role.get_ref());
            let unknown =
                || self.refuse(&format!("{key}.roles"), role, format!("there is no role {:?}", role.get_ref()));
            may = may | *permitted.ok_or_else(unknown)?;
        }
        let merchants = merchants.as_ref().map_or(Ok(Scope::All), |given| {
            let refused = |problem| self.refuse(&format!("{key}.merchants"), given, problem);
            Scope::parse(given.get_ref()).map_err(refused)
        })?;
        let limits = self.limits(key, (rate, burst, concurrent), limits)?;
        Ok(CallerRules { identity: self.identity(key, entry)?, may, merchants, limits })
    }

    fn identity(&self, key: &str, entry: &Spanned<CallerEntry>) -> Result<Identity, AccessError> {
        let CallerEntry { spiffe, dns, subject, .. } = entry.get_ref();
        let (identity, given) = match (spiffe, dns, subject) {
            (Some(id), None, None) => (Identity::Spiffe(id.get_ref().clone()), id),
            // Names of hosts do not differ by case.
            (None, Some(name), None) => (Identity::Dns(name.get_ref().to_ascii_lowercase()), name),
            (None, None, Some(subject)) => (Identity::Subject(subject.get_ref().clone()), subject),
            _ => return Err(self.refuse(key, entry, "needs exactly one of spiffe, dns and subject".into())),
        };
        if let Identity::Spiffe(id) = &identity
            && !id.strip_prefix("spiffe://").is_some_and(|rest| rest.contains('/') && !rest.starts_with('/'))
        {
            let problem = format!("{id:?} is no SPIFFE ID such as \"spiffe://shop.example/checkout\"");
            return Err(self.refuse(&format!("{key}.spiffe"), given, problem));
        }
        let name = identity.name();
        if given.get_ref().is_empty() || name.len() > Identity::MAX_BYTES || name.chars().any(char::is_control) {
            let problem = format!("has to have 1 to {} bytes, and no control characters", Identity::MAX_BYTES);
            return Err(self.refuse(key, given, problem));
        }
        Ok(identity)
    }

    fn limits(
        &self,
        key: &str,
        (rate, burst, concurrent): (&Number, &Number, &Number),
        otherwise: Limits,
    ) -> Result<Limits, AccessError> {
        let read = |name: &str, given: &Number, otherwise| match given {
            None => Ok(otherwise),
            Some(given) => {
                let number = value::whole::<u32>(&given.get_ref().to_string(), 1, 1_000_000_000);
                let number = number.map_err(|problem| self.refuse(&format!("{key}.{name}"), given, problem))?;
                Ok(NonZeroU32::new(number))
            }
        };
        let limits = Limits {
            rate: read("rate", rate, otherwise.rate)?,
            burst: read("burst", burst, otherwise.burst)?,
            concurrent: read("concurrent", concurrent, otherwise.concurrent)?,
        };
        match burst {
            Some(given) if limits.rate.is_none() => {
                Err(self.refuse(&format!("{key}.burst"), given, "says nothing without a rate".into()))
            }
            _ => Ok(limits),
        }
    }

    fn tokens(&self, section: &TokensSection) -> Result<TokenRules, AccessError> {
        let TokensSection { issuer, audience, algorithms, keys, refresh, leeway } = section;
        let filled = |key: &str, text: &Spanned<String>| match text.get_ref().as_str() {
            "" => Err(self.refuse(key, text, "is empty".into())),
            text => Ok(text.to_owned()),
        };
        let algorithm = |text: &Spanned<String>| {
            let read = value::one_of(text.get_ref(), &Algorithm::ALL);
            read.map_err(|problem| self.refuse("tokens.algorithms", text, problem))
        };
        let read: Result<Vec<_>, _> = algorithms.get_ref().iter().map(algorithm).collect();
        let read = read?;
        if read.is_empty() {
            return Err(self.refuse("tokens.algorithms", algorithms, "is empty".into()));
        }
        let refresh = self.duration("tokens.refresh", refresh, 5 * MINUTE, Duration::from_secs(1))?;
        Ok(TokenRules {
            issuer: filled("tokens.issuer", issuer)?,
            audience: filled("tokens.audience", audience)?,
            algorithms: read,
            keys: key_source(keys.get_ref()).map_err(|problem| self.refuse("tokens.keys", keys, problem))?,
            refresh,
            leeway: self.duration("tokens.leeway", leeway, Duration::from_secs(30), Duration::ZERO)?,
        })
    }

    fn four_eyes(&self, section: &FourEyesSection) -> Result<FourEyes, AccessError> {
        let amount = |key: &str, given: &Text| {
            let read = |text: &Spanned<String>| {
                Money::parse(text.get_ref()).map_err(|invalid| self.refuse(key, text, invalid.to_string()))
            };
            given.as_ref().map(read).transpose()
        };
        let (expires, otherwise) = (&section.expires_after, FourEyes::default().expires_after);
        let key = "four_eyes.expires_after";
        let expires_after = expires.as_ref().map_or(Ok(otherwise), |given| {
            let read = value::duration(given.get_ref(), MINUTE, Proposals::LONGEST);
            read.map_err(|problem| self.refuse(key, given, problem))
        })?;
        Ok(FourEyes {
            deduct_over: amount("four_eyes.deduct_over", &section.deduct_over)?,
            adjust_over: amount("four_eyes.adjust_over", &section.adjust_over)?,
            policy: section.policy,
            expires_after,
        })
    }

    fn duration(&self, key: &str, given: &Text, default: Duration, min: Duration) -> Result<Duration, AccessError> {
        let Some(given) = given else { return Ok(default) };
        value::duration(given.get_ref(), min, DAY).map_err(|problem| self.refuse(key, given, problem))
    }

    fn refuse<T>(&self, key: &str, given: &Spanned<T>, problem: String) -> AccessError {
        AccessError { problem: format!("{key}: {problem}"), line: value::line_of(self.text, given.span().start) }
    }
}

/// A path, or an address that nobody between it and here can answer for.
fn key_source(text: &str) -> Result<KeySource, String> {
    if !text.contains("://") {
        return value::path(text).map(|path: PathBuf| KeySource::File(path));
    }
    let uri: Uri = text.parse().map_err(|_| format!("{text:?} is no address"))?;
    let local = uri.host().is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    });
    match uri.scheme_str() {
        Some("https") => Ok(KeySource::Url(text.to_owned())),
        Some("http") if local => Ok(KeySource::Url(text.to_owned())),
        _ => Err(format!("{text:?} is neither a path nor an https address, nor an http address of this machine")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const FILE: &str = r#"
[roles]
checkout = ["order.classify", "margin.read"]
support = ["deduct"]

[limits]
concurrent = 100

[tokens]
issuer = "https://id.shop.example"
audience = "tplus"
algorithms = ["RS256", "ES256"]
keys = "https://id.shop.example/keys"

[[callers]]
spiffe = "spiffe://shop.example/checkout"
roles = ["checkout"]
rate = 5000
burst = 10000

[[callers]]
dns = "Ops.shop.example"
roles = ["admin"]
concurrent = 10

[[callers]]
subject = "agent-7"
roles = ["support", "checkout"]
merchants = ["eu-*", "m-1"]

[four_eyes]
deduct_over = "500"
adjust_over = "0.00"
policy = true
expires_after = "8h"
"#;

    #[test]
    fn a_file_says_who_may_do_what() {
        let rules = AccessFile::parse(FILE).unwrap();
        let [checkout, ops, agent] = rules.callers.as_slice() else { panic!("three callers") };
        assert_eq!(checkout.identity.name(), "spiffe://shop.example/checkout");
        assert!(checkout.may.contains(Permission::ClassifyOrder) && !checkout.may.contains(Permission::Deduct));
        assert_eq!(checkout.limits.rate.map(NonZeroU32::get), Some(5_000));
        assert_eq!(checkout.limits.concurrent.map(NonZeroU32::get), Some(100));
        assert_eq!((ops.identity.name().as_str(), ops.may), ("dns:ops.shop.example", Permissions::all()));
        assert_eq!(ops.limits.concurrent.map(NonZeroU32::get), Some(10));
        assert_eq!(agent.identity.name(), "sub:agent-7");
        assert!(agent.may.contains(Permission::Deduct) && agent.merchants.contains("eu-3"));
        let (dollars, hours) = (Money::from_dollars, Duration::from_secs(8 * 3_600));
        let limits = (Some(dollars(500)), Some(dollars(0)));
        assert_eq!((rules.four_eyes.deduct_over, rules.four_eyes.adjust_over), limits);
        assert_eq!((rules.four_eyes.policy, rules.four_eyes.expires_after), (true, hours));
        let tokens = rules.tokens.unwrap();
        assert_eq!((tokens.refresh, tokens.leeway), (5 * MINUTE, Duration::from_secs(30)));
    }

    #[test]
    fn an_empty_file_permits_nobody_anything() {
        assert_eq!(
            AccessFile::parse("").unwrap(),
            Rules { callers: Vec::new(), tokens: None, four_eyes: FourEyes::default() }
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let replaced = |from: &str, to: &str| {
            assert!(FILE.contains(from), "{from}");
            AccessFile::parse(&FILE.replacen(from, to, 1)).unwrap_err().to_string()
        };
        for (from, to, says) in [
            ("\"deduct\"", "\"deducts\"", "roles.support: \"deducts\" is not one of order.classify, "),
            ("support =", "admin =", "roles.admin: may do everything, and is not to be changed (line 4)"),
            ("[\"admin\"]", "[\"root\"]", "callers[1].roles: there is no role \"root\" (line 23)"),
            (
                "spiffe = \"spiffe:",
                "spiffe = \"http:",
                "callers[0].spiffe: \"http://shop.example/checkout\" is no SPIFFE",
            ),
            ("dns = \"Ops.shop.example\"", "", "callers[1]: needs exactly one of spiffe, dns and subject (line 21)"),
            ("dns =", "subject = \"x\"\ndns =", "callers[1]: needs exactly one of spiffe, dns and subject"),
            ("\"agent-7\"", "\"\"", "callers[2]: has to have 1 to 255 bytes"),
            ("\"agent-7\"", "\"a\\nb\"", "callers[2]: has to have 1 to 255 bytes"),
            ("dns = \"Ops.shop.example\"", "subject = \"agent-7\"", "callers[2]: \"sub:agent-7\" is there already"),
            ("rate = 5000", "rate = 0", "callers[0].rate: 0 is outside 1 to 1000000000 (line 18)"),
            ("rate = 5000", "", "callers[0].burst: says nothing without a rate"),
            ("\"eu-*\"", "\"e*u\"", "callers[2].merchants: \"e*u\" is neither an id nor a prefix"),
            ("\"500\"", "\"-5\"", "four_eyes.deduct_over: "),
            ("\"8h\"", "\"31d\"", "four_eyes.expires_after: "),
            ("\"RS256\"", "\"HS256\"", "tokens.algorithms: \"HS256\" is not one of \"RS256\", "),
            ("[\"RS256\", \"ES256\"]", "[]", "tokens.algorithms: is empty"),
            ("\"tplus\"", "\"\"", "tokens.audience: is empty"),
            (
                "https://id.shop.example/keys",
                "http://id.shop.example/keys",
                "tokens.keys: \"http://id.shop.example/keys\" is",
            ),
            ("keys = ", "refresh = \"0s\"\nkeys = ", "tokens.refresh: \"0s\" is outside 1s to 1d"),
            ("concurrent = 100", "parallel = 100", "limits.parallel: unknown key"),
        ] {
            let said = replaced(from, to);
            assert!(said.starts_with(says), "{said}\n{says}");
        }
        let tokens = FILE.find("[tokens]").unwrap()..FILE.find("[[callers]]").unwrap();
        let without = format!("{}{}", &FILE[..tokens.start], &FILE[tokens.end..]);
        let said = AccessFile::parse(&without).unwrap_err().to_string();
        assert!(said.starts_with("callers[2].subject: no tokens are believed without [tokens]"), "{said}");
    }

    #[test]
    fn keys_come_from_files_and_from_where_nobody_can_put_in_his_own() {
        for (text, good) in [
            ("keys.json", true),
            ("https://id.example/keys", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]:8080/keys", true),
            ("http://localhost/keys", true),
            ("http://id.example/keys", false),
            ("ftp://localhost/keys", false),
            ("https://", false),
        ] {
            assert_eq!(key_source(text).is_ok(), good, "{text}");
        }
    }
}
