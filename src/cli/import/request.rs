//! A line to a request. All bad fields of a line are found together.
//!
//! Only what the API has another form for is read here: instants, cycles, dollars and counts. What an amount, an id or an order
//! may be is for the server to say.

use std::fmt::Display;

use serde::Serialize;

use super::given::Given;
use crate::{
    cli::call::wire,
    domain::{MerchantId, Money, Timestamp},
    proto::v1::{ImportMerchantRequest, ImportedOrder, ImportedPending, ImportedRelease, SettlementCycle},
};

/// A field and what is wrong with it, to be read after its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bad {
    /// The field, as the API names it.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) description: String,
}

/// A merchant that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merchant {
    /// The merchant.
    pub(super) id: MerchantId,
    /// What it brings along.
    pub(super) request: ImportMerchantRequest,
}

/// The merchant of a line.
pub(super) fn merchant(given: Vec<(String, Given)>) -> Result<Merchant, Vec<Bad>> {
    let mut bad = Vec::new();
    let mut fields = Fields { path: String::new(), given, bad: &mut bad };
    let id = fields.merchant_id();
    let request = ImportMerchantRequest {
        merchant_id: id.as_ref().map(ToString::to_string).unwrap_or_default(),
        historical_profit: fields.amount("historical_profit"),
        available: fields.amount("available"),
        request_id: fields.text("request_id"),
        validate_only: false,
        not_after: fields.instant("not_after"),
        debt: fields.amount("debt"),
        guarantee: fields.dollars("guarantee"),
        frozen: fields.amount("frozen"),
        releasing: fields.list("releasing", |release| ImportedRelease {
            amount: release.amount("amount"),
            due_at: release.instant("due_at"),
        }),
        pending: fields.list("pending", |pending| ImportedPending {
            settles_at: pending.instant("settles_at"),
            cycle: pending.cycle("cycle"),
            orders: pending.count("orders"),
            profit: pending.amount("profit"),
        }),
        orders: fields.list("orders", |order| ImportedOrder {
            order_id: order.text("order_id"),
            price: order.amount("price"),
            profit: order.amount("profit"),
            completed_at: order.instant("completed_at"),
            cycle: order.cycle("cycle"),
            settles_at: order.instant("settles_at"),
        }),
    };
    fields.refuse_the_rest();
    match id {
        Some(id) if bad.is_empty() => Ok(Merchant { request: with_request_id(&id, request), id }),
        _ => Err(bad),
    }
}

/// Gives the request the id that is always the same for the merchant, if it has none: `import-` and the merchant, cut to the
/// length of an id. It need not tell merchants apart, as request ids are unique within a merchant.
fn with_request_id(id: &MerchantId, mut request: ImportMerchantRequest) -> ImportMerchantRequest {
    if request.request_id.is_empty() {
        request.request_id = format!("import-{id}").chars().take(MerchantId::MAX_LEN).collect();
    }
    request
}

/// The fields of an object, to be taken one by one.
struct Fields<'a> {
    /// What stands before the name of each: `orders[3].`.
    path: String,
    given: Vec<(String, Given)>,
    bad: &'a mut Vec<Bad>,
}

impl Fields<'_> {
    fn blame(&mut self, name: &str, description: impl Display) {
        self.bad.push(Bad { field: format!("{}{name}", self.path), description: description.to_string() });
    }

    fn take(&mut self, name: &str) -> Option<Given> {
        let place = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(place).1).filter(|given| *given != Given::Null)
    }

    /// A string; empty if it is not there.
    fn string(&mut self, name: &str, wanted: &str) -> String {
        match self.take(name) {
            None => String::new(),
            Some(Given::Text(text)) => text,
            Some(other) => {
                self.blame(name, format_args!("has to be {wanted}, not {}", other.kind()));
                String::new()
            }
        }
    }

    fn text(&mut self, name: &str) -> String {
        self.string(name, "a string")
    }

    /// A number may have lost cents on its way through a program that knows no others than floating-point ones.
    fn amount(&mut self, name: &str) -> String {
        self.string(name, "an amount as a string, like \"12.50\"")
    }

    /// What is read from a text; nothing if it is not there.
    fn read<T, E: Display>(&mut self, name: &str, text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        read(text).map_err(|reason| self.blame(name, reason)).ok()
    }

    fn merchant_id(&mut self) -> Option<MerchantId> {
        let before = self.bad.len();
        let text = self.text("merchant_id");
        if text.is_empty() && self.bad.len() == before {
            self.blame("merchant_id", "is missing");
        }
        self.read("merchant_id", &text, MerchantId::parse)
    }

    fn instant(&mut self, name: &str) -> Option<prost_types::Timestamp> {
        let text = self.string(name, "an instant as a string");
        self.read(name, &text, Timestamp::parse).map(wire)
    }

    fn cycle(&mut self, name: &str) -> i32 {
        let text = self.text(name);
        let cycle = self.read(name, &text, |text| match text {
            "QUICK" => Ok(SettlementCycle::Quick),
            "STANDARD" => Ok(SettlementCycle::Standard),
            _ => Err("has to be QUICK or STANDARD"),
        });
        cycle.unwrap_or_default().into()
    }

    fn dollars(&mut self, name: &str) -> u64 {
        let text = self.amount(name);
        let dollars = self.read(name, &text, |text| {
            let amount = Money::parse(text).map_err(|error| error.to_string())?;
            if amount.is_whole_dollars() { Ok(amount) } else { Err("has to be whole dollars".to_owned()) }
        });
        dollars.unwrap_or_default().input_cents() / 100
    }

    fn count(&mut self, name: &str) -> u64 {
        match self.take(name) {
            None => 0,
            Some(Given::Count(count)) => count,
            Some(other) => {
                let kind = other.kind();
                self.blame(name, format_args!("has to be a whole number of 0 or more, not {kind}"));
                0
            }
        }
    }

    /// Every object of a list.
    fn list<T>(&mut self, name: &str, mut read: impl FnMut(&mut Fields<'_>) -> T) -> Vec<T> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(Given::List(items)) => items,
            Some(other) => {
                self.blame(name, format_args!("has to be an array, not {}", other.kind()));
                return Vec::new();
            }
        };
        let mut list = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            let Given::Object(given) = item else {
                self.blame(&format!("{name}[{place}]"), format_args!("has to be an object, not {}", item.kind()));
                continue;
            };
            let mut fields = Fields { path: format!("{}{name}[{place}].", self.path), given, bad: &mut *self.bad };
            list.push(read(&mut fields));
            fields.refuse_the_rest();
        }
        list
    }

    fn refuse_the_rest(&mut self) {
        for (name, _) in std::mem::take(&mut self.given) {
            self.blame(&name, "is not a field that is known");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Merchant, Vec<(String, String)>> {
        let Given::Object(given) = serde_json::from_str(json).unwrap() else { panic!("no object: {json}") };
        merchant(given).map_err(|bad| bad.into_iter().map(|bad| (bad.field, bad.description)).collect())
    }

    #[test]
    fn a_merchant_may_bring_nothing() {
        let merchant = read(r#"{"merchant_id":"m-1","debt":null,"orders":[]}"#).unwrap();
        assert_eq!(merchant.id.as_str(), "m-1");
        assert_eq!(
            merchant.request,
            ImportMerchantRequest {
                merchant_id: "m-1".into(),
                request_id: "import-m-1".into(),
                ..ImportMerchantRequest::default()
            }
        );
    }

    #[test]
    fn the_id_of_a_request_always_fits() {
        let long = "x".repeat(64);
        let merchant = read(&format!(r#"{{"merchant_id":"{long}"}}"#)).unwrap();
        assert_eq!(merchant.request.request_id, format!("import-{}", "x".repeat(57)));
    }

    #[test]
    fn a_merchant_may_bring_everything() {
        let merchant = read(
            r#"{"merchant_id":"m","request_id":"r","historical_profit":"1","available":"2","debt":"3","guarantee":"4.00",
            "frozen":"5","not_after":"1970-01-01T00:00:01Z","releasing":[{"amount":"6","due_at":"1970-01-01T01:00:02+01:00"}],
            "pending":[{"settles_at":"1970-01-01T00:00:03Z","cycle":"QUICK","orders":7,"profit":"8"}],
            "orders":[{"order_id":"o","price":"9","profit":"10","completed_at":"1970-01-01T00:00:04Z","cycle":"STANDARD",
            "settles_at":"1970-01-01T00:00:05Z"}]}"#,
        )
        .unwrap();
        let second = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let (quick, standard) = (SettlementCycle::Quick.into(), SettlementCycle::Standard.into());
        let expected = ImportMerchantRequest {
            merchant_id: "m".into(),
            historical_profit: "1".into(),
            available: "2".into(),
            request_id: "r".into(),
            validate_only: false,
            not_after: second(1),
            debt: "3".into(),
            guarantee: 4,
            frozen: "5".into(),
            releasing: vec![ImportedRelease { amount: "6".into(), due_at: second(2) }],
            pending: vec![ImportedPending { settles_at: second(3), cycle: quick, orders: 7, profit: "8".into() }],
            orders: vec![ImportedOrder {
                order_id: "o".into(),
                price: "9".into(),
                profit: "10".into(),
                completed_at: second(4),
                cycle: standard,
                settles_at: second(5),
            }],
        };
        assert_eq!(merchant.request, expected);
    }

    #[test]
    fn all_that_is_bad_is_named_at_once() {
        let bad = read(
            r#"{"merchant_id":"m m","historical_profit":5,"available":0.1,"guarantee":"4.50","frozen":true,"validate_only":true,
            "releasing":{},"pending":[1,{"orders":"2","cycle":"quick","settles_at":"soon","day":1}],
            "orders":[{"price":["1"]}]}"#,
        )
        .unwrap_err();
        let amount = "has to be an amount as a string, like \"12.50\", not ";
        let expected = [
            ("merchant_id", "is not an id of 1 to 64 characters of A-Z a-z 0-9 . _ : -".to_owned()),
            ("historical_profit", format!("{amount}a number")),
            ("available", format!("{amount}a number")),
            ("guarantee", "has to be whole dollars".into()),
            ("frozen", format!("{amount}true or false")),
            ("releasing", "has to be an array, not an object".into()),
            ("pending[0]", "has to be an object, not a number".into()),
            ("pending[1].settles_at", "is not an instant of RFC 3339, like 2026-01-31T09:00:00Z".into()),
            ("pending[1].cycle", "has to be QUICK or STANDARD".into()),
            ("pending[1].orders", "has to be a whole number of 0 or more, not a string".into()),
            ("pending[1].day", "is not a field that is known".into()),
            ("orders[0].price", format!("{amount}an array")),
            ("validate_only", "is not a field that is known".into()),
        ];
        assert_eq!(bad, expected.map(|(field, reason)| (field.to_owned(), reason)));
        assert_eq!(read("{}").unwrap_err(), [("merchant_id".to_owned(), "is missing".to_owned())]);
        assert_eq!(read(r#"{"merchant_id":7}"#).unwrap_err().len(), 1);
    }
}
