//! A client: for services in Rust that call tplus.
//!
//! ```toml
//! tplus = { version = "0.1", default-features = false, features = ["client"] }
//! ```
//!
//! It keeps a few connections, gives every call a deadline, repeats what is worth repeating, and tells amounts exactly:
//!
//! ```no_run
//! use tplus::{client::{Client, Error, Order}, domain::{Cycle, Money}};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:50051").build()?;
//! let merchant = client.merchant("m1");
//! merchant.modify_guarantee(1_000, "raise-1").await?;
//!
//! let order = Order::new("m1", "o1", Money::parse("59.90")?).profit(Money::parse("12.00")?);
//! let answer = client.classify(&order).await?;
//! if answer.cycle == Cycle::Quick {
//!     println!("settles on T+2, at {}", answer.settles_at);
//! }
//! println!("{} is left of today's quota", merchant.margin().await?.quota.remaining);
//! # Ok(())
//! # }
//! ```
//!
//! # Repeats
//!
//! Every command takes an id (`order_id`, `request_id`) and happens once for it. Choose it before the first try and keep it: then
//! whatever goes wrong, the same call with the same id is safe, and gets the first answer if the command has happened. So this client repeats,
//! within the deadline of the call, what ended with `UNAVAILABLE`, with `RESOURCE_EXHAUSTED`, without an answer or with a broken
//! connection; it waits as long as the server asks (`RetryInfo`), or else ever longer ([`Retry`]). What is still an error then says
//! whether the command may have happened all the same ([`Error::is_unclear`]).
//!
//! # Every call
//!
//! The calls that services make all the time are methods here and of [`Merchant`]. All others are made with their messages, with the same
//! deadlines, repeats and errors:
//!
//! ```no_run
//! use tplus::{client::amount, proto::v1};
//!
//! # async fn run(client: tplus::client::Client) -> Result<(), tplus::client::Error> {
//! let balance = client.call(v1::GetTrialBalanceRequest::default()).await?;
//! assert!(amount(&balance.difference).is_some_and(|difference| difference.is_zero()));
//! # Ok(())
//! # }
//! ```

mod answer;
mod calls;
mod error;
mod merchant;
mod options;
mod orders;
mod read;
mod retry;
mod stream;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tonic::{Request, Response, Status, metadata::MetadataValue, transport::Channel};

pub use self::{
    answer::{
        AppealOpened, AppealResolved, Deducted, Done, GuaranteeModified, Margin, NextMultiple, OrderStatus, Paid,
        PendingProfit, Quota, Reversed, Withdrawn,
    },
    calls::Call,
    error::{Error, FieldViolation, Kind},
    merchant::{About, Deduction, Merchant},
    options::{BuildError, Builder, Tls},
    orders::{Answer, Classified, Order, Refusal},
    read::amount,
    retry::Retry,
    stream::{Answered, OrderStream},
    watch::{Events, Watch},
};
use self::{
    options::Token,
    retry::{Budget, Tries},
};

/// A server, as its callers see it. Clones share connections and cost next to nothing.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Duration,
    token: Option<Token>,
}

#[derive(Debug)]
struct Shared {
    channels: Vec<Channel>,
    next: AtomicUsize,
    retry: Retry,
    budget: Budget,
    may_send_token: bool,
}

impl Client {
    /// Begins with the address of a server: `http://` or `https://`, host and port.
    pub fn builder(server: impl Into<String>) -> Builder {
        Builder::new(server.into())
    }

    /// The same server for calls that may take this long, with all their tries.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same server for calls on behalf of whom this bearer token stands for.
    ///
    /// Where the connection is neither encrypted nor on this machine, such calls are not sent, unless
    /// [`Builder::token_in_the_clear`] allows it.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(Token::fixed(token.into())), ..self.clone() }
    }

    /// A merchant, for calls about it. Nothing is sent, and the merchant need not be known yet.
    pub fn merchant(&self, merchant_id: impl Into<String>) -> Merchant {
        Merchant::new(self.clone(), merchant_id.into())
    }

    /// Makes any call that has one answer, with its messages.
    ///
    /// # Errors
    /// When the server refuses it, or there is no answer within the deadline and the tries; see [`Error::kind`].
    pub async fn call<R: Call>(&self, request: R) -> Result<R::Answer, Error> {
        let mut tries = Tries::new(&self.shared.retry, self.deadline);
        loop {
            let time = tries.begin();
            let sent = R::send(self.request(request.clone(), Some(time))?, self.channel());
            match self.answered(time, sent).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(error) => tokio::time::sleep(tries.after(error, &self.shared.budget)?).await,
            }
        }
    }

    /// What a try came to.
    async fn answered<T>(
        &self,
        time: Duration,
        sent: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Response<T>, Error> {
        let answer = tokio::time::timeout(time, sent).await.map_err(|_| Error::silent(time))?;
        let answer = answer.map_err(|status| Error::from_status(&status))?;
        self.shared.budget.succeeded();
        Ok(answer)
    }

    /// One connection after the other: a repeat takes another one.
    fn channel(&self) -> Channel {
        let channels = &self.shared.channels;
        let next = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let turn = next.checked_rem(channels.len()).unwrap_or(0);
        // There is at least one connection, so this is one of them.
        #[allow(clippy::indexing_slicing, reason = "a remainder of the length, which Builder keeps above 0")]
        channels[turn].clone()
    }

    fn request<T>(&self, message: T, time: Option<Duration>) -> Result<Request<T>, Error> {
        let mut request = Request::new(message);
        if let Some(time) = time {
            request.set_timeout(time);
        }
        if let Some(token) = &self.token {
            if !self.shared.may_send_token {
                return Err(Error::unsent("a token would go in the clear to another machine"));
            }
            let bearer = format!("Bearer {}", token.get());
            let mut bearer = MetadataValue::try_from(bearer).map_err(|_| Error::unsent("the token is no header"))?;
            bearer.set_sensitive(true);
            request.metadata_mut().insert("authorization", bearer);
        }
        Ok(request)
    }
}

/// The program in the document for callers.
#[cfg(doctest)]
#[doc = include_str!("../../docs/clients.md")]
struct Document;
