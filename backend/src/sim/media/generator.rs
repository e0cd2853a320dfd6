//! Turns viewers into records, one per slot of the schedule.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
};

use serde::{Deserialize, Serialize};

use super::{
    audience::Audience,
    catalogue::{APPS, RACERS, ROOMS, TITLES, room_name, title_id, title_length_ms},
    chat,
    event::{AdDecision, AdRequest, Cell, ChatMessage, HomeRow, PlayerAction, PlayerCommand},
    fault::{Fault, FaultKind, Shown},
    ids::{MessageId, RequestId, RoomId, SessionId, VideoId, ViewerId},
    player::{Content, Out, Player, Returning, Surroundings},
    write::record,
};
use crate::sim::{Random, Schedule, Zipf};

/// With what a generator starts. Equal parameters and commands give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorParams {
    /// The seed.
    pub seed: u64,
    /// Events per second of virtual time.
    pub rate_per_s: u32,
    /// Event time at virtual time zero, epoch ms. Event time runs as fast as the clock: seconds are what viewers wait for.
    pub start_at_ms: i64,
    /// Records are stamped up to so long before they are sent; on average a tenth of it.
    pub disorder_ms: i64,
}

/// How late records come at most unless another time is set.
pub const DISORDER_MAX_MS: i64 = 1_500;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Reports of players.
    Qoe,
    /// What viewers do.
    Playback,
    /// Who is in a room.
    Presence,
    /// Messages.
    Chat,
    /// Emoji.
    Reactions,
    /// Requests for ads.
    AdRequests,
    /// What became of ads.
    AdEvents,
}

/// A record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where to.
    pub topic: Topic,
    /// The key.
    pub key: String,
    /// The event as JSON.
    pub value: Vec<u8>,
    /// Event time.
    pub timestamp_ms: i64,
}

/// What the generator knows and no consumer is told, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Truth {
    /// Time watched, by content.
    pub watched_ms: BTreeMap<VideoId, i64>,
    /// Plays begun, by content; going on after a pause is none.
    pub starts: BTreeMap<VideoId, u64>,
    /// Different viewers of each; none of any once they are too many to remember.
    #[serde(default)]
    pub viewers: BTreeMap<VideoId, u64>,
    /// Of each side of the A/B test: viewers of whom it is known whether they stayed, and those who did.
    #[serde(default)]
    pub stayed: BTreeMap<String, (u64, u64)>,
    /// Emoji sent, by room and emoji.
    pub emoji: BTreeMap<RoomId, BTreeMap<String, u64>>,
    /// Messages sent, by room.
    pub messages: BTreeMap<RoomId, u64>,
    /// Messages of bots among them.
    pub spam: u64,
}

/// A record of the truth topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TruthRecord {
    /// A message was a bot's.
    Spam {
        /// Which.
        message_id: MessageId,
    },
    /// Something was broken on purpose.
    Fault {
        /// What, for people.
        what: String,
        /// Where it shows in the cube; empty where it shows elsewhere.
        shown: Shown,
        /// Since, event time.
        from_ms: i64,
        /// Until.
        until_ms: i64,
    },
    /// The labelled causes of a case of given data.
    Cause {
        /// Which case.
        case: String,
        /// Each of them.
        causes: Vec<Shown>,
    },
    /// Sums at the end of a run.
    Totals(Truth),
}

/// Share of the slots that bots take during a raid, and requests during a budget race.
const RAID_SHARE: f64 = 0.15;
const RACE_SHARE: f64 = 0.25;
/// How long a request waits for a slow ad server, on average and at most.
const SLOW_MS: f64 = 6_000.0;
const SLOW_MAX_MS: f64 = 20_000.0;
/// How long a player waits for an ad before it goes on without.
pub const AD_PATIENCE_MS: i64 = 2_000;
/// Of those who arrive, the share that was there before, and of these the share that goes on with what it watched.
const RETURN_SHARE: f64 = 0.25;
const SAME_SHARE: f64 = 0.5;
/// Viewers who may come back.
const DEPARTED_MAX: usize = 5_000;
/// Who has watched for so long has stayed.
pub const STAYED_MS: i64 = 30_000;
/// Bots of a raid.
const BOTS: u64 = 12;
/// A player that waits this long for a slot (after a drop of the rate) is gone without a word.
const OVERDUE_MAX_MS: i64 = 30_000;
/// Share of viewers who watch something live, and who choose from the home row.
const LIVE_SHARE: f64 = 0.3;
const HOME_SHARE: f64 = 0.6;
/// Commands at work at most; the oldest is forgotten.
const COMMANDS_MAX: usize = 64;

/// The service's viewers as a sequence of records.
#[derive(Debug)]
pub struct Generator {
    pub(super) params: GeneratorParams,
    pub(super) random: Random,
    pub(super) schedule: Schedule,
    /// Without what a goal adds.
    pub(super) base_rate_per_s: u32,
    /// The share of slots that a goal takes.
    pub(super) cheer_share: f64,
    /// Emoji that were sent without a goal, by room, and events that a goal added.
    pub(super) usual_cheers: [u64; ROOMS],
    pub(super) added: u64,
    departed: VecDeque<Returning>,
    pub(super) players: HashMap<u64, Player>,
    pub(super) due: BinaryHeap<Reverse<(i64, u64)>>,
    arrived: u64,
    pub(super) events: u64,
    titles: Zipf,
    home: Vec<usize>,
    pub(super) faults: Vec<Fault>,
    commands: Vec<PlayerCommand>,
    pub(super) truth: Truth,
    pub(super) audience: Audience,
    truth_records: Vec<TruthRecord>,
}

impl Generator {
    /// A generator before its first event.
    pub fn new(params: GeneratorParams) -> Self {
        Self {
            params,
            random: Random::new(params.seed),
            schedule: Schedule::new(params.rate_per_s),
            base_rate_per_s: params.rate_per_s,
            cheer_share: 0.0,
            usual_cheers: [0; ROOMS],
            added: 0,
            departed: VecDeque::new(),
            players: HashMap::new(),
            due: BinaryHeap::new(),
            arrived: 0,
            events: 0,
            titles: Zipf::new(TITLES, 0.9),
            home: Vec::new(),
            faults: Vec::new(),
            commands: Vec::new(),
            truth: Truth::default(),
            audience: Audience::default(),
            truth_records: Vec::new(),
        }
    }

    /// When the next event is due, in nanoseconds of virtual time.
    pub fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    /// Event time of the next event.
    pub fn now_ms(&self) -> i64 {
        self.params.start_at_ms + (self.schedule.due_ns() / 1_000_000) as i64
    }

    /// Events made so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Viewers with a player at work.
    pub fn players(&self) -> usize {
        self.players.len()
    }

    /// What no consumer is told.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Truth about single events since it was last taken.
    pub fn take_truth(&mut self) -> Vec<TruthRecord> {
        std::mem::take(&mut self.truth_records)
    }

    /// Changes the rate from the next event on; a goal at work keeps its factor.
    pub fn set_rate(&mut self, rate_per_s: u32) {
        self.base_rate_per_s = rate_per_s.max(1);
        self.pace();
    }

    /// Breaks something for so long.
    pub fn inject(&mut self, kind: FaultKind, for_ms: i64) {
        let fault = Fault { kind, from_ms: self.now_ms(), until_ms: self.now_ms() + for_ms };
        let (what, shown) = (format!("{:?}", fault.kind), fault.kind.shown());
        self.truth_records.push(TruthRecord::Fault { what, shown, from_ms: fault.from_ms, until_ms: fault.until_ms });
        self.faults.push(fault);
        self.pace();
    }

    /// Players obey from now on. A command that is known already changes nothing.
    pub fn command(&mut self, command: PlayerCommand) {
        if self.commands.iter().any(|known| known.command_id == command.command_id) {
            return;
        }
        if self.commands.len() == COMMANDS_MAX {
            self.commands.remove(0);
        }
        self.commands.push(command);
    }

    /// What stands first on everybody's screen from now on.
    pub fn home_row(&mut self, row: &HomeRow) {
        self.home = row.titles.iter().filter_map(|id| (0..TITLES).find(|number| title_id(*number) == *id)).collect();
    }

    /// An ad was decided; its player shows it.
    pub fn ad_decided(&mut self, decision: &AdDecision) {
        let now_ms = self.now_ms();
        if now_ms - decision.ts > AD_PATIENCE_MS {
            return;
        }
        let number = decision.session_id.as_str().strip_prefix('s').and_then(|number| number.parse().ok());
        if let (Some(_), Some(player)) = (&decision.campaign_id, number.and_then(|number: u64| self.players.get_mut(&number))) {
            player.show_ad(&mut self.random, &decision.request_id, now_ms);
        }
    }

    /// Makes the event of the next slot.
    pub fn generate(&mut self) -> Record {
        let now_ms = self.now_ms();
        let faults = self.faults.len();
        self.faults.retain(|fault| fault.until_ms > now_ms);
        if self.faults.len() < faults {
            self.pace();
        }
        self.commands.retain(|command| command.until_ms > now_ms);
        let record = self.bot(now_ms).or_else(|| self.racer(now_ms)).or_else(|| self.fan(now_ms)).unwrap_or_else(|| self.viewer(now_ms));
        self.schedule.advance();
        self.events += 1;
        record
    }

    /// A bot's message, while there is a raid.
    fn bot(&mut self, now_ms: i64) -> Option<Record> {
        let raided = self.faults.iter().find_map(|fault| match fault.kind {
            FaultKind::ChatRaid { room } => Some(room),
            _ => None,
        })?;
        self.random.chance(RAID_SHARE).then(|| {
            let (room, user_id) = (room_name(raided), ViewerId(format!("u9{:07}", self.random.below(BOTS))));
            let message_id = MessageId(format!("e{}-{}", self.params.seed, self.events));
            self.truth_records.push(TruthRecord::Spam { message_id: message_id.clone() });
            *self.truth.messages.entry(room.clone()).or_default() += 1;
            self.truth.spam += 1;
            let message = ChatMessage { message_id, room: room.clone(), user_id, ts: now_ms, text: chat::spam(&mut self.random) };
            record(Topic::Chat, room.0, &message, now_ms)
        })
    }

    /// How long a request waits for the ad server.
    pub(super) fn ad_wait_ms(&mut self) -> i64 {
        let is_slow = self.faults.iter().any(|fault| fault.kind == FaultKind::AdServerSlow);
        if is_slow { self.random.exponential(SLOW_MS).min(SLOW_MAX_MS) as i64 } else { 0 }
    }

    /// A request of a user who comes for the ad alone, while there is a budget race.
    fn racer(&mut self, now_ms: i64) -> Option<Record> {
        let is_race = self.faults.iter().any(|fault| fault.kind == FaultKind::AdBudgetRace);
        (is_race && self.random.chance(RACE_SHARE)).then(|| {
            let numbers = self.due.iter().map(|Reverse((_, number))| *number).take(64).collect::<Vec<_>>();
            let number = numbers.get(self.random.below(numbers.len() as u64) as usize).copied().unwrap_or(1);
            let (user_id, device, geo) = self.players.get(&number).map_or_else(
                || (ViewerId(format!("u{number}")), String::new(), String::new()),
                |player| (player.user_id.clone(), player.home.device.clone(), player.home.region.clone()),
            );
            let wait_ms = self.ad_wait_ms();
            let request = AdRequest {
                request_id: RequestId(format!("r{}-{}", self.params.seed, self.events)),
                user_id: user_id.clone(),
                session_id: SessionId(format!("s{number}")),
                content_id: title_id(0),
                device,
                geo,
                segments: vec![RACERS.to_owned()],
                ts: now_ms,
                wait_ms,
                ..AdRequest::default()
            };
            record(Topic::AdRequests, user_id.0, &request, now_ms)
        })
    }

    fn viewer(&mut self, now_ms: i64) -> Record {
        loop {
            let (number, mut player) = self.next_player(now_ms);
            let used = self.used(&player.home);
            let around = Surroundings {
                extra: self.extra(&used, player.content, now_ms),
                is_goal: self.is_goal(&player),
                bitrate_max: self.bitrate_max(&player.home),
            };
            let Some((out, due_ms)) = player.next(&mut self.random, around, now_ms) else { continue };
            if let (Out::Reaction(_), Content::Live { room }) = (&out, player.content) {
                self.usual_cheers.iter_mut().skip(room).take(1).for_each(|count| *count += 1);
            }
            let record = self.write(&mut player, used, out, now_ms);
            if player.is_gone() {
                self.departed.push_back(player.into_returning());
                if self.departed.len() > DEPARTED_MAX {
                    self.departed.pop_front();
                }
            } else {
                self.due.push(Reverse((due_ms, number)));
                self.players.insert(number, player);
            }
            return record;
        }
    }

    /// Who is due, or somebody who arrives.
    fn next_player(&mut self, now_ms: i64) -> (u64, Player) {
        while let Some(Reverse((due_ms, number))) = self.due.peek().copied().filter(|Reverse((due_ms, _))| *due_ms <= now_ms) {
            self.due.pop();
            if let Some(player) = self.players.remove(&number).filter(|_| now_ms - due_ms <= OVERDUE_MAX_MS) {
                return (number, player);
            }
        }
        self.arrived += 1;
        let returning = if self.departed.is_empty() || !self.random.chance(RETURN_SHARE) {
            None
        } else {
            let at = self.random.below(self.departed.len() as u64) as usize;
            self.departed.swap_remove_back(at)
        };
        let same = returning.as_ref().map(|returning| returning.content).filter(|_| self.random.chance(SAME_SHARE));
        let content = if let Some(content) = same {
            content
        } else if self.random.chance(LIVE_SHARE) {
            Content::Live { room: self.random.weighted(&[0.5, 0.25, 0.15, 0.1]).min(ROOMS - 1) }
        } else {
            let drawn = self.titles.draw(&mut self.random);
            let of_home = self.home.get(drawn).copied().filter(|_| self.random.chance(HOME_SHARE));
            let number = of_home.unwrap_or(drawn);
            Content::Title { number, length_ms: title_length_ms(self.params.seed, number) }
        };
        (self.arrived, Player::arrive(&mut self.random, self.arrived, returning, content, now_ms))
    }

    /// The cell a player uses: its own, but for what it was commanded.
    pub(super) fn used(&self, home: &Cell) -> Cell {
        let mut used = home.clone();
        for command in self.commands.iter().filter(|command| command.is_for(home)) {
            match &command.action {
                PlayerAction::SwitchCdn { to } => used.cdn.clone_from(to),
                PlayerAction::RollBackApp { to } if APPS.iter().any(|(name, _)| name == to) => used.app_version.clone_from(to),
                PlayerAction::RollBackApp { .. } | PlayerAction::CapBitrate { .. } => {}
            }
        }
        used
    }

    fn extra(&self, used: &Cell, content: Content, now_ms: i64) -> f64 {
        let title = match content {
            Content::Title { number, .. } => Some(number),
            Content::Live { .. } => None,
        };
        let capped = if self.bitrate_max(used) < u32::MAX { 0.1 } else { 1.0 };
        let of = |fault: &Fault| match fault.kind {
            // A jammed network carries a lower bitrate.
            FaultKind::IspCongested { .. } => fault.extra(used, now_ms) * capped,
            FaultKind::BadEncode { .. } => fault.extra_of_title(title, now_ms),
            _ => fault.extra(used, now_ms),
        };
        1.0 - self.faults.iter().map(|fault| 1.0 - of(fault)).product::<f64>()
    }

    fn bitrate_max(&self, home: &Cell) -> u32 {
        let caps = self.commands.iter().filter(|command| command.is_for(home)).filter_map(|command| match command.action {
            PlayerAction::CapBitrate { kbit_s } => Some(kbit_s),
            _ => None,
        });
        caps.min().unwrap_or(u32::MAX)
    }

    pub(super) fn is_goal(&self, player: &Player) -> bool {
        let Content::Live { room } = player.content else { return false };
        self.faults.iter().any(|fault| fault.kind == FaultKind::GoalMoment { room })
    }
}
