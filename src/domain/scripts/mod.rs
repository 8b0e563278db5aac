//! Runs the scripts in `testscripts/`: rules as commands and every effect they have. `UPDATE_GOLDENFILES=1 cargo test` rewrites
//! them; read the difference before believing it.

mod show;

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt::Write as _,
};

use goldenscript::{Command as Line, Runner};

use self::show::{describe, show};
use super::{
    AdjustBalance, AppealOutcome, Beneficiary, ClassifyOrder, CloseMerchant, Command, Context, DeductMargin,
    DeductionReason, Direction, Disputed, FailWithdrawal, Id, ImportMerchant, ImportedOrder, ImportedRelease, InForce,
    Key, Known, LiftHold, Limits, Merchant, ModifyGuarantee, Money, OpenAppeal, PayMargin, PendingToImport, PlaceHold,
    Policy, QuotaBasis, QuotaCounts, ReopenMerchant, RequestId, ResolveAppeal, ReturnPayment, ReverseOrder,
    SetCategories, SetPolicy, Text, Timeline, Timestamp, Withdraw, catch_up, decide, event::Cycle,
};

#[test]
fn rules() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/domain/testscripts");
    let mut paths: Vec<_> = std::fs::read_dir(scripts).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        println!("{}", path.display());
        goldenscript::run(&mut Rules::default(), path).unwrap();
    }
}

type Failure = Box<dyn Error>;

/// Merchants under the rules alone: no engine, no journal.
struct Rules {
    now: Timestamp,
    policies: Timeline,
    limits: Limits,
    merchants: BTreeMap<String, Merchant>,
    known: HashMap<(String, String), Known>,
    requests: u32,
}

impl Default for Rules {
    fn default() -> Self {
        let now = Timestamp::parse("2026-01-01T09:00:00Z").unwrap();
        let policies = Timeline::new(InForce::first(Policy::default(), now));
        let (merchants, known) = Default::default();
        Self { now, policies, limits: Limits::default(), merchants, known, requests: 0 }
    }
}

/// The words of a line: those in a place, and those with a name.
struct Words<'a> {
    places: std::vec::IntoIter<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a Line) -> Self {
        let mut args = line.consume_args();
        let named = std::iter::from_fn(|| args.next_key()).collect();
        let places: Vec<_> = std::iter::from_fn(|| args.next_pos()).collect();
        Self { places: places.into_iter(), named }
    }

    fn next(&mut self, what: &str) -> Result<&'a str, Failure> {
        self.places.next().ok_or_else(|| format!("{what} is missing").into())
    }

    fn id<Kind>(&mut self, what: &str) -> Result<Id<Kind>, Failure> {
        Ok(Id::parse(self.next(what)?)?)
    }

    fn money(&mut self, what: &str) -> Result<Money, Failure> {
        Ok(Money::parse(self.next(what)?)?)
    }

    fn amount(&mut self, name: &str) -> Result<Option<Money>, Failure> {
        Ok(self.named.remove(name).map(Money::parse).transpose()?)
    }

    fn at(&mut self, name: &str) -> Result<Option<Timestamp>, Failure> {
        Ok(self.named.remove(name).map(Timestamp::parse).transpose()?)
    }

    fn text(&mut self, name: &str) -> Text {
        Text::parse(self.named.remove(name).unwrap_or_default()).unwrap()
    }

    fn done(mut self) -> Result<(), Failure> {
        let rest = self.places.next().or(self.named.keys().next().copied());
        rest.map_or(Ok(()), |word| Err(format!("what is {word}?").into()))
    }
}

impl Runner for Rules {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Result<String, Failure> {
        let mut words = Words::of(line);
        let output = match line.name.as_str() {
            "margin" => {
                let merchant = words.next("merchant")?;
                self.margin(merchant)
            }
            // wait DURATION
            "wait" => {
                self.now = self.now.after(humantime::parse_duration(words.next("duration")?)?);
                format!("now {}\n", self.now)
            }
            // until INSTANT
            "until" => {
                self.now = Timestamp::parse(words.next("instant")?)?;
                format!("now {}\n", self.now)
            }
            // policy KEY=VALUE…, before anything is decided
            "policy" => self.seed(std::mem::take(&mut words.named))?,
            // announce [at=INSTANT] KEY=VALUE…
            "announce" => {
                let at = words.at("at")?;
                self.announce(at, std::mem::take(&mut words.named))?
            }
            "limit" => self.limit(words.next("what")?, words.next("how many")?.parse()?)?,
            command => {
                let merchant = words.next("merchant")?.to_owned();
                self.command(command, &merchant, &mut words)?
            }
        };
        words.done()?;
        self.check()?;
        Ok(output)
    }
}

impl Rules {
    fn command(&mut self, name: &str, merchant: &str, words: &mut Words<'_>) -> Result<String, Failure> {
        let own = words.named.remove("id").map(Id::parse).transpose()?;
        match name {
            // order MERCHANT ID PRICE [profit=P] [at=INSTANT]
            "order" => {
                let (id, price) = (words.id("order")?, words.money("price")?);
                let command = ClassifyOrder::new(id, price, words.amount("profit")?, words.at("at")?)?;
                self.submit(merchant, &command)
            }
            // reverse MERCHANT ORDER AMOUNT [profit=P]
            "reverse" => {
                let (order, amount) = (words.id("order")?, words.money("amount")?);
                let profit = words.amount("profit")?;
                let command = ReverseOrder::new(self.request(own), order, amount, profit, words.text("reason"))?;
                self.submit(merchant, &command)
            }
            // guarantee MERCHANT DOLLARS
            "guarantee" => {
                let command = ModifyGuarantee::new(self.request(own), words.next("dollars")?.parse()?)?;
                self.submit(merchant, &command)
            }
            "import" => {
                let command = self.import(own, words)?;
                self.submit(merchant, &command)
            }
            "pay" | "withdraw" | "credit" | "debit" | "return" | "fail" => self.account(name, own, merchant, words),
            "deduct" | "appeal" | "uphold" | "overturn" => self.dispute(name, own, merchant, words),
            // hold MERCHANT [reason=R]
            "hold" => {
                let command = PlaceHold::new(self.request(own), Text::parse("asked for by an operator")?)?;
                self.submit(merchant, &command)
            }
            // lift MERCHANT HOLD
            "lift" => {
                let hold_id = words.id("hold")?;
                let command = LiftHold { request_id: self.request(own), hold_id, reason: words.text("reason") };
                self.submit(merchant, &command)
            }
            // categories MERCHANT CATEGORY…
            "categories" => {
                let categories = words.places.by_ref().map(Id::parse).collect::<Result<_, _>>()?;
                let command = SetCategories::new(self.request(own), categories)?;
                self.submit(merchant, &command)
            }
            "close" => {
                let command = CloseMerchant { request_id: self.request(own), reason: words.text("reason") };
                self.submit(merchant, &command)
            }
            "reopen" => {
                let command = ReopenMerchant { request_id: self.request(own), reason: words.text("reason") };
                self.submit(merchant, &command)
            }
            other => Err(format!("there is no command {other}").into()),
        }
    }

    fn account(
        &mut self,
        name: &str,
        own: Option<RequestId>,
        merchant: &str,
        words: &mut Words<'_>,
    ) -> Result<String, Failure> {
        let request_id = self.request(own);
        let reason = Text::parse("asked for by an operator")?;
        match name {
            // pay MERCHANT AMOUNT
            "pay" => {
                self.submit(merchant, &PayMargin::new(request_id, words.money("amount")?, words.text("reference"))?)
            }
            // withdraw MERCHANT AMOUNT
            "withdraw" => {
                self.submit(merchant, &Withdraw::new(request_id, words.money("amount")?, words.text("reference"))?)
            }
            // credit MERCHANT AMOUNT, debit MERCHANT AMOUNT
            "credit" | "debit" => {
                let direction = if name == "credit" { Direction::Credit } else { Direction::Debit };
                let amount = words.money("amount")?;
                self.submit(merchant, &AdjustBalance::new(request_id, direction, amount, reason, Text::default())?)
            }
            // return MERCHANT PAYMENT
            "return" => {
                let payment_id = words.id("payment")?;
                self.submit(merchant, &ReturnPayment { request_id, payment_id, reason: words.text("reason") })
            }
            // fail MERCHANT WITHDRAWAL
            _ => {
                let withdrawal_id = words.id("withdrawal")?;
                self.submit(merchant, &FailWithdrawal { request_id, withdrawal_id, reason: words.text("reason") })
            }
        }
    }

    fn dispute(
        &mut self,
        name: &str,
        own: Option<RequestId>,
        merchant: &str,
        words: &mut Words<'_>,
    ) -> Result<String, Failure> {
        let request_id = self.request(own);
        match name {
            // deduct MERCHANT AMOUNT
            "deduct" => {
                let amount = words.money("amount")?;
                let (reason, disputed) = (DeductionReason::Fraud, Disputed::Dispute(Text::parse("D-1")?));
                let note = words.text("note");
                let command = DeductMargin::new(request_id, amount, reason, disputed, Beneficiary::Buyer, note)?;
                self.submit(merchant, &command)
            }
            // appeal MERCHANT DEDUCTION
            "appeal" => {
                let deduction_id = words.id("deduction")?;
                self.submit(merchant, &OpenAppeal { request_id, deduction_id, statement: words.text("statement") })
            }
            // uphold MERCHANT DEDUCTION, overturn MERCHANT DEDUCTION [amount=A]
            _ => {
                let deduction_id = words.id("deduction")?;
                let outcome = if name == "uphold" { AppealOutcome::Upheld } else { AppealOutcome::Overturned };
                let (amount, reason) = (words.amount("amount")?, words.text("reason"));
                self.submit(merchant, &ResolveAppeal::new(request_id, deduction_id, outcome, amount, reason)?)
            }
        }
    }

    /// import MERCHANT [profit=P] [available=A] [debt=D] [guarantee=G] [frozen=F] [release=AMOUNT@INSTANT]
    /// [pending=PROFIT@INSTANT] [order=ID:PRICE@COMPLETED/SETTLES]
    fn import(&mut self, own: Option<RequestId>, words: &mut Words<'_>) -> Result<ImportMerchant, Failure> {
        let mut amount = |name| words.amount(name).map(Option::unwrap_or_default);
        let empty = ImportMerchant::empty(self.request(own));
        let mut import = ImportMerchant {
            historical_profit: amount("profit")?,
            available: amount("available")?,
            debt: amount("debt")?,
            guarantee: amount("guarantee")?,
            frozen: amount("frozen")?,
            ..empty
        };
        if let Some((amount, at)) = words.named.remove("release").and_then(|text| text.split_once('@')) {
            import.releasing.push(ImportedRelease { amount: Money::parse(amount)?, due_at: Timestamp::parse(at)? });
        }
        if let Some((profit, at)) = words.named.remove("pending").and_then(|text| text.split_once('@')) {
            let (profit, settles_at) = (Money::parse(profit)?, Timestamp::parse(at)?);
            import.pending.push(PendingToImport { settles_at, cycle: Cycle::Standard, orders: 1, profit });
        }
        if let Some(text) = words.named.remove("order") {
            import.orders.push(imported_order(text).ok_or("an order is ID:PRICE@COMPLETED/SETTLES")?);
        }
        Ok(import.validated()?)
    }

    fn request(&mut self, own: Option<RequestId>) -> RequestId {
        self.requests += 1;
        own.unwrap_or_else(|| Id::parse(&format!("request-{}", self.requests)).unwrap())
    }

    /// What is due, and then the command: every fact on a line of its own.
    fn submit<C: Command>(&mut self, name: &str, command: &C) -> Result<String, Failure> {
        if let Some(known) = self.known.get(&place(name, command.key())) {
            command.recall(&known.first.fact)?;
            return Ok(format!("again {}\n", describe(&known.first)));
        }
        let subject = command.subject().and_then(|key| self.known.get(&place(name, key)));
        let context = Context { now: self.now, policies: &self.policies, limits: self.limits, subject };
        let merchant = self.merchants.get(name).cloned().unwrap_or_default();
        let decision = decide(command, &merchant, &context)?;
        let mut output = String::new();
        let mut after = merchant;
        for event in &decision.changes.events {
            writeln!(output, "{}", describe(event))?;
            after.apply(event);
            after.check()?;
            if let Some(key) = event.fact.subject() {
                self.known.get_mut(&place(name, key)).unwrap().follow(&event.fact);
            }
            if let Some(key) = event.fact.key() {
                self.known.insert(place(name, key), Known::new(event.clone()));
            }
        }
        self.merchants.insert(name.to_owned(), after);
        Ok(output)
    }

    /// The balances as a read sees them: what is due is applied to a copy, and shown.
    fn margin(&self, name: &str) -> String {
        let Some(mut copy) = self.merchants.get(name).cloned() else { return "unknown\n".to_owned() };
        let changes = catch_up(&copy, self.now, &self.policies);
        let mut output: String = changes.events.iter().map(|event| format!("{}\n", describe(event))).collect();
        changes.apply_to(&mut copy);
        output += &show(&copy.margin(self.now, &self.policies));
        output
    }

    fn seed(&mut self, named: BTreeMap<&str, &str>) -> Result<String, Failure> {
        let policy = changed(&self.policies.latest().policy, named)?;
        self.policies = Timeline::new(InForce::first(policy, self.now));
        Ok(String::new())
    }

    fn announce(&mut self, at: Option<Timestamp>, named: BTreeMap<&str, &str>) -> Result<String, Failure> {
        let policy = changed(&self.policies.latest().policy, named)?;
        let (request_id, reason) = (self.request(None), Text::default());
        let set = SetPolicy { request_id, policy, effective_at: at, expected_version: None, reason };
        let in_force = self.policies.announce(&set, self.now)?;
        let told = format!("version {} from {}\n", in_force.version, in_force.effective_at);
        self.policies.push(in_force);
        Ok(told)
    }

    fn limit(&mut self, what: &str, most: usize) -> Result<String, Failure> {
        let limit = match what {
            "releases" => &mut self.limits.open_releases,
            "holds" => &mut self.limits.holds,
            "appeals" => &mut self.limits.open_appeals,
            "categories" => &mut self.limits.categories,
            other => return Err(format!("there is no limit for {other}").into()),
        };
        *limit = most;
        Ok(String::new())
    }

    fn check(&self) -> Result<(), Failure> {
        self.merchants.values().try_for_each(|merchant| Ok(merchant.check()?))
    }
}

fn place(merchant: &str, key: Key<'_>) -> (String, String) {
    let key = match key {
        Key::Order(id) => format!("order {id}"),
        Key::Request(id) => format!("request {id}"),
    };
    (merchant.to_owned(), key)
}

fn imported_order(text: &str) -> Option<ImportedOrder> {
    let (id, rest) = text.split_once(':')?;
    let (price, rest) = rest.split_once('@')?;
    let (completed, settles) = rest.split_once('/')?;
    let price = Money::parse(price).ok()?;
    Some(ImportedOrder {
        order_id: Id::parse(id).ok()?,
        price,
        profit: price,
        completed_at: Timestamp::parse(completed).ok()?,
        cycle: Cycle::Standard,
        settles_at: Timestamp::parse(settles).ok()?,
    })
}

fn changed(policy: &Policy, named: BTreeMap<&str, &str>) -> Result<Policy, Failure> {
    let mut policy = policy.clone();
    for (key, value) in named {
        set(&mut policy, key, value)?;
    }
    Ok(policy.validated()?)
}

fn set(policy: &mut Policy, key: &str, value: &str) -> Result<(), Failure> {
    let duration = || (value != "none").then(|| humantime::parse_duration(value)).transpose();
    match key {
        "counts" if value == "quick" => policy.counts = QuotaCounts::Quick,
        "counts" => policy.counts = QuotaCounts::All,
        "basis" => policy.basis = QuotaBasis::Frozen,
        "day_start" => policy.calendar.day_start = humantime::parse_duration(value)?,
        "max_lateness" => policy.max_lateness = humantime::parse_duration(value)?,
        "standard_days" => policy.standard_days = value.parse()?,
        "maximum" => policy.max_guarantee = Some(Money::parse(value)?),
        "clean_record" => policy.clean_record = duration()?,
        "warn_gap_after" => policy.warn_gap_after = duration()?,
        "warn_debt_after" => policy.warn_debt_after = duration()?,
        "warn_quota_percent" => policy.warn_quota_percent = Some(value.parse()?),
        "base_multiple" => policy.base_multiple = value.parse()?,
        category if category.starts_with("category.") => {
            let id = Id::parse(category.trim_start_matches("category."))?;
            policy.category_minimums.insert(id, Money::parse(value)?);
        }
        key => return Err(format!("there is no policy {key}={value}").into()),
    }
    Ok(())
}
