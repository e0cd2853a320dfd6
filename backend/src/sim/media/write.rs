//! What a player sends, as records.

use serde::Serialize;

use super::{
    catalogue::{room_name, title_id},
    event::{AdEvent, AdRequest, Cell, ChatMessage, Playback, PlaybackAction, PlayerState, Presence, Qoe, Reaction},
    generator::{Generator, Record, STAYED_MS, Topic},
    ids::{MessageId, RequestId, RoomId, VideoId},
    player::{Content, Out, Player, VARIANTS},
};

impl Generator {
    /// The record of what a player sends; the truth learns of it.
    pub(super) fn write(&mut self, player: &mut Player, cell: Cell, out: Out, now_ms: i64) -> Record {
        let disorder_ms = self.params.disorder_ms.max(0) as f64;
        let jitter_ms = (self.random.exponential(0.1) * disorder_ms).min(disorder_ms) as i64;
        let ts = (now_ms - jitter_ms).max(player.last_ts + 1);
        player.last_ts = ts;
        let event_id = format!("e{}-{}", self.params.seed, self.events);
        let content = content_id(player.content);
        let user_id = player.user_id.clone();
        match out {
            Out::Start { is_failed, delay_ms } => {
                let sta = if is_failed { PlayerState::Fatal } else { PlayerState::Starting };
                let ec = is_failed.then(|| "start_failed".to_owned());
                let qoe = report(player, event_id, content, ts, cell, Report { sta, bsd: 0, played_ms: 0, msd: Some(delay_ms), ec });
                record(Topic::Qoe, qoe.sid.0.clone(), &qoe, ts)
            }
            Out::Quit => {
                let quit = Report { sta: PlayerState::Quit, bsd: 0, played_ms: 0, msd: None, ec: None };
                let qoe = report(player, event_id, content, ts, cell, quit);
                record(Topic::Qoe, qoe.sid.0.clone(), &qoe, ts)
            }
            Out::Report { stalled_ms, played_ms, is_fatal } => {
                let sta = match (is_fatal, stalled_ms > played_ms) {
                    (true, _) => PlayerState::Fatal,
                    (_, true) => PlayerState::Rebuffering,
                    _ => PlayerState::Playing,
                };
                let ec = is_fatal.then(|| "stalled".to_owned());
                let qoe = report(player, event_id, content, ts, cell, Report { sta, bsd: stalled_ms, played_ms, msd: None, ec });
                record(Topic::Qoe, qoe.sid.0.clone(), &qoe, ts)
            }
            Out::Playback(action) => self.playback(player, event_id, action, (ts, cell.app_version)),
            Out::Presence(action) => {
                let room = content_room(player.content);
                record(Topic::Presence, room.0.clone(), &Presence { room, user_id, action, ts }, ts)
            }
            Out::Chat(text) => {
                let room = content_room(player.content);
                *self.truth.messages.entry(room.clone()).or_default() += 1;
                record(Topic::Chat, room.0.clone(), &ChatMessage { message_id: MessageId(event_id), room, user_id, ts, text }, ts)
            }
            Out::Reaction(emoji) => {
                let room = content_room(player.content);
                *self.truth.emoji.entry(room.clone()).or_default().entry(emoji.to_owned()).or_default() += 1;
                record(Topic::Reactions, room.0.clone(), &Reaction { event_id, room, user_id, emoji: emoji.to_owned(), ts }, ts)
            }
            Out::AdRequest => {
                let request = AdRequest {
                    request_id: RequestId(format!("r{}-{}", self.params.seed, self.events)),
                    user_id: user_id.clone(),
                    session_id: player.session_id.clone(),
                    content_id: content,
                    pod: player.breaks,
                    slot: 0,
                    segments: player.segments(),
                    device: cell.device,
                    geo: cell.region,
                    ts,
                    wait_ms: self.ad_wait_ms(),
                };
                player.breaks += 1;
                record(Topic::AdRequests, user_id.0, &request, ts)
            }
            Out::Ad(request_id, action) => record(Topic::AdEvents, user_id.0.clone(), &AdEvent { request_id, user_id, action, ts }, ts),
        }
    }

    fn playback(&mut self, player: &mut Player, event_id: String, action: PlaybackAction, (ts, app_version): (i64, String)) -> Record {
        let video_id = content_id(player.content);
        if let Some(since) = player.playing_since {
            *self.truth.watched_ms.entry(video_id.clone()).or_default() += ts - since;
            player.position_ms += ts - since;
            player.watched_ms += ts - since;
        } else if action == PlaybackAction::Play && player.position_ms == 0 {
            *self.truth.starts.entry(video_id.clone()).or_default() += 1;
            match self.audience.add(&video_id, &player.user_id) {
                Some(is_new) => *self.truth.viewers.entry(video_id.clone()).or_default() += u64::from(is_new),
                None => self.truth.viewers.clear(),
            }
        }
        player.playing_since = (!matches!(action, PlaybackAction::Pause | PlaybackAction::Stop)).then_some(ts);
        let has_stayed = player.watched_ms >= STAYED_MS;
        if !player.is_judged && (has_stayed || action == PlaybackAction::Stop) {
            player.is_judged = true;
            let (judged, stayed) = self.truth.stayed.entry(VARIANTS[player.variant].to_owned()).or_default();
            *judged += 1;
            *stayed += u64::from(has_stayed);
        }
        let length_ms = match player.content {
            Content::Title { length_ms, .. } => length_ms,
            Content::Live { .. } => 0,
        };
        let event = Playback {
            event_id,
            user_id: player.user_id.clone(),
            session_id: player.session_id.clone(),
            video_id,
            ts,
            action,
            position_s: player.position_ms / 1_000,
            length_s: length_ms / 1_000,
            device: player.home.device.clone(),
            app_version,
            stars: (action == PlaybackAction::Rate).then(|| (1 + player.aside() / 64 % 5) as u8),
            variant: VARIANTS[player.variant].to_owned(),
        };
        record(Topic::Playback, event.session_id.0.clone(), &event, ts)
    }
}

struct Report {
    sta: PlayerState,
    bsd: u32,
    played_ms: u32,
    msd: Option<u32>,
    ec: Option<String>,
}

fn report(player: &Player, event_id: String, cid: VideoId, ts: i64, cell: Cell, report: Report) -> Qoe {
    let bl = if report.sta == PlayerState::Playing { 12_000 } else { 0 };
    let Report { sta, bsd, played_ms, msd, ec } = report;
    // What stalls gets less than it plays; what does not, more.
    let percent = if u64::from(bsd) * 9 > u64::from(played_ms) { 40 + player.aside() % 50 } else { 120 + player.aside() % 130 };
    let mtp = (u64::from(player.bitrate) * percent / 100).next_multiple_of(100) as u32;
    let is_live = matches!(player.content, Content::Live { .. });
    let ltc = is_live.then(|| 3_000 + (player.aside() / 256 % 4_000) as u32 + bsd);
    let (sid, br, dfa) = (player.session_id.clone(), player.bitrate, player.dropped_frames);
    Qoe { event_id, sid, cid, ts, sta, br, bl, bs: bsd > 0, bsd, mtp, ltc, dfa, played_ms, msd, ec, cell }
}

fn content_id(content: Content) -> VideoId {
    match content {
        Content::Title { number, .. } => title_id(number),
        Content::Live { room } => VideoId(format!("live-{}", room_name(room))),
    }
}

fn content_room(content: Content) -> RoomId {
    match content {
        Content::Live { room } => room_name(room),
        Content::Title { .. } => RoomId::default(),
    }
}

pub(super) fn record<T: Serialize>(topic: Topic, key: String, event: &T, timestamp_ms: i64) -> Record {
    // Plain structures of texts and numbers always have a JSON.
    Record { topic, key, value: serde_json::to_vec(event).unwrap_or_default(), timestamp_ms }
}
