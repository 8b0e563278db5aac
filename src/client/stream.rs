//! Orders by the thousand, over a connection that may break.

use std::{collections::VecDeque, pin::pin, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::Streaming;

use super::{Answer, Client, Error, Order, Refusal, calls::LARGEST_ANSWER, orders::result, retry::Tries};
use crate::proto::v1::{
    StreamClassifyOrdersRequest, StreamClassifyOrdersResponse, order_service_client::OrderServiceClient,
};

/// How many chunks may be on their way: as many as the server looks ahead.
const ON_THEIR_WAY: usize = 16;

/// Chunks of orders and their answers, in order; see [`Client::classify_stream`].
#[derive(Debug)]
pub struct OrderStream<S> {
    client: Client,
    chunks: S,
    no_more_chunks: bool,
    /// What was taken from `chunks` and not answered, first taken first.
    unanswered: VecDeque<(u64, Vec<Order>)>,
    sequence: u64,
    connection: Option<Connection>,
    /// Since the last answer.
    tries: Tries,
    /// Before the next try.
    wait: Option<Duration>,
}

/// A call that is open.
#[derive(Debug)]
struct Connection {
    /// None: all has been said.
    sender: Option<mpsc::Sender<StreamClassifyOrdersRequest>>,
    answers: Streaming<StreamClassifyOrdersResponse>,
}

/// A chunk that was answered, durably.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The orders.
    pub orders: Vec<Order>,
    /// An answer or a refusal for each. What was refused with `retry_after` is worth sending again.
    pub results: Vec<Result<Answer, Refusal>>,
}

impl Client {
    /// Classifies chunk after chunk, each of 1 to 8,192 orders of any merchants, in the order in which they come, and answers them in
    /// that order. The fastest way there is for many orders: nobody waits for an answer before sending more, and a server that is slower
    /// than the chunks come slows them down.
    ///
    /// A connection that breaks is made anew, and what was not answered is sent again: each order is decided once.
    ///
    /// ```no_run
    /// use tplus::{client::{Client, Order}, domain::Money};
    /// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = |number| Order::new("m1", format!("o{number}"), Money::from_cents(1_990));
    /// let chunks = (0..100_u64).map(|chunk| (chunk * 1_000..(chunk + 1) * 1_000).map(order).collect());
    /// let mut answers = client.classify_stream(tokio_stream::iter(chunks));
    /// while let Some(answered) = answers.next().await? {
    ///     println!("{} orders are decided", answered.results.iter().flatten().count());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn classify_stream<S: Stream<Item = Vec<Order>> + Unpin>(&self, chunks: S) -> OrderStream<S> {
        OrderStream {
            client: self.clone(),
            chunks,
            no_more_chunks: false,
            unanswered: VecDeque::new(),
            sequence: 0,
            connection: None,
            tries: Tries::new(&self.shared.retry, self.deadline),
            wait: None,
        }
    }
}

impl<S: Stream<Item = Vec<Order>> + Unpin> OrderStream<S> {
    /// The next chunk with its answers; none when all chunks have been answered. Nothing is lost when this is dropped before it is
    /// done and called again.
    ///
    /// # Errors
    /// When the server refuses a chunk, or cannot be reached within the deadline and the tries since the last answer. The chunks that
    /// have no answer then may or may not be decided: [`OrderStream::unanswered`] are they.
    pub async fn next(&mut self) -> Result<Option<Answered>, Error> {
        loop {
            if self.no_more_chunks && self.unanswered.is_empty() {
                self.connection = None;
                return Ok(None);
            }
            if let Some(wait) = self.wait {
                tokio::time::sleep(wait).await;
                self.wait = None;
            }
            match self.step().await {
                Ok(Some(answered)) => {
                    self.tries = Tries::new(&self.client.shared.retry, self.client.deadline);
                    return Ok(Some(answered));
                }
                Ok(None) => {}
                Err(error) => {
                    self.connection = None;
                    self.wait = Some(self.tries.after(error, &self.client.shared.budget)?);
                }
            }
        }
    }

    /// What was taken from the chunks and not answered, in order.
    pub fn unanswered(&self) -> impl Iterator<Item = &Order> {
        self.unanswered.iter().flat_map(|(_, orders)| orders)
    }

    /// Sends a chunk or takes an answer, whatever comes first.
    async fn step(&mut self) -> Result<Option<Answered>, Error> {
        let takes_more = !self.no_more_chunks && self.unanswered.len() < ON_THEIR_WAY;
        if self.unanswered.is_empty() && self.connection.is_none() {
            // Nothing to say yet: no reason to connect.
            let chunk = self.chunks.next().await;
            self.send(chunk);
            return Ok(None);
        }
        if self.connection.is_none() {
            self.connection = Some(self.connect().await?);
        }
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let answer = if takes_more {
            tokio::select! {
                biased;
                answer = connection.answers.message() => answer,
                chunk = self.chunks.next() => {
                    self.send(chunk);
                    return Ok(None);
                }
            }
        } else {
            connection.answers.message().await
        };
        let answer = answer.map_err(|status| Error::from_status(&status))?.ok_or_else(Error::ended)?;
        self.client.shared.budget.succeeded();
        self.answered(answer).map(Some)
    }

    /// Takes a chunk, or that there are no more.
    fn send(&mut self, chunk: Option<Vec<Order>>) {
        let sender = self.connection.as_mut().map(|connection| &mut connection.sender);
        match chunk {
            Some(orders) => {
                self.sequence += 1;
                if let Some(Some(sender)) = sender {
                    // There is room for all that is unanswered. When nobody takes it any more, the answers tell.
                    drop(sender.try_send(message(self.sequence, &orders)));
                }
                self.unanswered.push_back((self.sequence, orders));
            }
            None => {
                self.no_more_chunks = true;
                if let Some(sender) = sender {
                    *sender = None;
                }
            }
        }
    }

    /// Opens the call and says again what was not answered.
    async fn connect(&mut self) -> Result<Connection, Error> {
        let time = self.tries.begin();
        let (sender, messages) = mpsc::channel(ON_THEIR_WAY);
        for (sequence, orders) in &self.unanswered {
            drop(sender.try_send(message(*sequence, orders)));
        }
        let request = self.client.request(ReceiverStream::new(messages), None)?;
        let mut service = OrderServiceClient::new(self.client.channel()).max_decoding_message_size(LARGEST_ANSWER);
        let opened = self.client.answered(time, pin!(service.stream_classify_orders(request))).await?;
        let sender = (!self.no_more_chunks).then_some(sender);
        Ok(Connection { sender, answers: opened.into_inner() })
    }

    fn answered(&mut self, answer: StreamClassifyOrdersResponse) -> Result<Answered, Error> {
        let (sequence, orders) = self.unanswered.front().ok_or_else(|| Error::malformed("sequence"))?;
        if *sequence != answer.sequence || orders.len() != answer.results.len() {
            return Err(Error::malformed("sequence"));
        }
        let results = answer.results.into_iter().map(result).collect::<Result<_, _>>()?;
        let orders = self.unanswered.pop_front().map(|(_, orders)| orders).unwrap_or_default();
        Ok(Answered { orders, results })
    }
}

fn message(sequence: u64, orders: &[Order]) -> StreamClassifyOrdersRequest {
    let orders = orders.iter().map(Order::one_of_many).collect();
    StreamClassifyOrdersRequest { sequence, orders, ..Default::default() }
}
