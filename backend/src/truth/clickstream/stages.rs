//! What comes after the sessions, recomputed plainly: who was a member when, which carts were abandoned, which advertisement earned which
//! purchase, whether recommendations are worth anything, and who is a robot.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::Check;

use crate::{
    pipelines::clickstream::{
        ClickId, PurchaseId, UserId,
        records::{Activity, AdClick, Attribution, Offer, OfferTaken, Pair, Recommended, Session, Tier, User},
        settings::{ATTRIBUTION_MS, BOT_EVENTS_MIN, BOT_EVERY_MAX_MS, OFFER_PERCENT, Windows},
    },
    sim::clickstream::Action,
    truth::{
        check,
        clickstream::{ExposuresCheck, HitRate, Hits, SalesCheck},
        pending,
    },
};

/// Looks that say whether recommendations are any good.
const LOOKS_MIN: u64 = 200;

/// What was seen of a run, beside events and sessions.
#[derive(Debug, Default)]
pub struct Stages {
    run: String,
    /// Whoever is silent for so long gets an offer.
    cart_silence_ms: i64,
    /// A purchase is an offer's work for so long.
    offer_ms: i64,
    member_from: BTreeMap<UserId, i64>,
    /// User, start and tier of each session.
    tiers: Vec<(UserId, i64, Tier)>,
    /// Sessions that were called a robot's, and long and fast ones that could be.
    flagged: BTreeSet<UserId>,
    fast: BTreeSet<UserId>,
    carts: BTreeMap<i32, Carts>,
    offers: BTreeSet<Offer>,
    clicks: BTreeMap<UserId, Vec<(i64, ClickId)>>,
    /// User, time and price by purchase.
    purchases: BTreeMap<PurchaseId, (UserId, i64, i64)>,
    taken: BTreeSet<OfferTaken>,
    attributed: BTreeMap<PurchaseId, ClickId>,
    sales: SalesCheck,
    exposures: ExposuresCheck,
    hit_rate: HitRate,
}

/// Carts of one partition, each looked at after every event.
#[derive(Debug, Default)]
struct Carts {
    now: i64,
    /// No cart is due before this.
    next_due: i64,
    open: BTreeMap<UserId, Offer>,
    due: BTreeSet<Offer>,
}

impl Stages {
    /// Nothing seen yet.
    pub fn new(run: &str, windows: Windows) -> Self {
        let (cart_silence_ms, exposures) = (windows.cart_silence_ms(), ExposuresCheck::new(run, windows.conversion_ms()));
        let offer_ms = windows.offer_ms();
        Self { run: run.to_owned(), cart_silence_ms, offer_ms, sales: SalesCheck::new(run), exposures, ..Self::default() }
    }

    /// An event that is in the log for the first time, in the order of offsets.
    pub fn event(&mut self, partition: i32, activity: &Activity<'_>) {
        self.carts.entry(partition).or_default().event(&self.run, self.cart_silence_ms, partition, activity);
        self.exposures.event(partition, activity);
        if activity.action_type == Action::Purchase && !activity.event_id.is_empty() {
            let price_minor = activity.price_minor.unwrap_or(0);
            self.sales.purchase(&activity.item_id, price_minor);
            let (purchase_id, user_id) = (PurchaseId::from(&*activity.event_id), UserId::from(&*activity.user_id));
            self.purchases.insert(purchase_id, (user_id, activity.timestamp, price_minor));
        }
    }

    /// A row of the users' table.
    pub fn user(&mut self, row: User) {
        if row.run == self.run {
            self.member_from.insert(row.user_id, row.member_from);
        }
    }

    /// A published session.
    pub fn session(&mut self, session: &Session) {
        self.tiers.push((session.user_id.clone(), session.start, session.tier));
        let is_fast = session.end - session.start < session.events.cast_signed() * BOT_EVERY_MAX_MS * 3 / 4;
        if session.events >= BOT_EVENTS_MIN && is_fast {
            self.fast.insert(session.user_id.clone());
        }
        if session.is_bot {
            self.flagged.insert(session.user_id.clone());
        }
    }

    /// An advertisement was followed.
    pub fn click(&mut self, click: AdClick) {
        if click.run == self.run {
            self.clicks.entry(click.user_id).or_default().push((click.at, click.click_id));
        }
    }

    /// A published attribution.
    pub fn attribution(&mut self, attribution: Attribution) {
        if attribution.run == self.run {
            self.attributed.insert(attribution.purchase_id, attribution.click_id);
        }
    }

    /// The catalogue, and what was sold of it.
    pub fn sales(&mut self) -> &mut SalesCheck {
        &mut self.sales
    }

    /// Who took part in the A/B test, and what was made of it.
    pub fn exposures(&mut self) -> &mut ExposuresCheck {
        &mut self.exposures
    }

    /// A published offer.
    pub fn offer(&mut self, offer: Offer) {
        if offer.run == self.run {
            self.offers.insert(offer);
        }
    }

    /// A purchase that is told to be an offer's work.
    pub fn taken(&mut self, taken: OfferTaken) {
        if taken.run == self.run {
            self.taken.insert(taken);
        }
    }

    /// What was recommended.
    pub fn recommended(&mut self, recommended: &Recommended) {
        if recommended.run == self.run {
            self.hit_rate.recommended(recommended);
        }
    }

    /// What was looked at after what: were we right?
    pub fn pair(&mut self, pair: &Pair) {
        if pair.run == self.run {
            self.hit_rate.look(pair);
        }
    }

    /// The lift that is shown of the A/B test.
    pub fn lift(&self) -> Option<f64> {
        self.exposures.lift()
    }

    /// How good recommendations are so far.
    pub fn hits(&self) -> Hits {
        self.hit_rate.hits()
    }

    /// All verdicts. `bots` are the users that are no people, `share_cut_short` of the visits had no outcome; `brought_back` is how many
    /// purchases were made for an offer, where that is known.
    pub fn verdicts(&self, bots: &[String], share_cut_short: f64, brought_back: Option<u64>) -> Vec<Check> {
        vec![
            self.exposures.equal(),
            self.exposures.covers_truth(share_cut_short),
            self.tiers_as_of(),
            self.offers_equal(),
            self.offers_bring_buyers_back(brought_back),
            self.attribution_equal(),
            self.sales.verdict(),
            self.recommendations(),
            self.bots_found(bots),
        ]
    }

    /// `tiers_as_of_events`: each session's tier is what its user was at its first event, whatever was announced by then.
    fn tiers_as_of(&self) -> Check {
        let id = "tiers_as_of_events";
        let expected = |user: &UserId, at: i64| {
            let from = self.member_from.get(user);
            if from.is_some_and(|from| at >= *from) { Tier::Member } else { Tier::Guest }
        };
        let wrong: Vec<_> = self.tiers.iter().filter(|(user, start, tier)| expected(user, *start) != *tier).collect();
        let early = self.tiers.iter().filter(|(user, start, _)| self.member_from.get(user).is_some_and(|from| start < from)).count();
        if self.member_from.is_empty() {
            return pending(id, "nobody became a member yet");
        }
        let mut evidence = format!(
            "{} sessions, {} members announced; {early} sessions of theirs before it held",
            self.tiers.len(),
            self.member_from.len()
        );
        if let Some((user, start, tier)) = wrong.first() {
            evidence += &format!("; {} wrong, first: {user} from {start} as {tier:?}", wrong.len());
        }
        check(id, wrong.is_empty(), evidence)
    }

    /// `offers_equal_replay`: exactly the abandoned carts got an offer.
    fn offers_equal(&self) -> Check {
        let id = "offers_equal_replay";
        let expected: BTreeSet<_> = self.carts.values().flat_map(|carts| &carts.due).cloned().collect();
        if expected.is_empty() && self.offers.is_empty() {
            return pending(id, "no cart was abandoned yet");
        }
        let (missing, surplus) = (expected.difference(&self.offers).count(), self.offers.difference(&expected).count());
        let mut evidence = format!("{} offers", self.offers.len());
        if missing + surplus > 0 {
            evidence += &format!(", {missing} missing, {surplus} surplus");
        }
        if let Some(first) = expected.symmetric_difference(&self.offers).next() {
            evidence += &format!("; first: {} for the cart of {}", first.user_id, first.cart_at);
        }
        check(id, missing + surplus == 0, evidence)
    }

    /// `offers_bring_buyers_back`: what is told to be the work of offers are the purchases soon after one, and they are as many as visitors
    /// made because of one.
    fn offers_bring_buyers_back(&self, brought_back: Option<u64>) -> Check {
        let id = "offers_bring_buyers_back";
        let mut of_user = BTreeMap::<&str, Vec<_>>::new();
        for (purchase_id, (user, at, price_minor)) in &self.purchases {
            of_user.entry(user.as_str()).or_default().push((purchase_id, *at, *price_minor));
        }
        let taken = |offer: &Offer| {
            let purchases = of_user.get(offer.user_id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let soon = purchases.iter().filter(|(_, at, _)| (offer.at..=offer.at + self.offer_ms).contains(at));
            let taken = soon.map(|(purchase_id, purchase_at, revenue_minor)| OfferTaken {
                run: offer.run.clone(),
                user_id: offer.user_id.clone(),
                offer_at: offer.at,
                purchase_id: (*purchase_id).clone(),
                purchase_at: *purchase_at,
                revenue_minor: *revenue_minor,
            });
            taken.collect::<Vec<_>>()
        };
        let expected: BTreeSet<_> = self.offers.iter().flat_map(taken).collect();
        if expected.is_empty() && self.taken.is_empty() && brought_back.unwrap_or(0) == 0 {
            return pending(id, "nobody came back for an offer yet");
        }
        let different = expected.symmetric_difference(&self.taken).count();
        let bought: BTreeSet<_> = self.taken.iter().map(|taken| &taken.purchase_id).collect();
        let mut evidence = format!("{} offers, {} purchases soon after one", self.offers.len(), bought.len());
        if let Some(made) = brought_back {
            evidence += &format!("; {made} were made for one");
        }
        if different > 0 {
            evidence += &format!("; {different} told wrongly or not at all");
        }
        check(id, different == 0 && brought_back.is_none_or(|made| made == bought.len() as u64), evidence)
    }

    /// `attribution_equal_batch`: each purchase is attributed to the last advertisement of the hour before, or to none.
    fn attribution_equal(&self) -> Check {
        let id = "attribution_equal_batch";
        let last = |user: &str, at: i64| {
            let clicks = self.clicks.get(user).map(Vec::as_slice).unwrap_or_default();
            clicks.iter().filter(|(click_at, _)| (at - ATTRIBUTION_MS..=at).contains(click_at)).max()
        };
        let expected: BTreeMap<_, _> = self
            .purchases
            .iter()
            .filter_map(|(purchase, (user, at, _))| Some((purchase.clone(), last(user.as_str(), *at)?.1.clone())))
            .collect();
        if expected.is_empty() && self.attributed.is_empty() {
            return pending(id, "no purchase followed an advertisement yet");
        }
        let wrong = expected.iter().filter(|(purchase, click)| self.attributed.get(*purchase) != Some(click));
        let surplus = self.attributed.keys().filter(|purchase| !expected.contains_key(*purchase)).count();
        let wrong: Vec<_> = wrong.collect();
        let mut evidence = format!("{} of {} purchases attributed", self.attributed.len(), self.purchases.len());
        if !wrong.is_empty() || surplus > 0 {
            evidence += &format!(", {} to the wrong one or missing, {surplus} without reason", wrong.len());
        }
        if let Some((purchase, click)) = wrong.first() {
            evidence += &format!("; first: {purchase} belongs to {click}");
        }
        check(id, wrong.is_empty() && surplus == 0, evidence)
    }

    /// `recommendations_beat_popularity`: the next item is among ten recommended ones more often than among the ten most wanted ones.
    pub fn recommendations(&self) -> Check {
        let id = "recommendations_beat_popularity";
        let looks = self.hits().looks;
        if looks < LOOKS_MIN {
            return pending(id, format!("{looks} looks by users who had recommendations; it takes {LOOKS_MIN}"));
        }
        let (recommended, popular) = self.hits().rates();
        let evidence = format!("hit-rate@10 {recommended:.3} against {popular:.3} of the most wanted items, over {looks} looks");
        check(id, recommended > popular, evidence)
    }

    /// `bots_found`: robots that were fast for long are called so, and nobody else is.
    fn bots_found(&self, bots: &[String]) -> Check {
        let id = "bots_found";
        let bots: BTreeSet<_> = bots.iter().map(|bot| UserId::from(bot.as_str())).collect();
        if bots.is_empty() && self.flagged.is_empty() {
            return check(id, true, "no robot came, and nobody was taken for one");
        }
        let missed = bots.intersection(&self.fast).filter(|bot| !self.flagged.contains(*bot)).count();
        let accused: Vec<_> = self.flagged.difference(&bots).collect();
        let mut evidence = format!(
            "{} robots came, {} were fast for long, {} named",
            bots.len(),
            bots.intersection(&self.fast).count(),
            self.flagged.len()
        );
        if missed + accused.len() > 0 {
            evidence += &format!("; {missed} missed, {} people accused", accused.len());
        }
        check(id, missed == 0 && accused.is_empty(), evidence)
    }
}

impl Carts {
    fn event(&mut self, run: &str, silence_ms: i64, partition: i32, activity: &Activity<'_>) {
        self.now = self.now.max(activity.timestamp);
        if self.next_due < self.now {
            let (due, open): (BTreeMap<_, _>, _) = std::mem::take(&mut self.open).into_iter().partition(|(_, offer)| offer.at < self.now);
            self.due.extend(due.into_values());
            self.open = open;
        }
        let at = activity.timestamp + silence_ms;
        match (activity.action_type, self.open.get_mut(&*activity.user_id)) {
            (Action::Purchase, _) => drop(self.open.remove(&*activity.user_id)),
            (Action::AddToCart, None) => {
                let user_id = UserId::from(&*activity.user_id);
                let offer = Offer {
                    run: run.to_owned(),
                    partition,
                    user_id: user_id.clone(),
                    item_id: (&*activity.item_id).into(),
                    value_minor: activity.price_minor.unwrap_or(0),
                    cart_at: activity.timestamp,
                    at,
                    percent: OFFER_PERCENT,
                };
                self.open.insert(user_id, offer);
            }
            (action, Some(offer)) => {
                offer.at = offer.at.max(at);
                if action == Action::AddToCart {
                    offer.item_id = (&*activity.item_id).into();
                    offer.value_minor += activity.price_minor.unwrap_or(0);
                }
            }
            (_, None) => {}
        }
        self.next_due = self.open.values().map(|offer| offer.at).min().unwrap_or(i64::MAX);
    }
}
