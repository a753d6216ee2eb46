//! The memory that hashes work in. Fresh memory costs a third of a hash, so memory is kept for the next hash. When no hash was made
//! for a while, the memory is wiped and freed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Block;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroize;

/// How long unused memory is kept.
const KEPT: Duration = Duration::from_secs(1);

/// Smallest allocation, in bytes, that glibc's allocator always maps from the system and returns to it when it is freed
/// (`DEFAULT_MMAP_THRESHOLD_MAX`). It may keep smaller ones for itself. Memory that is never written to takes no space, so allocating
/// more than a hash needs costs nothing.
const MAPPED_FROM: usize = 32 * 1024 * 1024;

/// Memory that is kept for the next hashes: one piece for each hash that ran at the same time.
pub struct BlockPool {
    /// Blocks that a hash at the current cost needs. A larger piece, for an imported hash, is not kept.
    usual: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<Vec<Block>>,
    /// How often memory was used.
    uses: u64,
    /// Whether a task waits to free the memory.
    watched: bool,
}

impl BlockPool {
    /// Returns an empty pool for hashes that need `usual` blocks.
    pub fn new(usual: usize) -> Self {
        Self {
            usual,
            kept: Arc::default(),
        }
    }

    /// Returns at least this many blocks. They still contain what the last hash left in them.
    pub fn borrow(&self, blocks: usize) -> Vec<Block> {
        let kept = lock(&self.kept).pieces.pop();
        let mut piece = kept.unwrap_or_else(|| Vec::with_capacity(MAPPED_FROM / Block::SIZE));
        // Never shorten a piece: wiping covers only its length, so what an earlier hash left behind it would stay.
        if piece.len() < blocks {
            piece.resize(blocks, Block::new());
        }
        piece
    }

    /// Keeps a piece for the next hash. Must be called within a Tokio runtime, because it spawns the task that frees the piece later.
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

/// Waits until no memory was used for [`KEPT`], then wipes and frees it.
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

/// Wipes a piece, because what a hash leaves in it helps to guess the password. Wipes only touched blocks: touching the rest would
/// allocate them.
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
    async fn memory_is_kept_for_the_next_hash_and_freed_when_no_hash_runs() {
        let memory = BlockPool::new(64);
        for _ in 0..2 {
            let piece = memory.borrow(64);
            let at = piece.as_ptr();
            memory.put_back(piece);
            let again = memory.borrow(64);
            assert_eq!(again.as_ptr(), at);
            memory.put_back(again);
            assert_eq!(memory.pieces(), 1);
            assert!(is_given_back(&memory).await, "memory is freed the first time and the second time");
        }
    }

    #[tokio::test]
    async fn a_piece_larger_than_usual_is_not_kept_and_a_kept_piece_is_never_shortened() {
        let memory = BlockPool::new(64);
        memory.put_back(memory.borrow(65));
        assert_eq!(memory.pieces(), 0);
        memory.put_back(memory.borrow(64));
        assert_eq!(memory.borrow(8).len(), 64);
    }
}
