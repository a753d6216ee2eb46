// Loaded on the API page only: sends the form of an operation as a program would and shows the answer.
// A field named Authorization becomes that header; the others become the form body.

async function send(form) {
  const fields = new FormData(form);
  const token = (fields.get("Authorization") ?? "").trim();
  fields.delete("Authorization");

  // A bearer token speaks for itself: no cookie goes with it.
  const request = { method: form.getAttribute("method"), credentials: "omit", headers: {} };
  if (token) request.headers.Authorization = `Bearer ${token}`;
  if (request.method === "post") request.body = new URLSearchParams(fields);

  const response = await fetch(form.getAttribute("action"), request);
  const headers = ["content-type", "www-authenticate", "retry-after"]
    .filter((name) => response.headers.has(name))
    .map((name) => `${name}: ${response.headers.get(name)}\n`);
  return `${response.status} ${response.statusText}\n${headers.join("")}\n${await response.text()}`;
}

for (const area of document.querySelectorAll(".try")) {
  const output = area.querySelector("output");
  area.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.textContent = "Waiting for the answer…";
    output.textContent = await send(event.target).catch(() => "The server could not be reached.");
  });
  area.hidden = false;
}
