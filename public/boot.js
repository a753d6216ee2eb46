// Loads the WASM, which finds the islands of the page and makes them interactive.

// The WASM and the JavaScript are requested at the same time.
const wasm = fetch(document.querySelector("script[data-wasm]").dataset.wasm);
const { default: start, hydrate } = await import(document.querySelector("link[rel=modulepreload]").href);
await start({ module_or_path: wasm });
hydrate();
document.documentElement.dataset.hydrated = "true";
