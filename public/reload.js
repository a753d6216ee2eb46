// Loaded only while `cargo leptos watch` runs: reloads the page when it has rebuilt something.

const port = new URL(import.meta.url).searchParams.get("port");

function listen() {
  const socket = new WebSocket(`ws://${location.hostname}:${port}/live_reload`);
  socket.onmessage = () => location.reload();
  socket.onclose = () => setTimeout(listen, 1000);
}

listen();
