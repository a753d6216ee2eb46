//! Creates the folder of the site. `cargo leptos` fills it later; rust-embed resolves its path while this crate compiles, and would
//! not find the files of a folder that did not exist then.

fn main() {
    // If it cannot be created, the pages have no styles: the assets say so by answering 404.
    let _ = std::fs::create_dir_all("../../target/site");
    println!("cargo::rerun-if-changed=build.rs");
}
