//! The memory that hashes work in. Fresh memory costs a third of a hash, so it is kept for the next one; once there is none
//! for a while it is wiped and given back to the system.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroize;

/// How long memory is kept without being used.
const KEPT: Duration = Duration::from_secs(1);

/// From this size on, in bytes, glibc's allocator takes memory from the system and gives it back when it is dropped
/// (`DEFAULT_MMAP_THRESHOLD_MAX`); of less it keeps what it once had. What is never written to takes no memory, so asking for
/// more than a hash needs costs nothing.
const MAPPED_FROM: usize = 32 * 1024 * 1024;

/// What is kept, one piece for each hash that ran at a time.
pub struct BlockPool {
    /// Blocks that a hash of today needs. A larger piece, for a hash from elsewhere, is not kept.
    usual: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<Vec<Block>>,
    /// How often memory was used.
    uses: u64,
    /// Whether somebody waits to give it back.
    watched: bool,
}

impl BlockPool {
    /// For hashes that need so many blocks.
    pub fn new(usual: usize) -> Self {
        Self {
            usual,
            kept: Arc::default(),
        }
    }

    /// At least so many blocks, with whatever the last hash left in them.
    pub fn borrow(&self, blocks: usize) -> Vec<Block> {
        let kept = lock(&self.kept).pieces.pop();
        let mut piece = kept.unwrap_or_else(|| Vec::with_capacity(MAPPED_FROM / Block::SIZE));
        // Never shorter: what an earlier hash left behind is wiped with the rest.
        if piece.len() < blocks {
            piece.resize(blocks, Block::new());
        }
        piece
    }

    /// Keeps a piece for the next hash. Within a runtime, which gives it back later.
    pub fn put_back(&self, mut piece: Vec<Block>) {
        if piece.len() > self.usual {
            wipe(&mut piece);
            return;
        }
        let mut kept = lock(&self.kept);
        kept.pieces.push(piece);
        kept.uses += 1;
        if !kept.watched {
            kept.watched = true;
            tokio::spawn(give_back(Arc::clone(&self.kept)));
        }
    }

    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        lock(&self.kept).pieces.len()
    }
}

/// Waits until no memory was used for a while, and gives it back.
async fn give_back(kept: Arc<Mutex<Kept>>) {
    let mut uses = None;
    let unused = loop {
        {
            let mut kept = lock(&kept);
            if uses == Some(kept.uses) {
                kept.watched = false;
                break std::mem::take(&mut kept.pieces);
            }
            uses = Some(kept.uses);
        }
        sleep(KEPT).await;
    };
    spawn_blocking(move || unused.into_iter().for_each(|mut piece| wipe(&mut piece)));
}

/// What a hash leaves behind helps to guess its password. What was never written to is left alone: wiping it would bring it
/// into being.
fn wipe(piece: &mut [Block]) {
    piece.iter_mut().zeroize();
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_given_back(memory: &BlockPool) -> bool {
        let nothing_left = async {
            while memory.pieces() > 0 {
                sleep(KEPT / 10).await;
            }
        };
        tokio::time::timeout(KEPT * 30, nothing_left).await.is_ok()
    }

    #[tokio::test]
    async fn memory_is_kept_for_the_next_hash_and_given_back_when_there_is_none() {
        let memory = BlockPool::new(64);
        for _ in 0..2 {
            let piece = memory.borrow(64);
            let at = piece.as_ptr();
            memory.put_back(piece);
            let again = memory.borrow(64);
            assert_eq!(again.as_ptr(), at);
            memory.put_back(again);
            assert_eq!(memory.pieces(), 1);
            assert!(is_given_back(&memory).await, "the first time and the next");
        }
    }

    #[tokio::test]
    async fn a_piece_larger_than_usual_is_not_kept_and_none_becomes_shorter() {
        let memory = BlockPool::new(64);
        memory.put_back(memory.borrow(65));
        assert_eq!(memory.pieces(), 0);
        memory.put_back(memory.borrow(64));
        assert_eq!(memory.borrow(8).len(), 64);
    }
}
