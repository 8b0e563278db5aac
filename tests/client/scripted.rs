//! A server that answers what a test says, to see what the client makes of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status, codegen::tokio_stream::wrappers::TcpListenerStream, metadata::MetadataMap,
    transport::Server,
};
use tonic_types::{ErrorDetails, StatusExt as _};
use tplus::{
    client::{Client, Error, Kind, Retry},
    proto::v1::{
        AdvanceClockRequest, AdvanceClockResponse, GetClockRequest, GetClockResponse,
        clock_service_server::{ClockService, ClockServiceServer},
    },
    reasons::{DOMAIN, reason},
};

/// Answers with these statuses, one by one, and then well; keeps what came.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<Status>>>,
    came: Arc<Mutex<Vec<MetadataMap>>>,
}

#[tonic::async_trait]
impl ClockService for Script {
    async fn get_clock(&self, request: Request<GetClockRequest>) -> Result<Response<GetClockResponse>, Status> {
        self.came.lock().unwrap().push(request.metadata().clone());
        match self.answers.lock().unwrap().pop_front() {
            Some(status) => Err(status),
            None => Ok(Response::new(GetClockResponse::default())),
        }
    }

    async fn advance_clock(&self, _: Request<AdvanceClockRequest>) -> Result<Response<AdvanceClockResponse>, Status> {
        Ok(Response::new(AdvanceClockResponse::default()))
    }
}

impl Script {
    pub(crate) fn service(&self) -> ClockServiceServer<Self> {
        ClockServiceServer::new(self.clone())
    }

    async fn serve(answers: impl IntoIterator<Item = Status>) -> (Self, String) {
        let script = Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = Server::builder().add_service(script.service());
        tokio::spawn(served.serve_with_incoming(TcpListenerStream::new(listener)));
        (script, address)
    }

    fn came(&self) -> usize {
        self.came.lock().unwrap().len()
    }
}

fn quick() -> Retry {
    let mut retry = Retry::default();
    retry.first_wait = Duration::from_millis(1);
    retry
}

fn client(address: &str, retry: Retry) -> Client {
    Client::builder(address).retry(retry).build().unwrap()
}

async fn ask(client: &Client) -> Result<(), Error> {
    client.call(GetClockRequest {}).await.map(drop)
}

/// As the server says it: with a reason, and how long to wait.
fn busy(code: Code, name: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(name, DOMAIN, []);
    details.set_retry_info(Some(Duration::from_millis(1)));
    Status::with_error_details(code, "come again", details)
}

#[tokio::test]
async fn what_is_worth_it_is_asked_again() {
    let worth_it = [
        busy(Code::ResourceExhausted, "OVERLOADED"),
        busy(Code::Unavailable, "UNAVAILABLE"),
        Status::deadline_exceeded("of this try"),
        Status::unavailable("a proxy says so"),
    ];
    let (script, address) = Script::serve(worth_it).await;
    ask(&client(&address, quick())).await.unwrap();
    assert_eq!(script.came(), 5);
}

#[tokio::test]
async fn what_is_not_worth_it_is_asked_once() {
    use Code::*;
    let codes = [
        InvalidArgument,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        DataLoss,
        Unauthenticated,
        Unknown,
    ];
    let (script, address) = Script::serve(codes.map(|code| Status::new(code, "no"))).await;
    let client = client(&address, quick());
    for (n, code) in (1..).zip(codes) {
        let error = ask(&client).await.unwrap_err();
        let kind = match code {
            PermissionDenied | Unauthenticated => Kind::Denied,
            Unimplemented | Internal | DataLoss | Unknown => Kind::Broken,
            _ => Kind::Refused,
        };
        assert_eq!((error.code(), error.kind(), error.tries(), script.came()), (code, kind, 1, n));
        assert_eq!(error.is_unclear(), kind == Kind::Broken, "{error}");
    }
}

#[tokio::test]
async fn patience_ends_with_the_tries_and_says_so() {
    let (script, address) = Script::serve(vec![busy(Code::ResourceExhausted, "OVERLOADED"); 9]).await;
    let error = ask(&client(&address, quick())).await.unwrap_err();
    assert_eq!((error.tries(), script.came()), (5, 5));
    assert!(error.is(reason::OVERLOADED) && error.is_retryable() && !error.is_unclear());
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1)));
    assert_eq!(error.to_string(), "RESOURCE_EXHAUSTED: come again (OVERLOADED), tried 5 times");
}

#[tokio::test]
async fn a_wait_that_leads_past_the_deadline_is_not_begun() {
    let mut details = ErrorDetails::with_error_info("STORAGE_FULL", DOMAIN, []);
    details.set_retry_info(Some(Duration::from_secs(3_600)));
    let full = Status::with_error_details(Code::ResourceExhausted, "full", details);
    let (script, address) = Script::serve([full]).await;
    let error = ask(&client(&address, quick())).await.unwrap_err();
    assert_eq!((error.tries(), script.came()), (1, 1));
    assert!(error.is(reason::STORAGE_FULL));
}

#[tokio::test]
async fn a_server_that_always_fails_is_not_asked_many_times_as_often() {
    let (script, address) = Script::serve(vec![Status::unavailable("down"); 1_000]).await;
    let mut retry = quick();
    retry.budget = 10;
    let client = client(&address, retry);
    for _ in 0..100 {
        ask(&client).await.unwrap_err();
    }
    assert!((100..=120).contains(&script.came()), "{}: once each, and the budget", script.came());
}

#[tokio::test]
async fn a_reason_of_somebody_else_is_none_of_ours() {
    let details = ErrorDetails::with_error_info("OVERLOADED", "proxy.example", []);
    let (_script, address) = Script::serve([Status::with_error_details(Code::NotFound, "no", details)]).await;
    let error = ask(&client(&address, quick())).await.unwrap_err();
    assert_eq!((error.reason(), error.is(reason::OVERLOADED)), (None, false));
}

#[tokio::test]
async fn each_try_carries_a_deadline_and_the_token_of_its_time() {
    let (script, address) = Script::serve([busy(Code::Unavailable, "UNAVAILABLE")]).await;
    let given = Arc::new(Mutex::new(0));
    let token = move || {
        let mut given = given.lock().unwrap();
        *given += 1;
        format!("token-{given}")
    };
    let client = Client::builder(&address).retry(quick()).token(token).build().unwrap();
    ask(&client).await.unwrap();
    ask(&client.with_token("mine")).await.unwrap();
    let came = script.came.lock().unwrap().clone();
    let tokens: Vec<_> = came.iter().map(|came| came.get("authorization").unwrap().to_str().unwrap()).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2", "Bearer mine"]);
    assert!(came.iter().all(|came| came.contains_key("grpc-timeout")));
    let error = ask(&client.with_token("two\nlines")).await.unwrap_err();
    assert_eq!((error.kind(), script.came()), (Kind::Unsent, 3), "nothing was sent");
}

#[tokio::test]
async fn a_token_is_not_sent_in_the_clear_to_another_machine() {
    let client = Client::builder("http://tplus.example:50051").build().unwrap();
    let error = ask(&client.with_token("mine")).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (Kind::Unsent, 0), "{error}");
}
