//! The queue of callers that wait for a turn to hash. Turns alternate between the networks that callers come from (round robin), so a
//! network with many callers delays another network by a single turn. The number of callers is bounded in total and per network.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{self, Receiver, Sender};
use tokio::time::timeout;

use super::Busy;
use crate::throttle::Network;

/// Most callers at a time, running or waiting for their turn.
pub const MAX_CALLERS: usize = 256;

/// Most callers of one network that wait at a time.
pub const MAX_WAITING_OF_A_NETWORK: usize = 128;

/// Longest wait for a turn.
pub const MAX_WAIT: Duration = Duration::from_secs(10);

/// Hands out a fixed number of turns.
pub struct FairQueue(Arc<Mutex<State>>);

struct State {
    /// The number of free turns. While it is not zero, no caller waits.
    free: usize,
    running: usize,
    /// The networks with waiting callers, in the order of their next turn.
    waiting: VecDeque<Crowd>,
}

/// The waiting callers of one network, in the order of their arrival.
struct Crowd {
    network: Network,
    callers: VecDeque<Sender<Turn>>,
}

/// The right to hash. Dropping it hands the turn to the next caller.
pub struct Turn(Option<Arc<Mutex<State>>>);

impl FairQueue {
    /// Returns a queue that hands out this many turns at a time.
    pub fn new(turns: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: turns,
            running: 0,
            waiting: VecDeque::new(),
        })))
    }

    /// Waits for a turn. Callers without an address count as one network. Fails if the queue is full or the wait takes too long.
    pub async fn turn(&self, from: Option<IpAddr>) -> Result<Turn, Busy> {
        let turn = {
            let mut state = lock(&self.0);
            if state.free > 0 {
                state.free -= 1;
                state.running += 1;
                return Ok(Turn(Some(Arc::clone(&self.0))));
            }
            state.enqueue(from.into())?
        };
        match timeout(MAX_WAIT, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // The wait was too long, or a caller of another network displaced this one.
            _ => Err(Busy),
        }
    }

    /// Returns the number of callers that run or wait.
    pub fn callers(&self) -> usize {
        let mut state = lock(&self.0);
        state.forget_disconnected();
        state.callers()
    }
}

impl State {
    fn callers(&self) -> usize {
        self.running + self.waiting.iter().map(|crowd| crowd.callers.len()).sum::<usize>()
    }

    fn enqueue(&mut self, network: Network) -> Result<Receiver<Turn>, Busy> {
        self.forget_disconnected();
        let own = self.waiting.iter().position(|crowd| crowd.network == network);
        let waiting = own.map_or(0, |own| self.waiting[own].callers.len());
        if waiting >= MAX_WAITING_OF_A_NETWORK || (self.callers() >= MAX_CALLERS && !self.displace(waiting)) {
            return Err(Busy);
        }
        let (sender, receiver) = oneshot::channel();
        match own {
            Some(own) => self.waiting[own].callers.push_back(sender),
            None => self.waiting.push_back(Crowd {
                network,
                callers: VecDeque::from([sender]),
            }),
        }
        Ok(receiver)
    }

    /// Makes room for a caller of a network that has `waiting` callers in the queue: refuses the last caller of the network with the
    /// most waiting callers instead. Otherwise a network that fills the queue would lock out all others. Returns whether there is room.
    fn displace(&mut self, waiting: usize) -> bool {
        let most = self.waiting.iter_mut().max_by_key(|crowd| crowd.callers.len());
        most.filter(|most| most.callers.len() > waiting + 1)
            .is_some_and(|most| most.callers.pop_back().is_some())
    }

    /// Removes and returns the caller whose turn is next. Its network moves to the end of the round.
    fn next_caller(&mut self) -> Option<Sender<Turn>> {
        let mut crowd = self.waiting.pop_front()?;
        let next = crowd.callers.pop_front();
        if !crowd.callers.is_empty() {
            self.waiting.push_back(crowd);
        }
        next
    }

    fn forget_disconnected(&mut self) {
        for crowd in &mut self.waiting {
            crowd.callers.retain(|caller| !caller.is_closed());
        }
        self.waiting.retain(|crowd| !crowd.callers.is_empty());
    }
}

impl Drop for Turn {
    /// Hands the turn to the next caller.
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        let mut state = lock(&queue);
        while let Some(next) = state.next_caller() {
            match next.send(Turn(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // This caller has disconnected. Disarm the returned turn, so that dropping it does not hand it on a second time.
                Err(mut turn) => turn.0 = None,
            }
        }
        state.running -= 1;
        state.free += 1;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::FutureExt;

    use super::*;

    type Waiting<'q> = Pin<Box<dyn Future<Output = Result<Turn, Busy>> + 'q>>;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, n])
    }

    /// Adds a caller to the queue that has to wait.
    fn waits(queue: &FairQueue, from: impl Into<Option<IpAddr>>) -> Waiting<'_> {
        let mut caller: Waiting<'_> = Box::pin(queue.turn(from.into()));
        assert!(caller.as_mut().now_or_never().is_none(), "it has to wait");
        caller
    }

    /// Returns the result that a caller got, or `None` if it still waits.
    fn told(caller: &mut Waiting<'_>) -> Option<Result<Turn, Busy>> {
        caller.as_mut().now_or_never()
    }

    #[tokio::test]
    async fn a_caller_of_another_network_is_next_even_if_many_of_one_network_wait() {
        let queue = FairQueue::new(1);
        let running = queue.turn(Some(address(1))).await.expect("a free turn");
        let mut crowd: Vec<_> = (0..100).map(|_| waits(&queue, address(1))).collect();
        let mut other = waits(&queue, address(2));
        drop(running);
        let first = told(&mut crowd[0]).expect("this caller came first").expect("a turn");
        assert!(told(&mut other).is_none(), "one turn at a time");
        drop(first);
        assert!(
            told(&mut other).is_some_and(|turn| turn.is_ok()),
            "the next turn, not the hundredth"
        );
    }

    #[tokio::test]
    async fn turns_alternate_between_networks_and_every_caller_gets_one() {
        let queue = FairQueue::new(1);
        let mut turn = queue.turn(Some(address(9))).await.expect("a free turn");
        let mut callers: Vec<_> = [1, 1, 1, 2, 2, 3].map(|n| (n, waits(&queue, address(n)))).into();
        let mut served = Vec::new();
        while !callers.is_empty() {
            drop(turn);
            let (next, found) = callers
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, caller))| Some((at, told(caller)?)))
                .expect("one caller gets the turn");
            served.push(callers.remove(next).0);
            turn = found.expect("a turn");
        }
        assert_eq!(served, [1, 2, 3, 1, 2, 1]);
        drop(turn);
        assert_eq!(queue.callers(), 0);
    }

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_share_a_place_in_the_round() {
        let queue = FairQueue::new(1);
        let running = queue.turn(None).await.expect("a free turn");
        let of = |text: &str| Some(text.parse().expect("an address"));
        let mut first = waits(&queue, of("2001:db8::1"));
        let mut second = waits(&queue, of("2001:db8::2"));
        let mut other = waits(&queue, of("2001:db8:0:1::1"));
        drop(running);
        drop(told(&mut first).expect("the first one"));
        let turn = told(&mut other).expect("the other network");
        assert!(told(&mut second).is_none());
        drop(turn);
        assert!(told(&mut second).is_some());
    }

    #[tokio::test]
    async fn a_network_with_too_many_waiting_callers_is_refused_and_a_full_queue_still_admits_others() {
        let queue = FairQueue::new(1);
        let _running = queue.turn(Some(address(0))).await.expect("a free turn");
        let mut first: Vec<_> = (0..MAX_WAITING_OF_A_NETWORK).map(|_| waits(&queue, address(1))).collect();
        assert_eq!(
            queue.turn(Some(address(1))).await.err(),
            Some(Busy),
            "its network has no place left"
        );
        let _second: Vec<_> = (0..MAX_CALLERS - MAX_WAITING_OF_A_NETWORK - 1)
            .map(|_| waits(&queue, address(2)))
            .collect();
        assert_eq!(queue.callers(), MAX_CALLERS);
        let _newcomer = waits(&queue, address(3));
        assert_eq!(queue.callers(), MAX_CALLERS, "memory is bounded");
        let last = first.last_mut().expect("not empty");
        assert_eq!(
            told(last).expect("it was refused").err(),
            Some(Busy),
            "the last of the largest network makes room"
        );
        assert!(told(&mut first[0]).is_none(), "the others keep waiting");
    }

    #[tokio::test]
    async fn a_turn_granted_to_a_caller_that_disconnects_goes_to_the_next_one() {
        let queue = FairQueue::new(1);
        let running = queue.turn(None).await.expect("a free turn");
        let (gone, granted, mut last) = (waits(&queue, address(1)), waits(&queue, address(2)), waits(&queue, address(3)));
        assert_eq!(queue.callers(), 4);
        drop(gone);
        assert_eq!(queue.callers(), 3, "a disconnected caller does not count");
        drop(running);
        drop(granted);
        drop(told(&mut last).expect("the turn"));
        assert_eq!(queue.callers(), 0);
        assert!(queue.turn(None).await.is_ok(), "no turn is lost");
    }
}
