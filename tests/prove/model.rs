//! A model of a session, two nodes, a browser with two tabs and a thief, whose steps can happen in any order. The nodes decide by
//! the server's own rule. A row changes as the server's statements change it: atomically and under a condition.
//!
//! Bounds: a message arrives within `DELAY` ticks or is lost, and the nodes' clocks differ by at most `skew` ticks. The grace is
//! as long as these require, and a browser does not refresh before its access token has expired.

use latchkey_core::sessions::refresh_rule::{Answer, Event, RefreshState, Terms, step};
use latchkey_store::{Counter, EndReason};
use stateright::{Model, Property};

pub const NOBODY_HONEST_IS_SIGNED_OUT: &str = "no honest owner is signed out";
pub const ONE_STAYS: &str = "at most one of thief and owner stays signed in";
pub const ENDED_STAYS_ENDED: &str = "an ended session stays ended";

/// Longest time that a message takes, in ticks.
const DELAY: i64 = 1;

/// A tick that is later than everything that is explored.
const NEVER: i64 = 1_000_000;

/// A fault that the model can have, to show that the properties notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    NoGrace,
    NoCounterCheck,
    UpdateByIdOnly,
    UsedMarkLostInCrash,
    EndedIgnored,
    ReuseRolledBack,
}

/// The bounds of what is explored.
pub struct World {
    pub mutant: Option<Mutant>,
    /// How far the nodes' clocks may differ, in ticks. They step forward and back between these bounds.
    pub skew: i64,
    /// The highest counter.
    pub rotations: Counter,
    /// The last tick.
    pub horizon: i64,
    /// Whether the owner may sign out.
    pub sign_out: bool,
    /// Whether there is a thief.
    pub thief: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    TabA,
    TabB,
    Thief,
}

const CLIENTS: [Client; 3] = [Client::TabA, Client::TabB, Client::Thief];
const OWNER: usize = 0;
const THIEF: usize = 1;

impl Client {
    const fn party(self) -> usize {
        if matches!(self, Self::Thief) { THIEF } else { OWNER }
    }

    /// Returns the node that this client talks to. The tabs use different nodes, so that their clocks differ.
    const fn node(self) -> usize {
        match self {
            Self::TabA => 0,
            Self::TabB | Self::Thief => 1,
        }
    }
}

/// An access token and the refresh token beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    counter: Counter,
    issued_at: i64,
}

/// A refresh under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Refresh {
    began: i64,
    presented: Counter,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Sent,
    /// The row was read with this counter; the update is on its way to the database.
    Rotating {
        from: Counter,
        now: i64,
    },
    /// The row was read like this and its pair is unused; the update that issues it again is on its way to the database.
    IssuingAgain {
        read: RefreshState,
        now: i64,
    },
    /// The row shows a theft; the end is on its way to the database.
    Ending,
    Answered(Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Tokens(Pair),
    Over,
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The committed row.
    row: RefreshState,
    time: i64,
    /// How far the clock of each node is ahead of `time`.
    ahead: [i64; 2],
    /// Marks of use that each node keeps only in memory. Only a mutant has them.
    unwritten: [Option<Counter>; 2],
    /// The browser's cookies, shared by its tabs.
    jar: Pair,
    stolen: Option<Pair>,
    refreshes: [Option<Refresh>; 3],
    /// The highest pair with which a request of the owner, and of the thief, was answered.
    served: [Option<Counter>; 2],
    history: History,
}

/// The facts that the properties check.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that a property asks for")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct History {
    thief_acted: bool,
    honest_signed_out: bool,
    /// The thief or the owner got tokens for a predecessor after the grace, although the other one was using its successor.
    both_stay: bool,
    told_over: bool,
    ended_at: Option<Counter>,
    revived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Presents the access token.
    Use(Client),
    /// Presents the refresh token.
    Present(Client),
    /// The node reads the row and decides.
    Decide(Client),
    /// The node's statement is carried out and committed.
    Commit(Client),
    Deliver(Client),
    /// The request or its answer is lost.
    Lose(Client),
    Crash(usize),
    /// A mutant's node writes the marks in its memory.
    WriteBehind(usize),
    /// The thief copies the browser's cookies.
    Copy,
    SignOut,
    StepClock(usize),
    Tick,
}

impl World {
    const fn grace(&self) -> i64 {
        2 * DELAY + self.skew
    }

    const fn access_life(&self) -> i64 {
        2 * DELAY + 2 * self.skew + 1
    }

    fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn terms(&self, now: i64) -> Terms {
        Terms {
            now,
            grace: if self.has(Mutant::NoGrace) { -1 } else { self.grace() },
            renewed_until: NEVER,
        }
    }

    fn use_access_token(&self, state: &mut State, client: Client) {
        let node = client.node();
        let Some(pair) = state.pair_of(client) else { return };
        state.history.thief_acted |= client == Client::Thief;
        if self.has(Mutant::UsedMarkLostInCrash) {
            state.unwritten[node] = state.unwritten[node].max(Some(pair.counter));
        } else {
            let terms = self.terms(state.clock(node));
            state.row = step(state.row, Event::FirstUse(pair.counter), terms).0;
        }
        let served = &mut state.served[client.party()];
        *served = (*served).max(Some(pair.counter));
    }

    fn decide(&self, state: &mut State, client: Client, refresh: Refresh) -> Stage {
        let now = state.clock(client.node());
        let mut row = state.row;
        // The mutant's nodes tell each other what they have seen, but a crash erases it.
        row.used_counter = state.unwritten.into_iter().fold(row.used_counter, Option::max);
        if self.has(Mutant::EndedIgnored) {
            row.ended = None;
        }
        let presented = if self.has(Mutant::NoCounterCheck) {
            row.counter
        } else {
            refresh.presented
        };
        let (next, answer) = step(row, Event::Present(presented), self.terms(now));
        match answer {
            Answer::Rotate => Stage::Rotating { from: row.counter, now },
            Answer::SameAgain if next != row => Stage::IssuingAgain { read: state.row, now },
            Answer::SameAgain => self.issue(state, client, refresh, row.counter, now),
            Answer::Reuse => Stage::Ending,
            Answer::Over(_) => Stage::Answered(Outcome::Over),
            _ => Stage::Answered(Outcome::Refused),
        }
    }

    /// `UPDATE … WHERE id = ? AND counter = ? AND ended_at IS NULL`.
    fn rotate(&self, state: &mut State, client: Client, refresh: Refresh, from: Counter, now: i64) -> Stage {
        let ended = state.row.ended.filter(|_| !self.has(Mutant::EndedIgnored));
        if !self.has(Mutant::UpdateByIdOnly) && (state.row.counter != from || ended.is_some()) {
            return Stage::Sent;
        }
        let stage = self.issue(state, client, refresh, from + 1, now);
        let live = RefreshState { ended: None, ..state.row };
        let (next, _) = step(live, Event::Present(live.counter), self.terms(now));
        state.row = RefreshState {
            ended: state.row.ended,
            ..next
        };
        stage
    }

    /// `UPDATE … WHERE id = ?` and every column is as it was read.
    fn issue_again(&self, state: &mut State, client: Client, refresh: Refresh, read: RefreshState, now: i64) -> Stage {
        if state.row != read {
            return Stage::Sent;
        }
        let stage = self.issue(state, client, refresh, read.counter, now);
        state.row.rotated_at = now;
        stage
    }

    fn issue(&self, state: &mut State, client: Client, refresh: Refresh, counter: Counter, now: i64) -> Stage {
        let other_is_ahead = state.served[1 - client.party()] > Some(refresh.presented);
        state.history.both_stay |= other_is_ahead && now > state.row.rotated_at + self.grace();
        state.history.revived |= state.row.ended.is_some();
        let issued_at = now;
        Stage::Answered(Outcome::Tokens(Pair { counter, issued_at }))
    }

    fn end(&self, state: &mut State, reason: EndReason) {
        let terms = self.terms(state.time);
        let (row, answer) = step(state.row, Event::End(reason), terms);
        if answer == Answer::End {
            state.row = row;
            state.history.ended_at = Some(row.counter);
            state.history.honest_signed_out |= reason == EndReason::Reuse && !state.history.thief_acted;
        }
    }

    fn deliver(state: &mut State, client: Client, outcome: Outcome) {
        match (outcome, client) {
            (Outcome::Tokens(pair), Client::Thief) => state.stolen = Some(pair),
            (Outcome::Tokens(pair), _) => state.jar = pair,
            (Outcome::Over, _) => state.history.told_over = true,
            (Outcome::Refused, Client::Thief) => {}
            (Outcome::Refused, _) => state.history.honest_signed_out |= !state.history.thief_acted,
        }
    }
}

impl State {
    fn clock(&self, node: usize) -> i64 {
        self.time + self.ahead[node]
    }

    fn pair_of(&self, client: Client) -> Option<Pair> {
        match client {
            Client::TabA | Client::TabB => Some(self.jar),
            Client::Thief => self.stolen,
        }
    }

    fn refresh_of(&mut self, client: Client) -> &mut Option<Refresh> {
        &mut self.refreshes[client as usize]
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let row = RefreshState {
            counter: 0,
            used_counter: None,
            rotated_at: 0,
            expires_at: NEVER,
            ended: None,
        };
        vec![State {
            row,
            time: 0,
            ahead: [0; 2],
            unwritten: [None; 2],
            jar: Pair { counter: 0, issued_at: 0 },
            stolen: None,
            refreshes: [None; 3],
            served: [None; 2],
            history: History::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in CLIENTS {
            match (state.refreshes[client as usize], state.pair_of(client)) {
                (Some(refresh), _) => {
                    actions.push(match refresh.stage {
                        Stage::Sent => Action::Decide(client),
                        Stage::Rotating { .. } | Stage::IssuingAgain { .. } | Stage::Ending => Action::Commit(client),
                        Stage::Answered(_) => Action::Deliver(client),
                    });
                    actions.push(Action::Lose(client));
                }
                (None, Some(pair)) => {
                    let is_valid = state.row.ended.is_none() && state.clock(client.node()) < pair.issued_at + self.access_life();
                    if is_valid {
                        actions.push(Action::Use(client));
                    }
                    // A thief follows no rule.
                    if pair.counter < self.rotations && (!is_valid || client == Client::Thief) {
                        actions.push(Action::Present(client));
                    }
                }
                (None, None) if self.thief => actions.push(Action::Copy),
                (None, None) => {}
            }
        }
        for node in [0, 1] {
            actions.push(Action::Crash(node));
            if state.unwritten[node].is_some() {
                actions.push(Action::WriteBehind(node));
            }
            if self.skew > 0 {
                actions.push(Action::StepClock(node));
            }
        }
        if self.sign_out && state.row.ended.is_none() {
            actions.push(Action::SignOut);
        }
        let is_late = |refresh: &Refresh| state.time - refresh.began >= DELAY;
        if state.time < self.horizon && !state.refreshes.iter().flatten().any(is_late) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Use(client) => self.use_access_token(&mut state, client),
            Action::Present(client) => {
                state.history.thief_acted |= client == Client::Thief;
                *state.refresh_of(client) = Some(Refresh {
                    began: state.time,
                    presented: state.pair_of(client)?.counter,
                    stage: Stage::Sent,
                });
            }
            Action::Decide(client) => {
                let refresh = (*state.refresh_of(client))?;
                let stage = self.decide(&mut state, client, refresh);
                *state.refresh_of(client) = Some(Refresh { stage, ..refresh });
            }
            Action::Commit(client) => {
                let refresh = (*state.refresh_of(client))?;
                let stage = match refresh.stage {
                    Stage::Rotating { from, now } => self.rotate(&mut state, client, refresh, from, now),
                    Stage::IssuingAgain { read, now } => self.issue_again(&mut state, client, refresh, read, now),
                    _ => {
                        if !self.has(Mutant::ReuseRolledBack) {
                            self.end(&mut state, EndReason::Reuse);
                        }
                        Stage::Answered(Outcome::Over)
                    }
                };
                *state.refresh_of(client) = Some(Refresh { stage, ..refresh });
            }
            Action::Deliver(client) => {
                if let Stage::Answered(outcome) = state.refresh_of(client).take()?.stage {
                    Self::deliver(&mut state, client, outcome);
                }
            }
            Action::Lose(client) => *state.refresh_of(client) = None,
            Action::Crash(node) => {
                state.unwritten[node] = None;
                for client in CLIENTS.into_iter().filter(|client| client.node() == node) {
                    *state.refresh_of(client) = None;
                }
            }
            Action::WriteBehind(node) => {
                state.row.used_counter = state.row.used_counter.max(state.unwritten[node].take());
            }
            Action::Copy => state.stolen = Some(state.jar),
            Action::SignOut => self.end(&mut state, EndReason::SignedOut),
            Action::StepClock(node) => state.ahead[node] = self.skew - state.ahead[node],
            Action::Tick => state.time += 1,
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOBODY_HONEST_IS_SIGNED_OUT, |_, state: &State| !state.history.honest_signed_out),
            Property::always(ONE_STAYS, |_, state: &State| {
                !state.history.both_stay && (!state.history.told_over || state.row.ended.is_some())
            }),
            Property::always(ENDED_STAYS_ENDED, |_, state: &State| {
                let ended_at = state.history.ended_at;
                !state.history.revived && ended_at.is_none_or(|counter| state.row.ended.is_some() && state.row.counter == counter)
            }),
            Property::sometimes("a theft is noticed, if there is a thief", |world: &World, state: &State| {
                !world.thief || state.row.ended == Some(EndReason::Reuse)
            }),
            Property::sometimes(
                "the owner refreshes as often as the bounds allow",
                |world: &World, state: &State| state.jar.counter == world.rotations,
            ),
            Property::sometimes("a lost answer is issued again after the grace", |world: &World, state: &State| {
                let is_late = |stage| matches!(stage, Stage::IssuingAgain { read, now } if now > read.rotated_at + world.grace());
                state.refreshes[..2].iter().flatten().any(|refresh| is_late(refresh.stage))
            }),
        ]
    }
}
