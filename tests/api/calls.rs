//! Every command as a call, and what holds for every one of them.

use std::{fmt::Debug, time::Duration};

use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;
use tplus::{domain::Timestamp, grpc::convert, proto::v1::*};

use crate::support::{TestServer, refusal};

/// A command about a merchant.
pub(crate) trait Call: Clone {
    type Answer: Clone + Debug + PartialEq;

    /// Whether it may be the first thing that happens to a merchant.
    const OPENS: bool;

    async fn send(self, server: &TestServer) -> Result<Self::Answer, Status>;
    fn about(self, merchant: &str) -> Self;
    fn merchant(&self) -> &str;
    fn named(self, request_id: &str) -> Self;
    fn tried(self) -> Self;
    fn until(self, not_after: Timestamp) -> Self;
    fn repeated(answer: Self::Answer) -> Self::Answer;
}

macro_rules! calls {
    ($($service:ident.$method:ident($request:ident) -> $answer:ident, opens: $opens:literal;)*) => {
        $(impl Call for $request {
            type Answer = $answer;

            const OPENS: bool = $opens;

            async fn send(self, server: &TestServer) -> Result<$answer, Status> {
                server.$service().$method(self).await.map(Response::into_inner)
            }

            fn about(self, merchant: &str) -> Self {
                Self { merchant_id: merchant.into(), ..self }
            }

            fn merchant(&self) -> &str {
                &self.merchant_id
            }

            fn named(self, request_id: &str) -> Self {
                Self { request_id: request_id.into(), ..self }
            }

            fn tried(self) -> Self {
                Self { validate_only: true, ..self }
            }

            fn until(self, not_after: Timestamp) -> Self {
                Self { not_after: Some(convert::timestamp(not_after)), ..self }
            }

            fn repeated(answer: $answer) -> $answer {
                $answer { replayed: true, ..answer }
            }
        })*
    };
}

calls! {
    orders.reverse_order(ReverseOrderRequest) -> ReverseOrderResponse, opens: false;
    guarantees.modify_guarantee(ModifyGuaranteeRequest) -> ModifyGuaranteeResponse, opens: true;
    margins.pay_margin(PayMarginRequest) -> PayMarginResponse, opens: true;
    margins.return_payment(ReturnPaymentRequest) -> ReturnPaymentResponse, opens: false;
    margins.withdraw(WithdrawRequest) -> WithdrawResponse, opens: false;
    margins.fail_withdrawal(FailWithdrawalRequest) -> FailWithdrawalResponse, opens: false;
    margins.adjust_balance(AdjustBalanceRequest) -> AdjustBalanceResponse, opens: false;
    disputes.deduct_margin(DeductMarginRequest) -> DeductMarginResponse, opens: false;
    disputes.open_appeal(OpenAppealRequest) -> OpenAppealResponse, opens: false;
    disputes.resolve_appeal(ResolveAppealRequest) -> ResolveAppealResponse, opens: false;
    merchants.import_merchant(ImportMerchantRequest) -> ImportMerchantResponse, opens: true;
    merchants.set_categories(SetCategoriesRequest) -> SetCategoriesResponse, opens: true;
    merchants.place_hold(PlaceHoldRequest) -> PlaceHoldResponse, opens: false;
    merchants.lift_hold(LiftHoldRequest) -> LiftHoldResponse, opens: false;
    merchants.close_merchant(CloseMerchantRequest) -> CloseMerchantResponse, opens: false;
    merchants.reopen_merchant(ReopenMerchantRequest) -> ReopenMerchantResponse, opens: false;
}

/// What a program reads from a refusal, in a line: code, reason, what is to blame or not there, and the figures.
pub(crate) fn told<T: Debug>(outcome: Result<T, Status>) -> String {
    let status = outcome.expect_err("it is refused");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    let mut said = format!("{} {}", convert::code_name(status.code()), info.reason);
    for field in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        said += &format!(" field={}", field.field);
    }
    for state in details.precondition_failure().iter().flat_map(|failure| &failure.violations) {
        assert_eq!(state.r#type, info.reason);
        said += &format!(" subject={}", state.subject);
    }
    if let Some(resource) = details.resource_info() {
        said += &format!(" {}={}", resource.resource_type, resource.resource_name);
    }
    let mut figures: Vec<_> = info.metadata.iter().collect();
    figures.sort();
    figures.into_iter().for_each(|(name, figure)| said += &format!(" {name}:{figure}"));
    said
}

/// Makes a call that has to be taken, and checks on the way what holds for every command: tried out, it answers the same and
/// changes nothing; past its limit it is refused; repeated, it gets the first answer; with other content it is refused, each field
/// by its name; and a merchant that is not there is named.
pub(crate) async fn behaves<C: Call>(server: &TestServer, call: C, others: &[(&str, C)]) -> C::Answer {
    let now = server.now().await;
    let passed = now.before(Duration::from_micros(1));
    let merchant = call.merchant().to_owned();
    let before = server.margin(&merchant).await.map_err(|status| status.code());

    let tried = call.clone().tried().send(server).await.expect("it is taken when it is tried out");
    let expired = told(call.clone().until(passed).send(server).await);
    let figures = format!("not_after:{passed} now:{now}");
    assert_eq!(expired, format!("FAILED_PRECONDITION NOT_AFTER_PASSED field=not_after {figures}"));
    let after = server.margin(&merchant).await.map_err(|status| status.code());
    assert_eq!(after, before, "nothing was changed");
    for (_, other) in others {
        // No id was used up, so other content is judged and not compared.
        let judged = other.clone().tried().send(server).await;
        assert_ne!(judged.err().map(|status| status.code()), Some(Code::AlreadyExists));
    }

    let answer = call.clone().until(now).send(server).await.expect("it is taken");
    assert_eq!(answer, tried);
    let again = C::repeated(answer.clone());
    assert_ne!(again, answer, "the first answer is no repeat");
    assert_eq!(call.clone().send(server).await.unwrap(), again);
    assert_eq!(call.clone().until(passed).send(server).await.unwrap(), again, "a known request has no limit");
    assert_eq!(call.clone().tried().send(server).await.unwrap(), again);
    for (field, other) in others {
        let reused = (Code::AlreadyExists, "ID_REUSED".to_owned(), vec![(*field).to_owned()]);
        assert_eq!(refusal(other.clone().send(server).await), reused);
    }

    if !C::OPENS {
        let nobody = told(call.clone().about("nobody").send(server).await);
        assert_eq!(nobody, "NOT_FOUND MERCHANT_NOT_FOUND tplus.v1.Merchant=nobody");
    }
    let malformed = call.about("").named("no id").send(server).await;
    assert_eq!(told(malformed), "INVALID_ARGUMENT INVALID_FIELD field=merchant_id field=request_id");
    answer
}
