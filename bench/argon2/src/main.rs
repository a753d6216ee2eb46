//! `raw-argon2 THREADS SECONDS`: hashes with Latchkey's parameters, and prints the number of hashes and the seconds they took. Each
//! thread reuses its memory.

use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Hashes until the time is over. Returns the number of hashes.
fn hash_for(time: Duration) -> u32 {
    let params = Params::new(19 * 1024, 2, 1, None).expect("parameters");
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let begun = Instant::now();
    let mut hashes = 0;
    while begun.elapsed() < time {
        let mut output = [0; 32];
        argon2
            .hash_password_into_with_memory(b"quiet harbour lantern", b"sixteen bytes ..", &mut output, &mut memory)
            .expect("a hash");
        std::hint::black_box(output);
        hashes += 1;
    }
    hashes
}

fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).expect("THREADS SECONDS");
    let (threads, seconds) = (number(), number());
    let begun = Instant::now();
    let workers: Vec<_> = (0..threads as usize)
        .map(|_| thread::spawn(move || hash_for(Duration::from_secs_f64(seconds))))
        .collect();
    let hashes: u32 = workers.into_iter().map(|worker| worker.join().expect("a count")).sum();
    println!("{hashes} {:.3}", begun.elapsed().as_secs_f64());
}
