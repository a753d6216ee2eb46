//! What the browser calls.

/// Called once by `public/boot.js` when the WASM has arrived.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    latchkey_islands::start();
}
