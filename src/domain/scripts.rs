//! Runs the scripts in `testscripts/`: rules as commands and every effect they have. `UPDATE_GOLDENFILES=1 cargo test` rewrites
//! them; read the difference before believing it.

use std::{collections::BTreeMap, error::Error, fmt::Write as _};

use goldenscript::{Command as Line, Runner};

use super::{
    ClassifyOrder, Command, Context, Event, Fact, Id, ImportMerchant, InForce, Limits, Margin, Merchant,
    ModifyGuarantee, Money, Policy, QuotaBasis, QuotaCounts, Receipt, Timestamp, decide,
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

/// Merchants under the rules alone: no engine, no journal.
struct Rules {
    now: Timestamp,
    in_force: InForce,
    merchants: BTreeMap<String, Merchant>,
    requests: u32,
}

impl Default for Rules {
    fn default() -> Self {
        let now = Timestamp::parse("2026-01-01T09:00:00Z").unwrap();
        let in_force = InForce { version: 1, effective_at: now, policy: Policy::default() };
        Self { now, in_force, merchants: BTreeMap::new(), requests: 0 }
    }
}

impl Runner for Rules {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Result<String, Box<dyn Error>> {
        let mut args = line.consume_args();
        let named: BTreeMap<_, _> = std::iter::from_fn(|| args.next_key()).collect();
        let mut word = |what: &str| args.next_pos().map(str::to_owned).ok_or(format!("{what} is missing"));
        let output = match line.name.as_str() {
            // order MERCHANT ID PRICE [profit=P] [at=INSTANT]
            "order" => {
                let (merchant, id, price) = (word("merchant")?, word("id")?, word("price")?);
                let profit = named.get("profit").map(|text| money(text));
                let at = named.get("at").map(|text| Timestamp::parse(text)).transpose()?;
                let command = ClassifyOrder::new(Id::parse(&id)?, money(&price), profit, at)?;
                self.submit(&merchant, &command)?
            }
            // guarantee MERCHANT DOLLARS
            "guarantee" => {
                let (merchant, dollars) = (word("merchant")?, word("dollars")?);
                let command = ModifyGuarantee::new(self.next_request(), dollars.parse()?)?;
                self.submit(&merchant, &command)?
            }
            // import MERCHANT [profit=P] [available=A]
            "import" => {
                let merchant = word("merchant")?;
                let amount = |name| named.get(name).map_or(Money::ZERO, |text| money(text));
                let (historical_profit, available) = (amount("profit"), amount("available"));
                let command = ImportMerchant { request_id: self.next_request(), historical_profit, available };
                self.submit(&merchant, &command)?
            }
            "margin" => self.margin(&word("merchant")?),
            // wait DURATION
            "wait" => {
                self.now = self.now.after(humantime::parse_duration(&word("duration")?)?);
                format!("now {}\n", self.now)
            }
            // until INSTANT
            "until" => {
                self.now = Timestamp::parse(&word("instant")?)?;
                format!("now {}\n", self.now)
            }
            // policy KEY=VALUE…, before anything is decided
            "policy" => {
                let policy = &mut self.in_force.policy;
                for (key, value) in named {
                    set(policy, key, value)?;
                }
                self.in_force.policy = policy.clone().validated()?;
                String::new()
            }
            other => return Err(format!("there is no command {other}").into()),
        };
        args.reject_next()?;
        self.check()?;
        Ok(output)
    }
}

impl Rules {
    fn next_request<Kind>(&mut self) -> Id<Kind> {
        self.requests += 1;
        Id::parse(&format!("request-{}", self.requests)).unwrap()
    }

    /// What is due, and then the command: every fact on a line of its own.
    fn submit<C: Command>(&mut self, name: &str, command: &C) -> Result<String, Box<dyn Error>> {
        let mut merchant = self.merchants.get(name).cloned().unwrap_or_default();
        let mut output = String::new();
        catch_up(&mut merchant, self.now, &mut output);
        let context = Context { now: self.now, in_force: &self.in_force, limits: Limits::default() };
        let (_, event) = decide(command, &merchant, &context)?;
        merchant.apply(&event);
        writeln!(output, "{}", describe(&event))?;
        catch_up(&mut merchant, self.now, &mut output);
        self.merchants.insert(name.to_owned(), merchant);
        Ok(output)
    }

    /// The balances as a read sees them: what is due is applied to a copy, and shown.
    fn margin(&self, name: &str) -> String {
        let Some(mut copy) = self.merchants.get(name).cloned() else { return "unknown\n".to_owned() };
        let mut output = String::new();
        catch_up(&mut copy, self.now, &mut output);
        output + &show(&copy.margin(self.now, &self.in_force))
    }

    fn check(&self) -> Result<(), Box<dyn Error>> {
        for merchant in self.merchants.values() {
            merchant.check()?;
        }
        Ok(())
    }
}

fn catch_up(merchant: &mut Merchant, now: Timestamp, output: &mut String) {
    while let Some(event) = merchant.next_due(now) {
        merchant.apply(&event);
        writeln!(output, "{}", describe(&event)).unwrap();
    }
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn set(policy: &mut Policy, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
    match (key, value) {
        ("counts", "quick") => policy.counts = QuotaCounts::Quick,
        ("basis", "frozen") => policy.basis = QuotaBasis::Frozen,
        ("day_start", value) => policy.calendar.day_start = humantime::parse_duration(value)?,
        ("max_lateness", value) => policy.max_lateness = humantime::parse_duration(value)?,
        ("maximum", value) => policy.max_guarantee = Some(money(value)),
        (key, value) => return Err(format!("there is no policy {key}={value}").into()),
    }
    Ok(())
}

fn describe(event: &Event) -> String {
    let effect = match &event.fact {
        Fact::OrderClassified(order) => format!(
            "order {} {:?} settles {} ({})",
            order.order_id,
            order.cycle,
            order.settles_at,
            describe_receipt(&order.receipt)
        ),
        Fact::ProfitSettled(settled) => format!(
            "settled {} of {} {:?} orders: debt {}, gap {}, available {}",
            settled.income.total(),
            settled.orders,
            settled.cycle,
            settled.income.to_debt,
            settled.income.to_gap,
            settled.income.to_available
        ),
        Fact::GuaranteeModified(fact) => format!(
            "guarantee {} -> {}: from releasing {}, from available {}, releasing {} until {}, frozen {}, gap {} ({})",
            fact.previous,
            fact.guarantee,
            fact.from_releasing,
            fact.from_available,
            fact.released,
            fact.release_due_at,
            fact.frozen,
            fact.guarantee.less_at_most(fact.frozen),
            describe_receipt(&fact.receipt)
        ),
        Fact::ReleaseCompleted(release) => format!(
            "released {} (number {}): debt {}, gap {}, available {}",
            release.income.total(),
            release.number,
            release.income.to_debt,
            release.income.to_gap,
            release.income.to_available
        ),
        Fact::MerchantImported(import) => format!(
            "imported historical profit {}, available {}, multiple {}",
            import.historical_profit, import.available, import.multiple
        ),
    };
    format!("{} {effect}", event.effective_at)
}

fn describe_receipt(receipt: &Receipt) -> String {
    format!(
        "multiple {}, quota {}, day {} -> {}, remaining {}, resets {}",
        receipt.multiple,
        receipt.quota,
        receipt.day_total_before,
        receipt.day_total_after,
        receipt.remaining(),
        receipt.resets_at
    )
}

fn show(margin: &Margin) -> String {
    let mut output = format!(
        "guarantee {}, frozen {}, gap {}{}, available {}, debt {}, historical profit {}, multiple {}\n",
        margin.guarantee,
        margin.frozen,
        margin.gap,
        margin.gap_since.map(|since| format!(" since {since}")).unwrap_or_default(),
        margin.available,
        margin.debt,
        margin.historical_profit,
        margin.multiple
    );
    let quota = &margin.quota;
    writeln!(
        output,
        "quota {}, used {} (quick {}), remaining {}, resets {}",
        quota.limit, quota.used.all, quota.used.quick, quota.remaining, quota.resets_at
    )
    .unwrap();
    for release in &margin.releasing {
        writeln!(output, "releasing {} due {}", release.amount, release.due_at).unwrap();
    }
    for of_day in &margin.pending {
        let pending = &of_day.pending;
        writeln!(
            output,
            "pending {} of {} {:?} orders settles {}",
            pending.profit, pending.orders, pending.cycle, pending.settles_at
        )
        .unwrap();
    }
    output
}
