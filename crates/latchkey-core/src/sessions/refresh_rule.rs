//! The refresh rule: what a session's row and an event make of each other. It is pure. `refresh.rs` and the statements in
//! `store/` carry out what it decides, and tests/prove.rs explores it together with the ways in which they can be interrupted.

use latchkey_store::{Counter, EndReason, Session, UnixSeconds};

/// What the row of a session says about its tokens. Nothing else decides about theft, in particular no node's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshState {
    /// The counter of the current pair of tokens.
    pub counter: Counter,
    /// The highest counter whose pair a client has shown; `None` until the first pair comes back.
    pub used_counter: Option<Counter>,
    /// When the counter last moved, or its pair was last issued again while it was unused.
    pub rotated_at: UnixSeconds,
    /// When the session expires unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// Why the session was ended, if it was.
    pub ended: Option<EndReason>,
}

/// What happens to a session. Its tokens are genuine: their signatures were verified before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A client presents the refresh token with this counter.
    Present(Counter),
    /// A client shows the access token of the pair with this counter for the first time.
    FirstUse(Counter),
    /// Somebody ends the session.
    End(EndReason),
}

/// The time and the settings that a decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The time of the node that decides.
    pub now: UnixSeconds,
    /// Seconds after `rotated_at` during which the predecessor gets the same successor although that one is in use.
    pub grace: i64,
    /// When the session expires if it is refreshed now.
    pub renewed_until: UnixSeconds,
}

/// What the rule says to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Presented: the current token. Move the counter on and issue the next pair.
    Rotate,
    /// Presented: the predecessor, as retries and other tabs do. Issue the current pair again.
    SameAgain,
    /// Presented: a token whose successor is in use, so there is a copy of it (RFC 9700 section 4.14.2). The session ends.
    Reuse,
    /// Presented: a token that this session has not issued, because the database was restored from a backup, or the last of
    /// all counters. Refuse it and change nothing.
    Refuse,
    /// The first use is to be written before the request is answered.
    MarkUsed,
    /// The session ends for the given reason.
    End,
    /// There is nothing to write.
    Unchanged,
    /// The session has ended or has expired. Nothing brings it back.
    Over(EndReason),
}

/// Decides: the row after the event, and what to answer. The row is unchanged unless the answer says that something is written.
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
    /// Takes from a session what the rule decides by.
    pub const fn of(session: &Session) -> Self {
        Self {
            counter: session.counter,
            used_counter: session.used_counter,
            rotated_at: session.rotated_at,
            expires_at: session.expires_at,
            ended: session.ended,
        }
    }

    /// Why the session is over, if it is.
    fn over(&self, now: UnixSeconds) -> Option<EndReason> {
        self.ended.or((now >= self.expires_at).then_some(EndReason::Expired))
    }

    /// Whether a client has shown the current pair.
    fn is_used(&self) -> bool {
        self.used_counter >= Some(self.counter)
    }

    /// A client that presents a refresh token has received its pair, so a rotation marks that pair as used.
    fn rotated_to(self, counter: Counter, terms: Terms) -> Self {
        Self {
            counter,
            used_counter: Some(self.counter),
            rotated_at: terms.now,
            expires_at: terms.renewed_until,
            ended: None,
        }
    }

    /// The grace begins anew: after a lost answer two tabs may present the predecessor together, and one of them may use the
    /// pair before the other one is answered.
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
    fn the_current_token_moves_on_and_its_predecessor_gets_the_same_again() {
        assert_eq!(presented(used(), 5, NOW), Answer::Rotate);
        assert_eq!(presented(used(), 4, NOW + GRACE), Answer::SameAgain, "within the grace");
        assert_eq!(presented(state(), 4, NOW + 999), Answer::SameAgain, "the answer was lost");
    }

    #[test]
    fn a_predecessor_whose_successor_is_in_use_is_reused_once_the_grace_is_over() {
        assert_eq!(presented(used(), 4, NOW + GRACE + 1), Answer::Reuse);
    }

    #[test]
    fn the_grace_begins_anew_when_an_unused_pair_is_issued_again_and_never_when_it_is_used() {
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
    fn anything_older_is_reused_at_once() {
        for state in [state(), used()] {
            assert_eq!(presented(state, 3, NOW), Answer::Reuse);
            assert_eq!(presented(state, 0, NOW), Answer::Reuse);
        }
    }

    #[test]
    fn a_token_ahead_of_the_database_and_the_last_of_all_change_nothing() {
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
    fn nothing_brings_back_a_session_that_is_over() {
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
    fn a_clock_that_steps_back_signs_nobody_out() {
        assert_eq!(presented(used(), 4, NOW - 3600), Answer::SameAgain);
        assert_eq!(presented(used(), 5, NOW - 3600), Answer::Rotate);
    }
}
