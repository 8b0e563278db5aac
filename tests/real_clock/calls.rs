//! What a client sends, and what it is answered.

use std::time::Duration;

use prost_types::Timestamp;
use tokio::time::{sleep, timeout};
use tonic::{Response, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tplus::proto::v1::{
    ClassifyOrderRequest, ClassifyOrderResponse, GetClockRequest, GetMarginRequest, GetMarginResponse,
    ImportMerchantRequest, ImportMerchantResponse, ListMarginEntriesRequest, ListMarginEntriesResponse, MarginEntry,
    ModifyGuaranteeRequest, ModifyGuaranteeResponse, PayMarginRequest, PayMarginResponse, WithdrawRequest,
    WithdrawResponse, clock_service_client::ClockServiceClient, guarantee_service_client::GuaranteeServiceClient,
    margin_service_client::MarginServiceClient, merchant_service_client::MerchantServiceClient,
    order_service_client::OrderServiceClient,
};

/// Everything that is waited for has to come within this.
pub const BOUND: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub enum Request {
    Import(ImportMerchantRequest),
    Order(ClassifyOrderRequest),
    Guarantee(ModifyGuaranteeRequest),
    Pay(PayMarginRequest),
    Withdraw(WithdrawRequest),
}

impl Request {
    /// Of an order: it says itself when it was completed.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Order(order) if order.completed_at.is_some())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Import(ImportMerchantResponse),
    Order(ClassifyOrderResponse),
    Guarantee(ModifyGuaranteeResponse),
    Pay(PayMarginResponse),
    Withdraw(WithdrawResponse),
}

impl Answer {
    pub fn replayed(&self) -> bool {
        match self {
            Self::Import(answer) => answer.replayed,
            Self::Order(answer) => answer.replayed,
            Self::Guarantee(answer) => answer.replayed,
            Self::Pay(answer) => answer.replayed,
            Self::Withdraw(answer) => answer.replayed,
        }
    }

    /// The same as a repeat gets it, or as it was at first.
    pub fn marked(&self, replayed: bool) -> Self {
        match self.clone() {
            Self::Import(answer) => Self::Import(ImportMerchantResponse { replayed, ..answer }),
            Self::Order(answer) => Self::Order(ClassifyOrderResponse { replayed, ..answer }),
            Self::Guarantee(answer) => Self::Guarantee(ModifyGuaranteeResponse { replayed, ..answer }),
            Self::Pay(answer) => Self::Pay(PayMarginResponse { replayed, ..answer }),
            Self::Withdraw(answer) => Self::Withdraw(WithdrawResponse { replayed, ..answer }),
        }
    }

    /// When it took effect, as it says. Of an order: when it was completed.
    pub fn at(&self) -> i64 {
        micros(match self {
            Self::Import(answer) => answer.imported_at.as_ref(),
            Self::Order(answer) => answer.completed_at.as_ref(),
            Self::Guarantee(answer) => answer.modified_at.as_ref(),
            Self::Pay(answer) => answer.paid_at.as_ref(),
            Self::Withdraw(answer) => answer.withdrawn_at.as_ref(),
        })
    }
}

/// A connection, and the calls over it; each of them is bounded.
#[derive(Clone)]
pub struct Calls(Channel);

impl Calls {
    pub fn to(address: &str) -> Self {
        Self(Channel::from_shared(address.to_owned()).unwrap().connect_lazy())
    }

    pub async fn send(&self, request: &Request) -> Result<Answer, Status> {
        let channel = self.0.clone();
        match request.clone() {
            Request::Import(request) => {
                bounded(MerchantServiceClient::new(channel).import_merchant(request)).await.map(Answer::Import)
            }
            Request::Order(request) => {
                bounded(OrderServiceClient::new(channel).classify_order(request)).await.map(Answer::Order)
            }
            Request::Guarantee(request) => {
                bounded(GuaranteeServiceClient::new(channel).modify_guarantee(request)).await.map(Answer::Guarantee)
            }
            Request::Pay(request) => {
                bounded(MarginServiceClient::new(channel).pay_margin(request)).await.map(Answer::Pay)
            }
            Request::Withdraw(request) => {
                bounded(MarginServiceClient::new(channel).withdraw(request)).await.map(Answer::Withdraw)
            }
        }
    }

    pub async fn clock(&self) -> i64 {
        let clock = bounded(ClockServiceClient::new(self.0.clone()).get_clock(GetClockRequest {})).await.unwrap();
        micros(clock.now.as_ref())
    }

    pub async fn margin(&self, merchant: &str) -> GetMarginResponse {
        let request = GetMarginRequest { merchant_id: merchant.to_owned(), as_of: None };
        bounded(MarginServiceClient::new(self.0.clone()).get_margin(request)).await.unwrap()
    }

    /// All entries of a merchant.
    pub async fn entries(&self, merchant: &str) -> Vec<MarginEntry> {
        let mut entries = Vec::new();
        let mut request = ListMarginEntriesRequest { merchant_id: merchant.to_owned(), ..Default::default() };
        loop {
            request.page_size = 1_000;
            let page = timeout(BOUND, self.page(&request)).await.expect("the history does not catch up");
            entries.extend(page.entries);
            if page.next_page_token.is_empty() {
                return entries;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// A page of entries, as soon as the history has got so far: it runs when nothing else does.
    async fn page(&self, request: &ListMarginEntriesRequest) -> ListMarginEntriesResponse {
        loop {
            let mut client = MarginServiceClient::new(self.0.clone());
            match bounded(client.list_margin_entries(request.clone())).await {
                Err(status) if status.get_details_error_info().is_some_and(|info| info.reason == "HISTORY_BEHIND") => {
                    sleep(Duration::from_millis(100)).await;
                }
                page => return page.unwrap(),
            }
        }
    }
}

async fn bounded<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    timeout(BOUND, call).await.expect("the server does not answer").map(Response::into_inner)
}

pub fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub fn cents(dollars: &str) -> i128 {
    let (whole, cents) = dollars.split_once('.').unwrap_or((dollars, "00"));
    assert_eq!(cents.len(), 2, "{dollars}");
    whole.parse::<i128>().unwrap() * 100 + cents.parse::<i128>().unwrap()
}

pub fn micros(at: Option<&Timestamp>) -> i64 {
    let at = at.expect("every answer has its times");
    at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000
}

pub fn timestamp(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap() }
}
