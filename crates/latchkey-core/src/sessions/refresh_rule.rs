//! The refresh rule: a pure function that takes a session's row and an event and returns the new row and an answer. `refresh.rs`
//! and the SQL in the crate `latchkey-store` carry out what it decides. `tests/prove.rs` explores the rule together with every way
//! in which that code can be interrupted.

use latchkey_store::{Counter, EndReason, Session, UnixSeconds};

/// What the row of a session says about its tokens. Only this decides about theft; the memory of a node never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshState {
    /// The counter of the current pair of tokens.
    pub counter: Counter,
    /// The highest counter whose pair a client has presented; `None` until a client presents the first pair.
    pub used_counter: Option<Counter>,
    /// When the counter was last increased, or its pair was last issued again while it was unused.
    pub rotated_at: UnixSeconds,
    /// When the session expires unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// Why the session was ended, if it was.
    pub ended: Option<EndReason>,
}

/// What happens to a session. The tokens of events are genuine: their signatures were verified before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client presents the refresh token with this counter.
    Present(Counter),
    /// A client presents the access token of the pair with this counter for the first time.
    FirstUse(Counter),
    /// The session is ended for this reason.
    End(EndReason),
}

/// The time and the settings that a decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The time of the node that decides.
    pub now: UnixSeconds,
    /// Seconds after `rotated_at` during which the predecessor gets the same successor again although that successor is in use.
    pub grace: i64,
    /// When the session expires if it is refreshed now.
    pub renewed_until: UnixSeconds,
}

/// What the rule answers to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The current token was presented. Increase the counter and issue the next pair.
    Rotate,
    /// The predecessor was presented, as retries and other tabs do. Issue the current pair again.
    SameAgain,
    /// A token was presented whose successor is in use, so there is a copy of it (RFC 9700 section 4.14.2). The session ends.
    Reuse,
    /// The presented token has a counter ahead of the database, which was restored from a backup; or its counter is the highest
    /// possible one and cannot be increased. Refuse it and change nothing.
    Refuse,
    /// The first use must be written before the request is answered.
    MarkUsed,
    /// The session ends for the given reason.
    End,
    /// There is nothing to write.
    Unchanged,
    /// The session has ended or has expired. No event revives it.
    Over(EndReason),
}

/// Decides about an event. Returns the row after the event, and the answer. The row is unchanged unless the answer says that
/// something is written.
pub fn step(state: RefreshState, event: Event, terms: Terms) -> (RefreshState, Answer) {
    if let Some(reason) = state.over(terms.now) {
        return (state, Answer::Over(reason));
    }
    match event {
        Event::Present(presented) => present(state, presented, terms),
        Event::FirstUse(counter) if counter > state.counter || Some(counter) <= state.used_counter => (state, Answer::Unchanged),
        Event::FirstUse(counter) => {
            let used_counter = Some(counter);
            (RefreshState { used_counter, ..state }, Answer::MarkUsed)
        }
        Event::End(reason) => (state.ended_by(reason), Answer::End),
    }
}

fn present(state: RefreshState, presented: Counter, terms: Terms) -> (RefreshState, Answer) {
    match state.counter.checked_sub(presented) {
        None => (state, Answer::Refuse),
        Some(0) => match presented.checked_add(1) {
            Some(counter) => (state.rotated_to(counter, terms), Answer::Rotate),
            None => (state, Answer::Refuse),
        },
        Some(1) if !state.is_used() => (state.issued_again(terms), Answer::SameAgain),
        Some(1) if terms.now <= state.rotated_at.saturating_add(terms.grace) => (state, Answer::SameAgain),
        Some(_) => (state.ended_by(EndReason::Reuse), Answer::Reuse),
    }
}

impl RefreshState {
    /// Returns the part of a session's row that the rule decides by.
    pub const fn of(session: &Session) -> Self {
        Self {
            counter: session.counter,
            used_counter: session.used_counter,
            rotated_at: session.rotated_at,
            expires_at: session.expires_at,
            ended: session.ended,
        }
    }

    /// Returns why the session has ended or expired, if it has.
    fn over(&self, now: UnixSeconds) -> Option<EndReason> {
        self.ended.or((now >= self.expires_at).then_some(EndReason::Expired))
    }

    /// Returns whether a client has presented the current pair.
    fn is_used(&self) -> bool {
        self.used_counter >= Some(self.counter)
    }

    /// Returns the row after a rotation. It marks the previous pair as used, because a client that presents a refresh token has
    /// received its pair.
    fn rotated_to(self, counter: Counter, terms: Terms) -> Self {
        Self {
            counter,
            used_counter: Some(self.counter),
            rotated_at: terms.now,
            expires_at: terms.renewed_until,
            ended: None,
        }
    }

    /// Returns the row after an unused pair was issued again. The grace starts again, because after a lost response two tabs may
    /// present the predecessor at the same time, and one tab may use the pair before the other tab gets its response.
    fn issued_again(self, terms: Terms) -> Self {
        Self {
            rotated_at: self.rotated_at.max(terms.now),
            ..self
        }
    }

    fn ended_by(self, reason: EndReason) -> Self {
        Self {
            ended: Some(reason),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;
    const GRACE: i64 = 10;

    fn state() -> RefreshState {
        RefreshState {
            counter: 5,
            used_counter: Some(4),
            rotated_at: NOW,
            expires_at: NOW + 1000,
            ended: None,
        }
    }

    fn used() -> RefreshState {
        RefreshState {
            used_counter: Some(5),
            ..state()
        }
    }

    fn answer(state: RefreshState, event: Event, now: UnixSeconds) -> Answer {
        let terms = Terms {
            now,
            grace: GRACE,
            renewed_until: now + 1000,
        };
        step(state, event, terms).1
    }

    fn presented(state: RefreshState, counter: Counter, now: UnixSeconds) -> Answer {
        answer(state, Event::Present(counter), now)
    }

    #[test]
    fn the_current_token_rotates_and_its_predecessor_gets_the_same_successor_again() {
        assert_eq!(presented(used(), 5, NOW), Answer::Rotate);
        assert_eq!(presented(used(), 4, NOW + GRACE), Answer::SameAgain, "within the grace");
        assert_eq!(presented(state(), 4, NOW + 999), Answer::SameAgain, "the response was lost");
    }

    #[test]
    fn a_predecessor_presented_after_the_grace_is_reuse_if_its_successor_is_in_use() {
        assert_eq!(presented(used(), 4, NOW + GRACE + 1), Answer::Reuse);
    }

    #[test]
    fn the_grace_restarts_when_an_unused_pair_is_issued_again_but_not_when_the_pair_is_used() {
        let terms = Terms {
            now: NOW + 999,
            grace: GRACE,
            renewed_until: NOW + 2000,
        };
        let (after, _) = step(state(), Event::Present(4), terms);
        assert_eq!(after.rotated_at, NOW + 999);
        let (after, _) = step(used(), Event::Present(4), Terms { now: NOW + 1, ..terms });
        assert_eq!(after, used());
    }

    #[test]
    fn tokens_older_than_the_predecessor_are_reuse_even_within_the_grace() {
        for state in [state(), used()] {
            assert_eq!(presented(state, 3, NOW), Answer::Reuse);
            assert_eq!(presented(state, 0, NOW), Answer::Reuse);
        }
    }

    #[test]
    fn a_counter_ahead_of_the_database_and_the_highest_counter_change_nothing() {
        assert_eq!(presented(state(), 6, NOW), Answer::Refuse);
        let last = RefreshState {
            counter: Counter::MAX,
            ..state()
        };
        assert_eq!(presented(last, Counter::MAX, NOW), Answer::Refuse);
        assert_eq!(answer(state(), Event::FirstUse(6), NOW), Answer::Unchanged);
    }

    #[test]
    fn a_pair_is_marked_as_used_once() {
        assert_eq!(answer(state(), Event::FirstUse(5), NOW), Answer::MarkUsed);
        assert_eq!(answer(used(), Event::FirstUse(5), NOW), Answer::Unchanged);
        let new = RefreshState {
            counter: 0,
            used_counter: None,
            ..state()
        };
        assert_eq!(answer(new, Event::FirstUse(0), NOW), Answer::MarkUsed);
    }

    #[test]
    fn no_event_revives_an_ended_or_expired_session() {
        let ended = state().ended_by(EndReason::SignedOut);
        let events = (0..7)
            .flat_map(|counter| [Event::Present(counter), Event::FirstUse(counter)])
            .chain([Event::End(EndReason::Operator)]);
        for event in events {
            assert_eq!(answer(ended, event, NOW), Answer::Over(EndReason::SignedOut));
            assert_eq!(answer(state(), event, NOW + 1000), Answer::Over(EndReason::Expired));
        }
    }

    #[test]
    fn a_clock_that_steps_back_ends_no_session() {
        assert_eq!(presented(used(), 4, NOW - 3600), Answer::SameAgain);
        assert_eq!(presented(used(), 5, NOW - 3600), Answer::Rotate);
    }
}
