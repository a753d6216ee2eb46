//! The entry point in the browser.

/// Starts the islands. `public/boot.js` calls this once, after the WASM has loaded.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    latchkey_islands::start();
}
