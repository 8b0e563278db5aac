//! Requests of any content: nothing panics, and every refusal names its fields.

use super::*;
use crate::proto::v1::{self, *};

#[test]
fn very_many_bad_fields_are_named_as_far_as_they_fit() {
    let request =
        ImportMerchantRequest { orders: vec![ImportedOrder::default(); 10_000], ..ImportMerchantRequest::default() };
    let (status, details) = refused(import_merchant(&request));
    let named = bad_fields(&details);
    assert_eq!(named[..4], ["merchant_id", "request_id", "orders[0].order_id", "orders[0].price"]);
    let all = 2 + 10_000 * 5;
    assert!(named.len() < 60);
    assert!(status.message().ends_with(&format!("; and {} more", all - named.len())), "{}", status.message());
    let more = details.error_info().and_then(|info| info.metadata.get("more").cloned());
    assert_eq!(more, Some((all - named.len()).to_string()));
    assert!(status.details().len() + status.message().len() < 6_000);
}

#[test]
fn an_import_of_nothing_is_one_of_zeros() {
    let request = ImportMerchantRequest { merchant_id: "m".into(), request_id: "r".into(), ..Default::default() };
    let command = import_merchant(&request).unwrap().command;
    assert_eq!((command.debt, command.guarantee, command.frozen), (Money::ZERO, Money::ZERO, Money::ZERO));
    assert!(command.releasing.is_empty() && command.pending.is_empty() && command.orders.is_empty());
}

#[test]
fn a_profit_that_is_left_out_is_the_price() {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let cycle = SettlementCycle::Quick.into();
    let order = ImportedOrder {
        order_id: "o".into(),
        price: "7".into(),
        completed_at: at(1),
        cycle,
        settles_at: at(2),
        ..ImportedOrder::default()
    };
    let request = ImportMerchantRequest {
        merchant_id: "m".into(),
        request_id: "r".into(),
        orders: vec![order],
        ..Default::default()
    };
    assert_eq!(import_merchant(&request).unwrap().command.orders[0].profit, Money::from_dollars(7));
}

#[test]
fn durations_are_kept_to_the_microsecond() {
    let lateness = |seconds, nanos| {
        let max_lateness = Some(prost_types::Duration { seconds, nanos });
        let request =
            SetPolicyRequest { policy: Some(Policy { max_lateness, ..Policy::default() }), ..Default::default() };
        bad_fields(&refused(set_policy(&request)).1).contains(&"policy.max_lateness".to_owned())
    };
    assert!(!lateness(1, 1_000));
    let odd = [(1, 999), (1, -1), (-1, 0), (i64::MIN, 0), (i64::MAX, 0), (0, 1_000_000_000), (8 * 86_400, 0)];
    assert!(odd.into_iter().all(|(seconds, nanos)| lateness(seconds, nanos)));
}

#[test]
fn an_instant_of_the_past_names_its_clock() {
    let asked = |clock| GetMarginRequest { merchant_id: "m".into(), as_of: Some(v1::AsOf { clock }) };
    let noon = prost_types::Timestamp { seconds: 0, nanos: 0 };
    assert!(get_margin(&asked(Some(as_of::Clock::RecordedAt(noon)))).is_ok());
    let bad = prost_types::Timestamp { seconds: 0, nanos: -1 };
    let fields = |clock| bad_fields(&refused(get_margin(&asked(clock))).1);
    assert_eq!(fields(Some(as_of::Clock::EffectiveAt(bad))), ["as_of.effective_at"]);
    assert_eq!(fields(None), ["as_of"]);
}

/// Reads bytes as a request of every kind.
macro_rules! read_as_all {
    ($bytes:expr; $($request:ident => $convert:ident,)*) => {
        $(if let Ok(request) = $request::decode($bytes) {
            is_explained($convert(&request));
        })*
    };
}

fn read_as_every_request(bytes: &[u8]) {
    read_as_all! { bytes;
        ReverseOrderRequest => reverse_order,
        PayMarginRequest => pay_margin,
        ReturnPaymentRequest => return_payment,
        WithdrawRequest => withdraw,
        FailWithdrawalRequest => fail_withdrawal,
        AdjustBalanceRequest => adjust_balance,
        DeductMarginRequest => deduct_margin,
        OpenAppealRequest => open_appeal,
        ResolveAppealRequest => resolve_appeal,
        ImportMerchantRequest => import_merchant,
        SetCategoriesRequest => set_categories,
        PlaceHoldRequest => place_hold,
        LiftHoldRequest => lift_hold,
        CloseMerchantRequest => close_merchant,
        ReopenMerchantRequest => reopen_merchant,
        SetPolicyRequest => set_policy,
        GetMarginRequest => get_margin,
        GetCashForecastRequest => get_cash_forecast,
        GetMerchantRequest => get_merchant,
        QuoteGuaranteeRequest => quote_guarantee,
        BatchGetGuaranteesRequest => batch_get_guarantees,
    }
}

/// A field on the wire: its number, and a number or a length with bytes.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let number = 1..18_u8;
    let varint = (number.clone(), any::<u64>()).prop_map(|(number, value)| {
        let mut bytes = vec![number << 3];
        prost::encoding::encode_varint(value, &mut bytes);
        bytes
    });
    let text = (number, text()).prop_map(|(number, text)| {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(text.len() as u64, &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
        bytes
    });
    prop_oneof![varint, text]
}

proptest! {
    #[test]
    fn no_request_panics(fields in vec(field(), 0..12), bytes in vec(any::<u8>(), 0..64)) {
        read_as_every_request(&fields.concat());
        read_as_every_request(&bytes);
    }

    #[test]
    fn no_import_panics(
        amounts in vec(text(), 6),
        numbers in (any::<u64>(), any::<u64>(), any::<i32>()),
        times in vec(instant(), 3),
    ) {
        let amount = |at: usize| amounts[at].clone();
        let request = ImportMerchantRequest {
            merchant_id: "m".into(),
            request_id: "r".into(),
            debt: amount(0),
            guarantee: numbers.0,
            frozen: amount(1),
            releasing: vec![ImportedRelease { amount: amount(2), due_at: times[0] }],
            pending: vec![ImportedPending { settles_at: times[1], cycle: numbers.2, orders: numbers.1, profit: amount(3) }],
            orders: vec![ImportedOrder {
                order_id: amount(4),
                price: amount(5),
                completed_at: times[2],
                settles_at: times[1],
                cycle: numbers.2,
                profit: amount(3),
            }],
            ..ImportMerchantRequest::default()
        };
        is_explained(import_merchant(&request));
    }
}
